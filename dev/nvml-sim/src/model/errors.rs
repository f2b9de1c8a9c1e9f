//! ECC errors and remapped rows.

use super::Device;
use crate::code::Code;

/// Counts of ECC errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ecc {
    /// Corrected in DRAM.
    pub dram_corrected: u64,
    /// Not corrected in DRAM.
    pub dram_uncorrected: u64,
    /// Corrected in SRAM.
    pub sram_corrected: u64,
    /// Not corrected in SRAM.
    pub sram_uncorrected: u64,
}

impl Ecc {
    /// Of all memories.
    #[must_use]
    pub fn total(&self, corrected: bool) -> u64 {
        match corrected {
            true => self.dram_corrected + self.sram_corrected,
            false => self.dram_uncorrected + self.sram_uncorrected,
        }
    }
}

/// Rows of memory that are remapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rows {
    /// Because of correctable errors.
    pub correctable: u32,
    /// Because of uncorrectable errors.
    pub uncorrectable: u32,
    /// A reset is needed.
    pub pending: bool,
    /// A remap failed.
    pub failure: bool,
}

impl Device<'_> {
    /// ECC errors since the driver was loaded or the GPU reset (`volatile`), or ever.
    #[must_use]
    pub fn ecc(&self, volatile: bool) -> Ecc {
        let since =
            self.scenario.faults.restart(self.index, self.seconds).filter(|_| volatile).unwrap_or(0.0);
        let all = self.scenario.faults.ecc.iter().filter(|errors| errors.gpu == self.index);
        let mut sum = Ecc::default();
        for errors in all.filter(|errors| errors.at_seconds >= since && errors.at_seconds <= self.seconds) {
            let (corrected, uncorrected) = match errors.sram {
                true => (&mut sum.sram_corrected, &mut sum.sram_uncorrected),
                false => (&mut sum.dram_corrected, &mut sum.dram_uncorrected),
            };
            *corrected += errors.corrected;
            *uncorrected += errors.uncorrected;
        }
        sum
    }

    /// Remapped rows.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for MIG devices and on a GPU that has instances.
    pub fn remapped_rows(&self) -> Result<Rows, Code> {
        if self.gpu().mig.as_ref().is_some_and(|instances| !instances.is_empty()) {
            return Err(Code::NOT_SUPPORTED);
        }
        let restart = self.scenario.faults.restart(self.index, self.seconds).unwrap_or(0.0);
        let all = self.scenario.faults.remapped_rows.iter().filter(|rows| rows.gpu == self.index);
        let mut sum = Rows::default();
        for rows in all.filter(|rows| rows.at_seconds <= self.seconds) {
            sum.correctable += rows.correctable;
            sum.uncorrectable += rows.uncorrectable;
            sum.pending |= rows.pending && rows.at_seconds >= restart;
            sum.failure |= rows.failure;
        }
        Ok(sum)
    }

    /// Banks of memory by spare rows left: all, most, some, few, none. The total is what a captured board has.
    ///
    /// # Errors
    /// As [`Self::remapped_rows`].
    pub fn row_histogram(&self) -> Result<[u32; 5], Code> {
        let rows = self.remapped_rows()?;
        let touched = (rows.correctable + rows.uncorrectable).min(2560);
        Ok([2560 - touched, touched, 0, 0, 0])
    }

    /// What NVML recommends to do: field 230.
    #[must_use]
    pub fn recovery_action(&self) -> u32 {
        let all = self.scenario.faults.recovery_actions.iter();
        let mut now =
            all.filter(|recovery| recovery.gpu == self.index && recovery.window.contains(self.seconds));
        now.next_back().map_or(0, |recovery| recovery.action)
    }
}

//! What goes wrong in a scenario, and when.

use super::raw::Reason;
use crate::code::Code;

/// All that goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Calls that return a code.
    pub errors: Vec<ErrorRule>,
    /// Calls that take so many milliseconds of wall clock longer.
    pub delays: Vec<(Call, u32)>,
    /// Calls that return only when the window is over.
    pub hangs: Vec<Call>,
    /// Lost GPUs.
    pub lost: Vec<(usize, Window)>,
    /// Resets of a GPU; at the end of the window its counters start again.
    pub resets: Vec<(usize, Window)>,
    /// Loads of the driver, in order; at the end of the window all counters start again.
    pub driver_reloads: Vec<Reload>,
    /// XID events, in order of time.
    pub xids: Vec<Xid>,
    /// ECC errors, in order of time.
    pub ecc: Vec<EccErrors>,
    /// Remapped rows, in order of time.
    pub remapped_rows: Vec<RemappedRows>,
    /// Times in which clocks are held down.
    pub throttles: Vec<Throttle>,
    /// What NVML recommends to do about a GPU.
    pub recovery_actions: Vec<RecoveryAction>,
}

/// From (included) to (excluded) scenario seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Begin.
    pub from_seconds: f64,
    /// End; infinite for never.
    pub to_seconds: f64,
}

impl Window {
    /// Whether `seconds` is inside.
    #[must_use]
    pub fn contains(&self, seconds: f64) -> bool {
        self.from_seconds <= seconds && seconds < self.to_seconds
    }

    /// Seconds of `from..to` that are inside.
    #[must_use]
    pub fn overlap(&self, from: f64, to: f64) -> f64 {
        (to.min(self.to_seconds) - from.max(self.from_seconds)).max(0.0)
    }
}

/// Which calls a fault concerns.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Symbols; `None` for all but `nvmlInit` and `nvmlShutdown`.
    pub symbols: Option<Vec<String>>,
    /// Calls on that GPU or its MIG devices only.
    pub gpu: Option<usize>,
    /// When.
    pub window: Window,
}

impl Call {
    /// Whether a call of `symbol` on `gpu` at that time is concerned.
    #[must_use]
    pub fn concerns(&self, symbol: &str, gpu: Option<usize>, seconds: f64) -> bool {
        let named = match &self.symbols {
            Some(symbols) => symbols.iter().any(|known| known == symbol),
            None => !symbol.starts_with("nvmlInit") && symbol != "nvmlShutdown",
        };
        named && self.window.contains(seconds) && self.gpu.is_none_or(|wanted| gpu == Some(wanted))
    }
}

/// Calls that return a code instead of a value.
#[derive(Debug, Clone)]
pub struct ErrorRule {
    /// Which calls.
    pub call: Call,
    /// What they return.
    pub code: Code,
    /// Which of these calls, counted from 1 in each process.
    pub range: CallRange,
    /// Share of these calls that return it, chosen by the number of the call alone.
    pub probability: f64,
}

/// From and to which call, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRange {
    /// First one.
    pub from: u64,
    /// Last one.
    pub to: u64,
}

/// The driver is unloaded and loaded again.
#[derive(Debug, Clone, PartialEq)]
pub struct Reload {
    /// Without a driver.
    pub window: Window,
    /// Version afterwards.
    pub version: String,
    /// From when on a newly loaded library is of that version.
    pub library_replaced_at_seconds: f64,
}

/// An XID event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Xid {
    /// On which GPU.
    pub gpu: usize,
    /// When.
    pub at_seconds: f64,
    /// Number of the XID.
    pub code: u64,
    /// GPU instance, when the driver can tell.
    pub gpu_instance: Option<u32>,
    /// Compute instance, when the driver can tell.
    pub compute_instance: Option<u32>,
}

/// ECC errors that happen at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EccErrors {
    /// On which GPU.
    pub gpu: usize,
    /// When.
    pub at_seconds: f64,
    /// How many were corrected.
    pub corrected: u64,
    /// How many were not.
    pub uncorrected: u64,
    /// In SRAM rather than in DRAM.
    pub sram: bool,
}

/// Rows of memory that are remapped from then on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RemappedRows {
    /// On which GPU.
    pub gpu: usize,
    /// When.
    pub at_seconds: f64,
    /// Further rows, because of correctable errors.
    pub correctable: u32,
    /// Further rows, because of uncorrectable errors.
    pub uncorrectable: u32,
    /// A reset is needed; done by the next reset.
    pub pending: bool,
    /// A remap failed; stays.
    pub failure: bool,
}

/// Clocks are held down.
#[derive(Debug, Clone, PartialEq)]
pub struct Throttle {
    /// On which GPU.
    pub gpu: usize,
    /// When.
    pub window: Window,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// What field 230 says: 0 none, 1 reset, 2 reboot, 3 drain P2P, 4 drain and reset, 5 recover IMEX.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecoveryAction {
    /// On which GPU.
    pub gpu: usize,
    /// When.
    pub window: Window,
    /// NVML's number.
    pub action: u32,
}

impl Faults {
    /// Version of the driver at that time; `None` while none is loaded.
    pub(crate) fn driver<'a>(&'a self, first: &'a str, seconds: f64) -> Option<&'a str> {
        let begun = self.driver_reloads.iter().rev().find(|reload| reload.window.from_seconds <= seconds);
        match begun {
            Some(reload) if reload.window.contains(seconds) => None,
            Some(reload) => Some(&reload.version),
            None => Some(first),
        }
    }

    /// Version of a library that is loaded at that time.
    pub(crate) fn library<'a>(&'a self, first: &'a str, seconds: f64) -> &'a str {
        let replaced = self.driver_reloads.iter().rev().find(|r| r.library_replaced_at_seconds <= seconds);
        replaced.map_or(first, |reload| &reload.version)
    }

    /// How often the driver was loaded again until then.
    pub(crate) fn loads(&self, seconds: f64) -> usize {
        self.driver_reloads.iter().filter(|reload| reload.window.from_seconds <= seconds).count()
    }

    /// The last time until `seconds` at which the GPU's counters started again.
    pub(crate) fn restart(&self, gpu: usize, seconds: f64) -> Option<f64> {
        let resets = self.resets.iter().filter(|(of, _)| *of == gpu).map(|(_, window)| window.to_seconds);
        let loads = self.driver_reloads.iter().map(|reload| reload.window.to_seconds);
        resets.chain(loads).filter(|end| *end <= seconds).reduce(f64::max)
    }

    /// The GPU does not answer because it is lost.
    pub(crate) fn lost(&self, gpu: usize, seconds: f64) -> bool {
        self.lost.iter().any(|(of, window)| *of == gpu && window.contains(seconds))
    }

    /// The GPU does not answer because it is being reset.
    pub(crate) fn resetting(&self, gpu: usize, seconds: f64) -> bool {
        self.resets.iter().any(|(of, window)| *of == gpu && window.contains(seconds))
    }
}

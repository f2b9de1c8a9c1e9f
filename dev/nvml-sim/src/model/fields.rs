//! Field values by number. Drivers before and since 580.82 number some fields differently.

use super::{Device, Scope};
use crate::code::Code;
use crate::scenario::Reason;

/// A value with its NVML type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldValue {
    /// `NVML_VALUE_TYPE_UNSIGNED_INT`.
    UnsignedInt(u32),
    /// `NVML_VALUE_TYPE_UNSIGNED_LONG_LONG`.
    UnsignedLongLong(u64),
    /// `NVML_VALUE_TYPE_SIGNED_INT`.
    SignedInt(i32),
}

/// First driver with the newer numbers.
const RENUMBERED_IN: (u32, u32) = (580, 82);
/// Since then, 251–255 are 269–273.
const RENUMBERED_BY: u32 = 18;

/// Temperature above which the GPU slows down, in degrees below the limit of each threshold.
const SHUTDOWN_MARGIN: i32 = -8;
const SLOWDOWN_MARGIN: i32 = -2;

impl Device<'_> {
    /// Value of the field of that number and scope.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for what this board or library does not have, as a real library says of an unknown field.
    pub fn field(&self, id: u32, scope: u32) -> Result<FieldValue, Code> {
        use FieldValue::{SignedInt, UnsignedInt, UnsignedLongLong};
        let limit = self.gpu().kind.limit_watts;
        let milliwatts = |watts: f64| Ok(UnsignedInt((watts * 1000.0) as u32));
        match id {
            1 | 2 => Ok(UnsignedInt(1)),
            3 => self.ecc_field(true, true),
            4 => self.ecc_field(false, true),
            5 => self.ecc_field(true, false),
            6 => self.ecc_field(false, false),
            82 => self.whole().map(|()| UnsignedInt(self.celsius().1)),
            83 | 191 => self.counter_millijoules().map(UnsignedLongLong),
            91 => self.without_mig().map(|()| UnsignedInt(self.gpu().kind.nvlinks.0)),
            94 => self.whole().map(|()| UnsignedInt(0)),
            142 => self.remapped_rows().map(|rows| UnsignedInt(rows.correctable)),
            143 => self.remapped_rows().map(|rows| UnsignedInt(rows.uncorrectable)),
            144 => self.remapped_rows().map(|rows| UnsignedInt(rows.pending.into())),
            145 => self.remapped_rows().map(|rows| UnsignedInt(rows.failure.into())),
            164 if scope < self.gpu().kind.nvlinks.0 => {
                self.without_mig().map(|()| UnsignedInt(self.gpu().kind.nvlink_megabytes_per_second))
            }
            185 => self.average_milliwatts(scope_of(scope)?).map(UnsignedInt),
            186 => self.instant_milliwatts(scope_of(scope)?).map(UnsignedInt),
            187 => milliwatts(limit.0),
            188 => milliwatts(limit.2),
            189 | 190 | 192 => milliwatts(limit.1),
            193 => Ok(SignedInt(SHUTDOWN_MARGIN)),
            194 => Ok(SignedInt(SLOWDOWN_MARGIN)),
            195 | 196 => Ok(SignedInt(0)),
            230 => self.whole().map(|()| UnsignedInt(self.recovery_action())),
            _ => self.held_down_field(id),
        }
    }

    fn ecc_field(&self, corrected: bool, volatile: bool) -> Result<FieldValue, Code> {
        Ok(FieldValue::UnsignedLongLong(self.ecc(volatile).total(corrected)))
    }

    /// Nanoseconds for which clocks were held down, under the number of the running driver.
    fn held_down_field(&self, id: u32) -> Result<FieldValue, Code> {
        self.whole()?;
        let moved = if self.renumbered() { RENUMBERED_BY } else { 0 };
        let reason = match id.checked_sub(moved) {
            Some(251) => Reason::SwThermal,
            Some(252) => Reason::HwThermal,
            Some(253) => Reason::HwPowerBrake,
            _ if id == 74 => Reason::SwPowerCap,
            _ => return Err(Code::NOT_SUPPORTED),
        };
        Ok(FieldValue::UnsignedLongLong(self.held_down_nanoseconds(&[reason])))
    }

    /// Whether the driver has the newer numbers.
    fn renumbered(&self) -> bool {
        let version = self.scenario.faults.driver(&self.scenario.driver_version, self.seconds);
        let mut numbers = version.unwrap_or("0.0").split('.').map(|part| part.parse().unwrap_or(0));
        let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        version >= RENUMBERED_IN
    }
}

fn scope_of(number: u32) -> Result<Scope, Code> {
    Scope::of(number).ok_or(Code::NOT_SUPPORTED)
}

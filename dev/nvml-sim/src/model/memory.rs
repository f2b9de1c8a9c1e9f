//! Memory of a device.

use super::Device;

/// Bytes of memory; `reserved + used + free` is the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What the driver keeps.
    pub reserved: u64,
    /// What work uses.
    pub used: u64,
}

impl Memory {
    /// What is left.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.total - self.reserved - self.used
    }
}

const MIB: u64 = 1 << 20;

impl Device<'_> {
    /// Memory of the GPU, or of the MIG device alone.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let kind = self.gpu().kind;
        let (total, reserved) = match self.instance {
            None => (kind.memory_bytes, kind.memory_reserved_bytes),
            Some(instance) => (instance.profile.memory_mib * MIB, 0),
        };
        let used: f64 = self.work().map(|(work, _)| work.value(&work.memory_mib, self.updated())).sum();
        Memory { total, reserved, used: ((used * MIB as f64) as u64).min(total - reserved) }
    }
}

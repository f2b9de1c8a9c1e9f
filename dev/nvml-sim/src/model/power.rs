//! Power and the energy counter: a GPU draws its idle power and that of all work on it, and every reading derives from
//! the exact integral of that.

use super::{Device, floor_to};
use crate::code::Code;

/// What `nvmlDeviceGetPowerUsage` averages over since Hopper.
const AVERAGE_SECONDS: f64 = 1.0;
/// The sensor sees about the last 25 ms of each 100 ms (research on A100 and H100).
const INSTANT_SECONDS: f64 = 0.025;
/// Share of the power of work that the memory draws.
const MEMORY_OF_WORK: f64 = 0.2;

/// Part of a board that a power field speaks of, with NVML's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole GPU.
    Gpu,
    /// Its memory.
    Memory,
}

impl Scope {
    /// The scope of NVML's number. Scope 1, the module, exists on boards with a CPU only.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        match number {
            0 => Some(Scope::Gpu),
            2 => Some(Scope::Memory),
            _ => None,
        }
    }
}

impl Device<'_> {
    /// Joules of the work on the GPU between two scenario times, in truth.
    #[must_use]
    pub fn work_joules(&self, from: f64, to: f64) -> f64 {
        let gpu = self.gpu();
        let work = gpu.held.iter().map(|(workload, _)| &self.scenario.workloads[*workload]);
        work.map(|workload| workload.integral(&workload.power_watts, from, to)).sum()
    }

    /// Joules of the whole GPU between two scenario times, in truth.
    #[must_use]
    pub fn joules(&self, from: f64, to: f64) -> f64 {
        self.gpu().idle_watts * (to - from) + self.work_joules(from, to)
    }

    /// True mean power over the `seconds` until the last update, of the GPU or its memory.
    fn mean_watts(&self, seconds: f64, scope: Scope) -> f64 {
        let to = self.updated();
        let work = self.work_joules(to - seconds, to) / seconds;
        match scope {
            Scope::Gpu => self.gpu().idle_watts + work,
            Scope::Memory => {
                // A GPU whose idle power a scenario sets has the same share of it in memory.
                let kind = self.gpu().kind;
                self.gpu().idle_watts * kind.idle_memory_watts / kind.idle_watts + work * MEMORY_OF_WORK
            }
        }
    }

    fn shown(&self, watts: f64) -> u32 {
        (watts * (1.0 + self.gpu().power_bias_ratio) * 1000.0).round().max(0.0) as u32
    }

    fn gives_power(&self) -> Result<(), Code> {
        if self.gpu().mig_devices_give_power { Ok(()) } else { self.whole() }
    }

    /// Field 185: the mean of the last second in mW; GA100 and older have none.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for MIG devices and on A100.
    pub fn average_milliwatts(&self, scope: Scope) -> Result<u32, Code> {
        self.gives_power()?;
        if !self.gpu().kind.averages_power {
            return Err(Code::NOT_SUPPORTED);
        }
        Ok(self.shown(self.mean_watts(AVERAGE_SECONDS, scope)))
    }

    /// Field 186: power now in mW.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for MIG devices.
    pub fn instant_milliwatts(&self, scope: Scope) -> Result<u32, Code> {
        self.gives_power()?;
        Ok(self.shown(self.mean_watts(INSTANT_SECONDS, scope)))
    }

    /// `nvmlDeviceGetPowerUsage` in mW: a mean of one second on Hopper, the instant on A100.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for MIG devices.
    pub fn power_usage_milliwatts(&self) -> Result<u32, Code> {
        match self.gpu().kind.averages_power {
            true => self.average_milliwatts(Scope::Gpu),
            false => self.instant_milliwatts(Scope::Gpu),
        }
    }

    /// The energy counter in mJ: since the driver was loaded or the GPU reset, as of its last update.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for MIG devices.
    pub fn counter_millijoules(&self) -> Result<u64, Code> {
        self.gives_power()?;
        let gpu = self.gpu();
        let restart = self.scenario.faults.restart(self.index, self.seconds);
        let (since, before) = match restart {
            Some(at) if at >= gpu.energy_at_seconds => (at, 0.0),
            _ => (gpu.energy_at_seconds, gpu.energy_at_joules),
        };
        let until = floor_to(self.seconds, gpu.energy_update_seconds);
        let counted =
            if until > since { self.joules(since, until) * (1.0 + gpu.counter_bias_ratio) } else { 0.0 };
        Ok(((before + counted) * 1000.0).round() as u64)
    }

    /// Temperature of the GPU and of its memory in degrees Celsius: idle ones at idle power, 59 for the GPU at the load
    /// at which a captured board had that.
    #[must_use]
    pub fn celsius(&self) -> (u32, u32) {
        let above_idle = self.mean_watts(AVERAGE_SECONDS, Scope::Gpu) - self.gpu().idle_watts;
        let rise = above_idle * 18.0 / 562.0;
        ((41.0 + rise).round() as u32, (48.0 + rise).round() as u32)
    }
}

//! State of a scenario's devices at a scenario time. Pure: no clock, no I/O, no randomness.

mod activity;
mod calls;
mod errors;
mod events;
mod fields;
mod gpm;
mod memory;
mod power;
mod processes;
mod throttle;

use crate::code::Code;
use crate::scenario::{Gpu, Instance, Scenario};

pub use calls::{Effect, call_effect, hangs};
pub use errors::{Ecc, Rows};
pub use events::{Event, event_types};
pub use fields::FieldValue;
pub use gpm::{GpmSample, gpm_metric};
pub use memory::Memory;
pub use power::Scope;
pub use processes::{Process, ProcessSample, process_name};

/// A GPU or one of its MIG devices at a scenario time.
#[derive(Debug, Clone, Copy)]
pub struct Device<'s> {
    scenario: &'s Scenario,
    index: usize,
    instance: Option<&'s Instance>,
    seconds: f64,
}

impl<'s> Device<'s> {
    /// The GPU of that index.
    #[must_use]
    pub fn new(scenario: &'s Scenario, index: usize, seconds: f64) -> Option<Self> {
        scenario.gpus.get(index)?;
        Some(Self { scenario, index, instance: None, seconds })
    }

    /// The MIG device with that GPU instance.
    #[must_use]
    pub fn mig_device(self, gpu_instance: u32) -> Option<Self> {
        let instances = self.gpu().mig.as_ref()?;
        let instance = instances.iter().find(|instance| instance.gpu_instance == gpu_instance)?;
        Some(Self { instance: Some(instance), ..self })
    }

    /// The GPU, also of a MIG device.
    #[must_use]
    pub fn gpu(&self) -> &'s Gpu {
        &self.scenario.gpus[self.index]
    }

    /// Index of the GPU in the scenario.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The instance, when this is a MIG device.
    #[must_use]
    pub fn instance(&self) -> Option<&'s Instance> {
        self.instance
    }

    /// Product name; a MIG device has its profile in it.
    #[must_use]
    pub fn name(&self) -> String {
        match self.instance {
            None => self.gpu().name.clone(),
            Some(instance) => format!("{} MIG {}", self.gpu().name, instance.profile.name),
        }
    }

    /// UUID of the GPU or the MIG device.
    #[must_use]
    pub fn uuid(&self) -> &'s str {
        self.instance.map_or(&self.gpu().uuid, |instance| &instance.uuid)
    }

    /// For calls that neither MIG devices nor GPUs with MIG on support.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for these.
    pub fn without_mig(&self) -> Result<(), Code> {
        if self.gpu().mig.is_some() { Err(Code::NOT_SUPPORTED) } else { Ok(()) }
    }

    /// For calls that MIG devices do not support.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for them.
    pub fn whole(&self) -> Result<(), Code> {
        if self.instance.is_some() { Err(Code::NOT_SUPPORTED) } else { Ok(()) }
    }

    /// When power, utilisation and memory were last updated.
    fn updated(&self) -> f64 {
        floor_to(self.seconds, self.gpu().power_update_seconds)
    }
}

/// The last multiple of `step` until `seconds`. A time that is a multiple but for rounding is not pushed a step back.
fn floor_to(seconds: f64, step: f64) -> f64 {
    (seconds / step + 1e-9).floor() * step
}

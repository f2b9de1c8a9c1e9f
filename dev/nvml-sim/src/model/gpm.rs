//! GPU Performance Monitoring: means between two samples, for a GPU or one of its instances. Hopper and newer.

use super::Device;
use crate::code::Code;
use crate::scenario::{Scenario, Workload};

/// Share of its warps that a busy multiprocessor is taken to have active.
const OCCUPANCY_OF_BUSY: f64 = 0.6;

/// What a sample remembers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GpmSample {
    gpu: usize,
    gpu_instance: Option<u32>,
    seconds: f64,
}

impl Device<'_> {
    /// Whether the GPU has GPM.
    #[must_use]
    pub fn has_gpm(&self) -> bool {
        self.gpu().kind.architecture >= 9
    }

    /// A sample of now.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` before Hopper.
    pub fn gpm_sample(&self) -> Result<GpmSample, Code> {
        if !self.has_gpm() {
            return Err(Code::NOT_SUPPORTED);
        }
        let gpu_instance = self.instance.map(|instance| instance.gpu_instance);
        Ok(GpmSample { gpu: self.index, gpu_instance, seconds: self.seconds })
    }
}

/// Mean of a metric between two samples of the same device, in NVML's unit.
///
/// # Errors
/// `INVALID_ARGUMENT` when they are not of one device and in order; `NOT_SUPPORTED` for metrics that work of a
/// scenario does not have, such as traffic over links.
pub fn gpm_metric(
    scenario: &Scenario,
    first: GpmSample,
    second: GpmSample,
    metric: u32,
) -> Result<f64, Code> {
    let GpmSample { gpu, gpu_instance, seconds: from } = first;
    if (gpu, gpu_instance) != (second.gpu, second.gpu_instance) || second.seconds <= from {
        return Err(Code::INVALID_ARGUMENT);
    }
    let device = Device::new(scenario, gpu, second.seconds).ok_or(Code::INVALID_ARGUMENT)?;
    let device = match gpu_instance {
        None => device,
        Some(id) => device.mig_device(id).ok_or(Code::NOT_FOUND)?,
    };
    let mean = |curve: fn(&Workload) -> &crate::Curve| device.mean_percent(curve, from, second.seconds);
    match metric {
        1 => Ok(mean(|work| &work.busy_percent)),
        2 => Ok(mean(|work| &work.sm_percent)),
        3 => Ok(mean(|work| &work.sm_percent) * OCCUPANCY_OF_BUSY),
        5 => Ok(mean(|work| &work.tensor_percent)),
        10 => Ok(mean(|work| &work.memory_busy_percent)),
        _ => Err(Code::NOT_SUPPORTED),
    }
}

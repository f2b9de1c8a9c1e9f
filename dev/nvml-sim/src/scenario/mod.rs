//! A scenario: GPUs, the work on them and what goes wrong, over scenario time. Built only by reading and checking a text.

mod check;
mod expand;
mod fault_check;
mod faults;
mod places;
mod raw;

use std::path::{Path, PathBuf};

use crate::curve::Curve;
use crate::profile::{Kind, MigProfile, Profile};

pub use faults::{
    Call, CallRange, EccErrors, ErrorRule, Faults, RecoveryAction, Reload, RemappedRows, Throttle, Window,
    Xid,
};
pub use raw::{Pod, Reason};

/// A checked scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Name of the node whose GPUs these are.
    pub node: String,
    /// Unix seconds of scenario time 0, when the scenario says it.
    pub start_unix_seconds: Option<f64>,
    /// Scenario seconds per second of wall clock.
    pub speed: f64,
    /// Driver version at scenario time 0.
    pub driver_version: String,
    /// Version of CUDA as NVML counts it, such as 13010 for 13.1.
    pub cuda_version: u32,
    /// The GPUs, by index.
    pub gpus: Vec<Gpu>,
    /// The work, in the order of the file; repeated work stands here once per run.
    pub workloads: Vec<Workload>,
    /// What goes wrong.
    pub faults: Faults,
}

/// One GPU of a scenario.
#[derive(Debug, Clone)]
pub struct Gpu {
    /// Which kind it is.
    pub profile: Profile,
    /// Properties of the kind.
    pub kind: &'static Kind,
    /// Such as `GPU-…`.
    pub uuid: String,
    /// Product name.
    pub name: String,
    /// Minor number of the device file.
    pub minor: u32,
    /// NUMA node.
    pub numa_node: u32,
    /// MIG instances by index; `None` while MIG is off.
    pub mig: Option<Vec<Instance>>,
    /// Power without work.
    pub idle_watts: f64,
    /// The energy counter reads this share more than the truth; negative for less.
    pub counter_bias_ratio: f64,
    /// Power readings show this share more than the truth.
    pub power_bias_ratio: f64,
    /// Time between two updates of the energy counter.
    pub energy_update_seconds: f64,
    /// Time between two updates of power, utilisation and memory.
    pub power_update_seconds: f64,
    /// Scenario time before which nothing is known but the counter at that time.
    pub energy_at_seconds: f64,
    /// The counter at that time.
    pub energy_at_joules: f64,
    /// MIG device handles give the whole GPU's power and energy instead of `NOT_SUPPORTED`.
    pub mig_devices_give_power: bool,
    /// What runs here, as positions in [`Scenario::workloads`] and in [`Workload::places`].
    pub held: Vec<(usize, usize)>,
}

/// A MIG instance with its compute instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Index among the GPU's MIG devices; indices may have holes.
    pub index: u32,
    /// Kind of instance.
    pub profile: &'static MigProfile,
    /// Id of the GPU instance.
    pub gpu_instance: u32,
    /// Id of the compute instance.
    pub compute_instance: u32,
    /// Such as `MIG-…`.
    pub uuid: String,
}

/// Work on one or several devices.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Name; unique.
    pub name: String,
    /// The container that holds the devices.
    pub pod: Option<Pod>,
    /// Where it runs; it draws its power on each of them.
    pub places: Vec<Place>,
    /// Scenario time at which it starts.
    pub start_seconds: f64,
    /// Scenario time at which it ends; infinite for never.
    pub end_seconds: f64,
    /// Power above the idle power, on each place.
    pub power_watts: Curve,
    /// Percent of time in which a kernel runs.
    pub busy_percent: Curve,
    /// Percent of multiprocessors that are busy, of those of the place.
    pub sm_percent: Curve,
    /// Percent of time in which tensor cores are busy.
    pub tensor_percent: Curve,
    /// Percent of memory bandwidth.
    pub memory_busy_percent: Curve,
    /// Memory in MiB on each place.
    pub memory_mib: Curve,
}

/// A device or part of one that work holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index of the GPU.
    pub gpu: usize,
    /// Id of the GPU instance, when it is a MIG instance.
    pub gpu_instance: Option<u32>,
    /// Number of the replica, when the GPU is time-sliced.
    pub share: Option<u32>,
    /// The device as a device plugin names it: `GPU-…`, `MIG-…` or `GPU-…::0`.
    pub device_id: String,
    /// Processes there; memory is shared equally among them.
    pub pids: Vec<u32>,
}

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no scenario.
    #[error("{name}:{line}: {field}: {message}")]
    Wrong {
        /// Name of the file.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Path of the field, such as `workloads[2].on[0].gpu`; empty for the whole.
        field: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Scenario {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// With file, line and field.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Checks a text; `name` stands for the file in messages.
    ///
    /// # Errors
    /// With line and field.
    pub fn parse(text: &str, name: &str) -> Result<Self, ScenarioError> {
        check::parse(text, name)
    }
}

impl Workload {
    /// Integral of one of its curves over scenario time, within the time that it runs: value times seconds.
    #[must_use]
    pub fn integral(&self, curve: &Curve, from_seconds: f64, to_seconds: f64) -> f64 {
        let from = from_seconds.max(self.start_seconds);
        let to = to_seconds.min(self.end_seconds);
        if to <= from { 0.0 } else { curve.integral(from - self.start_seconds, to - self.start_seconds) }
    }

    /// Value of one of its curves; 0 while it does not run.
    #[must_use]
    pub fn value(&self, curve: &Curve, at_seconds: f64) -> f64 {
        if self.runs(at_seconds) { curve.value(at_seconds - self.start_seconds) } else { 0.0 }
    }

    /// Whether it runs then.
    #[must_use]
    pub fn runs(&self, at_seconds: f64) -> bool {
        self.start_seconds <= at_seconds && at_seconds < self.end_seconds
    }
}

//! What a scenario implies: joules by device and by workload, over any interval, exactly. With it a client's books can
//! be checked.

use serde::Serialize;

use crate::model::Device;
use crate::scenario::{Pod, Scenario, Workload};

/// Joules of an interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    /// Always true: no hardware was measured.
    pub simulator: bool,
    /// Name of the node.
    pub node: String,
    /// Begin, in scenario seconds.
    pub from_seconds: f64,
    /// End, in scenario seconds.
    pub to_seconds: f64,
    /// By GPU, in order of index.
    pub devices: Vec<DeviceTruth>,
    /// By workload, in order of the scenario; those that do not run in the interval are left out.
    pub workloads: Vec<WorkloadTruth>,
}

/// Joules of one GPU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceTruth {
    /// Index.
    pub gpu: usize,
    /// UUID.
    pub uuid: String,
    /// All; `idle_joules` + `work_joules`.
    pub joules: f64,
    /// Idle power times the interval.
    pub idle_joules: f64,
    /// Above idle power, of all work.
    pub work_joules: f64,
    /// Seconds in which nobody held any part of it.
    pub free_seconds: f64,
}

/// Joules of one workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkloadTruth {
    /// Name.
    pub name: String,
    /// The container that holds the devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
    /// Seconds of the interval in which it ran.
    pub seconds: f64,
    /// Above idle power, on all places.
    pub work_joules: f64,
    /// By place.
    pub places: Vec<PlaceTruth>,
}

/// Joules of one workload on one device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlaceTruth {
    /// Index of the GPU.
    pub gpu: usize,
    /// As a device plugin names it.
    pub device_id: String,
    /// Above idle power, of this workload here.
    pub work_joules: f64,
    /// The whole GPU's idle power times the seconds in which the workload ran: what a rule may divide among holders.
    pub idle_joules_of_gpu: f64,
    /// Share of the GPU that the place is: 1, or the instance's multiprocessors of all; shares of time-slicing count 1.
    pub share_of_gpu: f64,
}

impl Scenario {
    /// The truth about an interval of scenario time.
    #[must_use]
    pub fn truth(&self, from_seconds: f64, to_seconds: f64) -> Truth {
        let devices = (0..self.gpus.len()).filter_map(|gpu| self.device_truth(gpu, from_seconds, to_seconds));
        let running = self.workloads.iter().filter(|work| seconds(work, from_seconds, to_seconds) > 0.0);
        Truth {
            simulator: true,
            node: self.node.clone(),
            from_seconds,
            to_seconds,
            devices: devices.collect(),
            workloads: running.map(|work| self.workload_truth(work, from_seconds, to_seconds)).collect(),
        }
    }

    fn device_truth(&self, gpu: usize, from: f64, to: f64) -> Option<DeviceTruth> {
        let device = Device::new(self, gpu, to)?;
        let work_joules = device.work_joules(from, to);
        let idle_joules = device.gpu().idle_watts * (to - from);
        Some(DeviceTruth {
            gpu,
            uuid: device.uuid().to_owned(),
            joules: idle_joules + work_joules,
            idle_joules,
            work_joules,
            free_seconds: self.free_seconds(gpu, from, to),
        })
    }

    /// The interval less the union of the times in which work runs on the GPU.
    fn free_seconds(&self, gpu: usize, from: f64, to: f64) -> f64 {
        let held = self.gpus[gpu].held.iter().map(|(work, _)| &self.workloads[*work]);
        let mut times: Vec<(f64, f64)> =
            held.map(|work| (work.start_seconds.max(from), work.end_seconds.min(to))).collect();
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut free, mut busy_until) = (0.0, from);
        for (start, end) in times.into_iter().filter(|(start, end)| end > start) {
            free += (start - busy_until).max(0.0);
            busy_until = busy_until.max(end);
        }
        free + (to - busy_until).max(0.0)
    }

    fn workload_truth(&self, work: &Workload, from: f64, to: f64) -> WorkloadTruth {
        let here = work.integral(&work.power_watts, from, to);
        let seconds = seconds(work, from, to);
        let places = work.places.iter().map(|place| {
            let gpu = &self.gpus[place.gpu];
            let mut instances = gpu.mig.iter().flatten();
            let instance = instances.find(|instance| Some(instance.gpu_instance) == place.gpu_instance);
            let multiprocessors = instance.map(|instance| instance.profile.multiprocessors);
            PlaceTruth {
                gpu: place.gpu,
                device_id: place.device_id.clone(),
                work_joules: here,
                idle_joules_of_gpu: gpu.idle_watts * seconds,
                share_of_gpu: multiprocessors
                    .map_or(1.0, |count| f64::from(count) / f64::from(gpu.kind.multiprocessors)),
            }
        });
        WorkloadTruth {
            name: work.name.clone(),
            pod: work.pod.clone(),
            seconds,
            work_joules: here * work.places.len() as f64,
            places: places.collect(),
        }
    }
}

/// Seconds of the interval in which it runs.
fn seconds(work: &Workload, from: f64, to: f64) -> f64 {
    (work.end_seconds.min(to) - work.start_seconds.max(from)).max(0.0)
}

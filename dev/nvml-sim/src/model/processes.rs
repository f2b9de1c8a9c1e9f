//! Processes of the work on a device.

use super::{Device, floor_to};
use crate::code::Code;
use crate::scenario::Scenario;

/// Time between two samples of the utilisation of processes.
const SAMPLE_SECONDS: f64 = 1.0;
/// How far back the driver remembers samples.
const KEPT_SECONDS: f64 = 10.0;
/// More than a time stamp loses by counting microseconds, less than the time between two samples.
const STAMP_ERROR_SECONDS: f64 = 0.001;

/// A process that uses a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Process id; of simulated work one that no real process has, unless the scenario names it.
    pub pid: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// GPU instance, on a GPU with MIG on.
    pub gpu_instance: Option<u32>,
    /// Compute instance, on a GPU with MIG on.
    pub compute_instance: Option<u32>,
}

/// What a process used since it was last asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessSample {
    /// Process id.
    pub pid: u32,
    /// Scenario time of the sample.
    pub seconds: f64,
    /// Percent of time in which its kernels ran.
    pub busy_percent: u32,
    /// Percent of memory bandwidth.
    pub memory_percent: u32,
}

impl Device<'_> {
    /// Processes that compute on the device.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        let mut processes = Vec::new();
        for (work, position) in self.work().filter(|(work, _)| work.runs(self.seconds)) {
            let place = &work.places[position];
            let mut instances = self.gpu().mig.iter().flatten();
            let instance = instances.find(|instance| Some(instance.gpu_instance) == place.gpu_instance);
            let mib = work.value(&work.memory_mib, self.updated()) / place.pids.len().max(1) as f64;
            processes.extend(place.pids.iter().map(|pid| Process {
                pid: *pid,
                memory_bytes: (mib * f64::from(1 << 20)) as u64,
                gpu_instance: place.gpu_instance,
                compute_instance: instance.map(|instance| instance.compute_instance),
            }));
        }
        processes
    }

    /// Utilisation of each process since `seen_seconds`, of those that had any.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` while MIG is on; `NOT_FOUND` without a sample.
    pub fn process_samples(&self, seen_seconds: f64) -> Result<Vec<ProcessSample>, Code> {
        self.without_mig()?;
        let to = floor_to(self.seconds, SAMPLE_SECONDS);
        let from = seen_seconds.max(to - KEPT_SECONDS);
        let mut samples = Vec::new();
        // Time stamps count microseconds, so a caller's last one can be a little before the sample it stands for.
        if to - from > STAMP_ERROR_SECONDS {
            for (work, position) in self.work() {
                let pids = &work.places[position].pids;
                let share = (to - from) * pids.len().max(1) as f64;
                let busy = work.integral(&work.busy_percent, from, to) / share;
                let memory = work.integral(&work.memory_busy_percent, from, to) / share;
                if busy >= 0.5 {
                    samples.extend(pids.iter().map(|pid| ProcessSample {
                        pid: *pid,
                        seconds: to,
                        busy_percent: busy.round() as u32,
                        memory_percent: memory.round() as u32,
                    }));
                }
            }
        }
        if samples.is_empty() { Err(Code::NOT_FOUND) } else { Ok(samples) }
    }
}

/// Name of a process of simulated work, which says what it is.
#[must_use]
pub fn process_name(scenario: &Scenario, pid: u32) -> Option<String> {
    let has = |pids: &Vec<u32>| pids.contains(&pid);
    let work = scenario.workloads.iter().find(|work| work.places.iter().any(|place| has(&place.pids)))?;
    Some(format!("/simulator/{}", work.name))
}

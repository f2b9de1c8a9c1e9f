//! The only modules that call NVML. Every call may block, so they run on the sampler's thread (or in `--once`).

mod activity;
mod errors;
mod mig;
pub mod raw;
mod values;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::quantities::Values;
use crate::reading::{DeviceReading, NodeReading, from_milli};
use crate::state::{NvmlState, Unavailable};

pub use errors::CallErrors;

/// Name by which the dynamic loader finds NVML.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// Age from which what changes seldom is read again.
const SLOW: Duration = Duration::from_secs(10);

/// NVML, loaded and initialised, and what a session needs to remember.
pub struct Session {
    nvml: Arc<Nvml>,
    library: String,
    driver_version: Option<String>,
    nvml_version: Option<String>,
    known: BTreeMap<u32, Known>,
    counters: activity::Counters,
    /// Read the use of processes too.
    processes: bool,
}

/// What is kept of one GPU between reads.
struct Known {
    uuid: String,
    name: Option<String>,
    minor: Option<u32>,
    has_counters: bool,
    mig_slices: Option<u64>,
    instances: Vec<mig::Listed>,
    fixed: Values,
    slow: Values,
    slow_read: Option<Instant>,
    last_seen_microseconds: u64,
}

impl Session {
    /// Loads the library and initialises it. With `processes`, the use of each process is read too.
    ///
    /// # Errors
    /// When the library cannot be loaded, or says no.
    pub fn open(library: Option<&Path>, processes: bool) -> Result<Self, Unavailable> {
        let name = library.unwrap_or(Path::new(LIBRARY));
        let unavailable = |state, cause| Unavailable { state, library: name.display().to_string(), cause };
        let opened = Nvml::builder().lib_path(name.as_os_str()).init();
        let nvml = opened.map_err(|error| match error {
            // The loader's own words name the file and the cause.
            NvmlError::LibloadingError(loader) => unavailable(NvmlState::LibraryMissing, loader.to_string()),
            other => unavailable(NvmlState::of(&other), other.to_string()),
        })?;
        if let Err(error) = nvml.lib().nvmlShutdown.as_ref() {
            let cause = error.to_string();
            // Dropping it would call the function that is not there, which panics.
            std::mem::forget(nvml);
            return Err(unavailable(NvmlState::LibraryUnusable, cause));
        }
        Ok(Self {
            nvml: Arc::new(nvml),
            library: name.display().to_string(),
            driver_version: None,
            nvml_version: None,
            known: BTreeMap::new(),
            counters: activity::Counters::default(),
            processes,
        })
    }

    /// The library, for the thread that waits for events.
    #[must_use]
    pub fn nvml(&self) -> Arc<Nvml> {
        Arc::clone(&self.nvml)
    }

    /// Reads every GPU. One that does not answer is left out and counted; it does not hide the others.
    ///
    /// # Errors
    /// When no GPU can be read.
    pub fn read(&mut self, errors: &mut CallErrors) -> Result<NodeReading, Unavailable> {
        let library = self.library.clone();
        let unavailable = |state, cause| Unavailable { state, library: library.clone(), cause };
        let nvml = Arc::clone(&self.nvml);
        let count = nvml.device_count().map_err(|e| unavailable(NvmlState::of(&e), e.to_string()))?;
        if count == 0 {
            return Err(unavailable(NvmlState::NoDevices, "it lists no GPU".to_owned()));
        }
        if self.driver_version.is_none() {
            self.driver_version = errors.value("system_driver_version", nvml.sys_driver_version());
            self.nvml_version = errors.value("system_nvml_version", nvml.sys_nvml_version());
        }
        let mut devices = Vec::new();
        for index in 0..count {
            devices.extend(self.device(&nvml, index, errors));
        }
        if devices.is_empty() {
            let cause = format!("none of {count} GPUs answers ({errors})");
            return Err(unavailable(errors.state_without_gpus(), cause));
        }
        let (driver_version, nvml_version) = (self.driver_version.clone(), self.nvml_version.clone());
        Ok(NodeReading { driver_version, nvml_version, devices })
    }

    fn device(&mut self, nvml: &Nvml, index: u32, errors: &mut CallErrors) -> Option<DeviceReading> {
        errors.take_signs();
        let Some(device) = errors.device("device_by_index", nvml.device_by_index(index)) else {
            return self.waits_for_reset(index, errors);
        };
        let Some(uuid) = errors.device("uuid", device.uuid()) else {
            return self.waits_for_reset(index, errors);
        };
        if self.known.get(&index).is_none_or(|known| known.uuid != uuid) {
            self.known.insert(index, Known::read(&device, uuid, errors));
        }
        let (known, counters) = (self.known.get_mut(&index)?, &mut self.counters);
        let mut reading = known.reading(index);
        read_device(&device, &mut reading, errors);
        if known.slow_read.is_none_or(|at| at.elapsed() >= SLOW) {
            known.read_slow(&device, errors);
        }
        reading.values.extend(known.slow.iter().chain(&known.fixed).map(|(at, value)| (*at, *value)));
        reading.mig_slices = known.mig_slices;
        if known.mig_slices.is_some() {
            let seen = |listed: &mig::Listed| listed.read(nvml, errors);
            reading.instances = known.instances.iter().map(seen).collect();
        } else {
            values::engines(&device, &mut reading.values, errors);
        }
        if known.has_counters {
            add_activity(counters, nvml, &device, &mut reading, errors);
        }
        if self.processes && known.mig_slices.is_none() {
            reading.processes = activity::processes(&device, &mut known.last_seen_microseconds, errors);
        }
        (reading.reset_required, reading.lost) = errors.take_signs();
        Some(reading)
    }

    /// A GPU that has to be reset stays listed, with what is known of it.
    fn waits_for_reset(&mut self, index: u32, errors: &mut CallErrors) -> Option<DeviceReading> {
        let (reset_required, _) = errors.take_signs();
        let known = self.known.get(&index).filter(|_| reset_required)?;
        Some(DeviceReading { reset_required, ..known.reading(index) })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.counters.free(&self.nvml);
    }
}

impl Known {
    fn read(device: &Device<'_>, uuid: String, errors: &mut CallErrors) -> Self {
        let mut fixed = Values::new();
        values::fixed(device, &mut fixed, errors);
        Self {
            uuid,
            name: errors.value("name", device.name()),
            minor: errors.value("minor_number", device.minor_number()),
            has_counters: errors.value("gpm_support", device.gpm_support()) == Some(true),
            mig_slices: None,
            instances: Vec::new(),
            fixed,
            slow: Values::new(),
            slow_read: None,
            last_seen_microseconds: 0,
        }
    }

    fn reading(&self, index: u32) -> DeviceReading {
        let (uuid, name, minor) = (self.uuid.clone(), self.name.clone(), self.minor);
        DeviceReading { uuid, name, index, minor, ..DeviceReading::default() }
    }

    fn read_slow(&mut self, device: &Device<'_>, errors: &mut CallErrors) {
        self.slow.clear();
        values::slow(device, &mut self.slow, errors);
        let mode = errors.value("mig_mode", device.mig_mode());
        if let Some(mode) = &mode {
            self.slow.insert(("mig_enabled", ""), f64::from(mode.current));
        }
        let on = mode.is_some_and(|mode| mode.current == 1);
        // NVML's "count" is the most that there may be, and so the number of slices.
        self.mig_slices = if on {
            errors.value("mig_device_count", device.mig_device_count()).map(u64::from)
        } else {
            None
        };
        self.instances = self.mig_slices.map(|most| mig::list(device, most, errors)).unwrap_or_default();
        self.slow_read = Some(Instant::now());
    }
}

/// Zero of the clock that only goes forward.
fn started() -> Instant {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    *STARTED.get_or_init(Instant::now)
}

fn read_device(device: &Device<'_>, reading: &mut DeviceReading, errors: &mut CallErrors) {
    let power = errors.value("power_usage", device.power_usage()).map(u64::from);
    let energy = errors.value("total_energy_consumption", device.total_energy_consumption());
    reading.wall_microseconds = Timestamp::now().as_microsecond();
    reading.monotonic_microseconds = u64::try_from(started().elapsed().as_micros()).unwrap_or(u64::MAX);
    reading.power_milliwatts = power;
    reading.power_watts = power.map(from_milli);
    reading.energy_millijoules = energy;
    reading.energy_joules = energy.map(from_milli);
    if let Some(used) = errors.value("utilization_rates", device.utilization_rates()) {
        reading.utilisation_percent = Some(used.gpu);
        let memory = f64::from(used.memory) / 100.0;
        reading.values.insert(("engine_utilisation_ratio", "memory"), memory);
    }
    if let Some(memory) = errors.value("memory_info", device.memory_info()) {
        reading.memory_used_bytes = Some(memory.used);
        reading.memory_total_bytes = Some(memory.total);
        #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
        reading.values.insert(("memory_reserved_bytes", ""), memory.reserved as f64);
    }
    values::fast(device, &mut reading.values, errors);
}

/// Performance counters of the GPU, or of each GPU instance where MIG is on.
fn add_activity(
    counters: &mut activity::Counters,
    nvml: &Nvml,
    device: &Device<'_>,
    reading: &mut DeviceReading,
    errors: &mut CallErrors,
) {
    if reading.mig_slices.is_none() {
        let found = counters.read(nvml, device, (reading.index, None), errors).unwrap_or_default();
        reading.values.extend(found.into_iter().map(|(unit, ratio)| (("activity_ratio", unit), ratio)));
        return;
    }
    let mut by_instance = BTreeMap::new();
    for instance in &mut reading.instances {
        let at = (reading.index, Some(instance.gpu_instance));
        let found = by_instance
            .entry(instance.gpu_instance)
            .or_insert_with(|| counters.read(nvml, device, at, errors));
        instance.activity_ratio.clone_from(found);
    }
}

//! The only file that calls NVML. Every call may block, so it runs on the sampler's thread (or in `--once`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::reading::{DeviceReading, NodeReading, from_milli};
use crate::state::{NvmlState, Unavailable, ends_session, error_label};

/// Name by which the dynamic loader finds NVML.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// NVML, loaded and initialised.
pub struct Session {
    nvml: Nvml,
    library: String,
}

impl Session {
    /// Loads the library and initialises it.
    pub fn open(library: Option<&Path>) -> Result<Self, Unavailable> {
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
        Ok(Self { nvml, library: name.display().to_string() })
    }

    /// Reads every GPU. One that does not answer is left out and counted; it does not hide the others.
    pub fn read(&self, errors: &mut CallErrors) -> Result<NodeReading, Unavailable> {
        let unavailable = |state, cause| Unavailable { state, library: self.library.clone(), cause };
        let count = self.nvml.device_count().map_err(|e| unavailable(NvmlState::of(&e), e.to_string()))?;
        if count == 0 {
            return Err(unavailable(NvmlState::NoDevices, "it lists no GPU".to_owned()));
        }
        let devices: Vec<DeviceReading> = (0..count).filter_map(|index| self.device(index, errors)).collect();
        if devices.is_empty() {
            let cause = format!("none of {count} GPUs answers ({errors})");
            return Err(unavailable(NvmlState::Failed, cause));
        }
        Ok(NodeReading {
            driver_version: errors.value("system_driver_version", self.nvml.sys_driver_version()),
            nvml_version: errors.value("system_nvml_version", self.nvml.sys_nvml_version()),
            devices,
        })
    }

    fn device(&self, index: u32, errors: &mut CallErrors) -> Option<DeviceReading> {
        let device = errors.device("device_by_index", self.nvml.device_by_index(index))?;
        let uuid = errors.device("uuid", device.uuid())?;
        Some(read_device(&device, index, uuid, errors))
    }
}

fn read_device(device: &Device<'_>, index: u32, uuid: String, errors: &mut CallErrors) -> DeviceReading {
    let memory = errors.value("memory_info", device.memory_info());
    DeviceReading {
        uuid,
        name: errors.value("name", device.name()),
        index,
        power_watts: errors.value("power_usage", device.power_usage()).map(|mw| from_milli(mw.into())),
        utilisation_percent: errors.value("utilization_rates", device.utilization_rates()).map(|u| u.gpu),
        memory_used_bytes: memory.as_ref().map(|m| m.used),
        memory_total_bytes: memory.as_ref().map(|m| m.total),
        energy_joules: errors
            .value("total_energy_consumption", device.total_energy_consumption())
            .map(from_milli),
    }
}

/// Errors of single calls in one read, by call and kind.
#[derive(Debug, Default)]
pub struct CallErrors {
    counts: BTreeMap<(&'static str, &'static str), u64>,
    session_over: bool,
    lost_device: bool,
}

impl CallErrors {
    /// A value that may be absent: what the GPU does not support is no error.
    fn value<T>(&mut self, call: &'static str, result: Result<T, NvmlError>) -> Option<T> {
        result.inspect_err(|error| self.note(call, error)).ok()
    }

    /// A call without which the GPU cannot be told at all.
    fn device<T>(&mut self, call: &'static str, result: Result<T, NvmlError>) -> Option<T> {
        self.lost_device |= result.is_err();
        self.value(call, result)
    }

    fn note(&mut self, call: &'static str, error: &NvmlError) {
        if matches!(error, NvmlError::NotSupported) {
            return;
        }
        *self.counts.entry((call, error_label(error))).or_default() += 1;
        self.session_over |= ends_session(error);
    }

    /// Errors by call and kind.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.counts.iter().map(|((call, error), count)| (*call, *error, *count))
    }

    /// True when NVML must be opened again.
    pub fn session_over(&self) -> bool {
        self.session_over
    }

    /// True when a GPU that NVML lists is not in the reading.
    pub fn lost_device(&self) -> bool {
        self.lost_device
    }
}

impl fmt::Display for CallErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.counts().map(|(call, error, count)| format!("{call}: {error} x{count}")).collect();
        f.write_str(if parts.is_empty() { "not supported" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

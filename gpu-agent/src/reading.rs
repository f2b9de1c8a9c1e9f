//! What was read of a node's GPUs, in the units in which it is published. Pure.
//!
//! Every measured field is optional: a value that NVML does not give stays absent, because a zero would be booked as
//! a measurement.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::inventory::{Gpu, Instance};
use crate::quantities::{self, Values};

/// One read of all GPUs of a node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeReading {
    /// Version of the NVIDIA driver.
    pub driver_version: Option<String>,
    /// Version of NVML.
    pub nvml_version: Option<String>,
    /// The GPUs, in NVML's order.
    pub devices: Vec<DeviceReading>,
}

/// One read of one GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct DeviceReading {
    /// Its identity; the only field that survives a reboot.
    pub uuid: String,
    /// Product name.
    pub name: Option<String>,
    /// NVML's index; may change with a reboot.
    pub index: u32,
    /// Number of its device file, `/dev/nvidia<n>`.
    pub minor: Option<u32>,
    /// A call said that it has to be reset; what else was read may be old.
    pub reset_required: bool,
    /// A call said that it is lost, though it still is listed.
    pub lost: bool,
    /// Power: a one-second average on most GPUs since Ampere, else the instant.
    pub power_watts: Option<f64>,
    /// Share of the last sample period in which a kernel ran. Busy time, not load; absent while MIG is on.
    pub utilisation_percent: Option<u32>,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
    /// Memory of the GPU.
    pub memory_total_bytes: Option<u64>,
    /// Hardware energy counter; starts again at 0 when the driver is loaded or the GPU is reset.
    pub energy_joules: Option<f64>,
    /// When energy and power were read, in microseconds since the epoch of Unix.
    #[serde(skip)]
    pub wall_microseconds: i64,
    /// The same by a clock that only goes forward.
    #[serde(skip)]
    pub monotonic_microseconds: u64,
    /// The counter as NVML gives it.
    #[serde(skip)]
    pub energy_millijoules: Option<u64>,
    /// Power as NVML gives it.
    #[serde(skip)]
    pub power_milliwatts: Option<u64>,
    /// All that has one number.
    #[serde(serialize_with = "quantities::serialize")]
    pub values: Values,
    /// Slices of MIG; `None` while MIG is off.
    pub mig_slices: Option<u64>,
    /// MIG devices.
    pub instances: Vec<InstanceReading>,
    /// Percent of the multiprocessors by process, where asked for.
    #[serde(skip)]
    pub processes: Option<BTreeMap<u32, u64>>,
}

/// One read of one MIG device.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct InstanceReading {
    /// UUID of the MIG device.
    pub uuid: String,
    /// Name, with the profile at its end.
    pub name: Option<String>,
    /// GPU instance.
    pub gpu_instance: u32,
    /// Compute instance.
    pub compute_instance: u32,
    /// Its compute slices.
    pub slices: u64,
    /// Its multiprocessors.
    pub multiprocessors: u64,
    /// Memory in use.
    pub memory_used_bytes: Option<u64>,
    /// Its memory.
    pub memory_total_bytes: Option<u64>,
    /// Performance counters of its GPU instance since the read before, from 0 to 1.
    pub activity_ratio: Option<BTreeMap<&'static str, f64>>,
}

impl InstanceReading {
    /// Such as `1g.10gb`.
    #[must_use]
    pub fn profile(&self) -> &str {
        self.name.as_deref().and_then(|name| name.split_once(" MIG ")).map_or("", |(_, profile)| profile)
    }
}

impl DeviceReading {
    /// Where it is among the devices of the kubelet.
    #[must_use]
    pub fn place(&self) -> Gpu {
        let instance = |i: &InstanceReading| Instance {
            uuid: i.uuid.clone(),
            gpu_instance: i.gpu_instance,
            compute_instance: i.compute_instance,
            slices: i.slices,
            multiprocessors: i.multiprocessors,
            // Only privileged clients may ask for it.
            placement_start: None,
        };
        Gpu {
            uuid: self.uuid.clone(),
            minor: self.minor,
            mig_slices: self.mig_slices,
            instances: self.instances.iter().map(instance).collect(),
        }
    }

    /// A value by name and label.
    #[must_use]
    pub fn value(&self, name: &'static str, label: &'static str) -> Option<f64> {
        self.values.get(&(name, label)).copied()
    }
}

/// NVML's milliwatts or millijoules in the unit without prefix.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a counter of 2^53 mJ is 285 years at 1 kW")]
pub fn from_milli(value: u64) -> f64 {
    value as f64 / 1000.0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A node with one full and one silent GPU.
    pub fn node() -> NodeReading {
        NodeReading {
            driver_version: Some("590.48.01".to_owned()),
            nvml_version: None,
            devices: vec![
                DeviceReading {
                    uuid: "GPU-a".to_owned(),
                    name: Some("Test GPU".to_owned()),
                    index: 0,
                    power_watts: Some(69.85),
                    utilisation_percent: Some(0),
                    memory_used_bytes: Some(1_073_741_824),
                    memory_total_bytes: Some(85_520_809_984),
                    energy_joules: Some(187.4),
                    values: [(("temperature_celsius", "gpu"), 41.0), (("recovery_action", ""), 0.0)].into(),
                    ..DeviceReading::default()
                },
                DeviceReading { uuid: "GPU-b".to_owned(), index: 1, ..DeviceReading::default() },
            ],
        }
    }

    #[test]
    fn milli_units_keep_their_digits() {
        assert_eq!((from_milli(69_850), from_milli(1), from_milli(0)), (69.85, 0.001, 0.0));
    }

    #[test]
    fn the_profile_is_the_end_of_the_name() {
        let name = Some("NVIDIA H100 80GB HBM3 MIG 1g.10gb".to_owned());
        assert_eq!(InstanceReading { name, ..InstanceReading::default() }.profile(), "1g.10gb");
        assert_eq!(InstanceReading::default().profile(), "");
    }

    #[test]
    fn json_has_null_where_nvml_said_nothing_and_zero_where_it_said_zero() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&node()).unwrap());
    }
}

//! What was read of a node's GPUs, in the units in which it is published. Pure.
//!
//! Every measured field is optional: a value that NVML does not give stays absent, because a zero would be booked as
//! a measurement.

use serde::Serialize;

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
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeviceReading {
    /// Its identity; the only field that survives a reboot.
    pub uuid: String,
    /// Product name.
    pub name: Option<String>,
    /// NVML's index; may change with a reboot.
    pub index: u32,
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
}

/// NVML's milliwatts or millijoules in the unit without prefix.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a counter of 2^53 mJ is 285 years at 1 kW")]
pub fn from_milli(value: u64) -> f64 {
    value as f64 / 1000.0
}

#[cfg(test)]
pub mod tests {
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
                },
                silent(),
            ],
        }
    }

    fn silent() -> DeviceReading {
        DeviceReading {
            uuid: "GPU-b".to_owned(),
            name: None,
            index: 1,
            power_watts: None,
            utilisation_percent: None,
            memory_used_bytes: None,
            memory_total_bytes: None,
            energy_joules: None,
        }
    }

    #[test]
    fn milli_units_keep_their_digits() {
        assert_eq!((from_milli(69_850), from_milli(1), from_milli(0)), (69.85, 0.001, 0.0));
    }

    #[test]
    fn json_has_null_where_nvml_said_nothing_and_zero_where_it_said_zero() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&node()).unwrap());
    }
}

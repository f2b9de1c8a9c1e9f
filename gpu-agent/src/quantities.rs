//! The quantities of a GPU that have one number, and at most one label beside the GPU: names, units, meaning. Pure.
//!
//! A new one is a line here and a line in `nvml/values.rs`.

use std::collections::BTreeMap;

/// What Prometheus is told of a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    /// Name after `concord_gpu_`, unit last.
    pub name: &'static str,
    /// Its label.
    pub label: Option<&'static str>,
    /// A sentence.
    pub help: &'static str,
}

impl Quantity {
    /// True when it only grows.
    #[must_use]
    pub fn is_counter(&self) -> bool {
        self.name.ends_with("_total")
    }
}

const fn of(name: &'static str, label: Option<&'static str>, help: &'static str) -> Quantity {
    Quantity { name, label, help }
}

/// All of them, in the order of the table.
pub const QUANTITIES: &[Quantity] = &[
    of("power_average_watts", None, "Power averaged over a second (NVML field 185)."),
    of("power_instant_watts", None, "Power now (NVML field 186)."),
    of("power_memory_watts", None, "Power of the memory (NVML field 186, scope 2)."),
    of("power_limit_watts", Some("limit"), "Power limits: current, enforced, default, minimum, maximum."),
    of("temperature_celsius", Some("sensor"), "Temperature of gpu and memory."),
    of(
        "temperature_threshold_margin_celsius",
        Some("threshold"),
        "Thresholds as NVML gives them since Hopper, relative to the limit and so often negative: shutdown, slowdown, gpu_max, memory_max.",
    ),
    of("clock_hertz", Some("domain"), "Clock now: graphics, sm, memory, video."),
    of("clock_maximum_hertz", Some("domain"), "Highest clock."),
    of("performance_state", None, "P-state, 0 is the fastest."),
    of(
        "throttle_active",
        Some("reason"),
        "1 while the clocks are held down for the reason; hw_power_brake is a signal of the power supply.",
    ),
    of("throttled_seconds_total", Some("reason"), "Time for which the clocks were held down, by reason."),
    of(
        "engine_utilisation_ratio",
        Some("engine"),
        "Busy time of memory, encoder and decoder; absent while MIG is on.",
    ),
    of(
        "activity_ratio",
        Some("unit"),
        "Performance counters (GPM, since Hopper) since the read before: graphics, sm, sm_occupancy, tensor, dram.",
    ),
    of("memory_reserved_bytes", None, "GPU memory that driver and firmware keep."),
    of("bar1_used_bytes", None, "Memory window of the PCIe bus in use."),
    of("compute_processes", None, "Processes that compute."),
    of(
        "ecc_errors_total",
        Some("errors"),
        "Memory errors: volatile ones since the driver was loaded, aggregate ones since the GPU was made.",
    ),
    of(
        "remapped_rows",
        Some("cause"),
        "Rows of memory that were replaced after correctable or uncorrectable errors.",
    ),
    of("row_remap_pending", None, "1 while rows wait for a reset to be replaced."),
    of("row_remap_failed", None, "1 when a row could not be replaced."),
    of("retired_pages_pending", None, "1 while pages wait to be retired (before Ampere)."),
    of(
        "recovery_action",
        None,
        "What the driver asks for: 0 nothing, 1 reset, 2 restart of the node, 3 drain, 4 drain and reset, 5 IMEX.",
    ),
    of("pcie_replays_total", None, "Packets that were sent again on the PCIe bus."),
    of("pcie_link_generation", None, "Generation of the PCIe link now."),
    of("pcie_link_width", None, "Lanes of the PCIe link now."),
    of("pcie_bytes_total", Some("direction"), "Bytes over the PCIe bus, transmitted and received."),
    of("nvlink_links_active", None, "NVLinks that are up."),
    of("nvlink_bytes_total", Some("direction"), "Data over all NVLinks, transmitted and received."),
    of("nvlink_errors_total", Some("kind"), "Errors of all NVLinks: replay, recovery, crc."),
    of("persistence_mode", None, "1 while the driver stays loaded without clients."),
    of("mig_enabled", None, "1 while MIG is on."),
];

/// Values of one read, by name and label (empty where there is none).
pub type Values = BTreeMap<(&'static str, &'static str), f64>;

/// As a JSON object with keys such as `temperature_celsius.memory`.
pub fn serialize<S: serde::Serializer>(values: &Values, serializer: S) -> Result<S::Ok, S::Error> {
    let key = |(name, label): &(&str, &str)| {
        if label.is_empty() { (*name).to_owned() } else { format!("{name}.{label}") }
    };
    serializer.collect_map(values.iter().map(|(at, value)| (key(at), value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_end_with_their_unit_or_thing() {
        let mut names: Vec<&str> = QUANTITIES.iter().map(|q| q.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), QUANTITIES.len());
        assert!(QUANTITIES.iter().all(|q| q.help.ends_with('.')));
    }

    #[test]
    fn json_has_one_key_for_each_value() {
        #[derive(serde::Serialize)]
        struct Holder {
            #[serde(serialize_with = "serialize")]
            values: Values,
        }
        let values = [(("clock_hertz", "sm"), 345e6), (("recovery_action", ""), 0.0)].into();
        let json = serde_json::to_string(&Holder { values }).unwrap();
        assert_eq!(json, r#"{"values":{"clock_hertz.sm":345000000.0,"recovery_action":0.0}}"#);
    }
}

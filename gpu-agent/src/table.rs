//! A reading as columns for people. Pure.

use crate::reading::{DeviceReading, InstanceReading, NodeReading};

const HEAD: [&str; 9] =
    ["INDEX", "UUID", "NAME", "POWER", "UTILISATION", "MEMORY", "ENERGY", "TEMPERATURE", "STATE"];

/// One line per GPU, and below it one per MIG device; what NVML did not say is `-`.
#[must_use]
pub fn render(node: &NodeReading) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    for device in &node.devices {
        rows.push(row(device));
        rows.extend(device.instances.iter().map(instance));
    }
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(device: &DeviceReading) -> [String; HEAD.len()] {
    let celsius = device.value("temperature_celsius", "gpu");
    [
        device.index.to_string(),
        device.uuid.clone(),
        device.name.clone().unwrap_or_else(missing),
        device.power_watts.map_or_else(missing, |watts| format!("{watts:.2} W")),
        device.utilisation_percent.map_or_else(missing, |percent| format!("{percent} %")),
        format!("{} of {}", mebibytes(device.memory_used_bytes), mebibytes(device.memory_total_bytes)),
        device.energy_joules.map_or_else(missing, |joules| format!("{joules:.1} J")),
        celsius.map_or_else(missing, |celsius| format!("{celsius} C")),
        state(device),
    ]
}

/// What a person has to know first.
fn state(device: &DeviceReading) -> String {
    let is_on = |name, label| device.value(name, label) == Some(1.0);
    let signs = [
        (device.lost, "lost"),
        (device.reset_required, "reset required"),
        (is_on("row_remap_failed", ""), "row remap failed"),
        (is_on("row_remap_pending", ""), "row remap pending"),
        (is_on("throttle_active", "hw_power_brake"), "power brake"),
        (is_on("throttle_active", "hw_thermal"), "too hot"),
        (is_on("throttle_active", "sw_power_cap"), "at power limit"),
        (device.mig_slices.is_some(), "MIG"),
    ];
    let said: Vec<&str> = signs.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
    if said.is_empty() { missing() } else { said.join(", ") }
}

fn instance(instance: &InstanceReading) -> [String; HEAD.len()] {
    let used = instance.activity_ratio.as_ref().and_then(|ratios| ratios.get("sm"));
    [
        String::new(),
        instance.uuid.clone(),
        format!("{} (GI {}, CI {})", instance.profile(), instance.gpu_instance, instance.compute_instance),
        missing(),
        used.map_or_else(missing, |ratio| format!("{:.0} %", ratio * 100.0)),
        format!("{} of {}", mebibytes(instance.memory_used_bytes), mebibytes(instance.memory_total_bytes)),
        missing(),
        missing(),
        format!("{} SM", instance.multiprocessors),
    ]
}

fn mebibytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(missing, |bytes| format!("{} MiB", bytes / 1_048_576))
}

fn missing() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_gpu_has_dashes_and_no_zeros() {
        let mut node = crate::reading::tests::node();
        node.devices[0].instances.push(InstanceReading {
            uuid: "MIG-x".to_owned(),
            name: Some("Test GPU MIG 1g.10gb".to_owned()),
            gpu_instance: 9,
            multiprocessors: 16,
            ..InstanceReading::default()
        });
        insta::assert_snapshot!(render(&node));
    }
}

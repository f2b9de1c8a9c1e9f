//! A reading as columns for people. Pure.

use crate::reading::{DeviceReading, NodeReading};

const HEAD: [&str; 7] = ["INDEX", "UUID", "NAME", "POWER", "UTILISATION", "MEMORY", "ENERGY"];

/// One line per GPU; what NVML did not say is `-`.
#[must_use]
pub fn render(node: &NodeReading) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(node.devices.iter().map(row));
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
    // No `..`: a new field must be shown or left out on purpose.
    let DeviceReading {
        uuid,
        name,
        index,
        power_watts,
        utilisation_percent,
        memory_used_bytes,
        memory_total_bytes,
        energy_joules,
    } = device;
    [
        index.to_string(),
        uuid.clone(),
        name.clone().unwrap_or_else(missing),
        power_watts.map_or_else(missing, |watts| format!("{watts:.2} W")),
        utilisation_percent.map_or_else(missing, |percent| format!("{percent} %")),
        format!("{} of {}", mebibytes(*memory_used_bytes), mebibytes(*memory_total_bytes)),
        energy_joules.map_or_else(missing, |joules| format!("{joules:.1} J")),
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
        insta::assert_snapshot!(render(&crate::reading::tests::node()));
    }
}

//! Metrics of the last reading.

use crate::health::Trouble;
use crate::quantities::QUANTITIES;
use crate::reading::{DeviceReading, NodeReading};
use crate::state::NvmlState;

use super::spec::{Families, Spec};

const GPU: &[&str] = &["gpu_uuid"];
const INSTANCE: &[&str] = &["gpu_uuid", "gpu_instance", "compute_instance", "mig_uuid"];

const STATE: Spec =
    Spec::new("concord_gpu_nvml_state", &["state"], "1 for the state that NVML is in, 0 for the others.");
const READ_AT: Spec = Spec::new(
    "concord_gpu_last_read_timestamp_seconds",
    &[],
    "When all GPUs were last read, seconds since the epoch.",
);
const DRIVER: Spec = Spec::new(
    "concord_gpu_driver_info",
    &["driver_version", "nvml_version"],
    "1; versions of the driver and of NVML.",
);
const DEVICE: Spec = Spec::new(
    "concord_gpu_device_info",
    &["gpu_uuid", "gpu_index", "gpu_name"],
    "1; name and index of a GPU.",
);
const HEALTHY: Spec = Spec::new(
    "concord_gpu_healthy",
    &["gpu_uuid", "reason"],
    "1 for a GPU that may get work, 0 with the reason for others.",
);
const POWER: Spec = Spec::new("concord_gpu_power_watts", GPU, "Power of the whole GPU as NVML reports it.");
const COUNTER: Spec = Spec::new(
    "concord_gpu_hardware_energy_joules",
    GPU,
    "The GPU's own energy counter as it is; starts again when the driver is loaded or the GPU is reset.",
);
const UTILISATION: Spec = Spec::new(
    "concord_gpu_utilisation_ratio",
    GPU,
    "Share of the last sample period in which a kernel ran; busy time, not load.",
);
const MEMORY_USED: Spec = Spec::new("concord_gpu_memory_used_bytes", GPU, "GPU memory in use.");
const MEMORY_TOTAL: Spec = Spec::new("concord_gpu_memory_total_bytes", GPU, "GPU memory.");
const INSTANCE_INFO: Spec = Spec::new(
    "concord_gpu_instance_info",
    &["gpu_uuid", "gpu_instance", "compute_instance", "mig_uuid", "profile"],
    "1; a MIG device.",
);
const INSTANCE_SM: Spec =
    Spec::new("concord_gpu_instance_multiprocessors", INSTANCE, "Multiprocessors of a MIG device.");
const INSTANCE_USED: Spec =
    Spec::new("concord_gpu_instance_memory_used_bytes", INSTANCE, "Memory of a MIG device in use.");
const INSTANCE_TOTAL: Spec =
    Spec::new("concord_gpu_instance_memory_total_bytes", INSTANCE, "Memory of a MIG device.");
const INSTANCE_ACTIVITY: Spec = Spec::new(
    "concord_gpu_instance_activity_ratio",
    &["gpu_uuid", "gpu_instance", "compute_instance", "mig_uuid", "unit"],
    "Performance counters (GPM) of the GPU instance of a MIG device since the read before.",
);

/// All that are here, those of `quantities.rs` aside.
pub const SPECS: &[Spec] = &[
    STATE,
    READ_AT,
    DRIVER,
    DEVICE,
    HEALTHY,
    POWER,
    COUNTER,
    UTILISATION,
    MEMORY_USED,
    MEMORY_TOTAL,
    INSTANCE_INFO,
    INSTANCE_SM,
    INSTANCE_USED,
    INSTANCE_TOTAL,
    INSTANCE_ACTIVITY,
];

/// State of NVML, and the time of the last read.
pub fn state(families: &mut Families, now: NvmlState, read_at_seconds: Option<f64>) {
    for state in NvmlState::ALL {
        families.add(&STATE, &[state.label()], f64::from(u8::from(state == now)));
    }
    families.add_some(&READ_AT, &[], read_at_seconds);
}

/// Health of each GPU.
pub fn health(families: &mut Families, health: &[(String, Option<Trouble>)]) {
    for (uuid, trouble) in health {
        let reason = trouble.map_or("", Trouble::reason);
        families.add(&HEALTHY, &[uuid, reason], f64::from(u8::from(trouble.is_none())));
    }
}

/// All of a reading.
pub fn reading(families: &mut Families, node: &NodeReading) {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    families.add(&DRIVER, &[&text(&node.driver_version), &text(&node.nvml_version)], 1.0);
    for device in &node.devices {
        of_device(families, device);
        of_instances(families, device);
    }
}

fn of_device(families: &mut Families, device: &DeviceReading) {
    let gpu = [device.uuid.as_str()];
    let (index, name) = (device.index.to_string(), device.name.clone().unwrap_or_default());
    families.add(&DEVICE, &[&device.uuid, &index, &name], 1.0);
    families.add_some(&POWER, &gpu, device.power_watts);
    families.add_some(&COUNTER, &gpu, device.energy_joules);
    families.add_some(
        &UTILISATION,
        &gpu,
        device.utilisation_percent.map(|percent| f64::from(percent) / 100.0),
    );
    families.add_some(&MEMORY_USED, &gpu, device.memory_used_bytes.map(bytes));
    families.add_some(&MEMORY_TOTAL, &gpu, device.memory_total_bytes.map(bytes));
    for quantity in QUANTITIES {
        let name = format!("concord_gpu_{}", quantity.name);
        let labels: Vec<&str> = GPU.iter().copied().chain(quantity.label).collect();
        for ((_, label), value) in
            device.values.range((quantity.name, "")..).take_while(|(at, _)| at.0 == quantity.name)
        {
            families.put(name.clone(), quantity.help, &labels, &[&device.uuid, label], *value);
        }
    }
}

fn of_instances(families: &mut Families, device: &DeviceReading) {
    for instance in &device.instances {
        let (gi, ci) = (instance.gpu_instance.to_string(), instance.compute_instance.to_string());
        let labels = [device.uuid.as_str(), &gi, &ci, &instance.uuid];
        let with = |last: &'static str| [labels[0], labels[1], labels[2], labels[3], last];
        families.add(&INSTANCE_INFO, &[labels[0], labels[1], labels[2], labels[3], instance.profile()], 1.0);
        families.add(&INSTANCE_SM, &labels, bytes(instance.multiprocessors));
        families.add_some(&INSTANCE_USED, &labels, instance.memory_used_bytes.map(bytes));
        families.add_some(&INSTANCE_TOTAL, &labels, instance.memory_total_bytes.map(bytes));
        for (unit, ratio) in instance.activity_ratio.iter().flatten() {
            families.add(&INSTANCE_ACTIVITY, &with(unit), *ratio);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn bytes(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    fn text(families: Families) -> String {
        TextEncoder::new().encode_to_string(&families.into_vec()).unwrap()
    }

    #[test]
    fn a_value_that_is_missing_has_no_sample() {
        let mut families = Families::default();
        reading(&mut families, &crate::reading::tests::node());
        insta::assert_snapshot!(text(families));
    }

    #[test]
    fn exactly_one_state_is_one() {
        let mut families = Families::default();
        state(&mut families, NvmlState::LibraryMissing, None);
        let text = text(families);
        assert!(text.contains("concord_gpu_nvml_state{state=\"library_missing\"} 1\n"), "{text}");
        assert_eq!(text.matches("} 1\n").count(), 1, "{text}");
        assert_eq!(text.matches("} 0\n").count(), NvmlState::ALL.len() - 1, "{text}");
    }

    #[test]
    fn a_gpu_that_is_out_says_why() {
        let mut families = Families::default();
        health(&mut families, &[("GPU-a".to_owned(), None), ("GPU-b".to_owned(), Some(Trouble::Lost))]);
        let text = text(families);
        assert!(text.contains("{gpu_uuid=\"GPU-a\",reason=\"\"} 1\n"), "{text}");
        assert!(text.contains("{gpu_uuid=\"GPU-b\",reason=\"Lost\"} 0\n"), "{text}");
    }
}

//! Reads the quantities of one GPU: fast ones with each read, slow ones every ten seconds, fixed ones once for a session.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};

use super::errors::CallErrors;
use super::raw::{self, Field};
use crate::quantities::Values;
use crate::reading::from_milli;

const HERTZ_PER_MEGAHERTZ: f64 = 1e6;
const BYTES_PER_KIBIBYTE: f64 = 1024.0;
const SECONDS_PER_NANOSECOND: f64 = 1e-9;
const WATTS_PER_MILLIWATT: f64 = 1e-3;
/// Scope of all links together.
const ALL_LINKS: u32 = u32::MAX;
/// Scope of the memory in power fields.
const MEMORY: u32 = 2;
/// More than any GPU has.
const LINKS_MAX: u32 = 18;

const CLOCKS: [(Clock, &str); 4] =
    [(Clock::Graphics, "graphics"), (Clock::SM, "sm"), (Clock::Memory, "memory"), (Clock::Video, "video")];

/// Bits of `nvmlClocksEventReasons`.
const REASONS: [(u64, &str); 9] = [
    (0x1, "idle"),
    (0x2, "application_clocks"),
    (0x4, "sw_power_cap"),
    (0x8, "hw_slowdown"),
    (0x10, "sync_boost"),
    (0x20, "sw_thermal"),
    (0x40, "hw_thermal"),
    (0x80, "hw_power_brake"),
    (0x100, "display"),
];

/// Fields of each read, with the factor to the published unit.
const FAST: &[(Field, (&str, &str), f64)] = &[
    ((185, 0), ("power_average_watts", ""), WATTS_PER_MILLIWATT),
    ((186, 0), ("power_instant_watts", ""), WATTS_PER_MILLIWATT),
    ((186, MEMORY), ("power_memory_watts", ""), WATTS_PER_MILLIWATT),
    ((82, 0), ("temperature_celsius", "memory"), 1.0),
    ((74, 0), ("throttled_seconds_total", "sw_power_cap"), SECONDS_PER_NANOSECOND),
    ((76, 0), ("throttled_seconds_total", "sync_boost"), SECONDS_PER_NANOSECOND),
    ((251, 0), ("throttled_seconds_total", "sw_thermal"), SECONDS_PER_NANOSECOND),
    ((252, 0), ("throttled_seconds_total", "hw_thermal"), SECONDS_PER_NANOSECOND),
    ((253, 0), ("throttled_seconds_total", "hw_power_brake"), SECONDS_PER_NANOSECOND),
    ((230, 0), ("recovery_action", ""), 1.0),
];

const SLOW: &[(Field, (&str, &str), f64)] = &[
    ((193, 0), ("temperature_threshold_margin_celsius", "shutdown"), 1.0),
    ((194, 0), ("temperature_threshold_margin_celsius", "slowdown"), 1.0),
    ((195, 0), ("temperature_threshold_margin_celsius", "memory_max"), 1.0),
    ((196, 0), ("temperature_threshold_margin_celsius", "gpu_max"), 1.0),
    ((197, 0), ("pcie_bytes_total", "transmitted"), 1.0),
    ((198, 0), ("pcie_bytes_total", "received"), 1.0),
    ((138, ALL_LINKS), ("nvlink_bytes_total", "transmitted"), BYTES_PER_KIBIBYTE),
    ((139, ALL_LINKS), ("nvlink_bytes_total", "received"), BYTES_PER_KIBIBYTE),
    ((161, ALL_LINKS), ("nvlink_errors_total", "replay"), 1.0),
    ((162, ALL_LINKS), ("nvlink_errors_total", "recovery"), 1.0),
    ((163, ALL_LINKS), ("nvlink_errors_total", "crc"), 1.0),
];

/// What changes all the time.
pub fn fast(device: &Device<'_>, values: &mut Values, errors: &mut CallErrors) {
    fields(device, FAST, values, errors);
    if let Some(celsius) = errors.value("temperature", device.temperature(TemperatureSensor::Gpu)) {
        values.insert(("temperature_celsius", "gpu"), celsius.into());
    }
    for (clock, domain) in CLOCKS {
        if let Some(megahertz) = errors.value("clock_info", device.clock_info(clock)) {
            values.insert(("clock_hertz", domain), f64::from(megahertz) * HERTZ_PER_MEGAHERTZ);
        }
    }
    if let Some(reasons) = errors.value("current_throttle_reasons", device.current_throttle_reasons()) {
        for (bit, reason) in REASONS {
            values.insert(("throttle_active", reason), f64::from(u8::from(reasons.bits() & bit != 0)));
        }
    }
    if let Some(state) = errors.value("performance_state", device.performance_state()) {
        // NVML's own numbers are 0 to 15, and 32 for unknown.
        if let Ok(number @ 0..=15) = u8::try_from(state.as_c()) {
            values.insert(("performance_state", ""), number.into());
        }
    }
    if let Some(limit) = errors.value("enforced_power_limit", device.enforced_power_limit()) {
        values.insert(("power_limit_watts", "enforced"), from_milli(limit.into()));
    }
    if let Some(count) = errors.value("running_compute_processes", device.running_compute_processes_count()) {
        values.insert(("compute_processes", ""), count.into());
    }
}

/// Busy time of engines, which NVML does not give while MIG is on.
pub fn engines(device: &Device<'_>, values: &mut Values, errors: &mut CallErrors) {
    let encoder = errors.value("encoder_utilization", device.encoder_utilization());
    let decoder = errors.value("decoder_utilization", device.decoder_utilization());
    for (engine, found) in [("encoder", encoder), ("decoder", decoder)] {
        if let Some(found) = found {
            values.insert(("engine_utilisation_ratio", engine), f64::from(found.utilization) / 100.0);
        }
    }
}

/// What changes seldom.
pub fn slow(device: &Device<'_>, values: &mut Values, errors: &mut CallErrors) {
    fields(device, SLOW, values, errors);
    let counters = [
        ((MemoryError::Corrected, EccCounter::Volatile), "volatile_corrected"),
        ((MemoryError::Uncorrected, EccCounter::Volatile), "volatile_uncorrected"),
        ((MemoryError::Corrected, EccCounter::Aggregate), "aggregate_corrected"),
        ((MemoryError::Uncorrected, EccCounter::Aggregate), "aggregate_uncorrected"),
    ];
    for ((kind, counter), name) in counters {
        if let Some(count) = errors.value("total_ecc_errors", device.total_ecc_errors(kind, counter)) {
            values.insert(("ecc_errors_total", name), whole(count));
        }
    }
    if let Some((correctable, uncorrectable, pending, failed)) =
        errors.value("remapped_rows", raw::remapped_rows(device))
    {
        values.insert(("remapped_rows", "correctable"), correctable.into());
        values.insert(("remapped_rows", "uncorrectable"), uncorrectable.into());
        values.insert(("row_remap_pending", ""), f64::from(u8::from(pending)));
        values.insert(("row_remap_failed", ""), f64::from(u8::from(failed)));
    }
    let mut one = |name, value: Option<f64>| {
        if let Some(value) = value {
            values.insert((name, ""), value);
        }
    };
    let flag = |on: bool| f64::from(u8::from(on));
    one(
        "retired_pages_pending",
        errors.value("pages_pending_retired", device.are_pages_pending_retired()).map(flag),
    );
    one(
        "pcie_replays_total",
        errors.value("pcie_replay_counter", device.pcie_replay_counter()).map(f64::from),
    );
    one(
        "pcie_link_generation",
        errors.value("pcie_link_generation", device.current_pcie_link_gen()).map(f64::from),
    );
    one("pcie_link_width", errors.value("pcie_link_width", device.current_pcie_link_width()).map(f64::from));
    one("persistence_mode", errors.value("persistence_mode", device.is_in_persistent_mode()).map(flag));
    one(
        "bar1_used_bytes",
        errors.value("bar1_memory_info", device.bar1_memory_info()).map(|bar| whole(bar.used)),
    );
    let links: Vec<bool> = (0..LINKS_MAX)
        // The first link that is not there ends the list, and is no error.
        .map_while(|link| device.link_wrapper_for(link).is_active().ok())
        .collect();
    if !links.is_empty() {
        one("nvlink_links_active", Some(links.iter().filter(|up| **up).count() as f64));
    }
}

/// What a session does not change.
pub fn fixed(device: &Device<'_>, values: &mut Values, errors: &mut CallErrors) {
    let mut limit = |name, milliwatts: Option<u32>| {
        if let Some(milliwatts) = milliwatts {
            values.insert(("power_limit_watts", name), from_milli(milliwatts.into()));
        }
    };
    limit("current", errors.value("power_management_limit", device.power_management_limit()));
    limit("default", errors.value("power_management_limit_default", device.power_management_limit_default()));
    let range =
        errors.value("power_management_limit_constraints", device.power_management_limit_constraints());
    limit("minimum", range.as_ref().map(|range| range.min_limit));
    limit("maximum", range.as_ref().map(|range| range.max_limit));
    for (clock, domain) in CLOCKS {
        if let Some(megahertz) = errors.value("max_clock_info", device.max_clock_info(clock)) {
            values.insert(("clock_maximum_hertz", domain), f64::from(megahertz) * HERTZ_PER_MEGAHERTZ);
        }
    }
}

fn fields(
    device: &Device<'_>,
    asked: &[(Field, (&'static str, &'static str), f64)],
    values: &mut Values,
    errors: &mut CallErrors,
) {
    let numbers: Vec<Field> = asked.iter().map(|(field, _, _)| *field).collect();
    let found = errors.value("field_values", raw::fields(device, &numbers)).unwrap_or_default();
    for ((_, at, factor), result) in asked.iter().zip(found) {
        if let Some(value) = errors.value("field_values", result) {
            values.insert(*at, value * factor);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
fn whole(value: u64) -> f64 {
    value as f64
}

//! From a text to a [`Scenario`]: what serde cannot see in one value alone.

use std::collections::HashSet;
use std::fmt::Display;

use uuid::Uuid;

use super::places::Places;
use super::raw::{Raw, RawGpu, RawInstance};
use super::{Gpu, Instance, Scenario, ScenarioError, Window, expand, fault_check};

/// As many as the handles of the C interface have room for.
const GPUS_MOST: usize = 64;
/// Default time between two updates of counter and power.
const UPDATE_MILLISECONDS: u32 = 100;

/// What is wrong with a field.
pub(super) struct Problem {
    pub field: String,
    pub message: String,
}

pub(super) fn problem(field: impl Display, message: impl Display) -> Problem {
    Problem { field: field.to_string(), message: message.to_string() }
}

pub(super) fn parse(text: &str, name: &str) -> Result<Scenario, ScenarioError> {
    let wrong = |line, field, message| ScenarioError::Wrong { name: name.to_owned(), line, field, message };
    let raw: Raw = serde_yaml::from_str(text).map_err(|error| {
        let line = error.location().map_or(1, |place| place.line());
        wrong(line, String::from("scenario"), error.to_string())
    })?;
    build(raw).map_err(|Problem { field, message }| wrong(Places::of(text).line(&field), field, message))
}

fn build(raw: Raw) -> Result<Scenario, Problem> {
    let Raw { version, node, clock, driver, gpus: raw_gpus, workloads, faults } = raw;
    if version != 1 {
        return Err(problem("version", format!("this release reads version 1, not {version}")));
    }
    let speed = clock.speed.unwrap_or(1.0);
    if !(speed.is_finite() && speed > 0.0) {
        return Err(problem("clock.speed", format!("{speed} is not above 0")));
    }
    if raw_gpus.len() > GPUS_MOST {
        return Err(problem("gpus", format!("{} are more than {GPUS_MOST}", raw_gpus.len())));
    }
    check_version("driver.version", &driver.version)?;
    let mut gpus = Vec::with_capacity(raw_gpus.len());
    let mut uuids = HashSet::new();
    for (index, raw_gpu) in raw_gpus.into_iter().enumerate() {
        let gpu = gpu(raw_gpu, index, &node)?;
        let instances = gpu.mig.iter().flatten().map(|instance| instance.uuid.clone());
        for uuid in instances.chain([gpu.uuid.clone()]) {
            if uuids.contains(&uuid) {
                return Err(problem(format!("gpus[{index}]"), format!("a second device with uuid {uuid}")));
            }
            uuids.insert(uuid);
        }
        gpus.push(gpu);
    }
    let workloads = expand::workloads(workloads, &mut gpus)?;
    let faults = fault_check::faults(faults, &gpus, &driver.version)?;
    Ok(Scenario {
        node,
        start_unix_seconds: clock.start_unix_seconds,
        speed,
        driver_version: driver.version,
        cuda_version: driver.cuda,
        gpus,
        workloads,
        faults,
    })
}

fn gpu(raw: RawGpu, index: usize, node: &str) -> Result<Gpu, Problem> {
    let at = |field: &str| format!("gpus[{index}].{field}");
    let kind = raw.profile.kind();
    let uuid = raw.uuid.unwrap_or_else(|| format!("GPU-{}", derived_uuid(&format!("{node}/{index}"))));
    if !uuid.starts_with("GPU-") || uuid.len() > 95 {
        return Err(problem(at("uuid"), format!("{uuid:?} must start with GPU- and have at most 95 bytes")));
    }
    let idle_watts = raw.idle_watts.unwrap_or(kind.idle_watts);
    let name = raw.name.unwrap_or_else(|| kind.name.to_owned());
    for (field, value, least, most) in [
        ("idle_watts", idle_watts, 0.0, kind.limit_watts.2),
        ("counter_bias_ratio", raw.counter_bias_ratio, -1.0, 1.0),
        ("power_bias_ratio", raw.power_bias_ratio, -1.0, 1.0),
        ("energy_at.joules", raw.energy_at.joules, 0.0, 1e15),
        ("energy_at.seconds", raw.energy_at.seconds, 0.0, 1e12),
        ("name", name.len() as f64, 1.0, 80.0),
    ] {
        between(&at(field), value, least, most)?;
    }
    let seconds = |field, milliseconds: Option<u32>| match milliseconds.unwrap_or(UPDATE_MILLISECONDS) {
        milliseconds @ 1..=60_000 => Ok(f64::from(milliseconds) / 1000.0),
        other => Err(problem(at(field), format!("{other} is not between 1 and 60000"))),
    };
    let mig = raw.mig.map(|raw| instances(raw, &at("mig"), kind, &uuid)).transpose()?;
    Ok(Gpu {
        profile: raw.profile,
        kind,
        name,
        minor: raw.minor.unwrap_or(index as u32),
        numa_node: raw.numa_node.unwrap_or((index / 4) as u32),
        mig,
        idle_watts,
        counter_bias_ratio: raw.counter_bias_ratio,
        power_bias_ratio: raw.power_bias_ratio,
        energy_update_seconds: seconds("energy_update_milliseconds", raw.energy_update_milliseconds)?,
        power_update_seconds: seconds("power_update_milliseconds", raw.power_update_milliseconds)?,
        energy_at_seconds: raw.energy_at.seconds,
        energy_at_joules: raw.energy_at.joules,
        mig_devices_give_power: raw.mig_devices_give_power,
        held: Vec::new(),
        uuid,
    })
}

fn instances(
    raw: Vec<RawInstance>,
    at: &str,
    kind: &crate::profile::Kind,
    parent: &str,
) -> Result<Vec<Instance>, Problem> {
    let mut instances: Vec<Instance> = Vec::with_capacity(raw.len());
    for (position, raw) in raw.into_iter().enumerate() {
        let at = format!("{at}[{position}]");
        let profile = kind.mig_profile(&raw.profile).ok_or_else(|| {
            let known: Vec<&str> = kind.mig.iter().map(|profile| profile.name).collect();
            problem(format!("{at}.profile"), format!("{:?} is none of {}", raw.profile, known.join(", ")))
        })?;
        let next = instances.last().map_or(0, |last| last.index + 1);
        let (gi, ci) = (raw.gpu_instance, raw.compute_instance);
        let uuid =
            raw.uuid.unwrap_or_else(|| format!("MIG-{}", derived_uuid(&format!("{parent}/{gi}/{ci}"))));
        let instance = Instance {
            index: raw.index.unwrap_or(next),
            profile,
            gpu_instance: gi,
            compute_instance: ci,
            uuid,
        };
        if instance.index > 6 || gi > 254 || ci > 254 {
            return Err(problem(at, "index is at most 6, gpu_instance and compute_instance at most 254"));
        }
        if instance.index < next || instances.iter().any(|other| other.gpu_instance == gi) {
            return Err(problem(at, "indices must grow, and each gpu_instance stands once"));
        }
        instances.push(instance);
    }
    let slices: u32 = instances.iter().map(|instance| instance.profile.slices).sum();
    let memory: u32 = instances.iter().map(|instance| instance.profile.memory_slices).sum();
    if slices > 7 || memory > 8 {
        let message = format!("{slices} compute and {memory} memory slices are more than 7 and 8");
        return Err(problem(at, message));
    }
    Ok(instances)
}

/// The same for the same name, always.
fn derived_uuid(name: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("https://concord.dev/nvml-sim/{name}").as_bytes())
}

pub(super) fn between(field: &str, value: f64, least: f64, most: f64) -> Result<(), Problem> {
    if value.is_finite() && (least..=most).contains(&value) {
        return Ok(());
    }
    Err(problem(field, format!("{value} is not between {least} and {most}")))
}

/// A window whose end may be open.
pub(super) fn window(at: &str, from: f64, to: Option<f64>) -> Result<Window, Problem> {
    between(&format!("{at}.from_seconds"), from, 0.0, 1e12)?;
    let to = to.unwrap_or(f64::INFINITY);
    if to.is_nan() || to <= from {
        return Err(problem(format!("{at}.to_seconds"), format!("{to} is not after {from}")));
    }
    Ok(Window { from_seconds: from, to_seconds: to })
}

/// Clients read the first two numbers of a version.
pub(super) fn check_version(field: &str, version: &str) -> Result<(), Problem> {
    let parts: Vec<&str> = version.split('.').collect();
    let numbers = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if numbers && (2..=4).contains(&parts.len()) && version.len() < 40 {
        return Ok(());
    }
    Err(problem(field, format!("{version:?} is no driver version such as 590.48.01")))
}

//! Workloads: repeated ones become one for each run, and places are looked up among the GPUs.

use std::collections::HashSet;

use uuid::Uuid;

use super::check::{Problem, between, problem};
use super::raw::{RawPlace, RawRepeat, RawWorkload};
use super::{Gpu, Place, Pod, Workload};
use crate::curve::Curve;

/// Each call walks the work of its GPU.
const WORKLOADS_MOST: usize = 20_000;
/// Room for namespace and name of a pod, and for when it came.
const NAME_BYTES_MOST: usize = 400;
/// Share of busy time in which tensor cores, and the memory, are taken to be busy when a scenario does not say.
const TENSOR_OF_BUSY: f64 = 0.5;

pub(super) fn workloads(raw: Vec<RawWorkload>, gpus: &mut [Gpu]) -> Result<Vec<Workload>, Problem> {
    let mut workloads: Vec<Workload> = Vec::new();
    let mut names = HashSet::new();
    for (position, raw) in raw.into_iter().enumerate() {
        let at = format!("workloads[{position}]");
        let repeat = raw.repeat.as_ref().map(|repeat| runs(repeat, &at)).transpose()?;
        let first = workload(raw, &at, gpus)?;
        for run in 0..repeat.map_or(1, |(_, times)| times) {
            let every = repeat.map_or(0.0, |(every, _)| every);
            let workload = if repeat.is_some() { shifted(&first, run, every) } else { first.clone() };
            if !names.insert(workload.name.clone()) {
                return Err(problem(format!("{at}.name"), format!("a second workload {:?}", workload.name)));
            }
            if workloads.len() == WORKLOADS_MOST {
                return Err(problem(at, format!("more than {WORKLOADS_MOST} workloads")));
            }
            check_room(&workload, &workloads, gpus, &at)?;
            for (place, Place { gpu, .. }) in workload.places.iter().enumerate() {
                gpus[*gpu].held.push((workloads.len(), place));
            }
            workloads.push(workload);
        }
    }
    Ok(workloads)
}

fn runs(repeat: &RawRepeat, at: &str) -> Result<(f64, u32), Problem> {
    between(&format!("{at}.repeat.every_seconds"), repeat.every_seconds, 0.001, 1e9)?;
    between(&format!("{at}.repeat.times"), f64::from(repeat.times), 1.0, WORKLOADS_MOST as f64)?;
    Ok((repeat.every_seconds, repeat.times))
}

/// The run of that number: later, and with names of its own.
fn shifted(first: &Workload, run: u32, every_seconds: f64) -> Workload {
    let mut workload = first.clone();
    let name = format!("{}-{run}", first.name);
    workload.start_seconds += f64::from(run) * every_seconds;
    workload.end_seconds += f64::from(run) * every_seconds;
    workload.pod = first.pod.clone().map(|pod| Pod { name: format!("{}-{run}", pod.name), ..pod });
    for (position, place) in workload.places.iter_mut().enumerate() {
        for (number, pid) in place.pids.iter_mut().enumerate() {
            *pid = simulated_pid(&name, position, number);
        }
    }
    workload.name = name;
    workload
}

fn workload(raw: RawWorkload, at: &str, gpus: &[Gpu]) -> Result<Workload, Problem> {
    if raw.name.is_empty() || raw.name.len() > NAME_BYTES_MOST {
        return Err(problem(format!("{at}.name"), format!("a name has 1 to {NAME_BYTES_MOST} bytes")));
    }
    if raw.on.is_empty() {
        return Err(problem(format!("{at}.on"), "it runs nowhere"));
    }
    if raw.repeat.is_some() && raw.pids.is_some() {
        return Err(problem(format!("{at}.pids"), "repeated work gets pids of its own for each run"));
    }
    let end = raw.end_seconds.unwrap_or(f64::INFINITY);
    between(&format!("{at}.start_seconds"), raw.start_seconds, 0.0, 1e12)?;
    if end.is_nan() || end <= raw.start_seconds {
        return Err(problem(format!("{at}.end_seconds"), format!("{end} is not after the start")));
    }
    let shares = [
        ("busy_percent", Some(&raw.busy_percent)),
        ("sm_percent", raw.sm_percent.as_ref()),
        ("tensor_percent", raw.tensor_percent.as_ref()),
        ("memory_busy_percent", raw.memory_busy_percent.as_ref()),
    ];
    for (field, curve) in shares {
        between(&format!("{at}.{field}"), curve.map_or(0.0, Curve::peak), 0.0, 100.0)?;
    }
    let mut places = Vec::with_capacity(raw.on.len());
    for (position, on) in raw.on.iter().enumerate() {
        let pids = raw.pids.clone().unwrap_or_else(|| vec![simulated_pid(&raw.name, position, 0)]);
        places.push(place(on, &format!("{at}.on[{position}]"), gpus, pids)?);
    }
    let half = raw.busy_percent.scaled(TENSOR_OF_BUSY);
    Ok(Workload {
        name: raw.name,
        pod: raw.pod,
        places,
        start_seconds: raw.start_seconds,
        end_seconds: end,
        power_watts: raw.power_watts,
        sm_percent: raw.sm_percent.unwrap_or_else(|| raw.busy_percent.clone()),
        tensor_percent: raw.tensor_percent.unwrap_or_else(|| half.clone()),
        memory_busy_percent: raw.memory_busy_percent.unwrap_or(half),
        busy_percent: raw.busy_percent,
        memory_mib: raw.memory_mib,
    })
}

fn place(on: &RawPlace, at: &str, gpus: &[Gpu], pids: Vec<u32>) -> Result<Place, Problem> {
    let Some(gpu) = gpus.get(on.gpu) else {
        return Err(problem(format!("{at}.gpu"), format!("there are {} GPUs, counted from 0", gpus.len())));
    };
    let uuid = match (&gpu.mig, on.gpu_instance) {
        (None, None) => &gpu.uuid,
        (Some(instances), Some(id)) => {
            let found = instances.iter().find(|instance| instance.gpu_instance == id);
            let missing =
                || problem(format!("{at}.gpu_instance"), format!("GPU {} has no instance {id}", on.gpu));
            &found.ok_or_else(missing)?.uuid
        }
        (None, Some(_)) => {
            return Err(problem(format!("{at}.gpu_instance"), format!("MIG is off on GPU {}", on.gpu)));
        }
        (Some(_), None) => {
            return Err(problem(at, format!("MIG is on at GPU {}: name a gpu_instance", on.gpu)));
        }
    };
    let device_id = on.share.map_or_else(|| uuid.clone(), |share| format!("{uuid}::{share}"));
    Ok(Place { gpu: on.gpu, gpu_instance: on.gpu_instance, share: on.share, device_id, pids })
}

/// Devices are held once at a time, and the GPU's power stays inside its limit.
fn check_room(new: &Workload, old: &[Workload], gpus: &[Gpu], at: &str) -> Result<(), Problem> {
    for (position, place) in new.places.iter().enumerate() {
        let gpu = &gpus[place.gpu];
        let same_gpu = gpu.held.iter().map(|(workload, place)| (&old[*workload], *place));
        let beside: Vec<_> = same_gpu
            .filter(|(other, _)| {
                other.start_seconds < new.end_seconds && new.start_seconds < other.end_seconds
            })
            .collect();
        let holds = |other: &Place| {
            other.gpu_instance == place.gpu_instance
                && (other.share == place.share || other.share.is_none() || place.share.is_none())
        };
        if let Some((other, _)) = beside.iter().find(|(other, i)| holds(&other.places[*i])) {
            let message = format!(
                "{} is held by {:?} at the same time; give each a share of its own",
                place.device_id, other.name
            );
            return Err(problem(format!("{at}.on[{position}]"), message));
        }
        let peak = most_at_once(new, &beside) + gpu.idle_watts;
        if peak > gpu.kind.limit_watts.2 {
            let most = gpu.kind.limit_watts.2;
            let message =
                format!("GPU {} could draw {peak} W with the work beside it, above its {most} W", place.gpu);
            return Err(problem(format!("{at}.power_watts"), message));
        }
    }
    Ok(())
}

/// The largest sum of peaks of work that runs at one time while `new` runs.
fn most_at_once(new: &Workload, beside: &[(&Workload, usize)]) -> f64 {
    let starts = beside.iter().map(|(other, _)| other.start_seconds.max(new.start_seconds));
    let sum = |at: f64| -> f64 {
        let running = beside.iter().filter(|(other, _)| other.runs(at));
        running.map(|(other, _)| other.power_watts.peak()).sum()
    };
    new.power_watts.peak() + starts.map(sum).fold(0.0, f64::max)
}

/// A pid that no process of Linux has, so that nobody takes a real one for simulated work.
fn simulated_pid(workload: &str, place: usize, number: usize) -> u32 {
    let name = format!("{workload}/{place}/{number}");
    let (high, _) = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).as_u64_pair();
    1_000_000_000 + (high % 1_000_000_000) as u32
}

//! Joules that the node agent charged against those that a scenario implies: GPUs held alone, in parts and in turns, pods that come
//! and go, an agent that is killed, a GPU that is reset. Everything but the driver is real.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use concord_nvml_sim::{Scenario, truth::WorkloadTruth};
use concord_pool::{ControlPlane, Identity, Progress, energy::Energy, kubelet};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{AGENT, NAMESPACE, NODE, Start, make_node, make_pod, scrape, start};
use crate::{figures::Figure, meter::pid_of};

/// Of the whole run; holders have ended by `END_SECONDS`.
const LENGTH_SECONDS: f64 = 320.0;
const END_SECONDS: f64 = 290.0;
const KILL_SECONDS: f64 = 110.0;
const AWAY_SECONDS: f64 = 6.0;
const RESET_SECONDS: f64 = 200.0;

/// A pod, the device it holds, and when.
#[derive(Debug, Clone)]
struct Holder {
    /// Its claim; pods that come and go in turn have one each.
    name: String,
    case: &'static str,
    device: &'static str,
    place: Value,
    power_watts: Value,
    from_seconds: f64,
    to_seconds: f64,
    /// Part of the GPU's idle power that its kind of holding is charged.
    idle_part: f64,
}

fn holders() -> Vec<Holder> {
    let steady = |name: &str, case, device, place, watts: f64, idle_part| Holder {
        name: name.to_owned(),
        case,
        device,
        place,
        power_watts: json!(watts),
        from_seconds: 20.0,
        to_seconds: END_SECONDS,
        idle_part,
    };
    let saw = json!({"points": [[0, 100], [20, 520], [40, 520], [40, 120], [60, 120]], "every_seconds": 60});
    let mut all = vec![
        Holder {
            power_watts: saw,
            ..steady("alone", "alone on a GPU", "GPU-alone", json!({"gpu": 0}), 0.0, 1.0)
        },
        steady(
            "mig-large",
            "MIG 3g.40gb",
            "MIG-large",
            json!({"gpu": 2, "gpu_instance": 2}),
            180.0,
            3.0 / 7.0,
        ),
        steady(
            "mig-small",
            "MIG 1g.10gb",
            "MIG-small",
            json!({"gpu": 2, "gpu_instance": 9}),
            48.0,
            1.0 / 7.0,
        ),
        steady(
            "even-a",
            "two on a GPU, equal work",
            "GPU-even::0",
            json!({"gpu": 3, "share": 0}),
            120.0,
            0.5,
        ),
        steady(
            "even-b",
            "two on a GPU, equal work",
            "GPU-even::1",
            json!({"gpu": 3, "share": 1}),
            120.0,
            0.5,
        ),
        steady(
            "uneven-a",
            "two on a GPU, 3 to 1",
            "GPU-uneven::0",
            json!({"gpu": 4, "share": 0}),
            180.0,
            0.5,
        ),
        steady("uneven-b", "two on a GPU, 3 to 1", "GPU-uneven::1", json!({"gpu": 4, "share": 1}), 60.0, 0.5),
        steady("reset", "alone, GPU reset meanwhile", "GPU-reset", json!({"gpu": 5}), 350.0, 1.0),
    ];
    // Seven seconds each, three seconds of pause.
    let turns = (2..29).map(|turn| Holder {
        from_seconds: f64::from(turn) * 10.0,
        to_seconds: f64::from(turn) * 10.0 + 7.0,
        ..steady(
            &format!("turn-{turn:02}"),
            "pods of 7 s in turns",
            "GPU-turns",
            json!({"gpu": 1}),
            400.0,
            1.0,
        )
    });
    all.extend(turns);
    all
}

fn scenario(holders: &[Holder], start_unix_seconds: f64) -> Value {
    let gpu = |uuid: &str| json!({"profile": "h100", "uuid": uuid});
    let instance = |profile: &str, gpu_instance: u32, uuid: &str| json!({"profile": profile, "gpu_instance": gpu_instance, "uuid": uuid});
    let mut parts = gpu("GPU-parts");
    parts["mig"] = json!([instance("3g.40gb", 2, "MIG-large"), instance("1g.10gb", 9, "MIG-small")]);
    let workload = |holder: &Holder| {
        json!({
            "name": holder.name, "on": [holder.place], "power_watts": holder.power_watts, "busy_percent": 90,
            "start_seconds": holder.from_seconds, "end_seconds": holder.to_seconds, "memory_mib": 4_096,
        })
    };
    json!({
        "version": 1, "node": NODE, "clock": {"start_unix_seconds": start_unix_seconds},
        "gpus": [gpu("GPU-alone"), gpu("GPU-turns"), parts, gpu("GPU-even"), gpu("GPU-uneven"), gpu("GPU-reset")],
        "workloads": holders.iter().map(workload).collect::<Vec<_>>(),
        "faults": {"resets": [{"gpu": 5, "at_seconds": RESET_SECONDS, "lasts_seconds": 3}]},
    })
}

fn kubelet_state(holders: &[Holder], at_seconds: f64) -> Value {
    let here = holders.iter().filter(|h| h.from_seconds <= at_seconds && at_seconds < h.to_seconds);
    let pod = |holder: &Holder| {
        json!({
            "namespace": NAMESPACE, "name": holder.name, "uid": holder.name, "phase": "Running",
            "containers": [{"name": "main", "devices": [{"resource": "nvidia.com/gpu", "ids": [holder.device]}]}],
        })
    };
    let ids =
        ["GPU-alone", "GPU-turns", "MIG-large", "MIG-small", "GPU-even::0", "GPU-even::1", "GPU-uneven::0"];
    let ids: Vec<&str> = ids.into_iter().chain(["GPU-uneven::1", "GPU-reset"]).collect();
    json!({
        "pods": here.map(pod).collect::<Vec<_>>(),
        "allocatable": [{"resource": "nvidia.com/gpu", "ids": ids}],
    })
}

/// Runs it, for some five minutes, and compares.
///
/// # Errors
/// When a program does not do its part.
pub async fn compare(
    control: &mut ControlPlane,
    agent: &Path,
    library: &Path,
    progress: &Progress,
) -> Result<Vec<Figure>> {
    let admin = control.client(Identity::ADMIN).await?;
    make_node(&admin).await?;
    let folder = control.data_dir().join("node");
    fs::create_dir_all(folder.join("state"))?;
    // Kubernetes dates containers to the second.
    let start_unix_seconds = unix_seconds().ceil() + 2.0;
    let holders = holders();
    let text = serde_yaml::to_string(&scenario(&holders, start_unix_seconds))?;
    fs::write(folder.join("scenario.yaml"), &text)?;
    fs::write(folder.join("kubelet.json"), kubelet_state(&holders, 0.0).to_string())?;
    kubelet::start_pod_resources(control, [folder.as_path()], progress).await?;
    let options = Start { agent, library, folder: &folder, settle_seconds: 5, idle_watts: Some(69.85) };
    let mut client = start(control, &options).await?;

    let mut seen = 0.0;
    let mut killed = false;
    while seen < LENGTH_SECONDS {
        let now = unix_seconds() - start_unix_seconds;
        let changed =
            holders.iter().flat_map(|h| [h.from_seconds, h.to_seconds]).any(|at| seen < at && at <= now);
        if changed {
            let state = folder.join("kubelet.new");
            fs::write(&state, kubelet_state(&holders, now).to_string())?;
            fs::rename(&state, folder.join("kubelet.json"))?;
            for holder in &holders {
                tell(&admin, holder, seen, now, start_unix_seconds).await?;
            }
        }
        if !killed && now > KILL_SECONDS {
            killed = true;
            let pid = Pid::from_raw(pid_of(control, AGENT)?).context("no agent")?;
            kill_process(pid, Signal::KILL)?;
            tokio::time::sleep(Duration::from_secs_f64(AWAY_SECONDS)).await;
            tokio::task::block_in_place(|| control.processes().stop(AGENT))?;
            client = start(control, &options).await?;
        }
        seen = now;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let metrics = scrape(&client).await?;
    let truth = Scenario::parse(&text, "scenario.yaml").map_err(|error| anyhow::anyhow!("{error}"))?;
    figures(&holders, &truth.truth(0.0, LENGTH_SECONDS).workloads, &metrics)
}

/// Says in the API what happened to the holder's pod in this time.
async fn tell(admin: &Client, holder: &Holder, from: f64, to: f64, start_unix_seconds: f64) -> Result<()> {
    let happened = |at: f64| from < at && at <= to;
    let dated = |at: f64| Timestamp::from_second((start_unix_seconds + at) as i64);
    let pods: Api<Pod> = Api::namespaced(admin.clone(), NAMESPACE);
    let status = if happened(holder.to_seconds) {
        let life = json!({"startedAt": dated(holder.from_seconds)?, "finishedAt": dated(holder.to_seconds)?,
            "exitCode": 0, "reason": "Completed"});
        ("Succeeded", json!({"terminated": life}))
    } else if happened(holder.from_seconds) {
        make_pod(admin, &holder.name).await?;
        ("Running", json!({"running": {"startedAt": dated(holder.from_seconds)?}}))
    } else {
        return Ok(());
    };
    let container = json!({"name": "main", "image": "work", "imageID": "", "ready": true, "restartCount": 0,
        "state": status.1});
    let status = json!({"status": {"phase": status.0, "startTime": dated(holder.from_seconds)?,
        "containerStatuses": [container]}});
    pods.patch_status(&holder.name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

fn figures(holders: &[Holder], truth: &[WorkloadTruth], metrics: &str) -> Result<Vec<Figure>> {
    let energy = Energy::of([metrics])?;
    let mut found: Vec<Figure> = Vec::new();
    let mut cases: Vec<(String, Vec<&Holder>)> = Vec::new();
    for holder in holders {
        let alone = !holder.name.starts_with("turn-");
        let title = if alone { format!("{}: {}", holder.case, holder.name) } else { holder.case.to_owned() };
        match cases.last_mut() {
            Some((last, all)) if *last == title => all.push(holder),
            _ => cases.push((title, vec![holder])),
        }
    }
    for (title, holders) in cases {
        let names: Vec<&str> = holders.iter().map(|holder| holder.name.as_str()).collect();
        let charged: f64 = names.iter().map(|name| energy.claims.get(*name).copied().unwrap_or(0.0)).sum();
        let implied = |work: &WorkloadTruth| {
            let holder = holders.iter().find(|holder| holder.name == work.name)?;
            let idle: f64 = work.places.iter().map(|place| place.idle_joules_of_gpu).sum();
            Some(work.work_joules + holder.idle_part * idle)
        };
        let implied: f64 = truth.iter().filter_map(implied).sum();
        let error = (charged / implied - 1.0) * 100.0;
        let value = format!("{charged:.0} J charged, {implied:.0} J implied: {error:+.2} %");
        found.push(Figure::new(title, value));
    }
    found.push(Figure::new(
        "not accounted for, of all",
        format!("{:.6} J of {:.0}", energy.residual_joules, energy.booked_joules),
    ));
    found.push(Figure::new(
        "time for which a GPU's energy is not known",
        format!("{:.1} s (the reset)", energy.gap_seconds),
    ));
    Ok(found)
}

fn unix_seconds() -> f64 {
    Timestamp::now().as_microsecond() as f64 / 1e6
}

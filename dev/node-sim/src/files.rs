//! What is written for a node: the scenario that its simulated driver follows, and what its kubelet would know. Pure.

use serde_json::{Value, json};

use crate::node::{Held, IDLE_WATTS, SimulatedNode};

/// The scenario of the NVML simulator (`docs/nvml-sim.md`). `start_unix_seconds` is its time 0.
#[must_use]
pub fn scenario(node: &SimulatedNode, start_unix_seconds: f64) -> Value {
    let (seconds, folded) = node.folded();
    let gpu = |(uuid, joules): (&String, &f64)| {
        let mut gpu = json!({"profile": "h100", "uuid": uuid, "idle_watts": IDLE_WATTS});
        if seconds > 0.0 {
            gpu["energy_at"] = json!({"seconds": seconds, "joules": joules});
        }
        gpu
    };
    json!({
        "version": 1,
        "node": node.name,
        "clock": {"start_unix_seconds": start_unix_seconds},
        "gpus": node.gpus.iter().zip(folded).map(gpu).collect::<Vec<_>>(),
        "workloads": node.listed().map(workload).collect::<Vec<_>>(),
    })
}

fn workload(held: &Held) -> Value {
    let [namespace, name, container] = &held.pod;
    let mut workload = json!({
        "name": held.uid,
        "pod": {"namespace": namespace, "name": name, "container": container},
        "on": held.gpus.iter().map(|gpu| json!({"gpu": gpu})).collect::<Vec<_>>(),
        "start_seconds": held.start_seconds,
        "power_watts": held.power_watts,
        "busy_percent": 95,
        "memory_mib": 61_440,
    });
    if let Some(end) = held.end_seconds {
        workload["end_seconds"] = json!(end);
    }
    workload
}

/// What `dev/kubelet` reads: pods with devices, and all devices.
#[must_use]
pub fn kubelet(node: &SimulatedNode) -> Value {
    let devices = |ids: Vec<&String>| json!([{"resource": "nvidia.com/gpu", "ids": ids}]);
    let pod = |held: &Held| {
        let [namespace, name, container] = &held.pod;
        let ids = held.gpus.iter().map(|&gpu| &node.gpus[gpu]).collect();
        json!({
            "namespace": namespace, "name": name, "uid": held.uid, "phase": "Running",
            "containers": [{"name": container, "devices": devices(ids)}],
        })
    };
    json!({
        "pods": node.running().map(pod).collect::<Vec<_>>(),
        "allocatable": devices(node.gpus.iter().collect()),
    })
}

//! Each return code of NVML at the calls that matter: in which state the agent is, and what the metrics say. The table is in
//! `docs/node-agent.md`.

use std::fmt::Write;

use crate::page;
use crate::process::{Agent, Metrics, Simulator};

const CODES: [(u32, &str); 16] = [
    (1, "uninitialized"),
    (2, "invalid_argument"),
    (3, "not_supported"),
    (4, "no_permission"),
    (6, "not_found"),
    (9, "driver_not_loaded"),
    (10, "timeout"),
    (13, "function_not_found"),
    (15, "gpu_is_lost"),
    (16, "reset_required"),
    (17, "operating_system"),
    (18, "lib_rm_version_mismatch"),
    (21, "no_data"),
    (27, "not_ready"),
    (28, "gpu_not_found"),
    (999, "unknown"),
];

/// Calls by what hangs on them. The last three are asked of GPU 1 alone.
const CALLS: [(&str, &str); 5] = [
    ("init", "nvmlInit_v2"),
    ("count", "nvmlDeviceGetCount_v2"),
    ("handle", "nvmlDeviceGetHandleByIndex_v2"),
    ("power", "nvmlDeviceGetPowerUsage"),
    ("energy", "nvmlDeviceGetTotalEnergyConsumption"),
];

fn scenario(code: &str, symbol: &str) -> String {
    // A handle is asked for before its GPU is known, and so the rule is for both.
    let gpu = if symbol.contains("Usage") || symbol.contains("Energy") { ", gpu: 1" } else { "" };
    // Without a code nothing fails.
    format!(
        "version: 1\nnode: faults\ngpus:\n  - {{profile: h100, uuid: GPU-a}}\n  - {{profile: h100, uuid: GPU-b}}\n\
        faults:\n  errors:\n    - {{code: {code}, symbols: [{symbol}]{gpu}}}\n"
    )
}

/// State, and what of the two GPUs there is.
pub fn said(metrics: &Metrics) -> String {
    let state = metrics.state().unwrap_or("-");
    let count = |name: &str| {
        let found = ["GPU-a", "GPU-b"].iter().filter(|gpu| metrics.sum(name, &[gpu]).is_some()).count();
        found.to_string()
    };
    let errors: Vec<&str> = metrics
        .0
        .lines()
        .filter(|line| line.starts_with("concord_gpu_nvml_errors_total{"))
        .filter_map(|line| line.split("error=\"").nth(1)?.split('"').next())
        .collect();
    let mut kinds = errors.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let errors = if kinds.is_empty() { "-".to_owned() } else { kinds.join(" ") };
    let (power, energy) = (count("concord_gpu_power_watts"), count("concord_gpu_hardware_energy_joules"));
    let health = metrics.0.lines().find(|line| line.starts_with("concord_gpu_healthy{gpu_uuid=\"GPU-b\""));
    let health = health.map_or("-", |line| match line.split('"').nth(3) {
        Some("") => "healthy",
        reason => reason.unwrap_or("-"),
    });
    format!("`{state}` | {power} | {energy} | {health} | {errors}")
}

#[test]
fn each_code_at_each_call_is_a_state_and_never_a_zero() {
    let mut table =
        "| code | call | state | GPUs with power | GPUs with energy | second GPU | errors counted |\n|---|---|---|---|---|---|---|\n".to_owned();
    for (number, code) in CODES {
        for (name, symbol) in CALLS {
            let simulator = Simulator::new(&scenario(code, symbol));
            let agent = Agent::start(&simulator, &[]);
            let metrics = agent.wait("it has tried", |m| m.state().is_some_and(|state| state != "starting"));
            assert!(
                !metrics.0.contains("concord_gpu_power_watts{gpu_uuid=\"GPU-b\"} 0\n"),
                "a zero: {code} {name}"
            );
            let power = metrics.sum("concord_gpu_power_watts", &["GPU-a"]);
            if ["power", "energy"].contains(&name) {
                assert!(power.is_some(), "{code} {name}: the other GPU is read");
            }
            writeln!(table, "| {number} `{code}` | {name} | {} |", said(&metrics)).unwrap();
        }
    }
    page::hold("faults", &table);
}

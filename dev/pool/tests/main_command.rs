//! What the README promises first: the pool comes up with all that the chart has, a part of the real trace runs through
//! it, and the independent audit has nothing to complain of. The whole of it takes ten minutes; this is a small part.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The programs beside this one, which `cargo test --workspace` builds.
fn program() -> PathBuf {
    let pool = PathBuf::from(env!("CARGO_BIN_EXE_concord-pool"));
    let library = "libconcord_nvml_sim.so";
    for name in ["concord-operator", "concord-quota-api", "concord-gpu-agent", "concord-node-sim", library] {
        assert!(
            pool.with_file_name(name).is_file(),
            "{name} is not built; run `cargo build --workspace` first"
        );
    }
    pool
}

fn pool(program: &Path, data: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).env("CONCORD_POOL", data).output().unwrap()
}

#[test]
fn a_part_of_the_trace_runs_through_the_pool_and_the_audit_is_clean() {
    let (program, folder) = (program(), tempfile::tempdir().unwrap());
    let selection = "start-day=26,hours=1,speed=1200,jobs=40,max-runtime-hours=2";
    let ran = pool(
        &program,
        folder.path(),
        &["up", "--replay", selection, "--kill-operator", "1", "--output", "json"],
    );
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    let logs = || pool(&program, folder.path(), &["logs", "concord-operator"]);
    let report: Option<serde_json::Value> = serde_json::from_slice(&ran.stdout).ok();
    let energy = std::fs::read_to_string(folder.path().join("energy.json")).unwrap_or_default();
    let status = pool(&program, folder.path(), &["status"]);
    let tail = String::from_utf8_lossy(&logs().stdout).into_owned();
    pool(&program, folder.path(), &["down"]);
    assert!(ran.status.success(), "{said}\n{tail}");
    let report = report.unwrap();
    assert_eq!(report["jobs"]["submitted"], 40, "{report:#}");
    assert_eq!(report["jobs"]["finished"], 40, "{report:#}");
    // Agents on four of the nodes, with a simulated driver: their books add up.
    let energy: serde_json::Value = serde_json::from_str(&energy).unwrap();
    assert_eq!((energy["nodes"].as_u64(), energy["gpus"].as_u64()), (Some(4), Some(32)), "{energy:#}");
    assert_eq!(energy["residual_joules"], 0.0, "{energy:#}");
    let booked = energy["booked_joules"].as_f64().unwrap();
    assert!(booked > 32.0 * 60.0, "32 GPUs draw idle power for more than a second: {energy:#}");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
}

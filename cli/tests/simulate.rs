//! `concord simulate` as people call it: classes, reserves, resolved shares, a beginning in time, budgets, windows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::path::Path;
use std::process::{Command, Output};

const CLAUSES: &str = "\
apiVersion: concord.dev/v1alpha1
kind: Treaty
metadata: {name: test}
spec:
  title: Two members, two classes
  effective: {from: 2027-03-30}
  timeZone: Europe/Paris
  classes:
    - {name: h100, nodeLabels: {gpu: h100}}
    - {name: a100, nodeLabels: {gpu: a100}}
  members:
    - {name: north, guarantee: {percent: \"25\"}}
    - {name: south, guarantee: {percent: \"25\"}}
  reserves:
    - {name: urgent, size: {byClass: {h100: {gpus: 8}}}}
  reclaim: {noticeSeconds: 0}
";
const BUDGET: &str = "  budget: {period: quarter, gpuHours: {north: 8}, overuse: [{abovePercent: \"100\", effect: noBorrowing}]}\n";
const WINDOW: &str =
    "  windows: [{name: patch, purpose: maintenance, start: 2027-03-30T01:00, lengthMinutes: 60}]\n";
const TRACE: &str = "\
job,member,class,submit_s,runtime_s,gpus
a,north,h100,0,7200,8
b,north,h100,0,7200,8
c,urgent,h100,60,3600,8
d,south,a100,60,3600,16
e,north,h100,7200,3600,16
";

fn simulate(clauses: &str, trace: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (treaty, trace) = (path("treaty.yaml", clauses), path("trace.csv", trace));
    let mut command = Command::new(env!("CARGO_BIN_EXE_concord"));
    command.args(["simulate", "--treaty", &treaty, "--trace", &trace]).args(arguments);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).output().unwrap()
}

fn report(clauses: &str, arguments: &[&str]) -> serde_json::Value {
    let output = simulate(clauses, TRACE, &[arguments, &["--output", "json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn wait_max_s(report: &serde_json::Value, member: &str) -> f64 {
    report["policies"][0]["members"][member]["wait_s"]["max"].as_f64().unwrap()
}

#[test]
fn each_class_is_a_pool_and_a_reserve_is_a_party() {
    let report = report(CLAUSES, &["--nodes", "h100=4,a100=4"]);
    assert_eq!(report["pool"]["nodes"], 8);
    assert_eq!(report["pool"]["classes"][1]["class"], "a100");
    assert_eq!(report["pool"]["begins"], "2027-03-30 00:00 Europe/Paris", "the treaty's first day");
    let policy = &report["policies"][0];
    assert_eq!((&policy["all"]["jobs"], &policy["all"]["never_ended"]), (&5.into(), &0.into()));
    assert_eq!(policy["members"]["urgent"]["jobs"], 1);
    // At the second 7,200 north's two jobs have ended: nobody ever waited, a quarter of 4 nodes or not.
    assert_eq!(policy["all"]["wait_s"]["max"], 0.0);
    assert_eq!(policy["floor_violation_gpu_s"], 0.0);
}

#[test]
fn a_budget_follows_the_clock_from_the_stated_start() {
    let clauses = CLAUSES.to_owned() + BUDGET;
    // North used 32 of 8 GPU-hours. Its gang of two nodes is above its guarantee of one: it waits for the next quarter.
    let waits = report(&clauses, &["--nodes", "h100=4,a100=4"]);
    assert_eq!(wait_max_s(&waits, "north"), 2.0 * 86_400.0 - 7_200.0);
    let waits = report(&clauses, &["--nodes", "h100=4,a100=4", "--start", "2027-03-31T12:00"]);
    assert_eq!(wait_max_s(&waits, "north"), 12.0 * 3_600.0 - 7_200.0);
    let waits = report(&clauses, &["--nodes", "h100=4,a100=4", "--on", "2027-03-31"]);
    assert_eq!(wait_max_s(&waits, "north"), 24.0 * 3_600.0 - 7_200.0);
}

#[test]
fn nothing_runs_into_a_window() {
    let clauses = CLAUSES.to_owned() + WINDOW;
    let waits = report(&clauses, &["--nodes", "h100=4,a100=4"]);
    // From the window's end at the second 7,200; the hour of south and the reserve would just meet it.
    assert_eq!((wait_max_s(&waits, "south"), wait_max_s(&waits, "urgent")), (7_140.0, 7_140.0));
}

#[test]
fn all_policies_run_on_every_class() {
    let report = report(CLAUSES, &["--nodes", "h100=4,a100=4", "--policy", "all"]);
    let policies = report["policies"].as_array().unwrap();
    assert_eq!(policies.len(), 9);
    assert!(policies.iter().all(|p| p["floor_fragmentation_gpu_s"].is_number()));
    let own = policies.iter().find(|p| p["nodes"] == "own" && p["policy"] == "fifo").unwrap();
    assert_eq!(own["members"]["south"]["never_ended"], 1, "two nodes, but one of its own");
}

#[test]
fn what_is_missing_is_said() {
    let refused = |trace: &str, arguments: &[&str]| {
        let output = simulate(CLAUSES, trace, arguments);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(TRACE, &[]).contains("state the nodes of the pool"));
    assert!(refused(TRACE, &["--nodes", "8"]).contains("write --nodes h100=N,a100=N"));
    let nodes = ["--nodes", "h100=4,a100=4"];
    let without = "job,member,submit_s,runtime_s,gpus\na,north,0,1,1\n";
    assert!(refused(without, &nodes).contains("no column class; the treaty has several classes"));
    let wrong = TRACE.replace("south,a100", "east,b100");
    let faults = refused(&wrong, &nodes);
    assert!(faults.contains("\"east\" is not in the treaty; use one of north, south, urgent"), "{faults}");
    assert!(faults.contains("\"b100\" is not in the treaty; use one of h100, a100"), "{faults}");
    assert!(
        refused(TRACE, &[&nodes[..], &["--start", "0900-01-01T00:00"]].concat())
            .contains("in the years 1970 to 2999")
    );
}

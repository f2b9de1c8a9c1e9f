//! `concord simulate` under all that a treaty can say: dates that pass, shares inside members, reserves with openings and
//! tiers, places, applicants, and notes on what acts on nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::process::{Command, Output};

use serde_json::Value;

const HEAD: &str = "\
apiVersion: concord.dev/v1alpha1
kind: Treaty
metadata: {name: test}
spec:
  title: Test
  reclaim: {noticeSeconds: 0}
";
const TWO: &str = "  members: [{name: north, guarantee: {gpus: 16}}, {name: south, guarantee: {gpus: 8}}]\n";
const QUOTA: &str = "\
apiVersion: concord.dev/v1alpha1
kind: MemberQuota
metadata: {name: north}
spec:
  institutions:
    - {name: polar, ceiling: {gpus: 8}}
    - {name: coast, weight: 3}
";
const NODE_FILE: &str = "\
name,gpus,labels
n1,8,topology.concord.dev/rack=r1
n2,8,topology.concord.dev/rack=r2;site=cold
n3,8,topology.concord.dev/rack=r1
n4,8,topology.concord.dev/rack=r2
";

/// Runs in a folder with these files.
fn simulate(files: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_concord"));
    command.args(["simulate", "--treaty", "t.yaml", "--trace", "t.csv", "--output", "json"]).args(arguments);
    command.current_dir(folder.path()).output().unwrap()
}

fn report(clauses: &str, trace: &str, files: &[(&str, &str)], arguments: &[&str]) -> Value {
    let treaty = HEAD.to_owned() + clauses;
    let output = simulate(&[&[("t.yaml", treaty.as_str()), ("t.csv", trace)], files].concat(), arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fault(clauses: &str, trace: &str, files: &[(&str, &str)], arguments: &[&str]) -> String {
    let treaty = HEAD.to_owned() + clauses;
    let output = simulate(&[&[("t.yaml", treaty.as_str()), ("t.csv", trace)], files].concat(), arguments);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

fn longest_wait_s(report: &Value, member: &str) -> f64 {
    report["policies"][0]["members"][member]["wait_s"]["max"].as_f64().unwrap()
}

fn never_ended(report: &Value) -> i64 {
    report["policies"][0]["all"]["never_ended"].as_i64().unwrap()
}

fn notes(report: &Value) -> String {
    let notes = report["notes"].as_array().unwrap().iter();
    notes.map(|n| n.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[test]
fn shares_follow_the_days_of_the_treaty() {
    let clauses = "  effective: {from: 2027-01-01, until: 2027-12-31}
  members:
    - {name: north, contributions: [{amount: 1}], guarantee: {proportional: true}}
    - {name: south, contributions: [{amount: 1}, {amount: 2, paidOn: 2027-01-02}], guarantee: {proportional: true}}
";
    let trace =
        "job,member,submit_s,runtime_s,gpus\na,north,0,180000,16\nb,south,3600,3600,24\nc,south,90000,60,8\n";
    let report = report(clauses, trace, &[], &["--nodes", "4"]);
    // Two nodes each until the second 86,400; then south has three, and a leaves for it.
    assert_eq!(longest_wait_s(&report, "south"), 82_800.0);
    assert_eq!(report["policies"][0]["reclaims"], 1);
    assert_eq!(report["policies"][0]["floor_violation_gpu_s"], 0.0, "{report:#}");
    let notes = notes(&report);
    assert!(notes.contains("numbers change at 2027-01-02 00:00 UTC: shares follow"), "{notes}");
}

#[test]
fn a_suspension_ends_what_a_member_can_start() {
    let clauses = "  members:
    - {name: north, guarantee: {gpus: 8}, suspended: {from: 2026-01-02, reason: dues}}
    - {name: south, guarantee: {gpus: 8}}
";
    let trace =
        "job,member,submit_s,runtime_s,gpus\na,north,0,60,8\nb,north,86400,60,8\nc,south,86400,60,8\n";
    let report = report(clauses, trace, &[], &["--nodes", "2"]);
    assert_eq!(never_ended(&report), 1);
    assert_eq!(report["policies"][0]["members"]["north"]["never_ended"], 1);
    assert_eq!(report["policies"][0]["floor_violation_gpu_s"], 0.0, "nothing is promised to it any more");
}

#[test]
fn members_share_inside_themselves() {
    let trace = "job,member,institution,project,person,submit_s,runtime_s,gpus\n\
                 a,north,polar,ice,,0,3600,8\nb,north,polar,ice,ann,0,3600,8\nc,north,coast,,,0,3600,8\nd,north,,,,0,3600,8\n";
    let files = [("north.yaml", QUOTA)];
    let report = report(TWO, trace, &files, &["--nodes", "4", "--quota", "north.yaml"]);
    // Polar has one node at once, though another is idle.
    assert_eq!(longest_wait_s(&report, "north"), 3600.0);
    assert_eq!(
        report["policies"][0]["floor_violation_gpu_s"], 0.0,
        "its own member holds it up, not the pool"
    );
    let plain = "job,member,submit_s,runtime_s,gpus\na,north,0,3600,8\n";
    let report = self::report(TWO, plain, &files, &["--nodes", "4", "--quota", "north.yaml"]);
    assert!(notes(&report).contains("all work belongs to the member itself; add the columns"), "{report:#}");
    let by_path = "job,member,path,submit_s,runtime_s,gpus\na,north,polar/ice,0,3600,8\n";
    let report = self::report(TWO, by_path, &[], &["--nodes", "4"]);
    assert!(notes(&report).contains("have no effect without shares inside members; add --quota FILE"));
}

#[test]
fn a_quota_must_fit_the_treaty() {
    let trace = "job,member,submit_s,runtime_s,gpus\na,north,0,3600,8\n";
    let with = |quota: &str| fault(TWO, trace, &[("q.yaml", quota)], &["--nodes", "4", "--quota", "q.yaml"]);
    let east = with(&QUOTA.replace("name: north}", "name: east}"));
    assert!(east.contains("TR051") && east.contains("q.yaml:3"), "{east}");
    let floor = with(&QUOTA.replace("weight: 3", "guarantee: {gpus: 24}"));
    assert!(floor.contains("TR052"), "{floor}");
    assert!(with(&format!("{QUOTA}---\n{QUOTA}")).contains("north has a quota already, in q.yaml"));
    assert!(with("a: b\n").contains("q.yaml"));
}

#[test]
fn places_come_from_the_node_file() {
    let trace = "job,member,within,node_labels,submit_s,runtime_s,gpus\n\
                 a,north,,site=cold,0,3600,8\nb,north,,site=cold,0,3600,8\nc,south,rack,,0,60,16\nd,south,rack,,0,60,16\n";
    let files = [("nodes.csv", NODE_FILE)];
    let report = report(TWO, trace, &files, &["--node-file", "nodes.csv"]);
    // One node is cold; one rack is whole.
    assert_eq!(longest_wait_s(&report, "north"), 3600.0);
    assert_eq!(longest_wait_s(&report, "south"), 60.0);
    assert_eq!(report["policies"][0]["floor_violation_gpu_s"], 0.0, "{report:#}");
    let bare = self::report(TWO, trace, &[], &["--nodes", "4"]);
    let notes = notes(&bare);
    assert!(notes.contains(
        "2 jobs never start: no simulated node has the labels that they ask for (first site=cold)"
    ));
    assert!(notes.contains("2 jobs ask for one rack, but no node says its rack"), "{notes}");
    assert_eq!(never_ended(&bare), 2);
}

#[test]
fn a_window_acts_on_the_nodes_of_the_file_and_one_on_no_node_is_told() {
    let clauses = TWO.to_owned()
        + "  windows:\n    - name: patch\n      purpose: maintenance\n      start: 2026-01-01T01:00\n      lengthMinutes: 60\n      nodeLabels: {site: cold}\n";
    let trace =
        "job,member,node_labels,submit_s,runtime_s,gpus\na,north,site=cold,0,7200,8\nb,south,,0,7200,8\n";
    let files = [("nodes.csv", NODE_FILE)];
    let waits = report(&clauses, trace, &files, &["--node-file", "nodes.csv"]);
    assert_eq!((longest_wait_s(&waits, "north"), longest_wait_s(&waits, "south")), (7200.0, 0.0));
    assert!(!notes(&waits).contains("no effect"));
    assert_eq!(waits["policies"][0]["floor_violation_gpu_s"], 0.0, "a node in a window is no place");
    let bare = report(&clauses, &trace.replace("site=cold", ""), &[], &["--nodes", "4"]);
    let expected = "t.yaml:13:7: the window patch has no effect: no simulated node has the labels site=cold; give nodes with \
                    labels by --node-file FILE";
    assert!(notes(&bare).contains(expected), "{}", notes(&bare));
}

const RESERVES: &str = "  members: [{name: north, guarantee: {gpus: 8}}]
  reserves:
    - {name: emergency, size: {gpus: 8}, opening: {decidedBy: [north], longestDays: 1}}
    - {name: small, size: {gpus: 8}, tiers: [{name: s, mostGpus: 8, gpuHours: 8, decidedWithinDays: 0}]}
";

#[test]
fn reserves_open_by_decision_and_tiers_end_with_their_hours() {
    let trace = "job,member,project,submit_s,runtime_s,gpus\n\
                 e,emergency,,0,60,8\np,small,ice,0,3600,8\nq,small,ice,0,60,8\n";
    let awards = "reserve,project,tier\nsmall,ice,s\n";
    let arguments = ["--nodes", "3", "--awards", "a.csv", "--open", "emergency=north@600"];
    let open = report(RESERVES, trace, &[("a.csv", awards)], &arguments);
    assert_eq!(longest_wait_s(&open, "emergency"), 600.0);
    // The first used the 8 hours of the tier.
    assert_eq!((never_ended(&open), &open["policies"][0]["members"]["small"]["never_ended"]), (1, &1.into()));
    let closed = report(RESERVES, trace, &[], &["--nodes", "3"]);
    let notes = notes(&closed);
    assert!(
        notes.contains("reserve emergency is never opened")
            && notes.contains("--open emergency=north@SECOND")
    );
    assert!(notes.contains("no project has a tier of the reserve small"), "{notes}");
    assert_eq!(never_ended(&closed), 3);
}

#[test]
fn decisions_that_the_treaty_does_not_know_are_refused() {
    let trace = "job,member,submit_s,runtime_s,gpus\na,north,0,60,8\n";
    let with = |arguments: &[&str], awards: &str| {
        fault(RESERVES, trace, &[("a.csv", awards)], &[&["--nodes", "3"], arguments].concat())
    };
    assert!(with(&["--open", "small=north@0"], "").contains("the reserve small is always open"));
    assert!(
        with(&["--open", "none=north@0"], "")
            .contains("\"none\" is no reserve of the treaty; its reserves: [emergency")
    );
    assert!(with(&["--open", "emergency=small@0"], "").contains("\"small\" may not open emergency"));
    assert!(with(&["--open", "emergency"], "").contains("is not RESERVE=MEMBER@SECOND"));
    let awards = |text: &str| with(&["--awards", "a.csv"], text);
    assert!(
        awards("reserve,project\n").contains("a.csv:1: begin the file with the line reserve,project,tier")
    );
    assert!(
        awards("reserve,project,tier\nsmall,ice,xl\n")
            .contains("a.csv:2: tier: \"xl\" is no tier of small; use one of s")
    );
}

#[test]
fn conditions_are_held_against_what_applicants_state() {
    let clauses = TWO.to_owned()
        + "  eligibility: {countries: [FI], purposes: [civil], dataClasses: [{name: health, nodeLabels: {site: cold}}]}\n";
    let trace = "job,member,country,purpose,data_class,submit_s,runtime_s,gpus\n\
                 a,north,FI,civil,,0,60,8\nb,north,SE,civil,,0,60,8\nc,south,FI,military,public,0,60,8\n\
                 d,south,FI,civil,health,0,60,8\ne,south,FI,civil,health,0,60,8\nf,south,,civil,,0,60,8\n";
    let files = [("nodes.csv", NODE_FILE)];
    let judged = report(&clauses, trace, &files, &["--node-file", "nodes.csv"]);
    assert_eq!((&judged["jobs"], &judged["not_eligible_jobs"]), (&3.into(), &3.into()));
    assert!(
        notes(&judged).contains(
            "t.csv: 3 jobs never start: the treaty's conditions do not admit them (first on line 3)"
        )
    );
    // Health data are processed on the one cold node.
    assert_eq!(longest_wait_s(&judged, "south"), 60.0);
    let silent = "job,member,submit_s,runtime_s,gpus\na,north,0,60,8\n";
    let all = report(&clauses, silent, &files, &["--node-file", "nodes.csv"]);
    assert!(notes(&all).contains("everybody counts as eligible"));
    assert_eq!(never_ended(&all), 0);
    let half = "job,member,country,submit_s,runtime_s,gpus\na,north,FI,0,60,8\n";
    let told = fault(&clauses, half, &files, &["--node-file", "nodes.csv"]);
    assert!(told.contains("t.csv:1: no column purpose; the treaty has conditions on it"), "{told}");
    let bare = report(&clauses, trace, &[], &["--nodes", "4"]);
    assert!(
        notes(&bare).contains("jobs with data of class health never start: no simulated node"),
        "{}",
        notes(&bare)
    );
}

#[test]
fn faults_of_the_files_name_line_column_and_fix() {
    let trace = "job,member,within,node_labels,institution,project,submit_s,runtime_s,gpus\n\
                 a,north,room,cold,,ice,0,60,8\n";
    let told = fault(TWO, trace, &[], &["--nodes", "4"]);
    for expected in [
        "t.csv:2: within: \"room\" is no part of a pool; write rack or row, or leave it empty",
        "t.csv:2: node_labels: \"cold\" is no label; write KEY=VALUE;KEY=VALUE",
        "t.csv:2: project: \"ice\" stands without institution; name the institution too, or leave it empty",
    ] {
        assert!(told.contains(expected), "{told}");
    }
    let plain = "job,member,submit_s,runtime_s,gpus\na,north,0,60,8\n";
    let nodes = |text: &str| fault(TWO, plain, &[("n.csv", text)], &["--node-file", "n.csv"]);
    assert!(
        nodes("node,gpu\n")
            .contains("n.csv:1: found the columns node, gpu; begin the file with the line name,gpus,labels")
    );
    assert!(
        nodes("name,gpus\nn1,eight\n")
            .contains("n.csv:2: gpus: \"eight\" is not a whole number from 1 to 1024")
    );
    assert!(nodes("name,gpus\nn1,8\nn1,8\n").contains("n.csv:3: name: \"n1\" stands already on line 2"));
    assert!(nodes("name,gpus,labels\nn1,8,x\n").contains("n.csv:2: labels: \"x\" is no label"));
}

//! `nvml-sim-truth` as a person or a script runs it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::process::Command;

fn run(scenario: &str, arguments: &[&str]) -> (bool, String, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(scenario);
    let output = Command::new(env!("CARGO_BIN_EXE_nvml-sim-truth"))
        .arg(file)
        .args(arguments)
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_table_says_that_it_is_a_simulator_and_gives_joules() {
    let (works, out, _) = run("exclusive.yaml", &["--to", "300"]);
    assert!(works && out.starts_with("SIMULATOR, node sim-exclusive"), "{out}");
    // The work comes after 10 s, so four whole minutes of its pattern pass and 50 s of the fifth.
    let each_minute = (100.0 + 520.0) / 2.0 * 10.0 + 520.0 * 40.0 + 120.0 * 10.0;
    let last_fifty_seconds = (100.0 + 520.0) / 2.0 * 10.0 + 520.0 * 40.0;
    let work = 4.0 * each_minute + last_fifty_seconds;
    assert!(
        out.contains(&format!("{work:.3}")) && out.contains(&format!("{:.3}", work + 69.85 * 300.0)),
        "{out}"
    );
}

#[test]
fn json_has_what_rules_for_idle_power_need() {
    let (works, out, _) = run("mig.yaml", &["--from", "10", "--to", "60", "--output", "json"]);
    assert!(works);
    let truth: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(truth["simulator"], true);
    assert_eq!(truth["devices"][1]["free_seconds"], 50.0);
    assert_eq!(truth["devices"][0]["free_seconds"], 0.0);
    let middle = &truth["workloads"][1];
    assert_eq!((middle["name"].as_str(), middle["seconds"].as_f64()), (Some("middle"), Some(40.0)));
    let place = &middle["places"][0];
    // 30 s from 60 to 110 W, then 10 s of 110 W.
    assert_eq!(place["work_joules"], 3650.0);
    assert!((place["idle_joules_of_gpu"].as_f64().unwrap() - 40.0 * 69.85).abs() < 1e-9);
    assert_eq!(place["share_of_gpu"], 32.0 / 132.0);
}

#[test]
fn a_wrong_interval_or_file_is_told() {
    let (works, _, err) = run("mig.yaml", &["--from", "10", "--to", "10"]);
    assert!(!works && err.contains("--to 10 must be after --from 10"), "{err}");
    let (works, _, err) = run("none.yaml", &["--to", "10"]);
    assert!(!works && err.contains("none.yaml: cannot be read"), "{err}");
}

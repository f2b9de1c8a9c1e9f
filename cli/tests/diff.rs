//! `concord diff` as people read it: golden texts (`UPDATE_EXPECTED=1 cargo test -p concord-cli --test diff` writes them;
//! review the difference).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff")
}

fn diff(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concord"));
    let output = command.arg("diff").args(arguments).current_dir(folder()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const NODES: [&str; 4] = ["--nodes", "h100=16,a100=12", "--on", "2027-03-01"];

#[test]
fn changes_by_class_of_reserves_windows_and_budgets_are_told_in_words() {
    let forth = [&["classes-old.yaml", "classes-new.yaml"], &NODES[..]].concat();
    let back = [&["classes-new.yaml", "classes-old.yaml"], &NODES[..]].concat();
    let texts =
        [("classes", forth), ("classes-back", back)].map(|(name, arguments)| (name, diff(&arguments)));
    support::are_as_reviewed(&folder(), texts);
}

#[test]
fn json_has_the_sentences_of_the_pool_too() {
    let out = diff(&[&["classes-old.yaml", "classes-new.yaml", "-o", "json"], &NODES[..]].concat());
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let told = report["pool"].as_array().unwrap();
    assert!(told.iter().any(|s| s.as_str().unwrap().starts_with("the window calibration is new")), "{out}");
    let north = &report["members"][0];
    assert_eq!((&north["guaranteedBefore"], &north["guaranteedAfter"]), (&96.into(), &88.into()));
}

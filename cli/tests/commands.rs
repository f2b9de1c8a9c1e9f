//! The program as people call it: examples, exit codes, output forms, wrong use.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Answer {
    code: i32,
    out: String,
    err: String,
}

fn concord(arguments: &[&str]) -> Answer {
    concord_reading(arguments, "")
}

fn concord_reading(arguments: &[&str], input: &str) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concord"));
    command
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_example_does_what_its_head_says() {
    let mut examples = 0;
    for entry in fs::read_dir(root().join("policies/examples")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let line =
            text.lines().find_map(|l| l.strip_prefix("#   concord ")).expect("the head shows a command");
        let answer = concord(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{line}\n{}", answer.out);
        let quota = text.contains("kind: MemberQuota");
        let end = if quota { "1 treaty and 1 member quota in 2 files" } else { "1 treaty in 1 file" };
        assert!(answer.out.ends_with(&format!("no errors; {end}\n")), "{line}\n{}", answer.out);
        examples += 1;
    }
    assert!(examples >= 6);
}

#[test]
fn a_folder_is_read_with_all_below() {
    let answer = concord(&["check", "policies/examples", "policies/ten-institutes.yaml"]);
    assert_eq!(answer.code, 0, "{}", answer.out);
    assert!(answer.out.ends_with("no errors; 9 treaties and 1 member quota in 10 files\n"), "{}", answer.out);
    assert_eq!(concord(&["check", "policies"]).code, 1, "policies/broken is below");
}

#[test]
fn a_quota_is_held_against_the_treaty_in_another_file_and_against_the_nodes() {
    let quota = "policies/examples/member-quota-old-town.yaml";
    assert_eq!(concord(&["check", quota]).out, "no errors; 1 member quota in 1 file\n");
    let elsewhere = concord(&["check", quota, "policies/examples/two-states.yaml", "-o", "line"]);
    assert!(elsewhere.out.contains("TR051 error: metadata.name: no member is named \"old-town\""));
    let folder = tempfile::tempdir().unwrap();
    let treaty = folder.path().join("treaty.yaml");
    let consortium = fs::read_to_string(root().join("policies/examples/university-consortium.yaml")).unwrap();
    let percent = consortium.replace(
        "old-town, weight: 4, guarantee: {gpus: 96}",
        "old-town, weight: 4, guarantee: {percent: \"10\"}",
    );
    fs::write(&treaty, percent).unwrap();
    let treaty = treaty.to_str().unwrap();
    let unknown = concord(&["check", quota, treaty, "-o", "line"]);
    assert!(unknown.code == 0 && unknown.out.contains("TR056 note"), "{}", unknown.out);
    let small = concord(&["check", quota, treaty, "-o", "line", "--nodes", "40", "--on", "2027-06-01"]);
    assert!(small.code == 1 && small.out.contains("TR052 error"), "{}", small.out);
    let json = concord(&["check", quota, treaty, "-o", "json", "--nodes", "40", "--on", "2027-06-01"]);
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["files"][0]["quotas"][0], serde_json::json!({"name": "old-town", "valid": false}));
}

#[test]
fn standard_input_is_read() {
    let good = fs::read_to_string(root().join("policies/examples/two-states.yaml")).unwrap();
    assert_eq!(concord_reading(&["check", "-"], &good).code, 0);
    let bad = concord_reading(&["check", "-", "-o", "line"], &good.replace("gpus: 80", "gpus: 8"));
    assert_eq!(bad.code, 1);
    let expected = "<standard input>:14:23: TR005 error: members[0].ceiling.gpus: ceiling 8 is below the guarantee 64; \
                    raise the ceiling or lower the guarantee\n";
    assert_eq!(bad.out, expected);
}

#[test]
fn json_has_codes_and_places() {
    let answer = concord(&["check", "-o", "json", "policies/broken/name-twice.yaml"]);
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((answer.code, &report["errors"]), (1, &serde_json::json!(1)));
    let fault = &report["files"][0]["diagnostics"][0];
    assert_eq!((&fault["code"], &fault["severity"]), (&"TR003".into(), &"error".into()));
    let text = fs::read_to_string(root().join("policies/broken/name-twice.yaml")).unwrap();
    let word = |place: &serde_json::Value| {
        let byte = |end: &str| usize::try_from(place[end].as_u64().unwrap()).unwrap();
        text[byte("startByte")..byte("endByte")].to_owned()
    };
    assert_eq!(
        (word(&fault["place"]), word(&fault["related"][0]["place"])),
        ("north".into(), "north".into())
    );
    let answer = concord(&["check", "-o", "json", "policies/examples/two-states.yaml", "--nodes", "12"]);
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(
        report["files"][0]["treaties"][0]["members"][1],
        serde_json::json!({"name": "south", "guaranteedGpus": 32})
    );
}

#[test]
fn nodes_come_from_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nodes.csv");
    let rows = |h100: usize, a100: usize| {
        let label = |class: &str, i: usize| format!("{class}-{i},8,example.org/gpu={class};zone=a\n");
        let rows = (0..h100).map(|i| label("h100", i)).chain((0..a100).map(|i| label("a100", i)));
        format!("name,gpus,labels\n{}", rows.collect::<String>())
    };
    let check = || {
        let file = file.to_str().unwrap();
        concord(&[
            "check",
            "policies/examples/host-and-union.yaml",
            "--on",
            "2027-06-01",
            "--node-file",
            file,
        ])
    };
    fs::write(&file, rows(200, 64)).unwrap();
    let nodes = [
        "check",
        "policies/examples/host-and-union.yaml",
        "--on",
        "2027-06-01",
        "--nodes",
        "h100=200,a100=64",
    ];
    assert_eq!(check().out, concord(&nodes).out);
    fs::write(&file, rows(200, 0)).unwrap();
    assert!(check().out.contains("error[TR040]"), "{}", check().out);
    fs::write(&file, "name,gpus,labels\nn1,8,zone=a\n").unwrap();
    assert_eq!(check().code, 2);
    assert!(check().err.contains(r#"node "n1" is of no class"#), "{}", check().err);
}

#[test]
fn wrong_use_has_an_exit_code_of_its_own() {
    for arguments in [
        &["check"][..],
        &["check", "no-such-file.yaml"],
        &["check", "policies/examples/host-and-union.yaml", "--nodes", "12"],
        &["check", "policies/examples/two-states.yaml", "--nodes", "many"],
        &["diff", "policies/examples/two-states.yaml"],
        &["diff", "policies/examples/two-states.yaml", "policies/examples/ten-by-contribution.yaml"],
        &["frobnicate"],
    ] {
        let answer = concord(arguments);
        assert_eq!(answer.code, 2, "{arguments:?} {}", answer.out);
        assert!(!answer.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_change_is_told_in_words_and_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let old = fs::read_to_string(root().join("policies/examples/two-states.yaml")).unwrap();
    let file = folder.path().join("new.yaml");
    fs::write(&file, old.replace("gpus: 64", "gpus: 72").replace("noticeSeconds: 600", "noticeSeconds: 60"))
        .unwrap();
    let new = file.to_str().unwrap();
    let answer = concord(&["diff", "policies/examples/two-states.yaml", new]);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    let expected = "\
guaranteed GPUs             before     after    change
north                           64        72        +8
south                           32        32         0

in words
  north is guaranteed 72 GPUs instead of 64 (+8)
  every borrower is told 60 s before it must leave instead of 600 s
  all guarantees together are 104 GPUs instead of 96

clause by clause
  members[north].guarantee.gpus: 64 -> 72
  reclaim.noticeSeconds: 600 -> 60
";
    assert_eq!(answer.out, expected);
    let same = concord(&["diff", "policies/examples/two-states.yaml", "policies/examples/two-states.yaml"]);
    assert_eq!((same.code, same.out.as_str()), (0, "the two treaties say the same\n"));
    fs::write(&file, old.replace("gpus: 64", "gpus: -1")).unwrap();
    assert_eq!(concord(&["diff", "policies/examples/two-states.yaml", new]).code, 1);
}

#[test]
fn one_payment_more_moves_all_shares() {
    let file = "policies/examples/ten-by-contribution.yaml";
    let members = |day: &str| concord(&["check", file, "--nodes", "125", "--on", day]).out;
    let (before, after) = (members("2027-03-31"), members("2027-04-01"));
    assert!(before.contains("256  alder") && after.contains("296  alder"), "{before}{after}");
    assert!(before.contains("192  birch") && after.contains("184  birch"), "{before}{after}");
}

#[test]
fn packagers_find_completions_and_manual() {
    assert!(concord(&["completion", "bash"]).out.contains("complete -F _concord"));
    assert!(concord(&["completion", "zsh"]).out.starts_with("#compdef concord"));
    assert!(concord(&["completion", "fish"]).out.contains("complete -c concord"));
    assert!(concord(&["man"]).out.contains(".TH concord"));
    assert!(concord(&["--help"]).out.contains("concord check policies/"));
}

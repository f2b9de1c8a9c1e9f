//! Every broken file in `policies/broken` gets exactly the answer that stands beside it. After a change of a message:
//! `UPDATE_EXPECTED=1 cargo test -p concord-cli --test broken`, then read the difference.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use concord_treaty::diagnostic::codes::CODES;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/broken")
}

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

/// The nodes that the file's comment `# concord check …` names.
fn options(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().find_map(|l| l.strip_prefix("# concord check "));
    line.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

fn answer(file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_concord"))
        .current_dir(folder())
        .arg("check")
        .args(["--on", "2027-01-01"])
        .args(options(&fs::read(file).unwrap()))
        .arg(file.file_name().unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", file.display());
    format!("{}exit code {}\n", String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

#[test]
fn every_broken_file_gets_its_answer() {
    let mut wrong = Vec::new();
    for file in files() {
        let start = Instant::now();
        let found = answer(&file);
        assert!(start.elapsed() < Duration::from_secs(5), "{} takes too long", file.display());
        let golden = file.with_extension("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&golden, &found).unwrap();
        }
        if fs::read_to_string(&golden).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "answers changed; see the head of this file\n{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_broken_file_and_every_broken_file_a_code() {
    let mut missing: BTreeSet<&str> = CODES.iter().map(|c| c.code).collect();
    for file in files() {
        let answer = answer(&file);
        let found: Vec<&str> =
            CODES.iter().map(|c| c.code).filter(|c| answer.contains(&format!("[{c}]"))).collect();
        assert!(!found.is_empty(), "{} has no fault", file.display());
        found.iter().for_each(|code| {
            missing.remove(code);
        });
    }
    assert!(missing.is_empty(), "no file in policies/broken has {missing:?}");
}

#[test]
fn no_answer_is_left_without_its_file() {
    let entries = fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path());
    let answers = entries.filter(|p| p.extension().is_some_and(|e| e == "expected"));
    let lost: Vec<PathBuf> = answers.filter(|p| !p.with_extension("yaml").exists()).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

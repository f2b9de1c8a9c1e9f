//! Pictures of the terminal in `docs/pictures`: what `concord check` says of every broken treaty. After a change:
//! `UPDATE_EXPECTED=1 cargo test -p concord-cli --test pictures`, then look at them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files on one picture: about two screens.
const FILES_ON_A_PICTURE: usize = 10;
/// Lines of one answer that are drawn; one file has 120 faults.
const LINES_OF_AN_ANSWER_MOST: usize = 80;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn broken() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("policies/broken")).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

/// What the terminal shows: the command and its answer.
fn session(file: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    let line = text.lines().find_map(|l| l.strip_prefix("# concord check ")).unwrap_or_default();
    let options: Vec<&str> = line.split_whitespace().collect();
    let name = file.file_name().unwrap().to_str().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_concord"))
        .current_dir(root().join("policies/broken"))
        .args(["check", "--color", "always", "--on", "2027-01-01"])
        .args(&options)
        .arg(name)
        .output()
        .unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    let all = answer.lines().count();
    let mut shown: Vec<&str> = answer.lines().take(LINES_OF_AN_ANSWER_MOST).collect();
    let rest = format!("… {} more lines", all.saturating_sub(LINES_OF_AN_ANSWER_MOST));
    if all > LINES_OF_AN_ANSWER_MOST {
        shown.push(&rest);
    }
    let options = options.iter().map(|o| format!("{o} ")).collect::<String>();
    format!("\u{1b}[1m$ concord check {options}{name}\u{1b}[0m\n{}\n\n", shown.join("\n"))
}

#[test]
fn every_broken_file_is_on_a_picture() {
    let folder = root().join("docs/pictures");
    let files = broken();
    let mut wrong = Vec::new();
    for (number, group) in (1..).zip(files.chunks(FILES_ON_A_PICTURE)) {
        let drawn =
            anstyle_svg::Term::new().render_svg(&group.iter().map(|f| session(f)).collect::<String>());
        let path = folder.join(format!("check-broken-{number}.svg"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &drawn).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != drawn {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "pictures are out of date; see the head of this file: {wrong:?}");
}

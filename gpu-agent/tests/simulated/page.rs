//! Tables of `docs/node-agent.md` that are generated.

use std::path::Path;
use std::sync::Mutex;

/// Tests of one process write one after the other.
static PAGE: Mutex<()> = Mutex::new(());

/// Holds a table against the page, between its two marks; `UPDATE_EXPECTED=1` writes it there.
pub fn hold(name: &str, table: &str) {
    let _alone = PAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/node-agent.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- begin of the table: {name} -->\n"), "<!-- end of the table -->\n");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no mark {begin}"));
    let (old, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert!(old == table, "{name}: docs/node-agent.md is old; UPDATE_EXPECTED=1 writes it anew:\n{table}");
}

#[test]
fn the_page_lists_every_metric() {
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_concord-gpu-agent")).arg("metrics").output().unwrap();
    assert!(output.status.success());
    hold("metrics", &String::from_utf8(output.stdout).unwrap());
}

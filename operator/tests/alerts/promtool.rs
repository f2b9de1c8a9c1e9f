//! Prometheus' own tool: the Go program named in `dev/promtool/go.mod`, built once into the cache. No Go code of ours.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use concord_pool::Progress;
use concord_pool::go_module::GoModule;

/// Runs it with that input; panics with what it says if it is not content.
pub fn promtool(arguments: &[&str], input: Option<&str>) {
    let mut child = Command::new(program())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.unwrap_or_default().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

/// Minutes the first time, then cached by all that decides the bytes.
fn program() -> PathBuf {
    let module = GoModule {
        directory: Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/promtool"),
        cache: "promtool",
        title: "promtool",
        programs: &[("promtool", "github.com/prometheus/prometheus/cmd/promtool")],
        linker_flags: "-s -w",
    };
    module.ensure(&Progress::default()).unwrap().join("promtool")
}

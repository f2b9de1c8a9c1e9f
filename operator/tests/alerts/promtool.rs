//! Prometheus' own tool: the Go program named in `dev/promtool/go.mod`, built once into the cache. No Go code of ours.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/promtool");
    let cache = concord_pool::toolchain::cache_directory().unwrap().join("promtool");
    let program = cache.join(key(&module));
    fs::create_dir_all(&cache).unwrap();
    // One of several tests builds it, the others wait.
    let lock = fs::File::create(cache.join("lock")).unwrap();
    lock.lock().unwrap();
    if !program.is_file() {
        let unfinished = cache.join("unfinished");
        let flags = ["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w"];
        let what = ["-o", unfinished.to_str().unwrap(), "github.com/prometheus/prometheus/cmd/promtool"];
        go(&module, &[&flags[..], &what].concat());
        fs::rename(&unfinished, &program).unwrap();
    }
    program
}

fn key(module: &Path) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for file in ["go.mod", "go.sum"] {
        digest.update(&fs::read(module.join(file)).unwrap());
    }
    digest.update(&go(module, &["version"]));
    digest.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Go with an environment of its own: flags or a workspace of the user's must not change what is built.
fn go(module: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("go");
    command.current_dir(module).args(arguments).stdin(Stdio::null());
    command.env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOFLAGS", "");
    let output = command.output().expect("this test needs Go, to build promtool");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`go {}` failed: {error}", arguments.join(" "));
    output.stdout
}

//! The program as a user runs it: without NVML, which no machine without a driver has, and with a library that has
//! NVML's interface and no hardware.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const MISSING: &str = "/nonexistent/libnvidia-ml.so.1";

fn agent(arguments: &[&str], fault: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_concord-gpu-agent"));
    command.args(arguments).env("CONCORD_TEST_NVML", fault).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

fn once(arguments: &[&str], fault: &str) -> (Output, String, String) {
    let output = agent(arguments, fault).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

/// Path of the compiled test library, built once per run of this file.
fn library() -> &'static str {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let path = LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/two_gpus.rs");
        let built =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libtwo_gpus-{}.so", std::process::id()));
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let status = Command::new(rustc)
            .args(["--edition", "2024", "--crate-type", "cdylib", "-o"])
            .arg(&built)
            .arg(source)
            .status();
        assert!(status.unwrap().success(), "the test library does not compile");
        built
    });
    path.to_str().unwrap()
}

struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(library: &str, fault: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listen = address.to_string();
        let arguments = ["run", "--listen", &listen, "--interval-seconds", "1", "--nvml-library", library];
        let child = agent(&arguments, fault).stderr(Stdio::null()).spawn().unwrap();
        Self { child, address }
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Asks until the answer contains `wanted`, for at most ten seconds.
    fn wait_for(&self, path: &str, wanted: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let text = self.get(path).unwrap_or_default();
            if text.contains(wanted) {
                return text;
            }
            assert!(Instant::now() < deadline, "{path} never said {wanted:?}; last: {text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn once_without_a_library_fails_with_one_message_that_names_it_and_the_remedy() {
    let (output, out, err) = once(&["--once", "--output", "json", "--nvml-library", MISSING], "");
    assert!(!output.status.success());
    assert_eq!(out, "");
    assert!(err.contains(MISSING) && err.contains("install the NVIDIA driver"), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn once_names_the_system_library_when_that_is_missing() {
    // On a node with a driver there is nothing to see here.
    let (output, _, err) = once(&["--once"], "");
    assert!(output.status.success() || err.contains("libnvidia-ml.so.1"), "{err}");
}

#[test]
fn run_without_a_library_stays_up_says_so_and_tries_again() {
    let mut agent = Running::start(MISSING, "");
    let metrics = agent.wait_for("/metrics", "concord_gpu_nvml_state{state=\"library_missing\"} 1");
    assert!(metrics.contains("concord_gpu_nvml_state{state=\"ready\"} 0"), "{metrics}");
    assert!(!metrics.contains("concord_gpu_power_watts"), "{metrics}");
    agent.wait_for("/metrics", "concord_gpu_nvml_opens_total 2");
    let ready = agent.get("/readyz").unwrap();
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("waiting for NVML") && ready.contains(MISSING),
        "{ready}"
    );
    assert!(agent.get("/healthz").unwrap().starts_with("HTTP/1.1 200"));
    assert!(agent.child.try_wait().unwrap().is_none(), "it must not exit");
}

#[test]
fn a_library_that_appears_later_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libnvidia-ml.so.1");
    let agent = Running::start(path.to_str().unwrap(), "");
    agent.wait_for("/readyz", "waiting for NVML");
    std::fs::copy(library(), folder.path().join("new")).unwrap();
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    agent.wait_for("/readyz", "ready\n");
}

#[test]
fn values_pass_from_the_library_to_json_in_published_units() {
    let (output, out, err) = once(&["--once", "--output", "json", "--nvml-library", library()], "");
    assert!(output.status.success(), "{err}");
    insta::assert_snapshot!(out);
}

#[test]
fn values_pass_from_the_library_to_prometheus() {
    let agent = Running::start(library(), "");
    agent.wait_for("/readyz", "HTTP/1.1 200");
    let metrics = agent.get("/metrics").unwrap();
    for line in [
        "concord_gpu_power_watts{gpu_uuid=\"GPU-0\"} 69.85",
        "concord_gpu_hardware_energy_joules{gpu_uuid=\"GPU-0\"} 187.4",
        "concord_gpu_utilisation_ratio{gpu_uuid=\"GPU-0\"} 0.42",
        "concord_gpu_device_info{gpu_uuid=\"GPU-1\",gpu_index=\"1\",gpu_name=\"Test GPU\"} 1",
        "concord_gpu_nvml_state{state=\"ready\"} 1",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    assert!(!metrics.contains("watts{gpu_uuid=\"GPU-1\"}"), "what is not supported has no sample: {metrics}");
}

#[test]
fn a_lost_gpu_does_not_hide_the_other_one() {
    let (output, out, err) = once(&["--once", "--output", "table", "--nvml-library", library()], "lost");
    assert!(out.contains("GPU-0") && !out.contains("GPU-1"), "{out}");
    assert!(!output.status.success() && err.contains("gpu_lost"), "{err}");
    let agent = Running::start(library(), "lost");
    let metrics = agent
        .wait_for("/metrics", "concord_gpu_nvml_errors_total{call=\"device_by_index\",error=\"gpu_lost\"}");
    assert!(metrics.contains("concord_gpu_power_watts{gpu_uuid=\"GPU-0\"}"), "{metrics}");
}

#[test]
fn faults_of_the_whole_library_are_states() {
    for (fault, state) in [("no_driver", "driver_not_loaded"), ("no_devices", "no_devices")] {
        let agent = Running::start(library(), fault);
        agent.wait_for("/metrics", &format!("concord_gpu_nvml_state{{state=\"{state}\"}} 1"));
        let (output, _, err) = once(&["--once", "--nvml-library", library()], fault);
        assert!(!output.status.success() && err.contains("To fix it: "), "{err}");
    }
}

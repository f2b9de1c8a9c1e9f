//! Clients that others wrote read the simulator: NVML's Python bindings and nvitop. They are installed once, with pinned
//! hashes, into a cache outside the tree.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "the scenario begins at a time of the wall clock")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use concord_nvml_sim::{Scenario, library_beside};
use uuid::Uuid;

const REQUIREMENTS: &str = include_str!("../clients/requirements.txt");

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The interpreter of an environment with the clients, which is built when this set was never built here.
fn python() -> PathBuf {
    let home = || Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/concord");
    let cache = std::env::var_os("CONCORD_CACHE").map_or_else(home, PathBuf::from).join("nvml-sim-clients");
    fs::create_dir_all(&cache).unwrap();
    let version = succeed(Command::new("python3").arg("--version"));
    let key = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{version}{REQUIREMENTS}").as_bytes()).to_string();
    let finished = cache.join(&key);
    let lock = File::create(cache.join(format!("{key}.lock"))).unwrap();
    lock.lock().unwrap();
    if !finished.is_dir() {
        let unfinished = cache.join(format!("{key}.unfinished"));
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&unfinished));
        succeed(
            Command::new(unfinished.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
                .args(["--require-hashes", "--only-binary", ":all:", "-r"])
                .arg(here("clients/requirements.txt")),
        );
        fs::rename(&unfinished, &finished).unwrap();
    }
    finished.join("bin/python")
}

fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{out}\n{err}");
    out.into_owned()
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A client's output, which begins so many scenario seconds after the start, and the scenario times around it.
fn run(arguments: &[&str], scenario: &str, at_seconds: f64) -> (String, f64, f64) {
    let python = python();
    let folder = tempfile::tempdir().unwrap();
    let library = library_beside(&std::env::current_exe().unwrap()).unwrap();
    std::os::unix::fs::symlink(library, folder.path().join("libnvidia-ml.so.1")).unwrap();
    let start = unix_seconds() - at_seconds;
    let output = succeed(
        Command::new(python)
            .args(arguments)
            .env("LD_LIBRARY_PATH", folder.path())
            .env("CONCORD_NVML_SIM_SCENARIO", here(scenario))
            .env("CONCORD_NVML_SIM_START", start.to_string())
            .env("COLUMNS", "100"),
    );
    (output, at_seconds, unix_seconds() - start)
}

fn answers<'o>(output: &'o str, who: &str, call: &str) -> Vec<&'o str> {
    let prefix = format!("{who}\t{call}\t");
    output.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

#[test]
fn the_python_bindings_read_every_call_and_the_true_energy() {
    let script = here("clients/ask_everything.py");
    let (output, from, to) = run(&[script.to_str().unwrap()], "scenarios/mig.yaml", 150.0);
    assert!(!output.contains("MISSING") && !output.contains("UNREADABLE"), "{output}");
    assert_eq!(answers(&output, "system", "nvmlDeviceGetCount"), ["2"]);
    assert_eq!(answers(&output, "gpu 0", "nvmlDeviceGetSerial"), ["SIMULATOR-H100-00"]);
    assert_eq!(answers(&output, "gpu 0", "nvmlDeviceGetPowerUsage"), ["429850"]);
    assert_eq!(answers(&output, "gpu 0 mig 4", "nvmlDeviceGetGpuInstanceId"), ["9"]);
    assert_eq!(
        answers(&output, "gpu 0 mig 2", "nvmlDeviceGetMigDeviceHandleByIndex"),
        ["error 6: Not Found"]
    );
    assert_eq!(answers(&output, "gpu 0", "nvmlDeviceGetUtilizationRates"), ["error 3: Not Supported"]);
    let read: f64 = answers(&output, "gpu 0", "nvmlDeviceGetTotalEnergyConsumption")[0].parse().unwrap();
    let scenario = Scenario::read(&here("scenarios/mig.yaml")).unwrap();
    let joules = |seconds: f64| scenario.truth(0.0, seconds).devices[0].joules;
    // The counter is updated ten times a second.
    assert!(
        (joules(from - 0.1)..=joules(to)).contains(&(read / 1000.0)),
        "{read} mJ between {from} and {to} s"
    );
}

#[test]
fn nvitop_shows_the_gpus_and_their_work() {
    let (output, ..) = run(&["-m", "nvitop", "--once", "--ascii"], "scenarios/exclusive.yaml", 150.0);
    for expected in
        ["H100 80GB HBM3", "590W / 700W", "250W / 700W", "60.00GiB / 79.65GiB", "98%", "590.48.01"]
    {
        assert!(output.contains(expected), "no {expected} in\n{output}");
    }
    assert!(!output.contains("ERROR"), "{output}");
}

#[test]
fn a_start_that_is_no_time_is_told_and_nothing_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let library = library_beside(&std::env::current_exe().unwrap()).unwrap();
    std::os::unix::fs::symlink(library, folder.path().join("libnvidia-ml.so.1")).unwrap();
    let output = Command::new(python())
        .arg(here("clients/ask_everything.py"))
        .env("LD_LIBRARY_PATH", folder.path())
        .env("CONCORD_NVML_SIM_SCENARIO", here("scenarios/mig.yaml"))
        .env("CONCORD_NVML_SIM_START", "noon")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("CONCORD_NVML_SIM_START: \"noon\" is no time in Unix seconds"), "{told}");
    assert!(told.contains("NVMLError_Unknown") && output.stdout.is_empty(), "{told}");
}

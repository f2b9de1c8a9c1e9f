//! NVML's Python bindings and nvitop, in an environment with pinned hashes.

use std::path::{Path, PathBuf};
use std::process::Command;

use concord_nvml_sim::Scenario;

use crate::cache::{built, succeed};
use crate::{Run, here};

const REQUIREMENTS: &str = include_str!("../../clients/requirements.txt");

/// The interpreter of the environment.
fn python() -> PathBuf {
    let version = succeed(Command::new("python3").arg("--version"));
    let environment = built(&format!("{version}{REQUIREMENTS}"), |folder: &Path| {
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
        succeed(
            Command::new(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
                .args(["--require-hashes", "--only-binary", ":all:", "-r"])
                .arg(here("clients/requirements.txt")),
        );
    });
    environment.join("bin/python")
}

fn answers<'o>(output: &'o str, who: &str, call: &str) -> Vec<&'o str> {
    let prefix = format!("{who}\t{call}\t");
    output.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

#[test]
fn the_python_bindings_read_every_call_and_the_true_energy() {
    let python = python();
    let run = Run::at(150.0, "scenarios/mig.yaml");
    let output = succeed(run.command(&python).arg(here("clients/ask_everything.py")));
    let end = run.seconds();
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
    assert!((joules(149.9)..=joules(end)).contains(&(read / 1000.0)), "{read} mJ between 150 and {end} s");
}

#[test]
fn nvitop_shows_the_gpus_and_their_work() {
    let python = python();
    let run = Run::at(150.0, "scenarios/exclusive.yaml");
    let output =
        succeed(run.command(&python).args(["-m", "nvitop", "--once", "--ascii"]).env("COLUMNS", "100"));
    for expected in
        ["H100 80GB HBM3", "590W / 700W", "250W / 700W", "60.00GiB / 79.65GiB", "98%", "590.48.01"]
    {
        assert!(output.contains(expected), "no {expected} in\n{output}");
    }
    assert!(!output.contains("ERROR"), "{output}");
}

#[test]
fn a_start_that_is_no_time_is_told_and_nothing_is_read() {
    let python = python();
    let run = Run::at(0.0, "scenarios/mig.yaml");
    let mut command = run.command(&python);
    let command = command.arg(here("clients/ask_everything.py")).env("CONCORD_NVML_SIM_START", "noon");
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("CONCORD_NVML_SIM_START: \"noon\" is no time in Unix seconds"), "{told}");
    assert!(told.contains("NVMLError_Unknown") && output.stdout.is_empty(), "{told}");
}

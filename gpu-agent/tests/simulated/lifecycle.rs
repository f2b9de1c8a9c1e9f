//! XIDs and the way back to health, resets, the release of NVML, and a call that hangs.

use std::time::Duration;

use crate::process::{Agent, Metrics, Simulator};

const TWO: &str = "
version: 1
node: lifecycle
gpus:
  - {profile: h100, uuid: GPU-a}
  - {profile: h100, uuid: GPU-b}
";

fn with(faults: &str) -> String {
    format!("{TWO}faults:\n{faults}")
}

fn healthy(metrics: &Metrics, gpu: &str) -> Option<f64> {
    metrics.sum("concord_gpu_healthy", &[gpu])
}

#[test]
fn an_xid_of_hardware_takes_the_gpu_out_until_it_was_reset() {
    let faults = "  xids:\n    - {gpu: 0, at_seconds: 2, code: 31}\n    - {gpu: 1, at_seconds: 2, code: 79}\n  \
        resets:\n    - {gpu: 1, at_seconds: 7, lasts_seconds: 1}\n";
    let simulator = Simulator::new(&with(faults));
    let agent = Agent::start(&simulator, &[]);
    let out = agent.wait("GPU-b is out", |m| healthy(m, "GPU-b\",reason=\"Xid") == Some(0.0));
    assert_eq!(healthy(&out, "GPU-a"), Some(1.0), "an application's fault takes no GPU out");
    assert_eq!(out.sum("concord_gpu_xids_total", &["GPU-a", "xid=\"31\""]), Some(1.0));
    assert_eq!(out.sum("concord_gpu_xids_total", &["GPU-b", "xid=\"79\""]), Some(1.0));
    let back = agent.wait("GPU-b is back", |m| healthy(m, "GPU-b") == Some(1.0));
    assert!(back.sum("concord_gpu_energy_epochs_total", &["GPU-b"]) >= Some(1.0));
    assert!(back.sum("concord_gpu_energy_gap_seconds_total", &["GPU-b"]) > Some(0.0), "missing is not zero");
}

#[test]
fn a_lost_gpu_is_out_and_the_other_one_is_read() {
    let simulator = Simulator::new(&with("  lost:\n    - {gpu: 1, from_seconds: 2, to_seconds: 5}\n"));
    let agent = Agent::start(&simulator, &[]);
    let lost = agent.wait("GPU-b is lost", |m| healthy(m, "GPU-b\",reason=\"Lost") == Some(0.0));
    assert!(lost.sum("concord_gpu_power_watts", &["GPU-a"]).is_some());
    assert!(lost.sum("concord_gpu_power_watts", &["GPU-b"]).is_none(), "missing is not zero");
    agent.wait("GPU-b is back", |m| healthy(m, "GPU-b") == Some(1.0));
}

#[test]
fn nvml_is_let_go_on_a_signal_and_opened_again_on_another() {
    let simulator = Simulator::new(TWO);
    let agent = Agent::start(&simulator, &[]);
    agent.wait("it reads", |m| m.state() == Some("ready"));
    agent.signal("USR1");
    let released = agent.wait("it was let go", |m| m.state() == Some("released"));
    assert_eq!(healthy(&released, "GPU-a\",reason=\"Released"), Some(0.0));
    let ready = agent.get("/readyz").unwrap();
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("let go on request"), "{ready}");
    // Nothing of the library is mapped any more, so nothing holds the driver.
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", agent.id())).unwrap();
    assert!(!maps.contains("libnvidia-ml.so.1"), "{maps}");
    agent.signal("USR2");
    agent.wait("it reads again", |m| m.state() == Some("ready") && healthy(m, "GPU-a") == Some(1.0));
    agent.signal("TERM");
    assert!(agent.end(Duration::from_secs(10)).success());
}

#[test]
fn a_call_that_hangs_holds_up_neither_metrics_nor_the_end() {
    let faults =
        "  hangs:\n    - {symbols: [nvmlDeviceGetPowerUsage], gpu: 1, from_seconds: 2, to_seconds: 9999}\n";
    let simulator = Simulator::new(&with(faults));
    let agent = Agent::start(&simulator, &[]);
    let at = |m: &Metrics| m.sum("concord_gpu_last_read_timestamp_seconds", &[]);
    let first = at(&agent.wait("it reads", |m| at(m).is_some()));
    std::thread::sleep(Duration::from_secs(4));
    let (one, two) = (at(&agent.wait("it answers", |_| true)), at(&agent.wait("it answers", |_| true)));
    assert!(one == two && one >= first, "the age of the reading grows");
    agent.signal("TERM");
    agent.end(Duration::from_secs(10));
}

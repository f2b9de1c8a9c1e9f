//! Joules per claim against the joules that the scenario implies, with pods that come and go and restarts of the agent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use concord_nvml_sim::Scenario;
use concord_nvml_sim::truth::Truth;

use crate::kubelet::{Kubelet, devices};
use crate::process::{Agent, Metrics, Simulator};

/// One GPU held alone, one free, one with MIG, one shared in time; the energy counter moves every 10 ms.
const SCENARIO: &str = "
version: 1
node: conservation
gpus:
  - {profile: h100, uuid: GPU-alone, energy_update_milliseconds: 10}
  - {profile: h100, uuid: GPU-free, energy_update_milliseconds: 10}
  - profile: h100
    uuid: GPU-mig
    energy_update_milliseconds: 10
    mig:
      - {profile: 3g.40gb, gpu_instance: 2, uuid: MIG-big}
      - {profile: 1g.10gb, gpu_instance: 9, uuid: MIG-small}
  - {profile: h100, uuid: GPU-shared, energy_update_milliseconds: 10}
workloads:
  - {name: train, on: [{gpu: 0}], power_watts: 500, busy_percent: 95, memory_mib: 60000}
  - {name: big, on: [{gpu: 2, gpu_instance: 2}], power_watts: 180, busy_percent: 90, memory_mib: 30000}
  - {name: small, on: [{gpu: 2, gpu_instance: 9}], power_watts: 48, busy_percent: 90, memory_mib: 6000}
  - {name: one, on: [{gpu: 3, share: 0}], power_watts: 100, busy_percent: 40, memory_mib: 6000}
  - {name: two, on: [{gpu: 3, share: 1}], power_watts: 100, busy_percent: 40, memory_mib: 6000}
";
const IDLE_WATTS: f64 = 69.85;

fn allocated(metrics: &Metrics, labels: &[&str]) -> f64 {
    metrics.sum("concord_gpu_claim_allocated_joules_total", labels).unwrap_or(0.0)
}

fn booked(metrics: &Metrics, gpu: &str) -> f64 {
    metrics.sum("concord_gpu_booked_joules_total", &[gpu]).unwrap_or(0.0)
}

/// Every GPU's parts add up, as a reader of Prometheus adds them up.
fn assert_adds_up(metrics: &Metrics) {
    for gpu in ["GPU-alone", "GPU-free", "GPU-mig", "GPU-shared"] {
        assert_eq!(metrics.sum("concord_gpu_attribution_residual_joules", &[gpu]), Some(0.0), "{gpu}");
        let rest = metrics.sum("concord_gpu_unallocated_joules_total", &[gpu]).unwrap()
            + metrics.sum("concord_gpu_retired_claims_joules_total", &[gpu]).unwrap();
        let parts = allocated(metrics, &[gpu]) + rest;
        assert!((booked(metrics, gpu) - parts).abs() < 1e-5, "{gpu}: {} and {parts}", booked(metrics, gpu));
        let known = metrics.sum("concord_gpu_energy_joules_total", &[gpu]).unwrap();
        let waits = metrics.sum("concord_gpu_pending_joules", &[gpu]).unwrap();
        assert!((known - booked(metrics, gpu) - waits).abs() < 1e-5, "{gpu}");
    }
}

fn holders(kubelet: &Kubelet) {
    kubelet.answers.lock().unwrap().devices = vec![devices(&["GPU-shared::0", "GPU-shared::1", "GPU-alone"])];
    kubelet.hold(&[
        ("alone", "p", &["GPU-alone"]),
        ("big", "p", &["MIG-big"]),
        ("small", "p", &["MIG-small"]),
        ("one", "p", &["GPU-shared::0"]),
    ]);
}

#[test]
fn joules_of_each_holder_are_those_that_the_scenario_implies() {
    let simulator = Simulator::new(SCENARIO);
    let kubelet = Kubelet::start(&simulator.path("kubelet.sock"), Arc::default());
    holders(&kubelet);
    let socket = kubelet.socket.to_str().unwrap().to_owned();
    let options =
        ["--pod-resources", &socket, "--settle-seconds", "0", "--idle-watts", "69.85", "--state-directory"];
    let state = simulator.path("state");
    std::fs::create_dir(&state).unwrap();
    let options: Vec<&str> = options.into_iter().chain([state.to_str().unwrap()]).collect();
    let agent = Agent::start(&simulator, &options);
    let seen = |seconds: f64| {
        move |metrics: &Metrics| {
            metrics.sum("concord_gpu_claim_gpu_seconds_total", &["alone"]).unwrap_or(0.0) >= seconds
        }
    };
    let before = agent.wait("three seconds of GPU-alone", seen(3.0));
    assert_adds_up(&before);
    // Killed without a word; it goes on where it was, with all of the time in between.
    drop(agent);
    let agent = Agent::start(&simulator, &options);
    let first = agent.wait("the accounts are restored", |metrics| {
        metrics.sum("concord_gpu_booked_joules_total", &[]).is_some()
    });
    for name in ["alone", "big", "small", "one"] {
        let label = format!("namespace=\"{name}\"");
        assert!(allocated(&first, &[&label]) >= allocated(&before, &[&label]), "{name} never falls");
    }
    let kubelet = kubelet.restart();
    let last = agent.wait("nine seconds", seen(9.0));
    assert_adds_up(&last);
    assert_eq!(last.sum("concord_gpu_energy_epoch", &[]), Some(0.0), "a restart is no epoch");
    assert_shares(&last);
    drop(kubelet);
}

fn assert_shares(metrics: &Metrics) {
    let scenario: Scenario = scenario();
    let gpu_seconds =
        metrics.sum("concord_gpu_energy_covered_seconds_total", &["GPU-alone", "counter"]).unwrap();
    let truth: Truth = scenario.truth(0.0, gpu_seconds);
    // The counter is up to 10 ms old at each end, and the time of a read is known to some milliseconds.
    for (index, gpu) in ["GPU-alone", "GPU-free", "GPU-mig", "GPU-shared"].iter().enumerate() {
        let known = metrics.sum("concord_gpu_energy_joules_total", &[gpu]).unwrap();
        let error = known / truth.devices[index].joules - 1.0;
        assert!(error.abs() < 0.01, "{gpu}: {known} J, {:.2} % off", error * 100.0);
    }
    // Only who alone holds a whole GPU is measured. While the agent was away nobody told it who held what.
    let measured = allocated(metrics, &["method=\"measured\""]);
    let alone = allocated(metrics, &["GPU-alone", "basis=\"exclusive\""]);
    assert!((measured - alone).abs() < 1e-6, "{measured} J and {alone} J");
    assert_eq!(allocated(metrics, &["GPU-free"]), 0.0);
    // Watts of what was charged, by the time for which it was held: parts of the idle power and of the work.
    let watts = |namespace: &str, part: f64| {
        let label = format!("namespace=\"{namespace}\"");
        let held = metrics.sum("concord_gpu_claim_gpu_seconds_total", &[&label]).unwrap() / part;
        allocated(metrics, &[&label]) / held
    };
    let near = |found: f64, wanted: f64, what: &str| {
        assert!((found / wanted - 1.0).abs() < 0.03, "{what}: {found} W and not {wanted} W");
    };
    near(watts("alone", 1.0), IDLE_WATTS + 500.0, "alone");
    // The use of processes is not read here: half a GPU is charged half of it all.
    near(watts("one", 0.5), (IDLE_WATTS + 200.0) / 2.0, "one of two replicas");
    // 60 and 16 multiprocessors, equally busy; the simulator's work draws 180 and 48 W in the same proportion.
    near(watts("big", 3.0 / 7.0), IDLE_WATTS * 3.0 / 7.0 + 180.0, "three slices");
    near(watts("small", 1.0 / 7.0), IDLE_WATTS / 7.0 + 48.0, "one slice");
}

fn scenario() -> Scenario {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.yaml");
    std::fs::write(&path, SCENARIO).unwrap();
    Scenario::read(&path).unwrap()
}

#[test]
fn carbon_is_told_for_the_time_that_the_grid_is_known_and_never_with_energy() {
    let simulator = Simulator::new(SCENARIO);
    let kubelet = Kubelet::start(&simulator.path("kubelet.sock"), Arc::default());
    holders(&kubelet);
    let grid = simulator.path("grid.csv");
    let line = "from,to,grams_per_kilowatt_hour\n2020-01-01T00:00:00Z,2120-01-01T00:00:00Z,360\n";
    std::fs::write(&grid, line).unwrap();
    let (socket, grid) = (kubelet.socket.to_str().unwrap(), grid.to_str().unwrap());
    let mut options = vec!["--pod-resources", socket, "--settle-seconds", "0"];
    let known =
        ["--grid-intensity", grid, "--pue", "1.25", "--pue-source", "site report", "--pue-period", "2026"];
    let making = ["--embodied-grams", "150000", "--embodied-source", "a study", "--lifetime-years", "5"];
    options.extend(known.iter().chain(&making));
    let agent = Agent::start(&simulator, &options);
    let carbon = "concord_gpu_claim_operational_carbon_grams_total";
    let metrics = agent.wait("carbon of a claim", |m| m.sum(carbon, &["namespace=\"alone\""]) > Some(0.0));
    let label = ["namespace=\"alone\""];
    let covered = metrics.sum("concord_gpu_claim_carbon_covered_joules_total", &label).unwrap();
    let grams = metrics.sum(carbon, &label).unwrap();
    // 360 g/kWh are 100 micrograms a joule.
    assert!((grams - covered * 1e-4).abs() < 1e-4, "{grams} g of {covered} J");
    assert_eq!(metrics.sum("concord_gpu_grid_intensity_grams_per_kilowatt_hour", &[]), Some(360.0));
    let energy = metrics.sum("concord_gpu_energy_joules_total", &["GPU-alone"]).unwrap();
    let site =
        metrics.sum("concord_gpu_facility_estimate_joules_total", &["GPU-alone", "site report", "2026"]);
    assert!((site.unwrap() - energy * 1.25).abs() < 1e-6);
    let embodied =
        metrics.sum("concord_gpu_claim_embodied_carbon_grams_total", &["namespace=\"alone\"", "a study"]);
    assert!(embodied > Some(0.0));
    drop(agent);
    // Without an input there is no carbon, not even zero.
    let agent = Agent::start(&simulator, &options[..4]);
    let metrics = agent.wait("energy of a claim", |m| allocated(m, &["namespace=\"alone\""]) > 0.0);
    assert!(metrics.sum(carbon, &[]).is_none());
}

#[test]
fn a_kubelet_that_says_no_leaves_the_last_answer_and_its_age() {
    let simulator = Simulator::new(SCENARIO);
    let kubelet = Kubelet::start(&simulator.path("kubelet.sock"), Arc::default());
    holders(&kubelet);
    let socket = kubelet.socket.to_str().unwrap().to_owned();
    let agent = Agent::start(&simulator, &["--pod-resources", &socket]);
    let held = |metrics: &Metrics| metrics.sum("concord_gpu_holdings", &[]);
    let known = agent.wait("it knows the holders", |metrics| held(metrics) == Some(4.0));
    let at = known.sum("concord_gpu_mapping_timestamp_seconds", &[]).unwrap();
    let no = tonic::Status::resource_exhausted("rejected by rate limit");
    kubelet.answers.lock().unwrap().refuse = Some(no);
    let refused =
        |m: &Metrics| m.sum("concord_gpu_kubelet_errors_total", &["resource_exhausted"]) >= Some(1.0);
    let metrics = agent.wait("it was refused", refused);
    let later = metrics.sum("concord_gpu_mapping_timestamp_seconds", &[]).unwrap();
    assert_eq!(held(&metrics), Some(4.0), "the last answer stays");
    let started = Instant::now();
    let again =
        agent.wait("it was refused again", |m| m.sum("concord_gpu_kubelet_errors_total", &[]) >= Some(2.0));
    assert_eq!(again.sum("concord_gpu_mapping_timestamp_seconds", &[]), Some(later), "its age grows");
    assert!(later >= at && started.elapsed() < Duration::from_secs(20));
    kubelet.answers.lock().unwrap().refuse = None;
    kubelet.hold(&[]);
    agent.wait("nobody holds anything", |metrics| held(metrics).is_none());
}

//! Faults: each is seen by the client, and ends as the scenario says.

use std::sync::mpsc;
use std::time::Duration;

use crate::support::{Library, said, until};

const TWO: &str = "version: 1\ngpus: [{profile: h100}, {profile: h100}]\nfaults:\n";

#[test]
fn a_code_is_returned_by_the_named_calls_on_the_named_gpu() {
    let faults = "  errors: [{code: reset_required, symbols: [nvmlDeviceGetPowerUsage], gpu: 1}]\n";
    let library = Library::at(10.0, &format!("{TWO}{faults}"));
    let nvml = library.init();
    let (well, ill) = (nvml.device_by_index(0).unwrap(), nvml.device_by_index(1).unwrap());
    assert_eq!(said(ill.power_usage()), "ResetRequired");
    assert_eq!(
        (
            said(well.power_usage()),
            said(
                ill.temperature_threshold(
                    nvml_wrapper::enum_wrappers::device::TemperatureThreshold::Shutdown
                )
            )
        ),
        ("ok".into(), "ok".into())
    );
}

#[test]
fn a_code_is_returned_by_the_call_of_that_number_and_by_a_share_of_calls() {
    let faults = "  errors:
    - {code: 999, symbols: [nvmlDeviceGetPowerUsage], calls: {from: 2, to: 3}}
    - {code: timeout, symbols: [nvmlDeviceGetTotalEnergyConsumption], probability: 0.5}
";
    let library = Library::at(10.0, &format!("{TWO}{faults}"));
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let answers: Vec<String> = (0..4).map(|_| said(gpu.power_usage())).collect();
    assert_eq!(answers, ["ok", "Unknown", "Unknown", "ok"]);
    let failed = (0..200).filter(|_| gpu.total_energy_consumption().is_err()).count();
    assert!((60..140).contains(&failed), "{failed} of 200");
}

#[test]
fn a_hang_ends_with_the_scenarios_window_and_stops_no_other_call() {
    let faults = "  hangs: [{symbols: [nvmlDeviceGetPowerUsage], from_seconds: 5}]\n";
    let library = Library::at(10.0, &format!("{TWO}{faults}"));
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || tell.send(said(gpu.power_usage())).unwrap());
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "it must not return");
        assert_eq!(said(nvml.device_by_index(1).unwrap().total_energy_consumption()), "ok");
        library.go_to(2.0);
        assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), "ok");
    });
}

#[test]
fn a_delayed_call_takes_at_least_so_long() {
    let faults = "  delays: [{milliseconds: 150, symbols: [nvmlDeviceGetPowerUsage]}]\n";
    let library = Library::at(10.0, &format!("{TWO}{faults}"));
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let before = std::time::Instant::now();
    gpu.power_usage().unwrap();
    assert!(before.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_lost_gpu_answers_nothing_and_is_gone_after_the_next_initialisation_only() {
    let library =
        Library::at(10.0, &format!("{TWO}  lost: [{{gpu: 0, from_seconds: 20, to_seconds: 40}}]\n"));
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let other = nvml.device_by_index(1).unwrap().uuid().unwrap();
    library.go_to(25.0);
    until("GpuLost".to_owned(), || said(gpu.power_usage()));
    assert_eq!((said(gpu.name()), nvml.device_count().unwrap()), ("GpuLost".into(), 2));
    assert_eq!(said(nvml.device_by_index(0)), "GpuLost");
    drop(nvml);
    let nvml = library.init();
    assert_eq!(nvml.device_count().unwrap(), 1);
    assert_eq!(nvml.device_by_index(0).unwrap().uuid().unwrap(), other);
    assert_eq!(nvml.device_by_index(0).unwrap().index().unwrap(), 0);
    library.go_to(45.0);
    drop(nvml);
    assert_eq!(library.init().device_count().unwrap(), 2);
}

#[test]
fn a_reset_starts_the_counter_and_the_volatile_errors_again() {
    let faults = "  resets: [{gpu: 0, at_seconds: 20, lasts_seconds: 5}]
  ecc: [{gpu: 0, at_seconds: 5, uncorrected: 2}]
  remapped_rows: [{gpu: 0, at_seconds: 5, uncorrectable: 1, pending: true}]
";
    let library = Library::at(10.0, &format!("{TWO}{faults}"));
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.total_energy_consumption().unwrap(), 698_500);
    assert_eq!(crate::raw::field(&nvml, &gpu, 4, 0), Ok((3, 2)));
    assert_eq!(crate::raw::field(&nvml, &gpu, 144, 0), Ok((1, 1)));
    library.go_to(22.0);
    until("GpuLost".to_owned(), || said(gpu.total_energy_consumption()));
    library.go_to(26.0);
    until(Some(69_850), || gpu.total_energy_consumption().ok());
    assert_eq!(crate::raw::field(&nvml, &gpu, 4, 0), Ok((3, 0)));
    assert_eq!(crate::raw::field(&nvml, &gpu, 6, 0), Ok((3, 2)), "the aggregate stays");
    assert_eq!(crate::raw::field(&nvml, &gpu, 144, 0), Ok((1, 0)));
    assert_eq!(crate::raw::field(&nvml, &gpu, 143, 0), Ok((1, 1)));
    let other = nvml.device_by_index(1).unwrap();
    assert_eq!(other.total_energy_consumption().unwrap(), 1_816_100, "the other GPU was not reset");
}

#[test]
fn a_driver_that_is_loaded_again_ends_the_session() {
    let library =
        Library::at(10.0, &format!("{TWO}  driver_reloads: [{{at_seconds: 20, lasts_seconds: 5}}]\n"));
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    library.go_to(22.0);
    until("DriverNotLoaded".to_owned(), || said(gpu.power_usage()));
    assert_eq!(said(library.try_init()), "DriverNotLoaded");
    library.go_to(30.0);
    until("Uninitialized".to_owned(), || said(gpu.power_usage()));
    drop(nvml);
    let nvml = library.init();
    assert_eq!(nvml.device_by_index(0).unwrap().total_energy_consumption().unwrap(), 349_250);
}

#[test]
fn a_new_driver_does_not_fit_the_old_library_until_that_is_loaded_anew() {
    let reload = "  driver_reloads: [{at_seconds: 20, version: 595.10.1, library_replaced_at_seconds: 40}]\n";
    let library = Library::at(10.0, &format!("{TWO}{reload}"));
    let nvml = library.init();
    library.go_to(30.0);
    until("LibRmVersionMismatch".to_owned(), || said(library.try_init()));
    drop(nvml);
    assert_eq!(said(library.try_init()), "LibRmVersionMismatch", "the file was not replaced yet");
    library.go_to(41.0);
    assert_eq!(library.init().sys_driver_version().unwrap(), "595.10.1");
}

#[test]
fn an_error_of_initialisation_is_named_by_its_symbol() {
    let library = Library::at(
        10.0,
        &format!("{TWO}  errors: [{{code: 4, symbols: [nvmlInit_v2], calls: {{to: 1}}}}]\n"),
    );
    assert_eq!(said(library.try_init()), "NoPermission");
}

#[test]
fn faults_without_symbols_spare_initialisation() {
    let library = Library::at(10.0, &format!("{TWO}  errors: [{{code: unknown}}]\n"));
    let nvml = library.init();
    assert_eq!(said(nvml.device_count()), "Unknown");
}

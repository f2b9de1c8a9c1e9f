//! Values of a healthy GPU, and the scenario file.

use concord_nvml_sim::Scenario;
use concord_nvml_sim::model::Device as Model;
use nvml_wrapper::FieldIdScheme;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::structs::device::FieldId;

use crate::support::{Library, said, until};

const WORK: &str = "version: 1
node: n1
gpus:
  - profile: h100
  - profile: a100
workloads:
  - name: train
    on: [{gpu: 0}]
    start_seconds: 10
    power_watts: {points: [[0, 100], [5, 500]]}
    busy_percent: 80
    memory_mib: 1024
";

#[test]
fn a_client_reads_what_the_model_says_and_sees_that_it_is_a_simulator() {
    let library = Library::at(20.0, WORK);
    let nvml = library.init();
    assert_eq!(nvml.device_count().unwrap(), 2);
    assert_eq!(nvml.sys_driver_version().unwrap(), "590.48.01");
    assert_eq!(nvml.sys_nvml_version().unwrap(), "13.590.48.01");
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.name().unwrap(), "NVIDIA H100 80GB HBM3");
    for text in [gpu.serial().unwrap(), gpu.vbios_version().unwrap(), gpu.board_part_number().unwrap()] {
        assert!(text.contains("SIMULATOR"), "{text}");
    }
    let scenario = Scenario::parse(WORK, "test").unwrap();
    let model = Model::new(&scenario, 0, 20.0).unwrap();
    assert_eq!(gpu.uuid().unwrap(), model.uuid());
    assert_eq!(gpu.power_usage().unwrap(), 569_850);
    assert_eq!(gpu.total_energy_consumption().unwrap(), model.counter_millijoules().unwrap());
    // 20 s idle, 5 s of 300 W on average, 5 s of 500 W.
    assert_eq!(model.counter_millijoules().unwrap(), 1_397_000 + 1_500_000 + 2_500_000);
    assert_eq!(gpu.utilization_rates().unwrap().gpu, 80);
    assert_eq!(gpu.memory_info().unwrap().used, 1 << 30);
    assert_eq!(gpu.memory_info().unwrap().total, 81559 << 20);
    assert_eq!(gpu.clock_info(Clock::SM).unwrap(), 1980);
    assert_eq!(gpu.temperature(TemperatureSensor::Gpu).unwrap(), 57);
    assert_eq!(gpu.enforced_power_limit().unwrap(), 700_000);
    let idle = nvml.device_by_index(1).unwrap();
    assert_eq!((idle.power_usage().unwrap(), idle.utilization_rates().unwrap().gpu), (60_000, 0));
    assert_eq!(nvml.device_by_uuid(idle.uuid().unwrap()).unwrap().index().unwrap(), 1);
    let bus = idle.pci_info().unwrap().bus_id;
    assert_eq!(nvml.device_by_pci_bus_id(bus).unwrap().index().unwrap(), 1);
    assert_eq!(said(nvml.device_by_index(2)), "InvalidArg");
    assert_eq!(said(nvml.device_by_uuid("GPU-0")), "NotFound");
}

#[test]
fn processes_and_their_use_are_those_of_the_work() {
    let library = Library::at(20.0, WORK);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let processes = gpu.running_compute_processes().unwrap();
    assert_eq!(processes.len(), 1);
    assert_eq!(nvml.sys_process_name(processes[0].pid, 64).unwrap(), "/simulator/train");
    let samples = gpu.process_utilization_stats(0).unwrap();
    assert_eq!((samples[0].pid, samples[0].sm_util), (processes[0].pid, 80));
    // Nothing is newer than what was seen, and nobody works on the other GPU.
    assert_eq!(said(gpu.process_utilization_stats(samples[0].timestamp)), "NotFound");
    let idle = nvml.device_by_index(1).unwrap();
    assert_eq!(said(idle.process_utilization_stats(0)), "NotFound");
    assert!(idle.running_compute_processes().unwrap().is_empty());
}

fn field(gpu: &nvml_wrapper::Device<'_>, id: u32) -> String {
    let sample = gpu.field_values_for(&[FieldId(id)]).unwrap().remove(0).unwrap();
    match sample.value {
        Ok(SampleValue::U32(value)) => value.to_string(),
        Ok(SampleValue::U64(value)) => value.to_string(),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn fields_have_the_numbers_of_the_driver() {
    let throttled = format!(
        "{WORK}faults:\n  throttles: [{{gpu: 0, from_seconds: 12, to_seconds: 15, reasons: [hw_power_brake]}}]\n"
    );
    for (driver, scheme, raw_id) in
        [("580.65.06", FieldIdScheme::V12, 253), ("580.82.07", FieldIdScheme::V13Update1, 271)]
    {
        let library = Library::at(20.0, &format!("driver: {{version: {driver}}}\n{throttled}"));
        let nvml = library.init();
        assert_eq!(nvml.field_id_scheme(), scheme);
        let gpu = nvml.device_by_index(0).unwrap();
        assert_eq!(field(&gpu, 253), "3000000000", "{driver}: nvml-wrapper translates");
        assert_eq!(crate::raw::field(&nvml, &gpu, raw_id, 0), Ok((3, 3_000_000_000)));
        let other = if raw_id == 253 { 271 } else { 253 };
        assert_eq!(crate::raw::field(&nvml, &gpu, other, 0), Err(3), "{driver}");
    }
}

#[test]
fn power_fields_have_scopes_and_unknown_fields_an_error_of_their_own() {
    let library = Library::at(20.0, WORK);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(crate::raw::field(&nvml, &gpu, 186, 0), Ok((1, 569_850)));
    assert_eq!(crate::raw::field(&nvml, &gpu, 186, 2), Ok((1, 143_190)));
    assert_eq!(crate::raw::field(&nvml, &gpu, 186, 1), Err(3), "no module on this board");
    assert_eq!(crate::raw::field(&nvml, &gpu, 9999, 0), Err(3));
    // −8 as a signed int.
    assert_eq!(crate::raw::field(&nvml, &gpu, 193, 0), Ok((5, u64::from((-8i32) as u32))));
    let ampere = nvml.device_by_index(1).unwrap();
    assert_eq!(crate::raw::field(&nvml, &ampere, 185, 0), Err(3), "GA100 has no average");
}

#[test]
fn a_scenario_that_changes_is_read_again_and_one_that_became_wrong_is_not() {
    let library = Library::at(20.0, WORK);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    library.go_to(5.0);
    until(Ok(69_850), || gpu.power_usage().map_err(|error| error.to_string()));
    library.write("version: 1\ngpus: nothing\n");
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(300);
    while std::time::Instant::now() < deadline {
        assert_eq!(gpu.power_usage().unwrap(), 69_850);
    }
    library.go_to(20.0);
    until(Ok(569_850), || gpu.power_usage().map_err(|error| error.to_string()));
}

#[test]
fn initialisation_fails_without_a_scenario_and_works_once_there_is_one() {
    let library = Library::at(20.0, WORK);
    library.write("version: 1\ngpus: nothing\n");
    assert_eq!(said(library.try_init()), "Unknown");
    library.go_to(20.0);
    assert_eq!(library.init().device_count().unwrap(), 2);
}

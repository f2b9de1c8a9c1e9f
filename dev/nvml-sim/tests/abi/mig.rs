//! MIG: sparse indices, and what is not supported while it is on.

use nvml_wrapper::Nvml;

use crate::support::{Library, said};

const SCENARIO: &str = "version: 1
gpus:
  - profile: h100
    mig:
      - {profile: 3g.40gb, gpu_instance: 2}
      - {profile: 1g.10gb, gpu_instance: 9, index: 4}
  - profile: h100
workloads:
  - name: a
    on: [{gpu: 0, gpu_instance: 2}]
    power_watts: 200
    busy_percent: 100
    memory_mib: 1000
  - name: b
    on: [{gpu: 0, gpu_instance: 9}]
    power_watts: 30
    busy_percent: 50
    memory_mib: 500
";

fn number(nvml: &Nvml, device: &nvml_wrapper::Device<'_>, compute: bool) -> u32 {
    let mut id = 0;
    let lib = nvml.lib();
    // SAFETY: room for one value.
    let code = unsafe {
        match compute {
            true => (lib.nvmlDeviceGetComputeInstanceId.as_ref().unwrap())(device.handle(), &mut id),
            false => (lib.nvmlDeviceGetGpuInstanceId.as_ref().unwrap())(device.handle(), &mut id),
        }
    };
    assert_eq!(code, 0);
    id
}

#[test]
fn indices_have_holes_and_devices_lead_back_to_their_gpu() {
    let library = Library::at(10.0, SCENARIO);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.mig_device_count().unwrap(), 7);
    let found: Vec<u32> = (0..7).filter(|index| gpu.mig_device_by_index(*index).is_ok()).collect();
    assert_eq!(found, [0, 4]);
    assert_eq!(said(gpu.mig_device_by_index(1)), "NotFound");
    let small = gpu.mig_device_by_index(4).unwrap();
    assert_eq!(small.name().unwrap(), "NVIDIA H100 80GB HBM3 MIG 1g.10gb");
    assert_eq!((number(&nvml, &small, false), number(&nvml, &small, true)), (9, 0));
    assert_eq!(small.attributes().unwrap().multiprocessor_count, 16);
    assert_eq!(small.memory_info().unwrap().total, 9984 << 20);
    assert_eq!(small.memory_info().unwrap().used, 500 << 20);
    assert_eq!(small.mig_parent_device().unwrap().uuid().unwrap(), gpu.uuid().unwrap());
    let again = nvml.device_by_uuid(small.uuid().unwrap()).unwrap();
    assert_eq!(number(&nvml, &again, false), 9);
    assert_eq!(said(nvml.device_by_index(1).unwrap().mig_device_by_index(0)), "NotFound");
}

#[test]
fn the_gpu_keeps_power_and_memory_and_loses_utilisation() {
    let library = Library::at(10.0, SCENARIO);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    assert_eq!(gpu.power_usage().unwrap(), 299_850);
    assert_eq!(gpu.total_energy_consumption().unwrap(), 2_998_500);
    assert_eq!(gpu.memory_info().unwrap().used, 1500 << 20);
    assert_eq!(said(gpu.utilization_rates()), "NotSupported");
    assert_eq!(said(gpu.process_utilization_stats(0)), "NotSupported");
    assert_eq!(said(gpu.encoder_utilization()), "NotSupported");
    assert_eq!(said(gpu.link_wrapper_for(0).is_active()), "NotSupported");
    let processes = gpu.running_compute_processes().unwrap();
    let instances: Vec<Option<u32>> = processes.iter().map(|process| process.gpu_instance_id).collect();
    assert_eq!(instances, [Some(2), Some(9)]);
    let mig = gpu.mig_device_by_index(0).unwrap();
    assert_eq!(said(mig.power_usage()), "NotSupported");
    assert_eq!(said(mig.total_energy_consumption()), "NotSupported");
    assert_eq!(mig.running_compute_processes().unwrap().len(), 1);
    let other = nvml.device_by_index(1).unwrap();
    assert_eq!(said(other.link_wrapper_for(0).is_active()), "ok");
}

#[test]
fn instances_give_power_when_the_scenario_says_so() {
    let text = SCENARIO.replacen("profile: h100\n", "profile: h100\n    mig_devices_give_power: true\n", 1);
    let library = Library::at(10.0, &text);
    let nvml = library.init();
    let mig = nvml.device_by_index(0).unwrap().mig_device_by_index(0).unwrap();
    assert_eq!(mig.power_usage().unwrap(), 299_850);
}

#[test]
fn gpm_sees_each_instance_and_weighs_them_on_the_gpu() {
    let scenario = concord_nvml_sim::Scenario::parse(SCENARIO, "test").unwrap();
    let sample = |seconds: f64, instance: Option<u32>| {
        let gpu = concord_nvml_sim::model::Device::new(&scenario, 0, seconds).unwrap();
        let device = instance.map_or(gpu, |id| gpu.mig_device(id).unwrap());
        device.gpm_sample().unwrap()
    };
    let busy = |instance| {
        concord_nvml_sim::model::gpm_metric(&scenario, sample(1.0, instance), sample(3.0, instance), 1)
            .unwrap()
    };
    assert_eq!((busy(Some(2)), busy(Some(9))), (100.0, 50.0));
    let weighed = (100.0 * 60.0 + 50.0 * 16.0) / 132.0;
    assert!((busy(None) - weighed).abs() < 1e-9);
}

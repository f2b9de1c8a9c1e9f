//! NVIDIA's Go bindings, by their own examples. They are linked against NVML's header, so a function that the simulator
//! lacks ends them.

use std::path::{Path, PathBuf};
use std::process::Command;

use concord_nvml_sim::Scenario;
use concord_nvml_sim::model::Device;

use crate::cache::{built, succeed};
use crate::{Run, here};

const MODULE: (&str, &str) =
    (include_str!("../../clients/go/go.mod"), include_str!("../../clients/go/go.sum"));

/// One of the examples.
fn example(name: &str) -> PathBuf {
    let go = || {
        let mut command = Command::new("go");
        // Flags or a workspace of the user's must not change what is built.
        command
            .current_dir(here("clients/go"))
            .env("GOWORK", "off")
            .env("GOFLAGS", "")
            .env("CGO_ENABLED", "1");
        command
    };
    let version = succeed(go().arg("version"));
    let folder = built(&format!("{version}{}{}{name}", MODULE.0, MODULE.1), |folder: &Path| {
        let package = format!("github.com/NVIDIA/go-nvml/examples/{name}");
        succeed(go().args(["build", "-mod=readonly", "-trimpath", "-o"]).arg(folder.join(name)).arg(package));
    });
    folder.join(name)
}

#[test]
fn the_go_bindings_list_devices_and_processes_with_their_instances() {
    let run = Run::at(150.0, "scenarios/mig.yaml");
    let scenario = Scenario::read(&here("scenarios/mig.yaml")).unwrap();
    let devices = succeed(&mut run.command(&example("devices")));
    for gpu in &scenario.gpus {
        assert!(devices.contains(&format!("uuid={}", gpu.uuid)), "{devices}");
    }
    let processes = succeed(&mut run.command(&example("compute-processes")));
    for process in Device::new(&scenario, 0, 150.0).unwrap().processes() {
        let (pid, memory, instance) = (process.pid, process.memory_bytes, process.gpu_instance.unwrap());
        let line =
            format!("{{Pid:{pid} UsedGpuMemory:{memory} GpuInstanceId:{instance} ComputeInstanceId:0}}");
        assert!(processes.contains(&line), "no {line} in\n{processes}");
    }
    assert!(processes.contains("Found 0 processes on device 1"), "{processes}");
}

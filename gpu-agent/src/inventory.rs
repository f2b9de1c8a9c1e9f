//! The node's GPUs and MIG instances as NVML lists them, and where a device of the kubelet is among them. Pure.

use serde::{Deserialize, Serialize};

use crate::device_id::{DeviceId, Named};

/// A GPU.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gpu {
    /// Its UUID.
    pub uuid: String,
    /// Number of its device file.
    pub minor: Option<u32>,
    /// Slices into which MIG can divide it; `None` while MIG is off.
    pub mig_slices: Option<u64>,
    /// Its instances.
    pub instances: Vec<Instance>,
}

/// A MIG device: a compute instance within a GPU instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Instance {
    /// UUID of the MIG device.
    pub uuid: String,
    /// GPU instance.
    pub gpu_instance: u32,
    /// Compute instance.
    pub compute_instance: u32,
    /// Compute slices of it.
    pub slices: u64,
    /// Its multiprocessors.
    pub multiprocessors: u64,
    /// First memory slice; where NVML tells it.
    pub placement_start: Option<u32>,
}

/// A place that can be held: a GPU, an instance, or a replica of either.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    /// UUID of the GPU.
    pub gpu: String,
    /// GPU instance and compute instance.
    pub instance: Option<(u32, u32)>,
    /// Replica.
    pub replica: Option<String>,
}

/// Looks a device up; `None` when NVML lists no such device.
#[must_use]
pub fn locate(gpus: &[Gpu], id: &DeviceId) -> Option<Slot> {
    let of_minor = |minor: u32| gpus.iter().find(|gpu| gpu.minor == Some(minor));
    let (gpu, instance) = match &id.named {
        Named::Gpu(uuid) => (gpus.iter().find(|gpu| gpu.uuid == *uuid)?, None),
        Named::Minor(minor) => (of_minor(*minor)?, None),
        Named::Mig(uuid) => {
            let found = |gpu: &'_ Gpu| gpu.instances.iter().position(|instance| instance.uuid == *uuid);
            let gpu = gpus.iter().find(|gpu| found(gpu).is_some())?;
            (gpu, Some(&gpu.instances[found(gpu)?]))
        }
        Named::InstanceOfGpu { gpu, gpu_instance, compute_instance } => {
            let gpu = gpus.iter().find(|listed| listed.uuid == *gpu)?;
            let is =
                |i: &&Instance| i.gpu_instance == *gpu_instance && i.compute_instance == *compute_instance;
            (gpu, Some(gpu.instances.iter().find(is)?))
        }
        Named::InstanceOfMinor { minor, gpu_instance } => {
            let gpu = of_minor(*minor)?;
            (gpu, Some(gpu.instances.iter().find(|i| i.gpu_instance == *gpu_instance)?))
        }
        Named::Placed { minor, placement_start } => {
            let gpu = of_minor(*minor)?;
            (gpu, Some(gpu.instances.iter().find(|i| i.placement_start == Some(*placement_start))?))
        }
    };
    let instance = instance.map(|i| (i.gpu_instance, i.compute_instance));
    Some(Slot { gpu: gpu.uuid.clone(), instance, replica: id.replica.clone() })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::device_id::{DRA_DRIVER, of_dra, of_plugin};

    /// A whole GPU, and one with a 3g and a 1g instance.
    pub fn gpus() -> Vec<Gpu> {
        let instance = |uuid: &str, gpu_instance, slices, multiprocessors, start| Instance {
            uuid: uuid.to_owned(),
            gpu_instance,
            compute_instance: 0,
            slices,
            multiprocessors,
            placement_start: Some(start),
        };
        vec![
            Gpu { uuid: "GPU-a".to_owned(), minor: Some(1), ..Gpu::default() },
            Gpu {
                uuid: "GPU-b".to_owned(),
                minor: Some(0),
                mig_slices: Some(7),
                instances: vec![instance("MIG-x", 2, 3, 60, 0), instance("MIG-y", 9, 1, 16, 4)],
            },
        ]
    }

    #[test]
    fn every_name_of_a_device_leads_to_its_place() {
        let place = |id: Option<DeviceId>| {
            locate(&gpus(), &id.unwrap()).map(|slot| (slot.gpu, slot.instance, slot.replica))
        };
        let whole = |gpu: &str| Some((gpu.to_owned(), None, None));
        let instance = Some(("GPU-b".to_owned(), Some((9, 0)), None));
        assert_eq!(place(of_plugin("GPU-a")), whole("GPU-a"));
        assert_eq!(place(of_plugin("nvidia1")), whole("GPU-a"), "by minor number, not by index");
        assert_eq!(place(of_dra(DRA_DRIVER, "gpu-0", None)), whole("GPU-b"));
        for id in ["MIG-y", "MIG-GPU-b/9/0", "nvidia0/gi9"] {
            assert_eq!(place(of_plugin(id)), instance, "{id}");
        }
        assert_eq!(place(of_dra(DRA_DRIVER, "gpu-0-mig-1g10gb-19-4", None)), instance);
        let replica = Some(("GPU-a".to_owned(), None, Some("3".to_owned())));
        assert_eq!(place(of_plugin("GPU-a::3")), replica);
        for id in ["GPU-z", "MIG-z", "nvidia7", "nvidia1/gi9", "MIG-GPU-b/9/1"] {
            assert_eq!(place(of_plugin(id)), None, "{id}");
        }
    }
}

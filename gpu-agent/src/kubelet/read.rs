//! The kubelet's lists, in terms of the node's GPUs. Pure.

use std::collections::BTreeSet;

use super::proto::{ContainerDevices, ContainerResources, PodResources};
use crate::books::Replicas;
use crate::device_id::{DeviceId, RESOURCE_PREFIX, of_dra, of_plugin};
use crate::holdings::Listed;
use crate::inventory::{Gpu, Slot, locate};

/// Containers that hold GPUs, and how many ids of GPUs lead nowhere.
#[must_use]
pub fn listed(pods: &[PodResources], gpus: &[Gpu]) -> (Vec<Listed>, usize) {
    let (mut found, mut lost) = (Vec::new(), 0);
    for pod in pods {
        for container in &pod.containers {
            let places: Vec<Option<Slot>> = ids(container).map(|id| locate(gpus, &id?)).collect();
            lost += places.iter().filter(|place| place.is_none()).count();
            // A DRA device may be named by several claims of a container; it is held once.
            let slots: BTreeSet<Slot> = places.into_iter().flatten().collect();
            if !slots.is_empty() {
                found.push(Listed {
                    namespace: pod.namespace.clone(),
                    pod: pod.name.clone(),
                    container: container.name.clone(),
                    slots: slots.into_iter().collect(),
                });
            }
        }
    }
    (found, lost)
}

/// Ids of all GPUs of a container; `None` for an id that is of no known form.
fn ids(container: &ContainerResources) -> impl Iterator<Item = Option<DeviceId>> + '_ {
    let of_gpus = |devices: &&ContainerDevices| devices.resource_name.starts_with(RESOURCE_PREFIX);
    let plugin = container.devices.iter().filter(of_gpus).flat_map(|d| &d.device_ids).map(|id| of_plugin(id));
    let claims = container.dynamic_resources.iter().flat_map(|resource| &resource.claim_resources);
    let dra = claims.filter(|device| device.driver_name == crate::device_id::DRA_DRIVER);
    plugin.chain(dra.map(|d| of_dra(&d.driver_name, &d.device_name, d.share_id.as_deref())))
}

/// Into how many replicas each GPU or instance is shared.
#[must_use]
pub fn replicas(devices: &[ContainerDevices], gpus: &[Gpu]) -> Replicas {
    let mut replicas = Replicas::new();
    let gpu_devices = devices.iter().filter(|d| d.resource_name.starts_with(RESOURCE_PREFIX));
    let ids = gpu_devices.flat_map(|devices| &devices.device_ids).filter_map(|id| of_plugin(id));
    // A replica that is offered under two resources is one.
    let slots: BTreeSet<Slot> =
        ids.filter(|id| id.replica.is_some()).filter_map(|id| locate(gpus, &id)).collect();
    for slot in slots {
        *replicas.entry((slot.gpu, slot.instance)).or_default() += 1;
    }
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::tests::gpus;
    use crate::kubelet::proto::{ClaimResource, DynamicResource};

    fn devices(resource: &str, ids: &[&str]) -> ContainerDevices {
        let device_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        ContainerDevices { resource_name: resource.to_owned(), device_ids }
    }

    fn pod(container: ContainerResources) -> Vec<PodResources> {
        vec![PodResources { name: "p".to_owned(), namespace: "lab".to_owned(), containers: vec![container] }]
    }

    #[test]
    fn gpus_of_every_source_are_found_and_others_left() {
        let claim = |driver: &str, device: &str| ClaimResource {
            driver_name: driver.to_owned(),
            device_name: device.to_owned(),
            ..ClaimResource::default()
        };
        let dynamic = DynamicResource {
            claim_resources: vec![claim("gpu.nvidia.com", "gpu-1"), claim("nic.example", "nic-1")],
            ..DynamicResource::default()
        };
        let container = ContainerResources {
            name: "c".to_owned(),
            devices: vec![
                devices("nvidia.com/mig-1g.10gb", &["MIG-y"]),
                devices("nvidia.com/gpu", &["GPU-gone", "odd"]),
                devices("example.com/nic", &["GPU-a"]),
            ],
            dynamic_resources: vec![dynamic.clone(), dynamic],
        };
        let (found, lost) = listed(&pod(container), &gpus());
        let names: Vec<_> = found[0].slots.iter().map(|slot| (slot.gpu.as_str(), slot.instance)).collect();
        assert_eq!(names, [("GPU-a", None), ("GPU-b", Some((9, 0)))]);
        assert_eq!((found.len(), lost), (1, 2));
        assert_eq!(listed(&pod(ContainerResources::default()), &gpus()), (vec![], 0));
    }

    #[test]
    fn replicas_are_counted_for_each_gpu_and_instance() {
        let all = [
            devices("nvidia.com/gpu", &["GPU-a::0", "GPU-a::1", "GPU-a::2"]),
            devices("nvidia.com/gpu.shared", &["GPU-a::2", "GPU-gone::0"]),
            devices("nvidia.com/mig-1g.10gb", &["MIG-x", "MIG-y::0", "MIG-y::1"]),
        ];
        let found = replicas(&all, &gpus());
        let expected: Replicas =
            [(("GPU-a".to_owned(), None), 3), (("GPU-b".to_owned(), Some((9, 0))), 2)].into();
        assert_eq!(found, expected);
    }
}

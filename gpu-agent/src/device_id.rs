//! What the kubelet calls a device: every spelling of NVIDIA's device plugin, of GKE's and of NVIDIA's DRA driver. Pure.
//!
//! Sources: `k8s-device-plugin` (`internal/rm/devices.go`: replicas are `id::n`), GKE's plugin (`nvidia0/gi3/vgpu1`) and
//! `k8s-dra-driver-gpu` (`deviceinfo.go`: `gpu-0`, `gpu-0-mig-1g10gb-19-2`).

/// Prefix of the extended resources that are GPUs.
pub const RESOURCE_PREFIX: &str = "nvidia.com/";
/// NVIDIA's DRA driver for GPUs.
pub const DRA_DRIVER: &str = "gpu.nvidia.com";

/// A device as the kubelet names it, not yet looked up among those that NVML lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceId {
    /// Which GPU or instance.
    pub named: Named,
    /// Which replica, when it is shared in time.
    pub replica: Option<String>,
}

/// How a device is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// UUID of a whole GPU.
    Gpu(String),
    /// UUID of a MIG device.
    Mig(String),
    /// Number of a device file, `/dev/nvidia<n>`; not NVML's index.
    Minor(u32),
    /// MIG instance by its GPU's UUID, as drivers before R470 name it.
    InstanceOfGpu {
        /// UUID of the GPU.
        gpu: String,
        /// GPU instance.
        gpu_instance: u32,
        /// Compute instance.
        compute_instance: u32,
    },
    /// GPU instance by its GPU's minor number.
    InstanceOfMinor {
        /// Minor number of the GPU.
        minor: u32,
        /// GPU instance.
        gpu_instance: u32,
    },
    /// MIG instance of the DRA driver, by profile and first slice.
    Placed {
        /// Minor number of the GPU.
        minor: u32,
        /// First memory slice.
        placement_start: u32,
    },
}

/// Reads the id of an extended resource; `None` when it is of no known form.
#[must_use]
pub fn of_plugin(id: &str) -> Option<DeviceId> {
    let (name, replica) = match id.split_once("::") {
        Some((_, "")) => return None,
        Some((name, replica)) => (name, Some(replica.to_owned())),
        None => (id, None),
    };
    if let Some(rest) = name.strip_prefix("MIG-GPU-") {
        let mut parts = rest.split('/');
        let (uuid, gi, ci) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let named =
            Named::InstanceOfGpu { gpu: format!("GPU-{uuid}"), gpu_instance: gi, compute_instance: ci };
        return (!uuid.is_empty() && parts.next().is_none()).then_some(DeviceId { named, replica });
    }
    if name.strip_prefix("MIG-").is_some_and(|rest| !rest.is_empty() && !rest.contains('/')) {
        return Some(DeviceId { named: Named::Mig(name.to_owned()), replica });
    }
    if name.strip_prefix("GPU-").is_some_and(|rest| !rest.is_empty() && !rest.contains('/')) {
        return Some(DeviceId { named: Named::Gpu(name.to_owned()), replica });
    }
    if replica.is_some() { None } else { of_gke(name) }
}

/// `nvidia0`, `nvidia0/gi3`, `nvidia0/vgpu1`, `nvidia0/gi3/vgpu1`.
fn of_gke(id: &str) -> Option<DeviceId> {
    let mut parts = id.split('/');
    let minor = number(parts.next()?, "nvidia")?;
    let mut next = parts.next();
    let gpu_instance = next.and_then(|part| number(part, "gi"));
    if gpu_instance.is_some() {
        next = parts.next();
    }
    let replica = match next {
        Some(part) => Some(number(part, "vgpu")?.to_string()),
        None => None,
    };
    let named = match gpu_instance {
        Some(gpu_instance) => Named::InstanceOfMinor { minor, gpu_instance },
        None => Named::Minor(minor),
    };
    parts.next().is_none().then_some(DeviceId { named, replica })
}

/// Reads the device name of NVIDIA's DRA driver. A share of a device is a replica.
#[must_use]
pub fn of_dra(driver: &str, device: &str, share: Option<&str>) -> Option<DeviceId> {
    if driver != DRA_DRIVER {
        return None;
    }
    let replica = share.filter(|share| !share.is_empty()).map(str::to_owned);
    let mut parts = device.strip_prefix("gpu-")?.split('-');
    let minor = digits(parts.next()?)?;
    let named = match parts.next() {
        None => Named::Minor(minor),
        Some("mig") => {
            let (_profile, _profile_id) = (parts.next()?, digits(parts.next()?)?);
            Named::Placed { minor, placement_start: digits(parts.next()?)? }
        }
        Some(_) => return None,
    };
    parts.next().is_none().then_some(DeviceId { named, replica })
}

fn number(text: &str, prefix: &str) -> Option<u32> {
    digits(text.strip_prefix(prefix)?)
}

/// A number without sign, which `parse` would take.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(named: Named, replica: Option<&str>) -> Option<DeviceId> {
        Some(DeviceId { named, replica: replica.map(str::to_owned) })
    }

    #[test]
    fn every_spelling_of_the_plugins() {
        let gpu = || Named::Gpu("GPU-5a".to_owned());
        let mig = || Named::Mig("MIG-5a".to_owned());
        let old = Named::InstanceOfGpu { gpu: "GPU-5a".to_owned(), gpu_instance: 3, compute_instance: 0 };
        let gke = Named::InstanceOfMinor { minor: 2, gpu_instance: 3 };
        for (text, expected) in [
            ("GPU-5a", id(gpu(), None)),
            ("GPU-5a::7", id(gpu(), Some("7"))),
            ("MIG-5a", id(mig(), None)),
            ("MIG-5a::1", id(mig(), Some("1"))),
            ("MIG-GPU-5a/3/0", id(old.clone(), None)),
            ("MIG-GPU-5a/3/0::1", id(old, Some("1"))),
            ("nvidia2", id(Named::Minor(2), None)),
            ("nvidia2/vgpu1", id(Named::Minor(2), Some("1"))),
            ("nvidia2/gi3", id(gke.clone(), None)),
            ("nvidia2/gi3/vgpu1", id(gke, Some("1"))),
        ] {
            assert_eq!(of_plugin(text), expected, "{text}");
        }
    }

    #[test]
    fn every_spelling_of_the_dra_driver() {
        assert_eq!(of_dra(DRA_DRIVER, "gpu-3", None), id(Named::Minor(3), None));
        assert_eq!(of_dra(DRA_DRIVER, "gpu-3", Some("s1")), id(Named::Minor(3), Some("s1")));
        let placed = Named::Placed { minor: 3, placement_start: 2 };
        assert_eq!(of_dra(DRA_DRIVER, "gpu-3-mig-1g10gb-19-2", None), id(placed, None));
    }

    #[test]
    fn what_is_no_gpu_is_none() {
        for text in [
            "",
            "GPU-",
            "MIG-",
            "GPU-5a::",
            "MIG-GPU-5a",
            "MIG-GPU-5a/3",
            "MIG-GPU-5a/3/0/1",
            "nvidia",
            "nvidia+1",
            "nvidia1/gi",
            "nvidia1/vgpu1/gi2",
            "nvidia1::2",
            "0000:81:00.0",
        ] {
            assert_eq!(of_plugin(text), None, "{text}");
        }
        for device in ["gpu-vfio-1", "gpu-", "gpu-1-mig-1g10gb", "gpu-1-mig-1g10gb-19-2-4", "nic-1"] {
            assert_eq!(of_dra(DRA_DRIVER, device, None), None, "{device}");
        }
        assert_eq!(of_dra("other.example", "gpu-1", None), None);
    }

    proptest! {
        #[test]
        fn anything_may_come(text in ".{0,40}") {
            let _ = (of_plugin(&text), of_dra(DRA_DRIVER, &text, None));
        }
    }
}

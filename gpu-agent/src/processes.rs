//! To which pod a process belongs, by its cgroup. Needs the node's process ids (`hostPID`), and no rights.

use std::collections::BTreeMap;

/// UID of the pod in a `/proc/<pid>/cgroup`: `…/kubepods-burstable-pod<uid>.slice/…` with the systemd driver, where
/// `-` is `_`, or `…/kubepods/burstable/pod<uid>/…`. Pure.
#[must_use]
pub fn pod_uid(cgroup: &str) -> Option<String> {
    let parts = cgroup.lines().flat_map(|line| line.split('/'));
    let uid = parts.filter_map(|part| {
        let slice = part.strip_suffix(".slice").filter(|slice| slice.starts_with("kubepods"));
        match slice {
            Some(slice) => slice.rsplit_once("-pod").map(|(_, uid)| uid.replace('_', "-")),
            None => part.strip_prefix("pod").map(str::to_owned),
        }
    });
    uid.into_iter().find(|uid| uid.len() >= 32 && uid.chars().all(|c| c.is_ascii_hexdigit() || c == '-'))
}

/// Pods of processes; those of no pod, or gone by now, are left out.
#[must_use]
pub fn pods_of(processes: impl Iterator<Item = u32>) -> BTreeMap<u32, String> {
    let pod = |process| {
        let cgroup = std::fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
        Some((process, pod_uid(&cgroup)?))
    };
    processes.filter_map(pod).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "6c1b6a2e-8f0e-4c9a-9d55-0a1b2c3d4e5f";

    #[test]
    fn both_drivers_and_both_versions_of_cgroups() {
        let under = UID.replace('-', "_");
        for text in [
            format!(
                "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/cri-containerd-1.scope"
            ),
            format!("0::/kubepods.slice/kubepods-pod{under}.slice/crio-1.scope\n"),
            format!("12:cpu:/kubepods/besteffort/pod{UID}/0123\n11:memory:/other\n"),
            format!("0::/../kubepods/pod{UID}/0123"),
        ] {
            assert_eq!(pod_uid(&text).as_deref(), Some(UID), "{text}");
        }
    }

    #[test]
    fn what_is_in_no_pod_has_none() {
        for text in ["0::/system.slice/ssh.service", "", "0::/podman/x", "0::/kubepods.slice"] {
            assert_eq!(pod_uid(text), None, "{text}");
        }
    }
}

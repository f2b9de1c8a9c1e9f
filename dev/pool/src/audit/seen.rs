//! What the audit takes from an object: the few fields that it sums or compares. Read from the API's own JSON for
//! Concord's kinds, so that no type of the operator stands between the object and the figure.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Node, Pod, PodSpec},
};
use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

use crate::nodes::GPU_RESOURCE;

const MEMBER: &str = "concord.dev/member";

/// Namespace and name as `namespace/name`, or the name alone.
pub type Key = String;

/// The key of an object.
pub fn key(object: &impl kube::Resource) -> Key {
    let (namespace, name) = (object.meta().namespace.as_deref(), object.meta().name.as_deref());
    match namespace {
        Some(namespace) => format!("{namespace}/{}", name.unwrap_or_default()),
        None => name.unwrap_or_default().to_owned(),
    }
}

/// A pod that asks for GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenPod {
    /// UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// The Job that made it.
    pub job: Option<Key>,
    /// The node to which it is bound.
    pub node: Option<String>,
    /// GPUs.
    pub gpus: u32,
    /// `Succeeded`.
    pub succeeded: bool,
    /// `Failed`.
    pub failed: bool,
}

impl SeenPod {
    /// `None` if it asks for no GPUs.
    pub fn of(pod: &Pod) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let gpus = gpus_of(spec);
        let namespace = pod.namespace().unwrap_or_default();
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let job = pod.owner_references().iter().find(|owner| owner.kind == "Job");
        (gpus > 0).then(|| Self {
            uid: pod.uid().unwrap_or_default(),
            job: job.map(|owner| format!("{namespace}/{}", owner.name)),
            namespace,
            node: spec.node_name.clone(),
            gpus,
            succeeded: phase == Some("Succeeded"),
            failed: phase == Some("Failed"),
        })
    }

    /// It keeps GPUs of a node from others; also while it is being deleted.
    pub fn holds(&self) -> Option<&str> {
        self.node.as_deref().filter(|_| !self.succeeded && !self.failed)
    }
}

/// As the scheduler counts: all containers together, or the largest of those that run before.
fn gpus_of(spec: &PodSpec) -> u32 {
    let of = |container: &k8s_openapi::api::core::v1::Container| -> u32 {
        let limits = container.resources.iter().find_map(|resources| resources.limits.as_ref());
        limits.and_then(|limits| limits.get(GPU_RESOURCE)?.0.parse().ok()).unwrap_or(0)
    };
    let before = spec.init_containers.iter().flatten().map(of).max().unwrap_or(0);
    spec.containers.iter().map(of).sum::<u32>().max(before)
}

/// GPUs that a node says it has.
pub fn node_gpus(node: &Node) -> u32 {
    let capacity = node.status.iter().find_map(|status| status.allocatable.as_ref());
    capacity.and_then(|capacity| capacity.get(GPU_RESOURCE)?.0.parse().ok()).unwrap_or(0)
}

/// The member on whose account a namespace's GPUs are.
pub fn namespace_member(namespace: &Namespace) -> Option<String> {
    namespace.labels().get(MEMBER).cloned()
}

/// A Job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenJob {
    /// UID.
    pub uid: String,
    /// Pods that must succeed.
    pub completions: u32,
    /// Pods that have, as its controller counts.
    pub succeeded: u32,
    /// Held back.
    pub suspended: bool,
    /// It has the condition `Complete`.
    pub complete: bool,
    /// It has the condition `Failed`.
    pub failed: bool,
}

impl SeenJob {
    /// Reads a Job.
    pub fn of(job: &Job) -> Self {
        let (spec, status) = (job.spec.as_ref(), job.status.as_ref());
        let conditions = || status.iter().flat_map(|status| status.conditions.iter().flatten());
        let has = |kind: &str| conditions().any(|c| c.type_ == kind && c.status == "True");
        let count = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
        Self {
            uid: job.uid().unwrap_or_default(),
            completions: count(spec.and_then(|spec| spec.completions)).unwrap_or(1),
            succeeded: count(status.and_then(|status| status.succeeded)).unwrap_or(0),
            suspended: spec.and_then(|spec| spec.suspend).unwrap_or(false),
            complete: has("Complete"),
            failed: has("Failed"),
        }
    }
}

/// A `GpuClaim`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenClaim {
    /// Member that pays.
    pub member: String,
    /// GPUs of the gang.
    pub gpus: u64,
    /// State, as `kubectl get` shows it.
    pub state: String,
    /// Runs on borrowed GPUs.
    pub borrowed: bool,
    /// Start of the current or last admission, milliseconds since the epoch.
    pub admitted_at_ms: Option<i64>,
    /// Admissions on borrowed GPUs.
    pub borrows: u64,
    /// Times that it was stopped.
    pub reclaims: u64,
    /// GPU-milliseconds booked.
    pub used_gpu_ms: u64,
    /// Part of it that ended in a reclaim.
    pub reclaimed_gpu_ms: u64,
}

impl SeenClaim {
    /// Reads a claim.
    pub fn of(claim: &DynamicObject) -> Self {
        let text = |path: &str| claim.data.pointer(path).and_then(Value::as_str);
        let number = |path: &str| claim.data.pointer(path).and_then(Value::as_u64).unwrap_or(0);
        let admitted = text("/status/admittedAt").and_then(|at| at.parse::<jiff::Timestamp>().ok());
        Self {
            member: text("/spec/member").unwrap_or_default().to_owned(),
            gpus: number("/spec/gpus"),
            state: text("/status/state").unwrap_or_default().to_owned(),
            borrowed: text("/status/basis") == Some("Borrowed"),
            admitted_at_ms: admitted.map(jiff::Timestamp::as_millisecond),
            borrows: number("/status/borrows"),
            reclaims: number("/status/reclaims"),
            used_gpu_ms: number("/status/usedGpuMilliseconds"),
            reclaimed_gpu_ms: number("/status/reclaimedGpuMilliseconds"),
        }
    }

    /// It has GPUs at this moment.
    pub fn holds(&self) -> bool {
        matches!(self.state.as_str(), "Admitted" | "Reclaiming" | "Stopping")
    }

    /// Nothing will change any more.
    pub fn is_finished(&self) -> bool {
        matches!(self.state.as_str(), "Succeeded" | "Failed")
    }
}

/// Ceilings by member of a treaty in force; a member without one may use the whole pool. `None`: not in force.
pub fn ceilings(treaty: &DynamicObject) -> Option<BTreeMap<String, u32>> {
    let conditions = treaty.data.pointer("/status/conditions")?.as_array()?;
    let in_force = conditions.iter().any(|c| c["type"] == "InForce" && c["status"] == "True");
    let members = treaty.data.pointer("/spec/members")?.as_array()?;
    let ceiling = |member: &Value| {
        let gpus = member.pointer("/ceiling/gpus")?.as_u64()?;
        Some((member["name"].as_str()?.to_owned(), u32::try_from(gpus).ok()?))
    };
    in_force.then(|| members.iter().filter_map(ceiling).collect())
}

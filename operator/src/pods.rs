//! Pods that ask for GPUs and are no Job's: what is kept of each, and to which claim it belongs. They are created behind
//! our scheduling gate, by the admission policy `concord-gate-pods`, whoever makes them.

mod groups;
mod orders;

use std::collections::BTreeMap;

use concord_api::GpuClaimSpec;
use concord_api::names::{
    ANNOTATION_CLAIM, ANNOTATION_DELETION_COST, GATE, LABEL_GANG, LABEL_GANG_SIZE, LABEL_HOSTNAME,
};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::view::{Key, View, gpus_of_pod, version};

pub use groups::{Pods, reference};
pub use orders::{PodOrder, PodTask, carry_out};

/// Longest name of an object.
const NAME_LENGTH_MAX: usize = 253;

/// What one pod of a claim asks for; all pods of a gang ask for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// GPUs.
    pub gpus: u32,
    /// Labels that its node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Time after which the kubelet ends it.
    pub run_limit_seconds: Option<i64>,
}

/// The gang that a pod's labels name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GangLabel {
    /// Name, unique in the namespace.
    pub name: String,
    /// Pods that start together; `None` when the label is no such number.
    pub size: Option<u32>,
}

/// End of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodEnd {
    /// All its containers ended well.
    pub succeeded: bool,
    /// Whole second in which its last container ended, if the kubelet said so.
    pub at: Option<Timestamp>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq)]
pub struct PodView {
    /// UID.
    pub uid: String,
    /// Orders two sightings of the same object.
    pub resource_version: u64,
    /// Made.
    pub created_at: Timestamp,
    /// Marked for deletion.
    pub deleting: bool,
    /// How and when it ended.
    pub end: Option<PodEnd>,
    /// Held by our gate.
    pub gated: bool,
    /// Gates of others; they stay when ours is lifted.
    pub other_gates: Vec<String>,
    /// Node on which it was placed.
    pub node: Option<String>,
    /// What it asks for; once it is placed, also for its node.
    pub shape: Shape,
    /// Its gang, if its labels name one.
    pub gang: Option<GangLabel>,
    /// The claim that the operator gave it.
    pub claim: Option<String>,
    /// What makes it anew when it is gone.
    pub controller: Option<OwnerReference>,
    /// How late its controller takes it away when it needs fewer.
    pub deletion_cost: Option<i32>,
}

impl PodView {
    /// The claim that it belongs to: the one given to it, its gang's, or one of its own. A single pod's has a part of the
    /// pod's UID in its name: a `StatefulSet`'s next pod has the same name and is another ask.
    pub fn claim_key(&self, pod: &Key) -> Key {
        let name = match (&self.claim, &self.gang) {
            (Some(claim), _) => claim.clone(),
            (None, Some(gang)) => format!("gang.{}", gang.name),
            (None, None) => own_claim(&pod.name, &self.uid),
        };
        Key { namespace: pod.namespace.clone(), name }
    }

    /// Held by our gate and not on its way out.
    pub const fn is_waiting(&self) -> bool {
        self.gated && !self.deleting && self.end.is_none()
    }

    /// Has left our gate and not ended: it has GPUs, or the scheduler is about to give it some.
    pub const fn is_running(&self) -> bool {
        !self.gated && self.end.is_none()
    }

    /// Whether it waits and is what this claim asks for.
    pub fn fits(&self, spec: &GpuClaimSpec) -> bool {
        let size = self.gang.as_ref().map_or(Some(1), |gang| gang.size);
        self.is_waiting()
            && size.is_some_and(|size| i64::from(size) == spec.pods)
            && i64::from(self.shape.gpus) == spec.gpus_per_pod
            && self.shape.node_selector == spec.node_selector
            && self.shape.run_limit_seconds == spec.run_limit_seconds
    }
}

fn own_claim(pod: &str, uid: &str) -> String {
    let name = format!("pod.{pod}.{}", uid.get(..8).unwrap_or(uid));
    if name.len() <= NAME_LENGTH_MAX { name } else { format!("pod.{uid}") }
}

impl View for PodView {
    type Object = Pod;

    fn of(pod: &Pod) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let gpus = gpus_of_pod(spec);
        let controller = pod.owner_references().iter().find(|o| o.controller == Some(true));
        let of_a_job = controller.is_some_and(|o| o.kind == "Job" && o.api_version == "batch/v1");
        if gpus == 0 || of_a_job {
            return None;
        }
        let gates: Vec<&String> = spec.scheduling_gates.iter().flatten().map(|gate| &gate.name).collect();
        let node_selector = spec.node_selector.clone().unwrap_or_default();
        let gated = gates.iter().any(|gate| *gate == GATE);
        let placed = if gated { None } else { node_selector.get(LABEL_HOSTNAME).cloned() };
        let annotations = pod.annotations();
        Some(Self {
            uid: pod.uid().unwrap_or_default(),
            resource_version: version(pod.resource_version()),
            created_at: pod.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            end: pod.status.as_ref().and_then(end_of),
            gated,
            other_gates: gates.into_iter().filter(|gate| *gate != GATE).cloned().collect(),
            node: placed.or_else(|| spec.node_name.clone()),
            shape: Shape { gpus, node_selector, run_limit_seconds: spec.active_deadline_seconds },
            gang: pod.labels().get(LABEL_GANG).map(|name| GangLabel {
                name: name.clone(),
                size: pod.labels().get(LABEL_GANG_SIZE).and_then(|size| size.parse().ok()).filter(|s| *s > 0),
            }),
            claim: annotations.get(ANNOTATION_CLAIM).cloned(),
            controller: controller.cloned(),
            deletion_cost: annotations.get(ANNOTATION_DELETION_COST).and_then(|cost| cost.parse().ok()),
        })
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn resource_version(&self) -> u64 {
        self.resource_version
    }
}

fn end_of(status: &PodStatus) -> Option<PodEnd> {
    let succeeded = match status.phase.as_deref() {
        Some("Succeeded") => true,
        Some("Failed") => false,
        _ => return None,
    };
    let ends = status.container_statuses.iter().flatten();
    let at = ends.filter_map(|c| Some(c.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?.0)).max();
    Some(PodEnd { succeeded, at })
}

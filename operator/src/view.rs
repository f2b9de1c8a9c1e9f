//! What the operator keeps of the objects that it watches: the few fields that decide anything. Full objects of
//! 100,000 claims would take 870 MiB.

use concord_api::names::GPU_RESOURCE;
use concord_api::node::PoolNode;
use concord_api::{GpuClaim, GpuClaimSpec, GpuClaimStatus, GpuNode};
use concord_treaty::snapshot::Gang;
use concord_treaty::units::ClaimId;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Affinity, Container, Node, PodSpec};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use std::collections::BTreeMap;
use std::fmt;

use crate::words::Words;

/// Namespace and name; a claim has the key of its Job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// Key of a namespaced object.
    pub fn of<K: kube::Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }

    /// Key of a cluster-scoped object.
    pub fn cluster(name: &str) -> Self {
        Self { namespace: String::new(), name: name.to_owned() }
    }

    /// The engine's name for the claim.
    pub fn claim_id(&self) -> ClaimId {
        ClaimId::from(self.to_string().as_str())
    }

    /// The key behind the engine's name.
    pub fn from_claim_id(id: &ClaimId) -> Self {
        let (namespace, name) = id.0.split_once('/').unwrap_or_default();
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What is kept of one kind of object.
pub trait View: Sized {
    /// The kind.
    type Object: kube::Resource;
    /// `None` when the object does not concern the operator.
    fn of(object: &Self::Object) -> Option<Self>;
    /// UID.
    fn uid(&self) -> &str;
    /// Orders two sightings of the same object.
    fn resource_version(&self) -> u64;
}

/// A Job that asks for GPUs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// UID.
    pub uid: String,
    /// Orders two sightings of the same object.
    pub resource_version: u64,
    /// Submitted.
    pub created_at: Timestamp,
    /// `spec.suspend`.
    pub suspend: bool,
    /// Marked for deletion.
    pub deleting: bool,
    /// How and when it ended.
    pub end: Option<JobEnd>,
    /// Since when the Job controller has it suspended with no pod left.
    pub at_rest_since: Option<Timestamp>,
    /// Pods that run together and their size.
    pub gang: Gang,
    /// Labels that its nodes must have.
    pub node_selector: BTreeMap<String, String>,
    /// Time after which the Job controller ends it.
    pub run_limit_seconds: Option<i64>,
    /// The author's own affinity, kept when the placement is added.
    pub affinity: Option<Affinity>,
    /// What its annotations say.
    pub words: Words,
}

/// End of a Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobEnd {
    /// Complete, not failed.
    pub succeeded: bool,
    /// Whole second in which it ended.
    pub at: Timestamp,
}

/// A claim as the operator last saw or wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimView {
    /// UID.
    pub uid: String,
    /// Precondition of the next write, and order of sightings.
    pub resource_version: u64,
    /// Marked for deletion.
    pub deleting: bool,
    /// Kept by our finalizer until its GPUs are free and its use is booked.
    pub kept: bool,
    /// Ask.
    pub spec: GpuClaimSpec,
    /// Answer.
    pub status: GpuClaimStatus,
}

/// A node with GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// UID.
    pub uid: String,
    /// Orders two sightings of the same object.
    pub resource_version: u64,
    /// Its GPUs.
    pub node: PoolNode,
}

/// What a node's agent says that decides anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuNodeView {
    /// UID.
    pub uid: String,
    /// Orders two sightings of the same object.
    pub resource_version: u64,
    /// GPUs that must not get work.
    pub unhealthy_gpus: u32,
}

impl View for JobView {
    type Object = Job;

    fn of(job: &Job) -> Option<Self> {
        let spec = job.spec.as_ref()?;
        let gpus_per_pod = spec.template.spec.as_ref().map_or(0, gpus_of_pod);
        if gpus_per_pod == 0 {
            return None;
        }
        let parallelism = spec.parallelism.unwrap_or(1);
        let pods = spec.completions.map_or(parallelism, |c| c.min(parallelism));
        let status = job.status.as_ref();
        let condition = |kind: &str| {
            let found =
                status?.conditions.as_ref()?.iter().find(|c| c.type_ == kind && c.status == "True")?;
            Some(found.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0))
        };
        let pods_left = status.map_or(0, |s| s.active.unwrap_or(0) + s.terminating.unwrap_or(0));
        let end = |succeeded| move |at| JobEnd { succeeded, at };
        Some(Self {
            uid: job.uid().unwrap_or_default(),
            resource_version: version(job.resource_version()),
            created_at: job.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0),
            suspend: spec.suspend.unwrap_or(false),
            deleting: job.metadata.deletion_timestamp.is_some(),
            end: condition("Complete").map(end(true)).or_else(|| condition("Failed").map(end(false))),
            at_rest_since: condition("Suspended").filter(|_| pods_left == 0),
            gang: Gang { pods: u32::try_from(pods).unwrap_or(0), gpus_per_pod },
            node_selector: spec
                .template
                .spec
                .as_ref()
                .and_then(|s| s.node_selector.clone())
                .unwrap_or_default(),
            run_limit_seconds: spec.active_deadline_seconds,
            affinity: spec.template.spec.as_ref().and_then(|s| s.affinity.clone()),
            words: Words::of(job.annotations()),
        })
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn resource_version(&self) -> u64 {
        self.resource_version
    }
}

impl View for ClaimView {
    type Object = GpuClaim;

    fn of(claim: &GpuClaim) -> Option<Self> {
        Some(Self {
            uid: claim.uid().unwrap_or_default(),
            resource_version: version(claim.resource_version()),
            deleting: claim.metadata.deletion_timestamp.is_some(),
            kept: claim.finalizers().iter().any(|f| f == crate::upkeep::FINALIZER),
            spec: claim.spec.clone(),
            status: claim.status.clone().unwrap_or_default(),
        })
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn resource_version(&self) -> u64 {
        self.resource_version
    }
}

impl View for NodeView {
    type Object = Node;

    fn of(node: &Node) -> Option<Self> {
        let (uid, resource_version) = (node.uid().unwrap_or_default(), version(node.resource_version()));
        PoolNode::of(node).map(|node| Self { uid, resource_version, node })
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn resource_version(&self) -> u64 {
        self.resource_version
    }
}

impl View for GpuNodeView {
    type Object = GpuNode;

    fn of(node: &GpuNode) -> Option<Self> {
        let (uid, resource_version) = (node.uid().unwrap_or_default(), version(node.resource_version()));
        Some(Self { uid, resource_version, unhealthy_gpus: node.unhealthy_gpus() })
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn resource_version(&self) -> u64 {
        self.resource_version
    }
}

/// Objects of which everything is kept; there are few.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole<K> {
    /// The object.
    pub object: K,
    uid: String,
    resource_version: u64,
}

impl<K: kube::Resource + Clone> View for Whole<K> {
    type Object = K;

    fn of(object: &K) -> Option<Self> {
        let meta = object.meta();
        let (uid, resource_version) =
            (meta.uid.clone().unwrap_or_default(), version(meta.resource_version.clone()));
        Some(Self { object: object.clone(), uid, resource_version })
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn resource_version(&self) -> u64 {
        self.resource_version
    }
}

/// GPUs that the scheduler will count for one pod: the sum of its containers, or its largest init container.
fn gpus_of_pod(spec: &PodSpec) -> u32 {
    let of = |c: &Container| {
        let resources = c.resources.as_ref();
        let listed = resources.and_then(|r| r.limits.as_ref()?.get(GPU_RESOURCE));
        // A quantity that is no plain number is larger than any node, so that the engine refuses it with a reason.
        listed.map_or(0, |q| q.0.parse().unwrap_or(u32::MAX))
    };
    let together = spec.containers.iter().map(of).fold(0, u32::saturating_add);
    let before = spec.init_containers.iter().flatten().map(of).max().unwrap_or(0);
    together.max(before)
}

/// Resource versions of one kind can be ordered since Kubernetes 1.35 (KEP-5504).
fn version(text: Option<String>) -> u64 {
    text.and_then(|v| v.parse().ok()).unwrap_or(0)
}

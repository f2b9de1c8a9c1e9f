//! Every name that Concord puts into a cluster, once.

/// API group of all kinds.
pub const GROUP: &str = "concord.dev";
/// Extended resource of one GPU, as NVIDIA's device plugin names it.
pub const GPU_RESOURCE: &str = "nvidia.com/gpu";
/// Field manager and Event reporter of the operator.
pub const OPERATOR: &str = "concord-operator";
/// User as which the operator reaches the API server; admission policies let only this user start work.
pub const OPERATOR_USER: &str = "system:serviceaccount:concord-system:concord-operator";
/// User as which the agents reach the API server; the token of each says on which node it runs.
pub const AGENT_USER: &str = "system:serviceaccount:concord-system:concord-gpu-agent";
/// As whom the portal speaks to the API server when it does not act as a person.
pub const QUOTA_API_USER: &str = "system:serviceaccount:concord-system:concord-quota-api";
/// Namespace of the operator and of its lease.
pub const OPERATOR_NAMESPACE: &str = "concord-system";
/// Lease whose holder is the operator that acts; its `leaseTransitions` is the fence of every write.
pub const LEASE: &str = "concord-operator";
/// Admission policy that refuses what an operator of an earlier term writes.
pub const POLICY_FENCE: &str = "concord-fence";
/// Webhook configuration and Secret of the review of treaties and quotas before they are stored.
pub const REVIEW: &str = "concord-review";
/// Annotation of Jobs and claims: term of the operator that last wrote them.
pub const ANNOTATION_FENCE: &str = "concord.dev/fence";
/// Annotation that a Job's author sets: it saves its work every so many seconds, from 1.
pub const ANNOTATION_CHECKPOINT_SECONDS: &str = "concord.dev/checkpoint-seconds";
/// Annotation that a running Job sets on itself: when it last saved its work, in RFC 3339.
pub const ANNOTATION_SAVED_AT: &str = "concord.dev/saved-at";
/// Annotation of a Job and its pods after notice: when they are stopped, in RFC 3339.
pub const ANNOTATION_RECLAIM_DEADLINE: &str = "concord.dev/reclaim-deadline";
/// Annotation of a Job and its pods after notice: why, in a sentence.
pub const ANNOTATION_RECLAIM_REASON: &str = "concord.dev/reclaim-reason";
/// Annotation of what the portal makes: the form or key's request it came from, so that one that is sent twice makes one.
pub const ANNOTATION_SUBMISSION: &str = "concord.dev/submission";

/// Annotation of a treaty that the operator changed: the amendment whose text it has, or whose end brought it back.
pub const ANNOTATION_AMENDMENT: &str = "concord.dev/amendment";
/// Annotation of such a treaty: when it got that text, in RFC 3339.
pub const ANNOTATION_AMENDED_AT: &str = "concord.dev/amended-at";

/// Namespace label: the project that owns it. Set by the operator, guarded by an admission policy.
pub const LABEL_PROJECT: &str = "concord.dev/project";
/// Namespace and claim label: the member on whose quota the project runs.
pub const LABEL_MEMBER: &str = "concord.dev/member";
/// Node label: the member that contributed the node.
pub const LABEL_OWNER: &str = "concord.dev/owner";
/// Node label: `true` lets the agent on the node close NVML, so that the driver can be replaced.
pub const LABEL_RELEASE_NVML: &str = "concord.dev/release-nvml";
/// Node label that the scheduler matches placements against.
pub const LABEL_HOSTNAME: &str = "kubernetes.io/hostname";

/// Scheduling gate of every pod with GPUs that no Job makes. An admission policy puts it on, only the operator lifts it.
pub const GATE: &str = "concord.dev/admission";
/// Pod label, put on together with the gate, by which the operator finds such pods.
pub const LABEL_GPUS: &str = "concord.dev/gpus";
/// Pod label: the gang with which it starts. The name is one of its namespace.
pub const LABEL_GANG: &str = "concord.dev/gang";
/// Pod label: pods of its gang.
pub const LABEL_GANG_SIZE: &str = "concord.dev/gang-size";
/// Pod annotation: the claim that the operator gave it.
pub const ANNOTATION_CLAIM: &str = "concord.dev/claim";
/// Pod annotation of Kubernetes: a `ReplicaSet` that needs fewer pods takes those of lower cost first.
pub const ANNOTATION_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Label of the ClusterRole that the operator binds to a project's people.
pub const ROLE_RESEARCHER: &str = "concord-researcher";

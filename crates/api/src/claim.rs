//! GpuClaim: one gang's ask, and the whole story of how it was answered.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ask. Made by the operator from a Job or a group of pods, or by a controller of other work; never changed.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "GpuClaim",
    plural = "gpuclaims",
    shortname = "gc",
    namespaced,
    doc = "One gang's ask for GPUs: where it stands, why, and what it used.",
    status = "GpuClaimStatus",
    category = "concord",
    printcolumn = r#"{"name":"Member","type":"string","jsonPath":".spec.member"}"#,
    printcolumn = r#"{"name":"GPUs","type":"integer","jsonPath":".spec.gpus"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Basis","type":"string","jsonPath":".status.basis"}"#,
    printcolumn = r#"{"name":"Place","type":"integer","jsonPath":".status.place"}"#,
    printcolumn = r#"{"name":"Wait","type":"string","jsonPath":".status.wait"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.reason"}"#,
    printcolumn = r#"{"name":"Expected","type":"string","priority":1,"jsonPath":".status.expectedStart.earliest"}"#,
    printcolumn = r#"{"name":"Latest","type":"string","priority":1,"jsonPath":".status.expectedStart.latest"}"#,
    printcolumn = r#"{"name":"Kind","type":"string","priority":1,"jsonPath":".spec.workload.kind"}"#,
    printcolumn = r#"{"name":"Workload","type":"string","priority":1,"jsonPath":".spec.workload.name"}"#,
    printcolumn = r#"{"name":"Nodes","type":"string","priority":1,"jsonPath":".status.placement[*].node"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,"jsonPath":".status.message"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self == oldSelf", "message": "a claim's spec cannot be changed; delete what it is for and submit that anew"},
    {"rule": "self.gpus == self.pods * self.gpusPerPod", "message": "gpus must be pods times gpusPerPod"},
]))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuClaimSpec {
    /// Member whose quota it uses.
    #[schemars(length(min = 1, max = 63))]
    pub member: String,
    /// Project that asks.
    #[schemars(length(min = 1, max = 63))]
    pub project: String,
    /// Pods that start together.
    #[schemars(range(min = 1, max = 100_000))]
    pub pods: i64,
    /// GPUs of each pod.
    #[schemars(range(min = 1, max = 1_000))]
    pub gpus_per_pod: i64,
    /// GPUs of the gang.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub gpus: i64,
    /// Labels that its nodes must have, from the Job's `nodeSelector`. In a treaty with several GPU classes they say of
    /// which class it asks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, String>,
    /// Time after which it is ended, from the Job's `activeDeadlineSeconds`; with `line.shortestFirst` short ones start
    /// first on idle GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub run_limit_seconds: Option<i64>,
    /// What runs on it.
    pub workload: WorkloadReference,
    /// When that was submitted; the place in line goes by it. Objects are dated to the second: of those of one second the one
    /// that the operator saw first is first.
    pub submitted_at: MicroTime,
}

/// The work behind a claim.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadReference {
    /// What it is.
    pub kind: WorkloadKind,
    /// Name in the claim's namespace: of the Job, of the pod for which the claim was made, of the gang, or as its maker
    /// calls other work.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// UID of what outlives its pods, so that something of the same name made later is another one: of the Job; of the
    /// controller of a single pod, or of the pod itself when it has none. Empty for a gang, whose pods may have several
    /// controllers and are replaced one by one; it is its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub uid: String,
}

/// What a claim may be for.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadKind {
    /// A `batch/v1` Job, held by `suspend`.
    Job,
    /// One pod, or a gang of pods, held by a scheduling gate.
    PodGroup,
    /// Work whose life another controller reports: it adds the condition `Finished` with the reason `Succeeded` or
    /// `Failed`. No pod gets GPUs by such a claim. The operator adds no finalizer, so that an admission is one write: a
    /// maker who wants the use of a claim booked that is deleted while it has GPUs gives it `concord.dev/booking`.
    External,
}

/// The answer. Written by the operator only.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct GpuClaimStatus {
    /// Where the claim stands.
    pub state: ClaimPhase,
    /// Term of the operator that wrote this: `leaseTransitions` of its lease. The API server refuses a write of an
    /// earlier term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<i32>,
    /// Place in its member's line, from 1; only while queued. Refreshed every few seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<i64>,
    /// Time from submission to the last admission, or up to the last refresh while queued; for people, such as `3m20s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// When it is expected to start: a forecast, not a promise; only while queued. Refreshed together with the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_start: Option<ExpectedStart>,
    /// Why it stands there: CamelCase code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reason in a sentence, with what would change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Treaty clause behind the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// On whose account it runs; only while it has GPUs, or while some are kept for it because it waited too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis: Option<ClaimBasis>,
    /// GPUs by node; only while it has GPUs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub placement: Vec<Placement>,
    /// GPUs by node that are kept for it until the borrowers there have left; only while it waits for a reclaim.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<Placement>,
    /// Its run in its member's line alone, which is what its member would do without partners. Once that has begun,
    /// the claim may neither wait nor be reclaimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<DueRun>,
    /// Start of the current or last admission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admitted_at: Option<MicroTime>,
    /// It saves its work every so many seconds, says its Job's annotation `concord.dev/checkpoint-seconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_seconds: Option<i64>,
    /// Last save of its work that its Job told by the annotation `concord.dev/saved-at`, in this admission; taken over at
    /// most once a minute, and only on borrowed GPUs, where it decides something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_at: Option<MicroTime>,
    /// When it must have left; only after notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_deadline: Option<MicroTime>,
    /// The claim that gets the place, as `namespace/name`; only after notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice_for: Option<String>,
    /// Stands in front of its member's line, because it had to give way to another member.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub put_back: bool,
    /// How often it was stopped and put back in line.
    pub reclaims: i64,
    /// How often it was admitted on borrowed GPUs.
    pub borrows: i64,
    /// GPU-milliseconds of all ended admissions, each booked once when its GPUs are free again.
    pub used_gpu_milliseconds: i64,
    /// Part of `usedGpuMilliseconds` that ended in a reclaim.
    pub reclaimed_gpu_milliseconds: i64,
    /// Part of `reclaimedGpuMilliseconds` after the last save of the work: what the reclaims destroyed.
    pub lost_gpu_milliseconds: i64,
    /// Parts of its use that have ended, the oldest first; each stays here until it is in the public record.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ended_runs: Vec<EndedRun>,
    /// How many parts of its use have ended.
    #[serde(skip_serializing_if = "is_zero")]
    pub runs_ended: i64,
    /// Since when it has its GPUs on the present account; absent: since its admission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_account_since: Option<MicroTime>,
    /// Length of the last admission; only once the work ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran_milliseconds: Option<i64>,
    /// End of the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// `Admitted` and `Finished`, as the standard conditions of Kubernetes.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// When a claim is expected to start.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ExpectedStart {
    /// Not before this time, even if every job ends early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earliest: Option<Time>,
    /// By this time, if every job runs to its stated limit and nothing new arrives. Missing where nobody can say, because
    /// jobs run that state no limit, or because the forecast did not go so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<Time>,
}

/// State of a claim.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClaimPhase {
    /// In line.
    #[default]
    Queued,
    /// Has GPUs.
    Admitted,
    /// Has GPUs and was told to leave.
    Reclaiming,
    /// Was stopped; its pods are not all gone.
    Stopping,
    /// Its work completed.
    Succeeded,
    /// Its work failed.
    Failed,
}

/// On whose account a claim runs.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimBasis {
    /// Inside its member's guarantee.
    Guaranteed,
    /// On GPUs that other members have idle.
    Borrowed,
}

/// A claim's run in its member's line alone.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DueRun {
    /// Start.
    pub since: MicroTime,
    /// GPUs by node of that line, counted from 0; these are no nodes of the pool.
    pub places: Vec<DuePlace>,
}

/// GPUs on one node of a member's line alone.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DuePlace {
    /// Node of the line.
    pub node: i64,
    /// GPUs there.
    pub gpus: i64,
}

/// A part of a claim's use that has ended: an admission, or what of it was on one account.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EndedRun {
    /// Number, from 1.
    pub number: i64,
    /// Begin.
    pub from: MicroTime,
    /// End.
    pub until: MicroTime,
    /// GPUs.
    pub gpus: i64,
    /// On whose account.
    pub basis: ClaimBasis,
    /// Since when its member's line alone would have run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_since: Option<MicroTime>,
    /// GPU-milliseconds after the last save of the work, if a reclaim ended it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_gpu_milliseconds: i64,
    /// What ended.
    pub end: RunEnd,
    /// Why: CamelCase code.
    pub reason: String,
    /// Treaty clause behind a reclaim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
}

/// What ended with a part of a claim's use.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The work.
    Finished,
    /// The admission: the claim stands in line again.
    Reclaimed,
    /// Nothing but the account: it goes on running on another one.
    Rebooked,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// GPUs on one node.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Node.
    pub node: String,
    /// GPUs there.
    pub gpus: i64,
}

impl ClaimPhase {
    /// True when nothing will change any more.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// Condition types of a claim.
pub mod conditions {
    /// The claim has GPUs.
    pub const ADMITTED: &str = "Admitted";
    /// The work ended. Set by the operator, but for `External` claims by who reports on them; the reason is then
    /// [`SUCCEEDED`], and anything else counts as failed.
    pub const FINISHED: &str = "Finished";
    /// Reason of [`FINISHED`] when the work of an `External` claim completed.
    pub const SUCCEEDED: &str = "Succeeded";
}

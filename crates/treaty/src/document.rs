//! What a member-state admin types: the raw text of a treaty, before any rule is checked.
//!
//! The same types are the `spec` of the Kubernetes object, so that a file, the API server and the operator read
//! one language. Unknown fields are refused, never ignored. Limits that need one field only stand here as schema
//! and CEL and are kept by the API server too; everything else is checked in [`crate::treaty`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Text of a treaty between the members of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// Title of the treaty, for people.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// The members, in the order of the treaty; the order breaks ties.
    #[schemars(length(min = 1, max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub members: Vec<MemberDocument>,
    /// How lent GPUs come back.
    pub reclaim: ReclaimDocument,
}

/// What the treaty says of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.ceiling) || self.ceiling.gpus >= self.guarantee.gpus", "message": "ceiling.gpus must not be below guarantee.gpus"},
    {"rule": "!has(self.lending) || self.lending.keepGpus <= self.guarantee.gpus", "message": "lending.keepGpus must not be above guarantee.gpus"},
]))]
pub struct MemberDocument {
    /// Name of the member; a DNS label, because it appears in labels and metrics.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// GPUs that the member can always have, within the time of the reclaim clause.
    pub guarantee: GpuCount,
    /// Most GPUs that the member may use at once, guaranteed and borrowed together. Absent: the whole pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<GpuCount>,
    /// What the member lends of its guarantee while idle. Absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lending: Option<LendingDocument>,
}

/// A fixed number of GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuCount {
    /// Number of GPUs.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpus: i64,
}

/// Lending clause of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LendingDocument {
    /// Guaranteed GPUs that are never lent, so that this much work starts without waiting for a reclaim.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub keep_gpus: i64,
}

/// Reclaim clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReclaimDocument {
    /// Seconds between telling a borrower and stopping it. 0: at once.
    #[schemars(range(min = 0, max = 604_800))]
    pub notice_seconds: i64,
}

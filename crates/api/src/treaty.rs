//! Treaty: the rules between members.

use concord_treaty::document::{Document, MemberDocument, ReclaimDocument};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rules of one pool. The text of the spec is that of [`Document`]; see docs/treaty-language.md.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "Treaty",
    plural = "treaties",
    doc = "A treaty between the members that share one pool of GPUs.",
    status = "TreatyStatus",
    category = "concord",
    printcolumn = r#"{"name":"Title","type":"string","jsonPath":".spec.title"}"#,
    printcolumn = r#"{"name":"InForce","type":"string","jsonPath":".status.conditions[?(@.type==\"InForce\")].status"}"#,
    printcolumn = r#"{"name":"GPUs","type":"integer","jsonPath":".status.capacityGpus"}"#,
    printcolumn = r#"{"name":"Used","type":"integer","jsonPath":".status.usedGpus"}"#,
    printcolumn = r#"{"name":"Borrowed","type":"integer","jsonPath":".status.borrowedGpus"}"#,
    printcolumn = r#"{"name":"Queued","type":"integer","jsonPath":".status.queuedClaims"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"InForce\")].message"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TreatySpec {
    /// Title of the treaty, for people.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// The members, in the order of the treaty; the order breaks ties.
    #[schemars(length(min = 1, max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub members: Vec<MemberDocument>,
    /// How lent GPUs come back.
    pub reclaim: ReclaimDocument,
}

/// What the operator says of a treaty.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct TreatyStatus {
    /// Generation of the spec that the rest describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `InForce`: whether this treaty rules the pool, else why not; `Kept`: whether the pool can keep its promises.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// GPUs of the pool's schedulable nodes.
    pub capacity_gpus: i64,
    /// GPUs in use.
    pub used_gpus: i64,
    /// GPUs in use beyond guarantees.
    pub borrowed_gpus: i64,
    /// Claims in line.
    pub queued_claims: i64,
    /// Use by member, in the treaty's order.
    pub members: Vec<MemberUse>,
}

/// One member's use now.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberUse {
    /// Member.
    pub name: String,
    /// GPUs in use on its guarantee.
    pub guaranteed_gpus: i64,
    /// GPUs in use that others lend it.
    pub borrowed_gpus: i64,
    /// Claims in line.
    pub queued_claims: i64,
}

impl TreatySpec {
    /// The same text as the engine reads it.
    #[must_use]
    pub fn document(&self) -> Document {
        // No `..`: a new clause must not be dropped on the way to the engine.
        let Self { title, members, reclaim } = self.clone();
        Document { title, members, reclaim }
    }
}

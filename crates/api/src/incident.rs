//! Incident: what went wrong, told by those who run the pool.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened, whose work it hit, and what was done. It is published as it is written, so that it names no person. Every text
/// of it goes to the public record; when more is known, the text is changed and recorded once more.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "Incident",
    plural = "incidents",
    doc = "Something that went wrong in the pool, for the public and the record.",
    category = "concord",
    printcolumn = r#"{"name":"Title","type":"string","jsonPath":".spec.title"}"#,
    printcolumn = r#"{"name":"Began","type":"date","jsonPath":".spec.beganAt"}"#,
    printcolumn = r#"{"name":"Ended","type":"date","jsonPath":".spec.endedAt"}"#,
    printcolumn = r#"{"name":"GPUs","type":"integer","jsonPath":".spec.gpus"}"#
)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.endedAt) || self.endedAt >= self.beganAt", "message": "endedAt must not be before beganAt"},
]))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IncidentSpec {
    /// Title.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// When it began.
    pub began_at: Time,
    /// When it was over. Absent: it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// What happened.
    #[schemars(length(min = 1, max = 4_000))]
    pub what_happened: String,
    /// What was done, and what will be.
    #[schemars(length(min = 1, max = 4_000))]
    pub what_was_done: String,
    /// Members and reserves whose work it hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 63)))]
    pub parties: Vec<String>,
    /// UIDs of the claims that it hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 64)))]
    pub claims: Vec<String>,
    /// GPUs that were out of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpus: Option<i64>,
}

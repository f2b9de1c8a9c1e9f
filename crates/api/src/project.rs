//! Project: a group of people with a purpose, and the namespace in which they work.

use concord_treaty::document::ApplicantDocument;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who works on what, on which member's quota. The operator gives the project a namespace of its name.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "Project",
    doc = "A project: people, purpose and the namespace in which they work on one member's quota.",
    status = "ProjectStatus",
    category = "concord",
    printcolumn = r#"{"name":"Member","type":"string","jsonPath":".spec.member"}"#,
    printcolumn = r#"{"name":"Namespace","type":"string","jsonPath":".status.namespace"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Purpose","type":"string","priority":1,"jsonPath":".spec.purpose"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.member == oldSelf.member", "message": "member cannot be changed: a project's use is booked on one member; make a new project"},
]))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectSpec {
    /// Member, or reserve of the treaty, on whose quota the project runs.
    #[schemars(length(min = 1, max = 63))]
    pub member: String,
    /// What the GPUs are for, in a sentence that may be published.
    #[schemars(length(min = 1, max = 500))]
    pub purpose: String,
    /// Who applied and for what, where the treaty has conditions (`eligibility`). Absent: nothing is stated, which meets
    /// no condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applicant: Option<ApplicantDocument>,
    /// Who may submit and watch work.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub people: Vec<Person>,
    /// What was granted to it, for a project that an approved application made. After its end its people may not submit
    /// any more; what runs, runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<ProjectGrant>,
}

/// A grant of access.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectGrant {
    /// Name of the application that was approved.
    #[schemars(length(min = 1, max = 253))]
    pub application: String,
    /// Tier, where the project runs on a reserve that has tiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub tier: Option<String>,
    /// GPU-hours; kept on a reserve with tiers, where nothing more starts once they are used.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub gpu_hours: i64,
    /// Most GPUs at once; kept on a reserve with tiers.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub most_gpus: i64,
    /// End of access.
    pub until: Time,
}

impl Project {
    /// Whether its people may still submit.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.spec.grant.as_ref().is_none_or(|grant| now < grant.until.0)
    }
}

/// A user or a group, as the API server's authentication names it.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// `User` or `Group`.
    pub kind: PersonKind,
    /// Name.
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "!self.startsWith('system:')", "message": "system users and groups cannot belong to a project"},
    ]))]
    pub name: String,
}

/// Kind of a [`Person`].
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonKind {
    /// One user.
    User,
    /// Everybody in a group.
    Group,
}

/// What the operator says of a project.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectStatus {
    /// Generation of the spec that the rest describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the namespace exists and its people may work there, else why not.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Namespace of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Salt of the commitment by which the public record names the project: whoever has it can show that an entry is this
    /// project's. It goes with this object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_salt: Option<String>,
    /// GPU-milliseconds of claims that are gone; only for projects with a grant on a reserve, whose hours are limited.
    #[serde(skip_serializing_if = "is_zero")]
    pub used_gpu_milliseconds: i64,
    /// UIDs of claims that are in that sum and still exist, so that none is added twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20_000), extend("x-kubernetes-list-type" = "set"))]
    pub booked_claims: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

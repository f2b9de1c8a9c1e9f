//! Raw form of how a member splits its own share: the `spec` of the kind `MemberQuota`, whose name is the member's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a member splits its own share among institutions, projects and persons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberQuotaDocument {
    /// The member's institutions. One that is not named here has weight 1 and no limits.
    #[schemars(length(min = 1, max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub institutions: Vec<InstitutionDocument>,
    /// How persons share inside a project. Absent: equally, without limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<PeopleDocument>,
}

/// What one institution may use of its member's share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InstitutionDocument {
    /// Name, a DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Weight among the institutions of the member. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: Option<i64>,
    /// Below this its claims come before those of others; all floors together at most the member's guarantee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guarantee: Option<QuotaGpusDocument>,
    /// Most GPUs at once. Absent: what the member may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<QuotaGpusDocument>,
    /// Its projects. One that is not named here has weight 1 and no limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub projects: Vec<ProjectShareDocument>,
}

/// What one project may use of its institution's share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectShareDocument {
    /// Name, a DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Weight among the projects of the institution. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: Option<i64>,
    /// Below this its claims come before those of other projects; all floors together at most the institution's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guarantee: Option<QuotaGpusDocument>,
    /// Most GPUs at once. Absent: what the institution may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<QuotaGpusDocument>,
}

/// A number of GPUs, or one for each class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaGpusDocument {
    /// Number of GPUs, where the treaty has one class at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpus: Option<i64>,
    /// Number of GPUs by the class's name; then `gpus` is absent. A class that is not named has none of this limit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub by_class: BTreeMap<String, i64>,
}

/// How persons share inside a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeopleDocument {
    /// What a person's weight is. Absent: all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_by: Option<PeopleWeightName>,
    /// Most GPUs of one person at once, in each project and class. Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub ceiling_gpus: Option<i64>,
}

/// What weighs a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PeopleWeightName {
    /// All persons the same.
    #[default]
    Equal,
}

impl QuotaGpusDocument {
    /// A plain number of GPUs.
    #[must_use]
    pub fn of_gpus(gpus: i64) -> Self {
        Self { gpus: Some(gpus), by_class: BTreeMap::new() }
    }
}

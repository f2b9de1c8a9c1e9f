//! Who may use the pool, and who may decide about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An answer to an application: id `decision/<UID>`, to its appeal `appeal/<UID>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    /// UID of the application.
    pub application: String,
    /// Commitment to the name of the project ([`crate::redact::commit`]).
    pub project: String,
    /// Whether it is for a new project, a renewal or an extension.
    pub request: String,
    /// Whether it answers an appeal.
    pub on_appeal: bool,
    /// Member or reserve whose GPUs it is about.
    pub party: String,
    /// Tier of the reserve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// By when an answer was promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised_by: Option<Timestamp>,
    /// Yes or no.
    pub outcome: Outcome,
    /// Clauses on which it rests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<String>,
    /// Whether a person decided; else the treaty's own rule for small requests.
    pub by_reviewers: bool,
    /// Reviewers who judged.
    pub reviewers: u32,
    /// Those who did not judge because of a tie to the applicant.
    pub recused: u32,
    /// What is granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<GrantedAccess>,
}

/// What is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantedAccess {
    /// GPU-hours.
    pub gpu_hours: u64,
    /// Most GPUs at once.
    pub most_gpus: u32,
    /// End of access.
    pub until: Timestamp,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Yes.
    Approved,
    /// No.
    Refused,
}

/// A right that was given or taken: id `role/<UID of the binding>/<version>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleChange {
    /// Role, as the cluster knows it, such as `concord-reviewer`.
    pub role: String,
    /// Commitment to who has it.
    pub subject: String,
    /// Member for which it is, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Given, or taken.
    pub given: bool,
}

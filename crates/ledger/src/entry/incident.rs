//! What went wrong.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An incident as those who run the pool tell it: id `incident/<UID>/<generation>`; a later generation tells more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Incident {
    /// Name.
    pub incident: String,
    /// Which telling of it, from 1.
    pub revision: i64,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Title.
    pub title: String,
    /// What happened.
    pub what_happened: String,
    /// What was done.
    pub what_was_done: String,
    /// Members and reserves whose work it hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parties: Vec<String>,
    /// UIDs of the claims that it hit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// GPUs that were out of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
}

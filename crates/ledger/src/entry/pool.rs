//! What rules the pool, and what it has.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A text rules from now on: id `treaty/<UID>/<generation>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TreatyInForce {
    /// Name.
    pub treaty: String,
    /// How often its text was changed.
    pub generation: i64,
    /// SHA-256 (hexadecimal) of the text: the canonical JSON of the treaty's `spec`, in the file `text/<sha256>`.
    pub text: String,
    /// The amendment that made it; absent for a first text, and for a change that nobody voted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amendment: Option<String>,
}

/// GPUs of nodes that take work, from now on: id `capacity/<time>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capacity {
    /// Nodes.
    pub nodes: u32,
    /// GPUs by class of the treaty; `gpus` in a treaty without classes.
    pub gpus: BTreeMap<String, u32>,
    /// Since when.
    pub since: Timestamp,
}

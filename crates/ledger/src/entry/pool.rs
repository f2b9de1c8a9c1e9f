//! What rules the pool, and what it has.

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

/// The pool's nodes, also those that take no work at the moment, from now on: id `capacity/<time>`. What a treaty guarantees is
/// worked out from it, as the engine does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capacity {
    /// Nodes of each kind, in the order of class and size.
    pub nodes: Vec<NodeKind>,
    /// Since when.
    pub since: Timestamp,
}

/// Nodes of one class and size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeKind {
    /// Class of the treaty; absent in a treaty without classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// GPUs of one.
    pub gpus_per_node: u32,
    /// How many.
    pub nodes: u32,
}

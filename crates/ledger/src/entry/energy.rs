//! Energy.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Energy of the GPUs of one node between two readings of its agent: id `energy/<node>/<until>`. What the claims were charged and
/// what was spent while nobody held a GPU add up to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Energy {
    /// Node.
    pub node: String,
    /// Reading before.
    pub from: Timestamp,
    /// Reading.
    pub until: Timestamp,
    /// By the counters of all GPUs.
    pub all_millijoules: u64,
    /// While nobody held a GPU.
    pub idle_millijoules: u64,
    /// By claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimEnergy>,
    /// True when the GPUs are made up.
    pub simulated: bool,
}

/// What one claim was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimEnergy {
    /// UID of the work: of a Job, or of the pod.
    pub workload: String,
    /// Member or reserve; absent when the node's agent could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<String>,
    /// Read while it alone held whole GPUs.
    pub measured_millijoules: u64,
    /// By the agent's rule for shared GPUs.
    pub estimated_millijoules: u64,
}

//! Energy.

use serde::{Deserialize, Serialize};

/// Counters of the GPUs of one node, as its agent had them: id `energy/<node>/<time in milliseconds>`. Counters only grow; one that
/// is smaller than before began anew. So nothing is counted twice, and a reading that is missing loses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Energy {
    /// Node.
    pub node: String,
    /// By the counters of all GPUs, since the agent's beginning.
    pub all_millijoules: u64,
    /// Part of it while nobody held a GPU.
    pub idle_millijoules: u64,
    /// By claim: those that were charged anything since the reading before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimEnergy>,
    /// True when the GPUs are made up.
    pub simulated: bool,
}

/// What one claim was charged on this node since its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimEnergy {
    /// UID of the work: of a Job, or of the pod.
    pub workload: String,
    /// Member or reserve; absent when its project is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<String>,
    /// Read while it alone held whole GPUs.
    pub measured_millijoules: u64,
    /// By the agent's rule for shared GPUs.
    pub estimated_millijoules: u64,
}

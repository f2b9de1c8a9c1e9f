//! Use of GPUs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One run of a claim, or the part of a run on one account: id `usage/<claim>/<run>`, dated at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Usage {
    /// UID of the claim.
    pub claim: String,
    /// Part of the claim's use, from 1.
    pub run: u64,
    /// Commitment to the name of the project ([`crate::redact::commit`]).
    pub project: String,
    /// Member or reserve that is charged.
    pub party: String,
    /// Class of the GPUs, in a treaty that has classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Clause by which it ran, such as `guarantee/north`.
    pub clause: String,
    /// Whether the GPUs were borrowed.
    pub borrowed: bool,
    /// GPUs at once.
    pub gpus: u32,
    /// When the work was submitted.
    pub submitted_at: Timestamp,
    /// Since when it would have run had its member stayed alone; a start later than this by more than the treaty's notice
    /// breaks the promise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_since: Option<Timestamp>,
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
    /// GPUs times time, in milliseconds.
    pub gpu_milliseconds: u64,
    /// GPU-milliseconds that a stop destroyed: after the last save of the work, or since it was started; also of the parts before,
    /// where the run went on from another account.
    pub lost_gpu_milliseconds: u64,
    /// Why it ended.
    pub end: End,
}

/// End of a run, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    /// What ended.
    pub kind: EndKind,
    /// CamelCase code.
    pub reason: String,
    /// Clause behind a reclaim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// Member or reserve that got its GPUs back by a reclaim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<String>,
}

/// What ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndKind {
    /// The work.
    Finished,
    /// The run: the work was stopped and stands in line again.
    Reclaimed,
    /// The part: the run goes on, on another account.
    Rebooked,
}

//! What a record comes to, in numbers. Times are milliseconds times GPUs, energy is millijoules; programs that show them round.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::energy::EnergyTotals;
use crate::finding::{Finding, Kind};
pub use crate::promises::MissedFloor;
use crate::span::Span;

/// The accounts of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// First and last thing that is recorded.
    pub time: Option<(Timestamp, Timestamp)>,
    /// Time of which the accounts are.
    pub span: Span,
    /// Entries by kind.
    pub entries: BTreeMap<&'static str, u64>,
    /// What was checked, and how it came out.
    pub checks: Vec<Check>,
    /// By member and reserve.
    pub parties: BTreeMap<String, Party>,
    /// Loans of all, worked out from treaties; `None`: not worked out.
    pub loans: Option<Loans>,
    /// Reclaims by who got its GPUs back, by which clause, and from whom.
    pub reclaims: Vec<Reclaims>,
    /// Floors that were missed, in order of time.
    pub missed_floors: Vec<MissedFloor>,
    /// Energy.
    pub energy: EnergyTotals,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many are wrong of each kind, also those that are not listed.
    pub finding_counts: BTreeMap<Kind, u64>,
    /// What is not wrong, and should be known.
    pub notes: Vec<String>,
}

/// Something that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What, in words.
    pub what: String,
    /// How it came out.
    pub outcome: Outcome,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// There was nothing to check it with.
    Unknown,
}

/// The account of one party.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Party {
    /// Runs that touch the span.
    pub runs: u64,
    /// Used in all.
    pub used_gpu_millis: u64,
    /// Part of it by runs that were booked as borrowed.
    pub borrowed_gpu_millis: u64,
    /// Used above the guarantee, as treaty and runs say; `None`: not worked out.
    pub above_guarantee_gpu_millis: Option<u64>,
    /// Left idle of the guarantee, and used by others.
    pub lent_gpu_millis: Option<u64>,
    /// Times that its work was stopped, because lent GPUs were taken back.
    pub reclaimed_runs: u64,
    /// What these stops destroyed.
    pub lost_gpu_millis: u64,
    /// Starts to which it was entitled, and of which anybody can judge whether they were in time.
    pub due_starts: u64,
    /// Those that were late.
    pub missed_floors: u64,
    /// Energy of its claims.
    pub energy_millijoules: u64,
    /// Lending credit at the end, when the treaty has it.
    pub credit_gpu_millis: Option<i64>,
    /// Unused part of its budget at the end, when the treaty has one.
    pub budget_left_gpu_millis: Option<u64>,
}

/// Loans of all parties together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loans {
    /// Used above guarantees.
    pub borrowed_gpu_millis: u64,
    /// Part of it that members lent.
    pub lent_gpu_millis: u64,
    /// Part of it that is nobody's guarantee.
    pub of_nobody_gpu_millis: u64,
}

/// Reclaims of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reclaims {
    /// Who got its GPUs back; `None`: the record does not say.
    pub to: Option<String>,
    /// By which clause.
    pub clause: Option<String>,
    /// Who had borrowed them.
    pub from: String,
    /// Runs that were stopped.
    pub runs: u64,
    /// What that destroyed.
    pub lost_gpu_millis: u64,
}

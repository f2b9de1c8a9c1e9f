//! Raw form of what a treaty says of time: when it holds, budgets by period, windows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NodeLabels;

/// When the treaty holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EffectiveDocument {
    /// First day `YYYY-MM-DD`.
    #[schemars(length(min = 10, max = 10))]
    pub from: String,
    /// Last day `YYYY-MM-DD`. Absent: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10))]
    pub until: Option<String>,
}

/// GPU-hours for a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BudgetDocument {
    /// Length of the period.
    pub period: PeriodName,
    /// GPU-hours of a period by member; members without an entry have no budget.
    #[schemars(extend("maxProperties" = 500))]
    pub gpu_hours: BTreeMap<String, i64>,
    /// What moves to the next period. Absent: nothing; use it or lose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry_over: Option<CarryOverDocument>,
    /// How much of the next period's hours may be used in advance, for example `"20"`. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub overdraft_percent: Option<String>,
    /// What over-use leads to, by rising thresholds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub overuse: Vec<OveruseDocument>,
    /// Dates of each year at which unused hours are taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub pull_back: Vec<PullBackDocument>,
}

/// Length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PeriodName {
    /// A month.
    Month,
    /// Three months of the accounting year.
    Quarter,
    /// The accounting year.
    Year,
}

/// What moves to the next period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarryOverDocument {
    /// Share of the unused hours, for example `"50"`.
    #[schemars(length(min = 1, max = 8))]
    pub percent: String,
    /// How often the same hours may move.
    #[schemars(range(min = 1, max = 12))]
    pub periods: i64,
}

/// A step of the over-use ladder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OveruseDocument {
    /// From this use on, in percent of what the period allows, for example `"125"`.
    #[schemars(length(min = 1, max = 8))]
    pub above_percent: String,
    /// Consequence; never for work inside the guarantee.
    pub effect: OveruseEffectName,
    /// With `mostBorrowed`: so many GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpus: Option<i64>,
}

/// Consequence of over-use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OveruseEffectName {
    /// Behind everybody who is not over budget when idle GPUs are lent.
    LowPriority,
    /// At most `gpus` borrowed at once.
    MostBorrowed,
    /// No borrowing.
    NoBorrowing,
}

/// A date of each year at which unused hours are taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullBackDocument {
    /// Month and day `MM-DD`, the day at most 28, for example `"05-01"`.
    #[schemars(length(min = 5, max = 5))]
    pub date: String,
    /// Applies when less than this share of the period's hours is used by then, for example `"15"`.
    #[schemars(length(min = 1, max = 8))]
    pub used_below_percent: String,
    /// This share of the unused hours is taken, for example `"30"`.
    #[schemars(length(min = 1, max = 8))]
    pub remove_of_unused_percent: String,
}

/// A time in which nodes are out of service or belong to one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowDocument {
    /// Name of the window, a DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What happens in it.
    pub purpose: WindowPurposeName,
    /// With `reserved`: the member to whom the nodes belong in that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub member: Option<String>,
    /// Start `YYYY-MM-DDTHH:MM` of the first occurrence, in the treaty's time zone.
    #[schemars(length(min = 16, max = 16))]
    pub start: String,
    /// Length of each occurrence in minutes.
    #[schemars(range(min = 1, max = 40_320))]
    pub length_minutes: i64,
    /// IANA time zone of `start`. Absent: the treaty's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// How it comes again. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<RepeatName>,
    /// Last day `YYYY-MM-DD` on which an occurrence may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10))]
    pub until: Option<String>,
    /// Labels of the nodes concerned. Absent: all nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub node_labels: NodeLabels,
    /// Claims that would not end before are told so many hours before the start. Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_160))]
    pub announce_hours: Option<i64>,
}

/// What happens in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WindowPurposeName {
    /// The nodes are out of service.
    Maintenance,
    /// The nodes belong to `member`.
    Reserved,
}

/// How a window comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RepeatName {
    /// Once.
    Never,
    /// Every day at the same civil time.
    Daily,
    /// Every week.
    Weekly,
    /// Every month on the same day; months without that day are skipped.
    Monthly,
}

//! Raw form of what a treaty says of the pool: classes, rounding, reserves, surplus, line and reclaim.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EligibilityDocument, GuaranteeDocument, NodeLabels, is_false};

/// A kind of GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassDocument {
    /// Name of the class, a DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Labels that a node must all have to be of this class; no node may be of two classes.
    #[schemars(extend("maxProperties" = 8))]
    pub node_labels: NodeLabels,
    /// What an hour costs. Absent: one charge unit for a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<ChargeDocument>,
}

/// Price of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChargeDocument {
    /// Charge units for one GPU and one hour as text with at most three decimals, for example `"1.25"`.
    #[schemars(length(min = 1, max = 12))]
    pub per_gpu_hour: String,
    /// Whole nodes are charged, even when a claim uses a part.
    #[serde(default, skip_serializing_if = "is_false")]
    pub whole_nodes: bool,
}

/// How shares become whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoundingDocument {
    /// Unit.
    pub to: RoundToName,
    /// Who gets what rounding leaves.
    pub remainder: RemainderName,
}

/// Unit of rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RoundToName {
    /// Whole GPUs.
    Gpus,
    /// Whole nodes, so that shares can be kept by shape.
    Nodes,
}

/// Who gets what rounding leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RemainderName {
    /// Nobody: it is surplus.
    Surplus,
    /// One unit more for the largest remainders; ties to the earlier member.
    Largest,
}

/// GPUs set aside for a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReserveDocument {
    /// Name of the reserve, a DNS label, different from every member's.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Size: `gpus` or `percent`, or one for each class in `byClass`.
    pub size: GuaranteeDocument,
    /// When it may be used. Absent: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<OpeningDocument>,
    /// Who may use it. Absent: whoever may use the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<EligibilityDocument>,
    /// Sizes of projects, each with its limits and the promised time to decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub tiers: Vec<TierDocument>,
}

/// Who opens a reserve and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpeningDocument {
    /// Members of whom one suffices to open it.
    #[schemars(length(min = 1, max = 500))]
    pub decided_by: Vec<String>,
    /// Longest time open before it must be decided again, in days.
    #[schemars(range(min = 1, max = 366))]
    pub longest_days: i64,
}

/// A size tier of a reserve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TierDocument {
    /// Name of the tier, a DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Most GPUs at once for one project.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub most_gpus: i64,
    /// GPU-hours for one project.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub gpu_hours: i64,
    /// Promised days from application to decision. 0: without review, at once.
    #[schemars(range(min = 0, max = 366))]
    pub decided_within_days: i64,
}

/// How idle GPUs are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SurplusDocument {
    /// What a member's weight is. Absent: its guarantee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_by: Option<WeightByName>,
    /// Past borrowing counts half after so many hours. Absent: only what is borrowed now counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8_784))]
    pub usage_half_life_hours: Option<i64>,
    /// Lending earns credit that is spent when borrowing, at most so many GPU-hours. Absent: no credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub credit_cap_gpu_hours: Option<i64>,
}

/// What weighs a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WeightByName {
    /// Its guarantee.
    Guarantee,
    /// All members the same.
    Equal,
    /// Its contributions.
    Contribution,
    /// `members[].weight`.
    Stated,
}

/// How claims stand in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LineDocument {
    /// What a member's line would do alone on its own nodes; nobody is worse off than that. Absent: submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<LineOrderName>,
    /// Borrowed starts go to the shortest stated run time first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shortest_first: bool,
    /// A claim that waited so many hours is not passed any more. Absent: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8_784))]
    pub aging_hours: Option<i64>,
}

/// Order of a member's own line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LineOrderName {
    /// Strictly by submission: a small claim never passes a large one.
    Submission,
    /// The first claim in line that fits.
    FirstFit,
}

/// Reclaim clause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReclaimDocument {
    /// Seconds between telling a borrower and stopping it. 0: at once.
    #[schemars(range(min = 0, max = 604_800))]
    pub notice_seconds: i64,
    /// A borrower runs at least so many seconds before it can be told to leave; the owner waits so much longer.
    /// Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604_800))]
    pub minimum_run_seconds: Option<i64>,
}

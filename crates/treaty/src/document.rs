//! What a member-state admin types: the raw text of a treaty, before any rule is checked.
//!
//! The same types are the `spec` of the Kubernetes object, so that a file, the API server and the operator read
//! one language. Unknown fields are refused, never ignored. Limits that need one field only stand here as schema
//! and CEL and are kept by the API server too; everything else is checked in [`crate::treaty`]. Positions in a file
//! are the business of [`crate::source`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod calendar;
mod governance;
mod members;
mod pool;
mod quota;

pub use calendar::{
    BudgetDocument, CarryOverDocument, EffectiveDocument, OveruseDocument, OveruseEffectName, PeriodName,
    PullBackDocument, RepeatName, WindowDocument, WindowPurposeName,
};
pub use governance::{
    AmendmentDocument, ApplicantDocument, DataClassDocument, EligibilityDocument, MatterName,
    OrganisationKindName, PublicationDocument, PurposeName, VoteDocument, WithdrawalDocument,
};
pub use members::{
    CeilingDocument, ContributionDocument, GpuCount, GuaranteeDocument, LendingDocument, MemberDocument,
    ShareDocument, SuspensionDocument,
};
pub use pool::{
    ChargeDocument, ClassDocument, LineDocument, LineOrderName, OpeningDocument, ReclaimDocument,
    RemainderName, ReserveDocument, RoundToName, RoundingDocument, SurplusDocument, TierDocument,
    WeightByName,
};
pub use quota::{
    InstitutionDocument, MemberQuotaDocument, PeopleDocument, PeopleWeightName, ProjectShareDocument,
    QuotaGpusDocument,
};

/// Labels that a node must all have.
pub type NodeLabels = BTreeMap<String, String>;

/// Text of a treaty between the members of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// Title of the treaty, for people.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// When the treaty holds. Absent: from now on, without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<EffectiveDocument>,
    /// IANA time zone in which dates, periods and windows are read, for example `Europe/Oslo`. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// Month in which the accounting year starts, 1 to 12. Absent: 1, January.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 12))]
    pub year_starts_in_month: Option<i64>,
    /// Kinds of GPU, recognised by node labels. Absent: all GPUs of the pool are alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub classes: Vec<ClassDocument>,
    /// The members, in the order of the treaty; the order breaks ties.
    #[schemars(length(min = 1, max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub members: Vec<MemberDocument>,
    /// How shares that are no whole number become one. Absent: down to whole GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<RoundingDocument>,
    /// GPUs set aside for a purpose, before the members' shares are worked out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub reserves: Vec<ReserveDocument>,
    /// How idle GPUs are shared. Absent: in proportion to guarantees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surplus: Option<SurplusDocument>,
    /// How claims stand in line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<LineDocument>,
    /// How lent GPUs come back.
    pub reclaim: ReclaimDocument,
    /// GPU-hours by period. Absent: use is not limited by hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetDocument>,
    /// Times in which nodes are out of service or belong to one member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub windows: Vec<WindowDocument>,
    /// Who may use the pool. Absent: every project of a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<EligibilityDocument>,
    /// How members decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub votes: Vec<VoteDocument>,
    /// How a decided change becomes law.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub amendments: Vec<AmendmentDocument>,
    /// How a member leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<WithdrawalDocument>,
    /// What the public sees, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<PublicationDocument>,
}

/// For `skip_serializing_if`: a switch that is off is not written.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
const fn is_false(value: &bool) -> bool {
    !*value
}

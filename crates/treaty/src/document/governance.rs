//! Raw form of what a treaty says of people and decisions: eligibility, votes, amendments, withdrawal, publication.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NodeLabels, WeightByName, is_false};

/// Who may use a reserve, or the pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EligibilityDocument {
    /// Kinds of organisation. Absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub organisation_kinds: Vec<OrganisationKindName>,
    /// Countries of the organisation, ISO 3166-1 alpha-2. Absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 250), inner(length(min = 2, max = 2)))]
    pub countries: Vec<String>,
    /// Purposes of the work. Absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub purposes: Vec<PurposeName>,
    /// Classes of data beside public data that may be processed. Absent: only public data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub data_classes: Vec<DataClassDocument>,
}

/// Kind of an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OrganisationKindName {
    /// University or research institute.
    Academic,
    /// Non-governmental, non-profit.
    Ngo,
    /// Public administration.
    PublicBody,
    /// Small or medium enterprise.
    Sme,
    /// Other company.
    Industry,
}

/// Purpose of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PurposeName {
    /// Civil.
    Civil,
    /// Civil with possible military use.
    DualUse,
    /// Military.
    Military,
}

/// What an applicant states; whether it is true is for reviewers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicantDocument {
    /// Kind of the organisation.
    pub organisation_kind: OrganisationKindName,
    /// ISO 3166-1 alpha-2 code of its country, such as `FI`.
    #[schemars(regex(pattern = r"^[A-Za-z]{2}$"))]
    pub country: String,
    /// Purpose of the work.
    pub purpose: PurposeName,
    /// Class of its data, as the treaty names them. Absent: public data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub data_class: Option<String>,
}

/// A class of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataClassDocument {
    /// Name of the class, a DNS label.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Labels of the nodes on which such data may be processed. Absent: any node.
    #[serde(default, skip_serializing_if = "NodeLabels::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub node_labels: NodeLabels,
}

/// How one kind of decision is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VoteDocument {
    /// What it decides. Not `on`, which kubectl reads as the switch `true`.
    pub matter: MatterName,
    /// What a member's vote weighs.
    pub weight_by: WeightByName,
    /// Needed share of the weights counted, for example `"66.67"`.
    #[schemars(length(min = 1, max = 8))]
    pub weight_percent: String,
    /// Needed share of the members counted (double majority). Absent: heads do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub heads_percent: Option<String>,
    /// Share of all members that must take part. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub quorum_percent: Option<String>,
    /// Members who do not vote are part of the whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub absent_counted: bool,
    /// Abstentions are part of the whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub abstentions_counted: bool,
    /// The member concerned does not vote.
    #[serde(default, skip_serializing_if = "is_false")]
    pub concerned_recused: bool,
}

/// What members decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MatterName {
    /// The text.
    Body,
    /// Numbers: guarantees, ceilings, budgets, weights.
    Annex,
    /// Changes that cannot wait; they end by themselves.
    Emergency,
    /// Opening a reserve.
    OpenReserve,
    /// A new member.
    Admission,
    /// Suspending a member.
    Suspension,
}

/// How a decided change becomes law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AmendmentDocument {
    /// Kind of change.
    pub of: MatterName,
    /// Days after publication of the proposal before which nothing is decided.
    #[schemars(range(min = 0, max = 3_660))]
    pub notice_days: i64,
    /// Days between the last needed signature and force.
    #[schemars(range(min = 0, max = 3_660))]
    pub entry_into_force_days: i64,
    /// After the vote every member must ratify it, each with a signature of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ratified_by_all: bool,
    /// It acts from the vote on while signatures are missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub provisional: bool,
    /// It ends by itself after so many days; must be stated for emergencies and only for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_660))]
    pub sunset_days: Option<i64>,
}

/// How a member leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithdrawalDocument {
    /// Days between the notice and the end of membership.
    #[schemars(range(min = 0, max = 3_660))]
    pub notice_days: i64,
    /// First day `YYYY-MM-DD` on which a notice may be given. Absent: any day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10))]
    pub not_before: Option<String>,
}

/// What the public sees, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicationDocument {
    /// Use is published after so many days.
    #[schemars(range(min = 0, max = 366))]
    pub usage_delay_days: i64,
    /// Use is published by project, else only by member.
    #[serde(default, skip_serializing_if = "is_false")]
    pub usage_by_project: bool,
    /// Names of awarded projects are public.
    #[serde(default, skip_serializing_if = "is_false")]
    pub awards: bool,
}

//! Treaty: the rules between members.

use concord_treaty::document::{
    AmendmentDocument, BudgetDocument, ClassDocument, Document, EffectiveDocument, EligibilityDocument,
    LineDocument, MemberDocument, PublicationDocument, ReclaimDocument, ReserveDocument, RoundingDocument,
    SurplusDocument, VoteDocument, WindowDocument, WithdrawalDocument,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions;

/// Rules of one pool. The text of the spec is that of [`Document`]; see docs/treaty-language.md.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "Treaty",
    plural = "treaties",
    doc = "A treaty between the members that share one pool of GPUs.",
    status = "TreatyStatus",
    category = "concord",
    printcolumn = r#"{"name":"Title","type":"string","jsonPath":".spec.title"}"#,
    printcolumn = r#"{"name":"InForce","type":"string","jsonPath":".status.conditions[?(@.type==\"InForce\")].status"}"#,
    printcolumn = r#"{"name":"GPUs","type":"integer","jsonPath":".status.capacityGpus"}"#,
    printcolumn = r#"{"name":"Used","type":"integer","jsonPath":".status.usedGpus"}"#,
    printcolumn = r#"{"name":"Borrowed","type":"integer","jsonPath":".status.borrowedGpus"}"#,
    printcolumn = r#"{"name":"Queued","type":"integer","jsonPath":".status.queuedClaims"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"InForce\")].message"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TreatySpec {
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

/// What the operator says of a treaty.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct TreatyStatus {
    /// Generation of the spec that the rest describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `InForce`: whether this treaty rules the pool, else why not; `Kept`: whether the pool can keep its promises.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// GPUs of the pool's schedulable nodes.
    pub capacity_gpus: i64,
    /// GPUs in use.
    pub used_gpus: i64,
    /// GPUs in use beyond guarantees.
    pub borrowed_gpus: i64,
    /// Claims in line.
    pub queued_claims: i64,
    /// Use by member, in the treaty's order, then by reserve.
    pub members: Vec<MemberUse>,
}

/// One member's or reserve's use now.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MemberUse {
    /// Member or reserve.
    pub name: String,
    /// Its guarantee, or the reserve's size, as it comes to in this pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guarantee_gpus: Option<i64>,
    /// GPUs in use on its guarantee.
    pub guaranteed_gpus: i64,
    /// GPUs in use that others lend it.
    pub borrowed_gpus: i64,
    /// Claims in line.
    pub queued_claims: i64,
}

impl Treaty {
    /// Whether the operator says that it rules the pool.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.status.as_ref().is_some_and(|status| conditions::holds(&status.conditions, "InForce"))
    }
}

impl TreatySpec {
    /// The same text as the engine reads it.
    #[must_use]
    pub fn document(&self) -> Document {
        // No `..`: a new clause must not be dropped on the way to the engine.
        let Self {
            title,
            effective,
            time_zone,
            year_starts_in_month,
            classes,
            members,
            rounding,
            reserves,
            surplus,
            line,
            reclaim,
            budget,
            windows,
            eligibility,
            votes,
            amendments,
            withdrawal,
            publication,
        } = self.clone();
        Document {
            title,
            effective,
            time_zone,
            year_starts_in_month,
            classes,
            members,
            rounding,
            reserves,
            surplus,
            line,
            reclaim,
            budget,
            windows,
            eligibility,
            votes,
            amendments,
            withdrawal,
            publication,
        }
    }
}

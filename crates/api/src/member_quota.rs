//! MemberQuota: how one member splits its own share.

use std::sync::Arc;

use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::document::{InstitutionDocument, MemberQuotaDocument, PeopleDocument};
use concord_treaty::quota::{MemberQuota as Shares, QuotaInForce};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::treaty::support::simulator_only;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime};
use kube::{CustomResource, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions;
use crate::snapshot::millis;

/// How a member splits its own share among institutions and projects. The object's name is the member's, so that rights
/// can be given by name; see docs/treaty-language.md.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "MemberQuota",
    doc = "How one member of the treaty splits its own share among its institutions and projects.",
    status = "MemberQuotaStatus",
    category = "concord",
    printcolumn = r#"{"name":"InForce","type":"string","jsonPath":".status.conditions[?(@.type==\"InForce\")].status"}"#,
    printcolumn = r#"{"name":"Since","type":"date","jsonPath":".status.inForceSince"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"InForce\")].message"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberQuotaSpec {
    /// The member's institutions. One that is not named here has weight 1 and no limits.
    #[schemars(length(min = 1, max = 500), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub institutions: Vec<InstitutionDocument>,
    /// How persons share inside a project. Absent: equally, without limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<PeopleDocument>,
}

/// What the operator says of a quota.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberQuotaStatus {
    /// Generation of the spec that the rest describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `InForce`: whether claims are decided by it, else why not.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Since when this text counts; what the member's line did before is not judged by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_force_since: Option<MicroTime>,
}

/// The quotas that claims are decided by.
pub fn in_force<'a>(quotas: impl IntoIterator<Item = &'a MemberQuota>, rules: &Rules) -> Vec<QuotaInForce> {
    let counts = |quota: &MemberQuota| {
        let since = quota.status.as_ref().filter(|_| quota.is_in_force())?.in_force_since.as_ref()?;
        let (member, shares) = (rules.member_id(&quota.name_any())?, quota.under(rules).ok()?);
        Some(QuotaInForce { member, quota: Some(Arc::new(shares)), since: millis(since.0) })
    };
    quotas.into_iter().filter_map(counts).collect()
}

impl MemberQuota {
    /// The text as the language knows it.
    #[must_use]
    pub fn document(&self) -> MemberQuotaDocument {
        let MemberQuotaSpec { institutions, people } = self.spec.clone();
        MemberQuotaDocument { institutions, people }
    }

    /// The shares that it states, if they can be kept under the treaty.
    ///
    /// # Errors
    /// Every fault: of the text, against the treaty, and of what this release cannot keep in a cluster.
    pub fn under(&self, rules: &Rules) -> Result<Shares, Vec<Diagnostic>> {
        let MemberQuotaSpec { institutions, people } = self.spec.clone();
        let lacking = "Jobs do not yet say whose they are";
        let mut faults: Vec<Diagnostic> =
            people.iter().map(|_| simulator_only("people", "people", lacking)).collect();
        let document = MemberQuotaDocument { institutions, people: None };
        let shares = match Shares::validate(&self.name_any(), &document) {
            Ok(shares) => shares,
            Err(found) => {
                faults.extend(found);
                return Err(faults);
            }
        };
        faults.extend(shares.faults_under(rules, None).into_iter().filter(Diagnostic::is_error));
        if faults.is_empty() { Ok(shares) } else { Err(faults) }
    }

    /// Whether the operator has said that this very text counts.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        let Some(status) = &self.status else { return false };
        let known = status.observed_generation == self.metadata.generation;
        known && conditions::holds(&status.conditions, "InForce")
    }
}

//! Raw form of what a treaty says of each member.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_false;

/// What the treaty says of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.ceiling) || !has(self.ceiling.gpus) || !has(self.guarantee.gpus) || self.ceiling.gpus >= self.guarantee.gpus", "message": "ceiling.gpus must not be below guarantee.gpus"},
    {"rule": "!has(self.lending) || !has(self.lending.keepGpus) || !has(self.guarantee.gpus) || self.lending.keepGpus <= self.guarantee.gpus", "message": "lending.keepGpus must not be above guarantee.gpus"},
]))]
pub struct MemberDocument {
    /// Name of the member; a DNS label, because it appears in labels and metrics.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Full name, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub title: Option<String>,
    /// Country as ISO 3166-1 alpha-2 code, for example `"NO"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 2))]
    pub country: Option<String>,
    /// What the member paid in; proportional shares and votes by contribution rest on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub contributions: Vec<ContributionDocument>,
    /// Weight where the treaty says `weightBy: stated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub weight: Option<i64>,
    /// GPUs that the member can always have, within the time of the reclaim clause.
    pub guarantee: GuaranteeDocument,
    /// Most GPUs that the member may use at once, guaranteed and borrowed together. Absent: the whole pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<CeilingDocument>,
    /// What the member lends of its guarantee while idle. Absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lending: Option<LendingDocument>,
    /// The member's rights rest from a date on; its share goes to the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<SuspensionDocument>,
    /// Public keys by which the member votes and ratifies, `<name>+<id>+<key>` as `concord key new` prints them; several
    /// while one takes the place of another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 253)))]
    pub keys: Vec<String>,
}

/// One payment, in money or in kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContributionDocument {
    /// Whole units of the treaty's currency; what is given in kind is valued in it too.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub amount: i64,
    /// Date `YYYY-MM-DD` from which it counts. Absent: it counts from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 10, max = 10))]
    pub paid_on: Option<String>,
    /// What it was, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub note: Option<String>,
}

/// A guarantee: one of `gpus`, `percent`, `proportional` and `residual`, or one for each class in `byClass`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GuaranteeDocument {
    /// Number of GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpus: Option<i64>,
    /// Share of the pool as text, for example `"12.5"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub percent: Option<String>,
    /// In proportion to contributions, of what reserves, fixed and percent shares leave.
    #[serde(default, skip_serializing_if = "is_false")]
    pub proportional: bool,
    /// What all others leave; at most one member.
    #[serde(default, skip_serializing_if = "is_false")]
    pub residual: bool,
    /// Not less than so many GPUs, before rounding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub at_least_gpus: Option<i64>,
    /// Not more than this share of the pool, for example `"50"`, before rounding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub at_most_percent: Option<String>,
    /// A share for each class, by the class's name; then nothing else stands in the guarantee.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub by_class: BTreeMap<String, ShareDocument>,
}

/// A share of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShareDocument {
    /// Number of GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpus: Option<i64>,
    /// Share of the class as text, for example `"12.5"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub percent: Option<String>,
    /// In proportion to contributions, of what reserves, fixed and percent shares leave.
    #[serde(default, skip_serializing_if = "is_false")]
    pub proportional: bool,
    /// What all others leave; at most one member for each class.
    #[serde(default, skip_serializing_if = "is_false")]
    pub residual: bool,
    /// Not less than so many GPUs, before rounding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub at_least_gpus: Option<i64>,
    /// Not more than this share of the class, for example `"50"`, before rounding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub at_most_percent: Option<String>,
}

/// A ceiling: `gpus`, or a number for each class in `byClass`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CeilingDocument {
    /// Number of GPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpus: Option<i64>,
    /// A number for each class, by the class's name; classes without one have no ceiling.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub by_class: BTreeMap<String, GpuCount>,
}

impl CeilingDocument {
    /// A ceiling of a fixed number of GPUs.
    #[must_use]
    pub fn of_gpus(gpus: i64) -> Self {
        Self { gpus: Some(gpus), ..Self::default() }
    }
}

/// A fixed number of GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuCount {
    /// Number of GPUs.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gpus: i64,
}

/// Lending clause of one member: `keepGpus`, `keepByClass` or `never`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LendingDocument {
    /// Guaranteed GPUs that are never lent, so that this much work starts without waiting for a reclaim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub keep_gpus: Option<i64>,
    /// The same for each class, by the class's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub keep_by_class: BTreeMap<String, GpuCount>,
    /// Nothing of the guarantee is lent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub never: bool,
}

/// Suspension of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuspensionDocument {
    /// First day `YYYY-MM-DD` on which the rights rest.
    #[schemars(length(min = 10, max = 10))]
    pub from: String,
    /// Why, for people.
    #[schemars(length(min = 1, max = 200))]
    pub reason: String,
}

impl GuaranteeDocument {
    /// A guarantee of a fixed number of GPUs.
    #[must_use]
    pub fn of_gpus(gpus: i64) -> Self {
        Self { gpus: Some(gpus), ..Self::default() }
    }

    /// What stands beside `byClass`: the share of every class.
    #[must_use]
    pub fn whole(&self) -> ShareDocument {
        let Self { gpus, percent, proportional, residual, at_least_gpus, at_most_percent, by_class: _ } =
            self.clone();
        ShareDocument { gpus, percent, proportional, residual, at_least_gpus, at_most_percent }
    }
}

//! Treaty and claims -> who uses how much. Pure; the same value is the page, the JSON and the CSV.
//!
//! What members use is summed from the claims, so that every figure of one answer is of one moment; the operator's own
//! sum stands beside it for whoever wants to compare.

use std::collections::BTreeMap;

use concord_api::{ClaimBasis, ClaimPhase, GpuClaim, Treaty, TreatySpec, TreatyStatus};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// The moment that the data describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Freshness {
    /// Time of the data.
    pub as_of: Timestamp,
    /// False when the connection to the cluster is broken, so that newer data may exist.
    pub live: bool,
}

/// Use of the pool at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PoolUse {
    /// When.
    #[serde(flatten)]
    pub freshness: Freshness,
    /// The treaty in force; `null` when there is none, and then only claims are known.
    pub treaty: Option<TreatyInForce>,
    /// GPUs of the pool's schedulable nodes, as the operator counts them.
    pub capacity_gpus: Option<i64>,
    /// Sum over members.
    pub total: Use,
    /// Members in the treaty's order, then its reserves, then those that only have claims.
    pub members: Vec<MemberUse>,
    /// The operator's own sum; differs for the seconds between two of its reports.
    pub operator_report: Option<OperatorReport>,
}

/// Which treaty rules the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TreatyInForce {
    /// Name of the object.
    pub name: String,
    /// Title.
    pub title: String,
    /// Generation of its text.
    pub generation: Option<i64>,
}

/// What is used and wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Use {
    /// GPUs in use inside guarantees.
    pub guaranteed_gpus: i64,
    /// GPUs in use that others lend.
    pub borrowed_gpus: i64,
    /// Claims in line.
    pub queued_claims: i64,
    /// GPUs that those claims ask for.
    pub queued_gpus: i64,
}

/// One member's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MemberUse {
    /// Name.
    pub name: String,
    /// False for a member that left the treaty while its claims still exist; it must not vanish from the account.
    pub in_treaty: bool,
    /// GPUs that it can always have; `null` while a share has not been worked out for this pool.
    pub guarantee_gpus: Option<i64>,
    /// Most that it may use at once; `null`: the whole pool.
    pub ceiling_gpus: Option<i64>,
    /// Use.
    #[serde(flatten)]
    pub used: Use,
}

/// The operator's sum in the treaty's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct OperatorReport {
    /// GPUs in use.
    pub used_gpus: i64,
    /// Part of them beyond guarantees.
    pub borrowed_gpus: i64,
    /// Claims in line.
    pub queued_claims: i64,
}

impl Use {
    /// GPUs in use.
    #[must_use]
    pub const fn used_gpus(&self) -> i64 {
        self.guaranteed_gpus.saturating_add(self.borrowed_gpus)
    }

    /// Neither uses nor wants anything.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        // No `..`: a new figure must be summed too.
        let Self { guaranteed_gpus, borrowed_gpus, queued_claims, queued_gpus } = other;
        self.guaranteed_gpus = self.guaranteed_gpus.saturating_add(guaranteed_gpus);
        self.borrowed_gpus = self.borrowed_gpus.saturating_add(borrowed_gpus);
        self.queued_claims = self.queued_claims.saturating_add(queued_claims);
        self.queued_gpus = self.queued_gpus.saturating_add(queued_gpus);
    }

    /// What one claim adds.
    pub(crate) fn of(claim: &GpuClaim) -> Self {
        let status = claim.status.as_ref();
        let held = |s: &concord_api::GpuClaimStatus| {
            s.placement.iter().fold(0_i64, |sum, p| sum.saturating_add(p.gpus))
        };
        let mut sum = Self::default();
        match status.and_then(|s| Some((s.basis?, held(s)))) {
            Some((ClaimBasis::Guaranteed, gpus)) => sum.guaranteed_gpus = gpus,
            Some((ClaimBasis::Borrowed, gpus)) => sum.borrowed_gpus = gpus,
            // A claim that the operator has not answered yet is in line too.
            None if status.is_none_or(|s| s.state == ClaimPhase::Queued) => {
                sum.queued_claims = 1;
                sum.queued_gpus = claim.spec.gpus;
            }
            None => {}
        }
        sum
    }
}

impl PoolUse {
    /// Sums the claims under the treaty that is in force.
    pub fn of<'a>(
        treaties: impl IntoIterator<Item = &'a Treaty>,
        claims: impl IntoIterator<Item = &'a GpuClaim>,
        freshness: Freshness,
    ) -> Self {
        let mut by_member: BTreeMap<&str, Use> = BTreeMap::new();
        let mut total = Use::default();
        for claim in claims {
            let one = Use::of(claim);
            by_member.entry(&claim.spec.member).or_default().add(one);
            total.add(one);
        }
        let ruling = treaties.into_iter().find(|t| t.is_in_force());
        let status = ruling.and_then(|t| t.status.as_ref());
        let mut members = Vec::new();
        // A reserve has rights and an account like a member.
        let parties = ruling.into_iter().flat_map(|t| {
            let own = t.spec.members.iter().map(|member| (&member.name, &member.guarantee));
            own.chain(t.spec.reserves.iter().map(|reserve| (&reserve.name, &reserve.size)))
        });
        for (name, share) in parties {
            members.push(MemberUse {
                name: name.clone(),
                in_treaty: true,
                guarantee_gpus: told_guarantee(status, name).or(share.gpus),
                ceiling_gpus: ruling.and_then(|t| ceiling_gpus(&t.spec, name)),
                used: by_member.remove(name.as_str()).unwrap_or_default(),
            });
        }
        members.extend(by_member.into_iter().filter(|(_, used)| *used != Use::default()).map(
            |(name, used)| MemberUse {
                name: name.to_owned(),
                in_treaty: false,
                guarantee_gpus: Some(0),
                ceiling_gpus: None,
                used,
            },
        ));
        Self {
            freshness,
            treaty: ruling.map(|t| TreatyInForce {
                name: t.metadata.name.clone().unwrap_or_default(),
                title: t.spec.title.clone(),
                generation: t.metadata.generation,
            }),
            capacity_gpus: status.map(|s| s.capacity_gpus),
            total,
            members,
            operator_report: status.map(|s| OperatorReport {
                used_gpus: s.used_gpus,
                borrowed_gpus: s.borrowed_gpus,
                queued_claims: s.queued_claims,
            }),
        }
    }

    /// One line per member; the time stands in every line, so that saved files can be joined.
    ///
    /// # Errors
    /// Never in practice: nothing is written but memory.
    pub fn csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for member in &self.members {
            writer.serialize(Line::of(self.freshness, member))?;
        }
        let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A member's ceiling over all classes; there is none when a class has none.
fn ceiling_gpus(treaty: &TreatySpec, member: &str) -> Option<i64> {
    let ceiling = treaty.members.iter().find(|m| m.name == member)?.ceiling.as_ref()?;
    let of_class = |class: &str| ceiling.by_class.get(class).map(|count| count.gpus);
    let by_class = || treaty.classes.iter().map(|class| of_class(&class.name)).sum::<Option<i64>>();
    ceiling.gpus.or_else(|| by_class().filter(|_| !ceiling.by_class.is_empty()))
}

/// A guarantee as the operator has worked it out for the pool.
fn told_guarantee(status: Option<&TreatyStatus>, member: &str) -> Option<i64> {
    status?.members.iter().find(|m| m.name == member)?.guarantee_gpus
}

/// One line of the CSV; flat, because the csv crate does not flatten.
#[derive(Serialize)]
struct Line<'a> {
    as_of: Timestamp,
    live: bool,
    member: &'a str,
    in_treaty: bool,
    guarantee_gpus: Option<i64>,
    ceiling_gpus: Option<i64>,
    guaranteed_gpus: i64,
    borrowed_gpus: i64,
    queued_claims: i64,
    queued_gpus: i64,
}

impl<'a> Line<'a> {
    fn of(freshness: Freshness, member: &'a MemberUse) -> Self {
        let Freshness { as_of, live } = freshness;
        let MemberUse { name, in_treaty, guarantee_gpus, ceiling_gpus, used } = member;
        let Use { guaranteed_gpus, borrowed_gpus, queued_claims, queued_gpus } = *used;
        Self {
            as_of,
            live,
            member: name,
            in_treaty: *in_treaty,
            guarantee_gpus: *guarantee_gpus,
            ceiling_gpus: *ceiling_gpus,
            guaranteed_gpus,
            borrowed_gpus,
            queued_claims,
            queued_gpus,
        }
    }
}

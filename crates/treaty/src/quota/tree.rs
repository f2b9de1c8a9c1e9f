//! What may be used down the tree of one party in one pool, as plain numbers: a member's quota seen from one class, or
//! the tiers of a reserve with its projects.

use std::sync::Arc;

use super::{GpusByClass, MemberQuota, Share};
use crate::clauses::{ReserveRule, Tier};
use crate::snapshot::SharePath;
use crate::units::{GpuHours, Gpus, MemberId, TimestampMillis};

/// Tier of one project of a reserve, as its approved application says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Award {
    /// The reserve.
    pub reserve: MemberId,
    /// The project; the path of its claims begins with this name, because a reserve has no institutions.
    pub project: Arc<str>,
    /// Name of the tier.
    pub tier: String,
    /// Since when it has that tier.
    pub since: TimestampMillis,
    /// GPU-hours that the project has used in the reserve until now.
    pub used_gpu_hours: GpuHours,
    /// GPU-hours that were granted, if fewer than the tier's.
    pub most_gpu_hours: Option<GpuHours>,
    /// GPUs at once that were granted, if fewer than the tier's.
    pub most_gpus: Option<Gpus>,
}

impl Award {
    /// Hours that the project may use in a tier of so many.
    #[must_use]
    pub fn hours_of(&self, tier_gpu_hours: GpuHours) -> GpuHours {
        self.most_gpu_hours.map_or(tier_gpu_hours, |granted| granted.min(tier_gpu_hours))
    }
}

/// What one member says of its inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaInForce {
    /// The member.
    pub member: MemberId,
    /// Its quota; `None`: it has taken back the one that it had.
    pub quota: Option<Arc<MemberQuota>>,
    /// Since when: what the member's line alone did before is not judged by it.
    pub since: TimestampMillis,
}

/// What holds inside one party in one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyShares {
    /// Its tree; without one, all claims stand in its line.
    pub tree: Option<Arc<ShareTree>>,
    /// Since when.
    pub since: TimestampMillis,
}

impl Default for PartyShares {
    fn default() -> Self {
        Self { tree: None, since: TimestampMillis(i64::MIN) }
    }
}

/// The tree of one party in one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShareTree {
    /// The outermost level by name: institutions of a member, projects of a reserve.
    pub branches: Vec<Branch>,
    /// Most GPUs of one person at once: of one element of the third level.
    pub person_ceiling: Option<Gpus>,
    /// An element of the outermost level that is not in `branches` may use nothing, for this reason; without it such
    /// elements have weight 1 and no limits.
    pub others_refused: Option<Refusal>,
}

/// One element of a tree with what is inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Its own numbers.
    pub limits: Limits,
    /// Elements inside, by name.
    pub inside: Vec<Branch>,
}

/// What one element may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Name.
    pub name: Arc<str>,
    /// Weight among its siblings, at least 1.
    pub weight: u32,
    /// Below this it comes before its siblings.
    pub floor: Gpus,
    /// Most GPUs at once.
    pub ceiling: Option<Gpus>,
    /// Why nothing of it starts.
    pub refused: Option<Refusal>,
}

/// Why nothing of an element starts, whatever is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The reserve has tiers, and the project is of none of them.
    NoTier,
    /// The project has used up the GPU-hours of its tier.
    TierHoursUsed,
}

/// Levels below a party: institution, project, person. Names beyond them are not looked at.
pub const LEVELS: usize = 3;

impl ShareTree {
    /// A member's quota seen from one class.
    #[must_use]
    pub fn of_quota(quota: &MemberQuota, class: Option<&str>) -> Self {
        let branches = branches(&quota.institutions, class);
        Self { branches, person_ceiling: quota.person_ceiling, others_refused: None }
    }

    /// The projects of a reserve by their tiers; `None` if it has no tiers.
    #[must_use]
    pub fn of_reserve(rule: &ReserveRule, reserve: MemberId, awards: &[Award]) -> Option<Self> {
        if rule.tiers.is_empty() {
            return None;
        }
        let project = |award: &Award| {
            let tier = rule.tiers.iter().find(|t| t.name == award.tier);
            let refused = match tier {
                None => Some(Refusal::NoTier),
                Some(tier) if award.used_gpu_hours >= award.hours_of(tier.gpu_hours_most) => {
                    Some(Refusal::TierHoursUsed)
                }
                Some(_) => None,
            };
            let most = |t: &Tier| award.most_gpus.map_or(t.gpus_most, |granted| granted.min(t.gpus_most));
            let ceiling = Some(tier.filter(|_| refused.is_none()).map_or(0, most));
            Limits { name: award.project.clone(), weight: 1, floor: 0, ceiling, refused }
        };
        let mut projects: Vec<Limits> = awards.iter().filter(|a| a.reserve == reserve).map(project).collect();
        // Of two awards to one project the smaller counts.
        projects.sort_by(|a, b| {
            (&a.name, a.refused.is_none(), a.ceiling).cmp(&(&b.name, b.refused.is_none(), b.ceiling))
        });
        projects.dedup_by(|later, first| later.name == first.name);
        let branches = projects.into_iter().map(|limits| Branch { limits, inside: Vec::new() }).collect();
        Some(Self { branches, person_ceiling: None, others_refused: Some(Refusal::NoTier) })
    }

    /// The limits of every element of a path, from the outside in. A claim without a path asks in the party's own
    /// name; in a reserve with tiers it is of no project, and refused as such.
    #[must_use]
    pub fn along(&self, path: &SharePath) -> Vec<Limits> {
        let mut level: Option<&[Branch]> = Some(&self.branches);
        let mut found = Vec::with_capacity(LEVELS);
        if path.is_empty() && self.others_refused.is_some() {
            found.push(self.unnamed("", 0));
        }
        for (depth, name) in path.iter().take(LEVELS).enumerate() {
            let branch = level.and_then(|branches| {
                let at = branches.binary_search_by(|b| b.limits.name.cmp(name)).ok()?;
                branches.get(at)
            });
            level = branch.map(|branch| branch.inside.as_slice());
            found.push(branch.map_or_else(|| self.unnamed(name, depth), |branch| branch.limits.clone()));
        }
        found
    }

    /// An element that the tree does not name, on the level `depth`, from 0.
    #[must_use]
    pub fn unnamed(&self, name: &str, depth: usize) -> Limits {
        let refused = self.others_refused.filter(|_| depth == 0);
        let person = self.person_ceiling.filter(|_| depth + 1 == LEVELS);
        let ceiling = if refused.is_some() { Some(0) } else { person };
        Limits { name: name.into(), weight: 1, floor: 0, ceiling, refused }
    }

    /// Whether any element has a ceiling; without one the tree only orders.
    #[must_use]
    pub fn has_ceilings(&self) -> bool {
        fn any(branches: &[Branch]) -> bool {
            branches.iter().any(|b| b.limits.ceiling.is_some() || any(&b.inside))
        }
        self.person_ceiling.is_some() || self.others_refused.is_some() || any(&self.branches)
    }
}

fn branches(shares: &[Share], class: Option<&str>) -> Vec<Branch> {
    let of = |number: &Option<GpusByClass>| number.as_ref().and_then(|n| n.of(class));
    let branch = |share: &Share| Branch {
        limits: Limits {
            name: share.name.as_str().into(),
            weight: share.weight,
            floor: of(&share.floor).unwrap_or(0),
            ceiling: of(&share.ceiling),
            refused: None,
        },
        inside: branches(&share.inside, class),
    };
    let mut found: Vec<Branch> = shares.iter().map(branch).collect();
    found.sort_by(|a, b| a.limits.name.cmp(&b.limits.name));
    found
}

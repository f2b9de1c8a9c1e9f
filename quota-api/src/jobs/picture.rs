//! The pool as the engine sees it, made from the watched objects as the operator makes it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use concord_api::member_quota::in_force;
use concord_api::node::PoolNode;
use concord_api::snapshot::{SeenClaim, awards, millis, snapshot};
use concord_api::{GpuClaim, Project, Treaty};
use concord_treaty::quota::QuotaInForce;
use concord_treaty::snapshot::Snapshot;
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::TimestampMillis;
use jiff::Timestamp;
use kube::ResourceExt;

use crate::pool::Pool;

/// The engine's input at one time.
#[derive(Debug)]
pub struct Picture {
    /// Which treaty.
    pub treaty: Version,
    /// What it says.
    pub rules: Rules,
    /// Quotas inside members.
    pub quotas: Vec<QuotaInForce>,
    /// Nodes and claims.
    pub snapshot: Snapshot,
    /// GPU-milliseconds that each project with a grant on a reserve has used.
    pub used: BTreeMap<String, i64>,
    /// When.
    pub now: TimestampMillis,
}

/// Which text of a treaty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Name of the object.
    pub name: String,
    /// Title.
    pub title: String,
    /// Generation of its text.
    pub generation: i64,
}

impl Version {
    /// That of a treaty as it is.
    #[must_use]
    pub fn of(treaty: &Treaty) -> Self {
        Self {
            name: treaty.name_any(),
            title: treaty.spec.title.clone(),
            generation: treaty.metadata.generation.unwrap_or(0),
        }
    }
}

impl Picture {
    /// The picture now; `None` while no sound treaty is in force.
    #[must_use]
    pub fn of(pool: &Pool, now: Timestamp) -> Option<Self> {
        let treaty = pool.treaty()?;
        let rules = Rules::validate_for_cluster(&treaty.spec.document()).ok()?;
        let (quotas, projects, agents) = (pool.quotas.state(), pool.projects.state(), pool.gpu_nodes.state());
        let (nodes, claims) = (pool.nodes.state(), pool.claims.state());
        let quotas = in_force(quotas.iter().map(AsRef::as_ref), &rules);
        let by_name: BTreeMap<String, &Project> =
            projects.iter().map(|project| (project.name_any(), project.as_ref())).collect();
        let unhealthy: BTreeMap<String, u32> =
            agents.iter().map(|node| (node.name_any(), node.unhealthy_gpus())).collect();
        let nodes = nodes.iter().filter_map(|node| {
            let name = node.name_any();
            let broken = unhealthy.get(&name).copied().unwrap_or(0);
            Some(PoolNode::of(node)?.in_snapshot(&name, broken))
        });
        let seen = claims.iter().map(|claim: &Arc<GpuClaim>| {
            let project = by_name.get(&claim.spec.project).map(|project| &project.spec);
            SeenClaim { project, ..SeenClaim::from(claim.as_ref()) }
        });
        let used = used(&rules, &by_name, &claims, now);
        let so_far = |project: &Project| used.get(&project.name_any()).copied().unwrap_or(0);
        let awards = awards(&rules, projects.iter().map(AsRef::as_ref), so_far, now);
        let snapshot = snapshot(&rules, nodes, seen, quotas.clone(), now).with_awards(awards);
        Some(Self { treaty: Version::of(&treaty), rules, quotas, snapshot, used, now: millis(now) })
    }
}

/// What the projects with a grant on a reserve have used: what the operator has booked, and what claims say that are not
/// in that sum yet.
fn used(
    rules: &Rules,
    projects: &BTreeMap<String, &Project>,
    claims: &[Arc<GpuClaim>],
    now: Timestamp,
) -> BTreeMap<String, i64> {
    let on_reserve = |project: &Project| {
        let party = rules.party_id(&project.spec.member);
        project.spec.grant.is_some() && party.is_some_and(|party| rules.reserve(party).is_some())
    };
    let mut sums: BTreeMap<String, (i64, BTreeSet<&str>)> = BTreeMap::new();
    for (name, project) in projects.iter().filter(|(_, project)| on_reserve(project)) {
        let status = project.status.as_ref();
        let booked = status.iter().flat_map(|status| &status.booked_claims).map(String::as_str).collect();
        sums.insert(name.clone(), (status.map_or(0, |status| status.used_gpu_milliseconds), booked));
    }
    for claim in claims {
        if let Some((sum, booked)) = sums.get_mut(&claim.spec.project)
            && !claim.metadata.uid.as_deref().is_some_and(|uid| booked.contains(uid))
        {
            *sum = sum.saturating_add(used_by(claim, now));
        }
    }
    sums.into_iter().map(|(name, (sum, _))| (name, sum)).collect()
}

/// What one claim has used, the run that goes on included.
#[must_use]
pub fn used_by(claim: &GpuClaim, now: Timestamp) -> i64 {
    let Some(status) = &claim.status else { return 0 };
    let held: i64 = status.placement.iter().map(|place| place.gpus).sum();
    let ran = status.admitted_at.as_ref().map_or(0, |at| now.duration_since(at.0).as_millis().max(0));
    status.used_gpu_milliseconds.saturating_add(held.saturating_mul(i64::try_from(ran).unwrap_or(i64::MAX)))
}

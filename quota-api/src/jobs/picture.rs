//! The pool as the engine sees it, made from the watched objects as the operator makes it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_api::hours::{self, ClaimUse};
use concord_api::member_quota::in_force;
use concord_api::node::PoolNode;
use concord_api::snapshot::{SeenClaim, awards, millis, snapshot};
use concord_api::{GpuClaim, GpuClaimStatus, Project, Treaty};
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
    pub rules: Arc<Rules>,
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
        let (treaty, rules) = pool.rules()?;
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
        let none = GpuClaimStatus::default();
        let uses = claims.iter().map(|claim| ClaimUse {
            uid: claim.metadata.uid.as_deref().unwrap_or_default(),
            project: &claim.spec.project,
            status: claim.status.as_ref().unwrap_or(&none),
        });
        let used = hours::used(&rules, projects.iter().map(AsRef::as_ref), uses, now);
        let so_far = |project: &Project| used.get(&project.name_any()).copied().unwrap_or(0);
        let awards = awards(&rules, projects.iter().map(AsRef::as_ref), so_far, now);
        let snapshot = snapshot(&rules, nodes, seen, quotas.clone(), now).with_awards(awards);
        Some(Self { treaty: Version::of(&treaty), rules, quotas, snapshot, used, now: millis(now) })
    }
}

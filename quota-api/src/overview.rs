//! Everything that public pages say of one moment, summed once from the stores. Pure.

use std::sync::Arc;

use concord_api::{GpuClaim, GpuNode, Project, Treaty};
use k8s_openapi::api::core::v1::Node;

use crate::pool_use::{Freshness, PoolUse};

pub mod groups;
pub mod promises;
pub mod troubles;
pub mod waits;

pub use groups::{GroupUse, Groups};
pub use promises::Promises;
pub use troubles::Trouble;
pub use waits::{WaitLine, Waits};

/// What the stores held. `None`: that kind is not known, for want of a right to read it or of its definition.
pub struct Seen {
    /// All treaties.
    pub treaties: Vec<Arc<Treaty>>,
    /// All claims.
    pub claims: Vec<Arc<GpuClaim>>,
    /// All projects.
    pub projects: Option<Vec<Arc<Project>>>,
    /// All nodes.
    pub nodes: Option<Vec<Arc<Node>>>,
    /// What agents say.
    pub gpu_nodes: Option<Vec<Arc<GpuNode>>>,
    /// The moment.
    pub freshness: Freshness,
}

/// The sums.
pub struct Overview {
    /// Use by member.
    pub pool: Arc<PoolUse>,
    /// Use by other groups.
    pub groups: Groups,
    /// Waiting times of the claims that the cluster holds.
    pub waits: Waits,
    /// How promises stand.
    pub promises: Promises,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
}

impl Overview {
    /// Sums up.
    #[must_use]
    pub fn of(seen: &Seen) -> Self {
        let treaties = || seen.treaties.iter().map(AsRef::as_ref);
        let ruling = treaties().find(|treaty| treaty.is_in_force());
        let pool = PoolUse::of(treaties(), seen.claims.iter().map(AsRef::as_ref), seen.freshness);
        let promises = Promises::of(ruling, &pool, &seen.claims, seen.freshness.as_of);
        Self {
            groups: Groups::of(ruling, seen),
            waits: Waits::of(&seen.claims, seen.freshness),
            troubles: troubles::all(ruling, seen),
            promises,
            pool: Arc::new(pool),
        }
    }
}

//! What the judge looks up by name, gathered once, so that judging takes as long as the plan is large and no longer.
//!
//! The maps hash with keys of their own, because owners choose the names of claims and could make them collide. They
//! are only looked up, never listed, so that no answer depends on those keys.

use std::collections::{HashMap, HashSet};

use crate::plan::Plan;
use crate::snapshot::{Basis, Claim, Due, Snapshot};
use crate::units::{ClaimId, NodeName, TimestampMillis};

pub(super) struct Index<'a> {
    pub(super) claims: HashMap<&'a ClaimId, &'a Claim>,
    /// Positions in the snapshot.
    pub(super) nodes: HashMap<&'a NodeName, usize>,
    pub(super) rebooked: HashMap<&'a ClaimId, Basis>,
    pub(super) due: HashMap<&'a ClaimId, &'a Due>,
    pub(super) no_longer_due: HashSet<&'a ClaimId>,
    /// Deadlines of those who are told to leave.
    pub(super) noticed: HashMap<&'a ClaimId, TimestampMillis>,
    pub(super) stopped: HashSet<&'a ClaimId>,
    pub(super) withdrawn: HashSet<&'a ClaimId>,
    pub(super) released: HashSet<&'a ClaimId>,
}

impl<'a> Index<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, plan: &'a Plan) -> Self {
        Self {
            claims: snapshot.claims.iter().map(|c| (&c.id, c)).collect(),
            nodes: snapshot.nodes.iter().map(|n| &n.name).zip(0..).collect(),
            rebooked: plan.basis_changes.iter().map(|c| (&c.claim, c.to)).collect(),
            due: plan.due.iter().map(|d| (&d.claim, &d.due)).collect(),
            no_longer_due: plan.no_longer_due.iter().collect(),
            noticed: plan.notices.iter().map(|n| (&n.claim, n.deadline)).collect(),
            stopped: plan.stops.iter().map(|s| &s.claim).collect(),
            withdrawn: plan.withdrawals.iter().collect(),
            released: plan.releases.iter().collect(),
        }
    }
}

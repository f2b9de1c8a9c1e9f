//! One claim in its pool, with the rules that hold there: what is decided and forecast.

use std::borrow::Cow;

use super::forecast::{AHEAD_MOST, INSTANTS_MOST, Limits};
use super::range::{Range, expected};
use crate::engine::{Engine, Rules};
use crate::plan::Plan;
use crate::snapshot::{Claim, Node, Snapshot};
use crate::terms::Pool;
use crate::units::{Gpus, TimestampMillis};

/// A claim in its pool.
pub(super) struct Case<'s> {
    pub(super) pool: &'s Pool,
    /// Of that pool.
    pub(super) part: Cow<'s, Snapshot>,
    pub(super) rules: Rules,
    /// Position in the part.
    pub(super) index: usize,
    pub(super) now: TimestampMillis,
}

impl<'s> Case<'s> {
    /// `None` if the claim asks for GPUs of another pool.
    pub(super) fn new(
        pool: &'s Pool,
        snapshot: &'s Snapshot,
        claim: &Claim,
        now: TimestampMillis,
    ) -> Option<Self> {
        let part = pool.part(snapshot);
        let index = part.claims.binary_search_by(|c| c.id.cmp(&claim.id)).ok()?;
        Some(Self { rules: Rules::of(&pool.treaty, &part.standings), pool, part, index, now })
    }

    pub(super) fn claim(&self) -> &Claim {
        &self.part.claims[self.index]
    }

    /// What would be decided now.
    pub(super) fn plan(&self) -> Plan {
        let mut engine = Engine::restore(self.rules.clone(), &self.part, self.now);
        engine.settle(self.now);
        engine.plan_since(&self.part)
    }

    /// When it would start.
    pub(super) fn expected(&self, limits: Limits) -> Range {
        let claim = u32::try_from(self.index).unwrap_or(u32::MAX);
        expected(&self.rules, &self.part, self.now, claim, limits)
    }

    /// How far a forecast of the claim as it is goes.
    pub(super) const fn limits(&self) -> Limits {
        Limits { until: self.now.after(AHEAD_MOST), instants: INSTANTS_MOST }
    }

    /// GPUs of the largest node, the size of a whole one.
    pub(super) fn cell(&self) -> Gpus {
        self.part.nodes.iter().map(|n| n.gpus).max().unwrap_or(0)
    }

    /// Nodes that the claim needs and GPUs on each; `None`: it fits neither one node nor whole ones.
    pub(super) fn shape(&self) -> Option<(u32, Gpus)> {
        shape(self.claim(), self.cell())
    }
}

/// Nodes and GPUs on each.
pub(super) fn shape(claim: &Claim, cell: Gpus) -> Option<(u32, Gpus)> {
    match claim.gang.whole_nodes(cell).ok()? {
        None => Some((1, claim.gang.gpus())),
        Some(nodes) => Some((nodes, cell)),
    }
}

/// Whether a part of the claim could ever run there.
pub(super) fn could_host(node: &Node, claim: &Claim, gpus: Gpus) -> bool {
    node.schedulable
        && node.gpus >= gpus
        && claim.node_labels.iter().all(|(key, value)| node.labels.get(key) == Some(value))
}

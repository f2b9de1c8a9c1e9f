//! A pool as the engine gets it, and one claim in it: what is decided and what is forecast.

use super::forecast::{AHEAD_MOST, Ends, Forecast, INSTANTS_MOST, Limits};
use super::range::{Bound, Range};
use crate::decide::set_aside_refused;
use crate::engine::{Engine, NodeWindow, Rules};
use crate::plan::{Plan, Wait};
use crate::schedule;
use crate::snapshot::{Claim, Node, Snapshot};
use crate::terms::Pool;
use crate::units::{Gpus, TimestampMillis};

/// Occurrences of windows that a forecast looks ahead to: daily ones of two windows for all of the 90 days, and 12 MB
/// on 12,500 nodes.
const WINDOWS_MOST: usize = 256;

/// A pool at one time.
#[derive(Clone)]
pub(super) struct Scene<'p> {
    pub(super) pool: &'p Pool,
    /// Of that pool, without claims that the treaty does not admit.
    pub(super) part: Snapshot,
    /// Why those do not start.
    pub(super) refused: Vec<Wait>,
    pub(super) rules: Rules,
    windows: Vec<NodeWindow>,
    /// Last time of which the windows are known.
    until: TimestampMillis,
    pub(super) now: TimestampMillis,
}

impl<'p> Scene<'p> {
    /// As [`crate::decide`] begins, with the windows to come.
    pub(super) fn new(pool: &'p Pool, snapshot: &Snapshot, now: TimestampMillis) -> Self {
        let mut part = pool.part(snapshot);
        let refused = set_aside_refused(pool, &mut part);
        let part = part.into_owned();
        let ahead = now.after(AHEAD_MOST);
        let mut occurrences = schedule::occurrences(&pool.treaty, now, ahead);
        let cut = occurrences.get(WINDOWS_MOST).map(|first| TimestampMillis(first.told_from.0 - 1));
        occurrences.truncate(WINDOWS_MOST);
        Self {
            rules: Rules::of(&pool.treaty, &part.standings).with_shares_inside(pool.shares_inside(&part)),
            windows: occurrences.iter().map(|window| NodeWindow::of(window, &part.nodes)).collect(),
            until: cut.unwrap_or(ahead).max(now),
            pool,
            part,
            refused,
            now,
        }
    }

    /// The engine before it decides.
    pub(super) fn engine(&self) -> Engine {
        let mut engine = Engine::restore(self.rules.clone(), &self.part, self.now);
        engine.set_windows(self.windows.clone());
        engine
    }

    /// A forecast from now on.
    pub(super) fn forecast(&self, ends: Ends, limits: Limits) -> Forecast<'_> {
        let standings = self.rules.members.iter().map(|m| m.standing).collect();
        Forecast::new(self.engine(), standings, &self.part, self.now, ends, limits)
    }

    /// How far a forecast of what is goes.
    pub(super) const fn limits(&self) -> Limits {
        Limits { until: self.until, instants: INSTANTS_MOST }
    }

    /// GPUs of the largest node, the size of a whole one.
    pub(super) fn cell(&self) -> Gpus {
        self.part.nodes.iter().map(|n| n.gpus).max().unwrap_or(0)
    }
}

/// A claim in its pool.
#[derive(Clone)]
pub(super) struct Case<'p> {
    pub(super) scene: Scene<'p>,
    /// Position in the scene's part.
    index: usize,
}

impl<'p> Case<'p> {
    /// `None` if the claim is of another pool, or not admitted.
    pub(super) fn new(scene: Scene<'p>, claim: &Claim) -> Option<Self> {
        let index = scene.part.claims.binary_search_by(|c| c.id.cmp(&claim.id)).ok()?;
        Some(Self { scene, index })
    }

    /// With the labels that its data need.
    pub(super) fn claim(&self) -> &Claim {
        &self.scene.part.claims[self.index]
    }

    /// Number of the claim in the scene's engines.
    pub(super) fn job(&self) -> u32 {
        u32::try_from(self.index).unwrap_or(u32::MAX)
    }

    /// What would be decided now, and the engine after it.
    pub(super) fn decided(&self) -> (Plan, Engine) {
        let mut engine = self.scene.engine();
        engine.settle(self.scene.now);
        (engine.plan_since(&self.scene.part), engine)
    }

    /// When it is expected to start.
    pub(super) fn expected(&self, limits: Limits) -> Range {
        let bound = |ends: Ends| {
            let (start, forecast) = self.scene.forecast(ends, limits).start_of(self.job());
            match start {
                Ok(at) => Bound::At { at },
                Err(stop) => Bound::of(stop, &forecast, &self.scene.part),
            }
        };
        let early = bound(Ends::Early);
        if early.time() == Some(self.scene.now) {
            // A start now hangs on nobody's end.
            return Range::exactly(self.scene.now);
        }
        Range::new(early, bound(Ends::Late))
    }

    /// Nodes that the claim needs and GPUs on each; `None`: it fits neither one node nor whole ones.
    pub(super) fn shape(&self) -> Option<(u32, Gpus)> {
        shape(self.claim(), self.scene.cell())
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

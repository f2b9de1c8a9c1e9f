//! What holds beside guarantees that stay and nodes that are all alike: changed guarantees, places that jobs insist on,
//! windows, and ceilings inside members.

use std::collections::BTreeMap;

use crate::engine::NodeWindow;
use crate::quota::ShareTree;
use crate::simulate::{Ask, NodeShape, TraceJob};
use crate::snapshot::{Level, Node, RACK_LABEL, ROW_LABEL, SharePath};
use crate::units::{Gpus, TimestampMillis};

/// All of it; by default nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// Guarantees by party from a time on, rising by time; before the first, those of the comparison.
    pub guarantees: &'a [(TimestampMillis, Vec<Gpus>)],
    /// What jobs ask beside GPUs, in their order; those beyond the end ask nothing.
    pub asks: &'a [Ask],
    /// Nodes, in the order of the capacities; empty: without labels.
    pub nodes: &'a [Node],
    /// Windows on these nodes.
    pub windows: &'a [NodeWindow],
    /// Shares inside parties; those beyond the end have none.
    pub inside: &'a [Option<ShareTree>],
}

impl Circumstances<'_> {
    /// Whether the job insists on nothing.
    pub(super) fn is_plain(&self, job: u32) -> bool {
        self.asks.get(job as usize).is_none_or(|ask| ask.within.is_none() && ask.node_labels.is_empty())
    }

    /// Whether there are as many nodes as the job asks, where it asks, with so much free on each.
    pub(super) fn could_hold(
        &self,
        (number, job): (u32, &TraceJob),
        shape: NodeShape,
        free: &[Gpus],
        now: TimestampMillis,
    ) -> bool {
        let ask = self.asks.get(number as usize);
        let acts = |w: &&NodeWindow| w.told_from <= now && now < w.end && w.only_for != Some(job.member);
        let done_by = now.after(job.runtime);
        let barring: Vec<&NodeWindow> =
            self.windows.iter().filter(acts).filter(|w| done_by > w.start).collect();
        let mut by_part: BTreeMap<(Option<&str>, Option<&str>), u32> = BTreeMap::new();
        for (node, free) in (0..).zip(free) {
            let known: Option<&Node> = self.nodes.get(node as usize);
            let label = |key: &str| known.and_then(|n| n.labels.get(key));
            let as_asked = ask.is_none_or(|a| a.node_labels.iter().all(|(k, v)| label(k) == Some(v)));
            if *free < shape.gpus || !as_asked || barring.iter().any(|w| w.nodes.contains(&node)) {
                continue;
            }
            let part = match ask.and_then(|a| a.within) {
                None => (None, None),
                Some(Level::Row) => (label(ROW_LABEL), None),
                Some(Level::Rack) => (label(ROW_LABEL), label(RACK_LABEL)),
            };
            *by_part.entry(part).or_default() += 1;
        }
        by_part.values().any(|nodes| *nodes >= shape.nodes)
    }

    fn path(&self, job: u32) -> SharePath {
        self.asks.get(job as usize).map(|ask| ask.path.clone()).unwrap_or_default()
    }

    /// What the elements of a party use, where any of them has a ceiling.
    pub(super) fn uses_inside<'r>(
        &self,
        party: usize,
        running: impl Iterator<Item = (u32, Gpus)> + 'r,
    ) -> Option<UsesInside<'_>> {
        let tree = self.inside.get(party)?.as_ref().filter(|tree| tree.has_ceilings())?;
        let mut uses = UsesInside { circumstances: self, tree, used: BTreeMap::new() };
        for (job, gpus) in running {
            uses.take(job, gpus);
        }
        Some(uses)
    }
}

/// GPUs used by the elements of one party, by path.
pub(super) struct UsesInside<'c> {
    circumstances: &'c Circumstances<'c>,
    tree: &'c ShareTree,
    used: BTreeMap<Vec<String>, Gpus>,
}

impl UsesInside<'_> {
    /// Whether no ceiling around the job is exceeded by so much more.
    pub(super) fn have_room(&self, job: u32, gpus: Gpus) -> bool {
        let path = self.circumstances.path(job);
        self.tree.along(&path).iter().enumerate().all(|(depth, limits)| {
            let used = self.used.get(&prefix(&path, depth)).copied().unwrap_or(0);
            limits.ceiling.is_none_or(|most| used.saturating_add(gpus) <= most)
        })
    }

    pub(super) fn take(&mut self, job: u32, gpus: Gpus) {
        let path = self.circumstances.path(job);
        for depth in 0..path.len() {
            *self.used.entry(prefix(&path, depth)).or_default() += gpus;
        }
    }
}

fn prefix(path: &SharePath, depth: usize) -> Vec<String> {
    path.iter().take(depth + 1).map(ToString::to_string).collect()
}

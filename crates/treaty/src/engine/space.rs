//! Free GPUs by node, indexed by how many are free: best fit for a gang without looking at every node.

use std::borrow::Cow;

use super::bits::IndexSet;
use super::counts::Counts;
use super::gather::gather;
use super::places::Places;
use super::site::{SiteId, Sites};
use super::topology::{NodeSpec, Topology};
use crate::snapshot::Level;
use crate::units::Gpus;

/// GPUs on one node, by the node's index.
pub(crate) type Place = (u32, Gpus);

/// What a gang asks of nodes: `gpus` on each of `nodes` different nodes, where its wish allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Shape {
    pub(crate) gpus: Gpus,
    pub(crate) nodes: u32,
    pub(crate) site: SiteId,
}

impl Shape {
    pub(crate) const fn total(self) -> Gpus {
        self.gpus.saturating_mul(self.nodes)
    }
}

/// From which end whole nodes are taken. Small gangs always take the fullest node and, among equals, the lowest; if
/// whole nodes come from the other end, small work does not break up the nodes that the next large gang needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WholeNodes {
    LowestFirst,
    HighestFirst,
}

/// Free GPUs of a set of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Space {
    free: Vec<Gpus>,
    /// A closed node is in no index: nothing can be placed on it.
    closed: Vec<bool>,
    /// Not the same for all, and therefore in no index either; see [`super::placing`].
    aside: Vec<bool>,
    /// By number of free GPUs.
    nodes_by_free: Vec<IndexSet>,
    cell: Gpus,
    whole_nodes: WholeNodes,
    pub(super) topology: Topology,
    /// Whole nodes that are free, by rack and row.
    pub(super) whole: Counts,
    pub(super) sites: Sites,
}

impl Space {
    /// All nodes free. `cell` is the size of a whole node; nodes may be smaller, never larger.
    pub(crate) fn new(capacities: &[Gpus], cell: Gpus, whole_nodes: WholeNodes) -> Self {
        let mut nodes_by_free = vec![IndexSet::with_limit(capacities.len()); cell as usize + 1];
        for (node, &gpus) in (0_u32..).zip(capacities) {
            nodes_by_free[gpus as usize].insert(node);
        }
        Self {
            free: capacities.to_vec(),
            closed: vec![false; capacities.len()],
            aside: vec![false; capacities.len()],
            nodes_by_free,
            cell,
            whole_nodes,
            topology: Topology::default(),
            whole: Counts::default(),
            sites: Sites::default(),
        }
    }

    /// The nodes of a pool, with what is known of their places. Whole nodes are taken from the highest on.
    pub(crate) fn of_pool(nodes: &[NodeSpec]) -> Self {
        let capacities: Vec<Gpus> = nodes.iter().map(|node| node.gpus).collect();
        let cell = capacities.iter().copied().max().unwrap_or(0);
        let mut space = Self::new(&capacities, cell, WholeNodes::HighestFirst);
        space.topology = Topology::of(nodes);
        space.whole = Counts::of(&space.topology, space.nodes_with_free(cell).iter()).indexed();
        space
    }

    pub(crate) fn free(&self, node: u32) -> Gpus {
        self.free[node as usize]
    }

    /// False also when there is no such node.
    pub(crate) fn has_free(&self, node: u32, gpus: Gpus) -> bool {
        self.free.get(node as usize).is_some_and(|&free| free >= gpus)
    }

    pub(crate) const fn cell(&self) -> Gpus {
        self.cell
    }

    /// Open nodes with exactly so many GPUs free.
    pub(super) fn nodes_with_free(&self, free: Gpus) -> &IndexSet {
        &self.nodes_by_free[free as usize]
    }

    /// Nodes without any work on them.
    pub(crate) fn whole_nodes_free(&self) -> u32 {
        self.nodes_by_free.last().map_or(0, IndexSet::len)
    }

    /// Nothing more is placed on the node; what is there stays.
    pub(crate) fn close(&mut self, node: u32) {
        if !std::mem::replace(&mut self.closed[node as usize], true) && !self.aside[node as usize] {
            let free = self.free(node) as usize;
            self.nodes_by_free[free].remove(node);
            if free == self.cell as usize && !self.topology.is_one_rack() {
                self.whole.subtract(&self.topology, node);
            }
        }
    }

    /// Takes the node out of the index, or puts it back.
    pub(crate) fn set_aside(&mut self, node: u32, aside: bool) {
        if std::mem::replace(&mut self.aside[node as usize], aside) == aside || self.is_closed(node) {
            return;
        }
        let free = self.free(node);
        let index = &mut self.nodes_by_free[free as usize];
        if aside {
            index.remove(node);
        } else {
            index.insert(node);
        }
        if free == self.cell && !self.topology.is_one_rack() {
            self.count_whole(node, !aside);
        }
    }

    pub(crate) fn is_closed(&self, node: u32) -> bool {
        self.closed[node as usize]
    }

    /// True when the shape fits now and at least `whole_nodes_left` whole nodes stay free.
    pub(crate) fn fits(&self, shape: Shape, whole_nodes_left: u32) -> bool {
        if let Some(site) = self.wish(shape) {
            return self.fits_wish(shape, site, whole_nodes_left);
        }
        let whole = self.whole_nodes_free();
        if shape.nodes > 1 || shape.gpus == self.cell {
            return shape.gpus <= self.cell && whole >= shape.nodes.saturating_add(whole_nodes_left);
        }
        whole > whole_nodes_left || self.fits_beside_others(shape.gpus)
    }

    fn fits_beside_others(&self, gpus: Gpus) -> bool {
        (gpus..self.cell).any(|f| !self.nodes_by_free[f as usize].is_empty())
    }

    /// Best fit: the fullest node with room; whole nodes, gathered, for a gang that needs several.
    pub(crate) fn find(&self, shape: Shape) -> Option<Places> {
        let site = self.wish(shape);
        let allowed = site.and_then(|site| site.allowed.as_ref());
        if shape.nodes == 1 {
            return self.best_fit(shape.gpus, allowed).map(|node| Places::One((node, shape.gpus)));
        }
        let whole = (shape.gpus == self.cell).then(|| self.with_free(self.cell, allowed))?;
        let nodes = self.whole_nodes(&whole, allowed, shape.nodes, site.and_then(|site| site.within))?;
        Some(nodes.into_iter().map(|node| (node, shape.gpus)).collect())
    }

    /// The fullest node with room; a whole node that must be broken up comes from the fullest rack.
    fn best_fit(&self, gpus: Gpus, allowed: Option<&IndexSet>) -> Option<u32> {
        let mut sets = (gpus..=self.cell).map(|free| (free, self.with_free(free, allowed)));
        let (free, set) = sets.find(|(_, set)| !set.is_empty())?;
        let highest = gpus == self.cell && self.whole_nodes == WholeNodes::HighestFirst;
        if free < self.cell || self.topology.is_one_rack() {
            return if highest { set.last() } else { set.first() };
        }
        let rack = self.counts(&set, allowed).tightest_rack(1)?;
        let mut nodes = self.topology.nodes_in(rack).iter().copied().filter(|&node| set.contains(node));
        if highest { nodes.next_back() } else { nodes.next() }
    }

    /// So many nodes of a set of whole ones, as close together as the set has them.
    fn whole_nodes(
        &self,
        set: &IndexSet,
        allowed: Option<&IndexSet>,
        needed: u32,
        within: Option<Level>,
    ) -> Option<Vec<u32>> {
        if set.len() < needed {
            return None;
        }
        if self.topology.is_one_rack() {
            return Some(match self.whole_nodes {
                WholeNodes::LowestFirst => set.iter().take(needed as usize).collect(),
                WholeNodes::HighestFirst => set.iter_down().take(needed as usize).collect(),
            });
        }
        let mut nodes = Vec::with_capacity(needed as usize);
        for (rack, count) in gather(&self.topology, &self.counts(set, allowed), needed, within)? {
            // Only a pool knows racks, and it takes whole nodes from the highest on.
            let free = self.topology.nodes_in(rack).iter().rev().copied().filter(|&node| set.contains(node));
            nodes.extend(free.take(count as usize));
        }
        Some(nodes)
    }

    /// Whole nodes by place, among those of a set.
    pub(super) fn counts(&self, set: &IndexSet, allowed: Option<&IndexSet>) -> Cow<'_, Counts> {
        match allowed {
            None => Cow::Borrowed(&self.whole),
            Some(_) => Cow::Owned(Counts::of(&self.topology, set.iter())),
        }
    }

    pub(crate) fn take(&mut self, node: u32, gpus: Gpus) {
        self.set(node, self.free(node).saturating_sub(gpus));
    }

    /// True when more is free than before.
    pub(crate) fn set_free(&mut self, node: u32, free: Gpus) -> bool {
        let before = self.free(node);
        self.set(node, free.min(self.cell));
        free > before
    }

    pub(crate) fn give(&mut self, node: u32, gpus: Gpus) {
        self.set(node, self.free(node).saturating_add(gpus).min(self.cell));
    }

    fn set(&mut self, node: u32, free: Gpus) {
        let before = std::mem::replace(&mut self.free[node as usize], free);
        if !self.closed[node as usize] && !self.aside[node as usize] {
            self.nodes_by_free[before as usize].remove(node);
            self.nodes_by_free[free as usize].insert(node);
            if (before == self.cell) != (free == self.cell) && !self.topology.is_one_rack() {
                self.count_whole(node, free == self.cell);
            }
        }
    }

    fn count_whole(&mut self, node: u32, free: bool) {
        if free {
            self.whole.add(&self.topology, node);
        } else {
            self.whole.subtract(&self.topology, node);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]
mod tests;

//! Free GPUs by node, indexed by how many are free: best fit for a gang without looking at every node.

use super::bits::IndexSet;
use crate::units::Gpus;

/// GPUs on one node, by the node's index.
pub(crate) type Place = (u32, Gpus);

/// What a gang asks of nodes: `gpus` on each of `nodes` different nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Shape {
    pub(crate) gpus: Gpus,
    pub(crate) nodes: u32,
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
    /// By number of free GPUs.
    nodes_by_free: Vec<IndexSet>,
    cell: Gpus,
    whole_nodes: WholeNodes,
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
            nodes_by_free,
            cell,
            whole_nodes,
        }
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

    /// Nodes without any work on them.
    pub(crate) fn whole_nodes_free(&self) -> u32 {
        self.nodes_by_free.last().map_or(0, IndexSet::len)
    }

    /// Nothing more is placed on the node; what is there stays.
    pub(crate) fn close(&mut self, node: u32) {
        if !std::mem::replace(&mut self.closed[node as usize], true) {
            let free = self.free(node) as usize;
            self.nodes_by_free[free].remove(node);
        }
    }

    pub(crate) fn is_closed(&self, node: u32) -> bool {
        self.closed[node as usize]
    }

    /// True when the shape fits now and at least `whole_nodes_left` whole nodes stay free.
    pub(crate) fn fits(&self, shape: Shape, whole_nodes_left: u32) -> bool {
        let whole = self.whole_nodes_free();
        if shape.nodes > 1 || shape.gpus == self.cell {
            return shape.gpus <= self.cell && whole >= shape.nodes.saturating_add(whole_nodes_left);
        }
        whole > whole_nodes_left || self.fits_beside_others(shape.gpus)
    }

    fn fits_beside_others(&self, gpus: Gpus) -> bool {
        (gpus..self.cell).any(|f| !self.nodes_by_free[f as usize].is_empty())
    }

    /// Best fit: the fullest node with room; whole nodes for a gang that needs several.
    pub(crate) fn find(&self, shape: Shape) -> Option<Vec<Place>> {
        if shape.nodes == 1 {
            return self.best_fit(shape.gpus).map(|node| vec![(node, shape.gpus)]);
        }
        let whole =
            self.nodes_by_free.last().filter(|set| shape.gpus == self.cell && set.len() >= shape.nodes)?;
        let mut rest = whole.clone();
        let mut places = Vec::with_capacity(shape.nodes as usize);
        while places.len() < shape.nodes as usize {
            let node = match self.whole_nodes {
                WholeNodes::LowestFirst => rest.first()?,
                WholeNodes::HighestFirst => rest.last()?,
            };
            rest.remove(node);
            places.push((node, shape.gpus));
        }
        Some(places)
    }

    fn best_fit(&self, gpus: Gpus) -> Option<u32> {
        let set = (gpus..=self.cell).map(|f| &self.nodes_by_free[f as usize]).find(|set| !set.is_empty())?;
        if gpus == self.cell && self.whole_nodes == WholeNodes::HighestFirst {
            set.last()
        } else {
            set.first()
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
        if !self.closed[node as usize] {
            self.nodes_by_free[before as usize].remove(node);
            self.nodes_by_free[free as usize].insert(node);
        }
    }
}

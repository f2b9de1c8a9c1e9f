//! Where nodes stand: racks and rows as dense numbers, made from labels here and nowhere else.

use std::collections::BTreeMap;

use super::bits::IndexSet;
use crate::snapshot::{Level, MAX_NODE_GPUS, Node, RACK_LABEL, ROW_LABEL};
use crate::units::{Gpus, Labels};

/// One node, as the engine needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSpec {
    /// GPUs that can be allocated.
    pub gpus: Gpus,
    /// Labels; those of rack and row say where it stands.
    pub labels: Labels,
}

impl From<&Node> for NodeSpec {
    fn from(node: &Node) -> Self {
        Self { labels: node.labels.clone(), ..Self::from(node.gpus) }
    }
}

impl From<Gpus> for NodeSpec {
    fn from(gpus: Gpus) -> Self {
        let believed = if gpus > MAX_NODE_GPUS { 0 } else { gpus };
        Self { gpus: believed, labels: Labels::default() }
    }
}

/// Racks and rows, numbered in the order of their first nodes.
///
/// A rack's name counts inside its row. Nodes without a label share one rack or row, "unknown": a pool without labels
/// is one rack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Topology {
    nodes: Vec<NodeSpec>,
    /// By node; empty when all stand in one rack.
    rack_of: Vec<u32>,
    /// By rack; empty when there is only one.
    racks: Vec<Rack>,
    row_count: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rack {
    row: u32,
    /// Rising.
    nodes: Vec<u32>,
}

impl Topology {
    pub(crate) fn of(nodes: &[NodeSpec]) -> Self {
        let mut rows: BTreeMap<Option<&str>, u32> = BTreeMap::new();
        let mut ids: BTreeMap<(Option<&str>, Option<&str>), u32> = BTreeMap::new();
        let mut topology = Self { nodes: nodes.to_vec(), ..Self::default() };
        let mut last = None;
        for (node, spec) in (0..).zip(nodes) {
            let names = (spec.labels.get(ROW_LABEL), spec.labels.get(RACK_LABEL));
            // Neighbours in the order of names mostly share a rack.
            let rack = match last {
                Some((before, rack)) if before == names => rack,
                _ => {
                    let row_count = dense(rows.len());
                    let row = *rows.entry(names.0).or_insert(row_count);
                    let rack_count = dense(ids.len());
                    let rack = *ids.entry(names).or_insert(rack_count);
                    if rack == rack_count {
                        topology.racks.push(Rack { row, nodes: Vec::new() });
                    }
                    rack
                }
            };
            last = Some((names, rack));
            topology.rack_of.push(rack);
            topology.racks[rack as usize].nodes.push(node);
        }
        topology.row_count = dense(rows.len());
        if topology.racks.len() == 1 {
            topology.racks.clear();
            topology.rack_of.clear();
        }
        topology
    }

    /// True when nothing is known that tells nodes apart by place.
    pub(crate) const fn is_one_rack(&self) -> bool {
        self.racks.is_empty()
    }

    /// True when a gang over several nodes lies in one such part wherever it lies.
    pub(crate) const fn is_one(&self, level: Level) -> bool {
        match level {
            Level::Rack => self.is_one_rack(),
            Level::Row => self.row_count <= 1,
        }
    }

    pub(crate) const fn rack_count(&self) -> usize {
        self.racks.len()
    }

    pub(crate) const fn row_count(&self) -> usize {
        self.row_count as usize
    }

    pub(crate) fn nodes(&self) -> &[NodeSpec] {
        &self.nodes
    }

    pub(crate) fn rack_of(&self, node: u32) -> u32 {
        self.rack_of.get(node as usize).copied().unwrap_or(0)
    }

    pub(crate) fn row_of(&self, rack: u32) -> u32 {
        self.racks.get(rack as usize).map_or(0, |r| r.row)
    }

    /// The part of the pool in which the node stands; the whole pool without a level.
    pub(crate) fn part_of(&self, node: u32, level: Option<Level>) -> u32 {
        match level {
            Some(Level::Rack) => self.rack_of(node),
            Some(Level::Row) => self.row_of(self.rack_of(node)),
            None => 0,
        }
    }

    /// Nodes of a rack, rising; empty when all nodes are in one.
    pub(crate) fn nodes_in(&self, rack: u32) -> &[u32] {
        self.racks.get(rack as usize).map_or(&[], |r| &r.nodes)
    }

    /// Nodes that have all these labels.
    pub(crate) fn labelled(&self, labels: &Labels) -> IndexSet {
        let mut set = IndexSet::with_limit(self.nodes.len());
        for (node, spec) in (0..).zip(&self.nodes) {
            if labels.iter().all(|(key, value)| spec.labels.get(key) == Some(value)) {
                set.insert(node);
            }
        }
        set
    }
}

fn dense(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

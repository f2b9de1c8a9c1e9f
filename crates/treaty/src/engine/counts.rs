//! Whole nodes at hand by rack and row.

use super::bits::IndexSet;
use super::gather::tightest;
use super::topology::Topology;
use crate::snapshot::Level;

/// Racks with fewer nodes at hand are found without a look at every rack; larger racks are few.
const INDEXED: usize = 64;

/// Empty when all nodes are in one rack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) by_rack: Vec<u32>,
    pub(crate) by_row: Vec<u32>,
    /// Racks with exactly so many, below [`INDEXED`]; without an index, empty.
    racks_with: Vec<IndexSet>,
}

impl Counts {
    pub(crate) fn of(topology: &Topology, nodes: impl Iterator<Item = u32>) -> Self {
        if topology.is_one_rack() {
            return Self::default();
        }
        let mut counts = Self {
            by_rack: vec![0; topology.rack_count()],
            by_row: vec![0; topology.row_count()],
            racks_with: Vec::new(),
        };
        nodes.for_each(|node| counts.add(topology, node));
        counts
    }

    /// The same with an index, for counts that are kept.
    pub(crate) fn indexed(self) -> Self {
        if self.by_rack.is_empty() {
            return self;
        }
        let mut racks_with = vec![IndexSet::with_limit(self.by_rack.len()); INDEXED];
        for (rack, &count) in (0..).zip(&self.by_rack) {
            if let Some(set) = racks_with.get_mut(count as usize) {
                set.insert(rack);
            }
        }
        Self { racks_with, ..self }
    }

    pub(crate) fn add(&mut self, topology: &Topology, node: u32) {
        let rack = topology.rack_of(node);
        let count = self.by_rack[rack as usize];
        self.by_rack[rack as usize] = count + 1;
        self.by_row[topology.row_of(rack) as usize] += 1;
        self.index(rack, count, count + 1);
    }

    pub(crate) fn subtract(&mut self, topology: &Topology, node: u32) {
        let rack = topology.rack_of(node);
        let count = self.by_rack[rack as usize];
        self.by_rack[rack as usize] = count - 1;
        self.by_row[topology.row_of(rack) as usize] -= 1;
        self.index(rack, count, count - 1);
    }

    fn index(&mut self, rack: u32, from: u32, to: u32) {
        if let Some(set) = self.racks_with.get_mut(from as usize) {
            set.remove(rack);
        }
        if let Some(set) = self.racks_with.get_mut(to as usize) {
            set.insert(rack);
        }
    }

    /// The rack with the fewest at hand that still has enough; the lowest among equals.
    pub(crate) fn tightest_rack(&self, needed: u32) -> Option<u32> {
        let indexed = self.racks_with.get(needed as usize..).unwrap_or_default();
        indexed.iter().find_map(IndexSet::first).or_else(|| tightest(&self.by_rack, needed))
    }

    /// Most in one part of that level, out of `all` in the pool.
    pub(crate) fn most(&self, level: Option<Level>, all: u32) -> u32 {
        let most = match level {
            Some(Level::Rack) => self.by_rack.iter().max(),
            Some(Level::Row) => self.by_row.iter().max(),
            None => None,
        };
        most.copied().unwrap_or(all)
    }
}

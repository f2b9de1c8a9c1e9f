//! Chooses nodes, keeps their free room, and remembers scores.
//!
//! Scores depend on the free room alone, so that one score serves all nodes with equal room, and a placement makes only the
//! touched node's scores unknown. A choice is then a pass over the nodes that compares remembered numbers.

use std::collections::BTreeMap;

use super::score::{Score, Scorer};
use super::{GpuSet, NodeState, Policy, Shape, Workload, first_look};

/// Free rooms that are remembered at most for each node, beside [`ROOMS_AT_LEAST`]; then all is forgotten and learnt again.
const ROOMS_PER_NODE: usize = 8;
const ROOMS_AT_LEAST: usize = 4_096;
/// What-if rooms that are remembered at most: some 80 bytes each, 20 MiB.
const LOOKS_AT_MOST: usize = 262_144;

/// Where a pod goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Index of the node, in the order in which the nodes were given.
    pub node: usize,
    /// GPUs of that node; empty for a pod without GPUs.
    pub gpus: GpuSet,
}

/// Why a placement or a release was not booked. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There is no node with this index.
    #[error("no node {node}; there are {nodes}")]
    NoNode {
        /// Index that was given.
        node: usize,
        /// Nodes of the packer.
        nodes: usize,
    },
    /// The pod does not fit on these GPUs, or was never on them.
    #[error("the pod is not placed like that on node {node}")]
    NoRoom {
        /// Index of the node.
        node: usize,
    },
}

#[derive(Debug, Clone, Copy)]
enum Remembered {
    Unknown,
    Unfit,
    Fit(Score),
}

/// Nodes, their free room, and a policy.
#[derive(Debug, Clone)]
pub struct Packer {
    scorer: Scorer,
    policy: Policy,
    typical: Workload,
    nodes: Vec<NodeState>,
    /// By node: which room it has now.
    room_of: Vec<usize>,
    rooms: BTreeMap<NodeState, usize>,
    /// By shape, by room.
    scores: BTreeMap<Shape, Vec<Remembered>>,
}

impl Packer {
    /// A packer for nodes with this free room; `workload` is what usually comes.
    #[must_use]
    pub fn new(policy: Policy, workload: &Workload, nodes: Vec<NodeState>) -> Self {
        let mut packer = Self {
            scorer: Scorer::new(policy, workload, &nodes),
            policy,
            typical: workload.typical(95),
            nodes,
            room_of: Vec::new(),
            rooms: BTreeMap::new(),
            scores: BTreeMap::new(),
        };
        packer.forget();
        packer
    }

    /// The nodes as they are now.
    #[must_use]
    pub fn nodes(&self) -> &[NodeState] {
        &self.nodes
    }

    /// The best place for a pod, or `None` when it fits nowhere. Books nothing.
    ///
    /// `draw` is any number and counts for [`Policy::Random`] alone, which takes the `draw`-th fitting node, modulo their number.
    pub fn choose(&mut self, shape: &Shape, draw: u64) -> Option<Choice> {
        let known = self.scores.entry(*shape).or_default();
        known.resize(self.rooms.len(), Remembered::Unknown);
        let mut best: Option<(usize, Score)> = None;
        let mut fitting = Vec::new();
        for (node, room) in self.room_of.iter().enumerate() {
            if let Remembered::Unknown = known[*room] {
                let score = self.scorer.score(&self.nodes[node], shape);
                known[*room] = score.map_or(Remembered::Unfit, Remembered::Fit);
            }
            let Remembered::Fit(score) = known[*room] else { continue };
            if self.policy == Policy::Random {
                fitting.push((node, score));
            } else if best.is_none_or(|(_, best)| score.rank() > best.rank()) {
                best = Some((node, score));
            }
        }
        if !fitting.is_empty() {
            best = usize::try_from(draw % fitting.len() as u64).ok().map(|index| fitting[index]);
        }
        best.map(|(node, score)| Choice { node, gpus: Scorer::gpus(&score, &self.nodes[node], shape) })
    }

    /// Books the pod there.
    ///
    /// # Errors
    /// [`PlaceError`] when it does not fit; nothing is booked then.
    pub fn place(&mut self, shape: &Shape, choice: Choice) -> Result<(), PlaceError> {
        let left = self.node(choice)?.after(shape, choice.gpus);
        self.set(choice.node, left)
    }

    /// Gives back what the pod has there.
    ///
    /// # Errors
    /// [`PlaceError`] when the node has no such GPUs or they would be freer than whole; nothing is booked then.
    pub fn release(&mut self, shape: &Shape, choice: Choice) -> Result<(), PlaceError> {
        let freed = self.node(choice)?.before(shape, choice.gpus);
        self.set(choice.node, freed)
    }

    /// Idle thousandths of GPUs that a typical pod cannot use, over all nodes: the published measure of fragmentation,
    /// whatever the policy.
    #[must_use]
    pub fn fragmentation_milli(&self) -> u64 {
        let mut looks = vec![None; self.rooms.len()];
        let mut sum = 0;
        for (node, room) in self.nodes.iter().zip(&self.room_of) {
            sum += *looks[*room].get_or_insert_with(|| first_look(node, &self.typical));
        }
        sum / self.typical.pods().max(1)
    }

    fn node(&self, choice: Choice) -> Result<&NodeState, PlaceError> {
        let missing = PlaceError::NoNode { node: choice.node, nodes: self.nodes.len() };
        self.nodes.get(choice.node).ok_or(missing)
    }

    fn set(&mut self, node: usize, state: Option<NodeState>) -> Result<(), PlaceError> {
        self.nodes[node] = state.ok_or(PlaceError::NoRoom { node })?;
        let next = self.rooms.len();
        self.room_of[node] = *self.rooms.entry(self.nodes[node].canonical()).or_insert(next);
        let rooms_at_most = ROOMS_PER_NODE * self.nodes.len() + ROOMS_AT_LEAST;
        if self.rooms.len() > rooms_at_most || self.scorer.remembered() > LOOKS_AT_MOST {
            self.forget();
        }
        Ok(())
    }

    /// Forgets all scores and numbers the rooms anew; choices stay the same.
    fn forget(&mut self) {
        self.scorer.forget();
        self.scores.clear();
        self.rooms.clear();
        self.room_of.clear();
        for node in &self.nodes {
            let next = self.rooms.len();
            self.room_of.push(*self.rooms.entry(node.canonical()).or_insert(next));
        }
    }
}

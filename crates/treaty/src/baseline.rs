//! Policies without a treaty, for comparison: what a trace would have seen on one pool, or with every member alone on
//! nodes of its own. They know the run times, which no real system does.
//!
//! Written apart from [`crate::engine`], which is checked against them: a line alone is one of these policies on the
//! member's own nodes. All events of an instant are applied, ends before arrivals, then the line is passed once.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulate::{NodeGpus, NodeShape, Run, TraceJob, Trial};
use crate::units::{Gpus, TimestampMillis};

/// How a line is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// By arrival; nobody passes the first.
    Fifo,
    /// Shortest run time first; nobody passes the first.
    ShortestFirst,
    /// By arrival; whoever fits passes those who do not.
    FirstFit,
    /// By arrival; others pass the first if by number of GPUs they do not delay it (EASY backfill).
    Easy,
}

/// Replays a trace, sorted by arrival, on one pool. A job that fits not even the empty pool is left out.
///
/// `cell` is the size of a whole node; `capacities` are the GPUs of each node, none above it.
#[must_use]
pub fn replay(policy: Policy, capacities: &[Gpus], cell: Gpus, jobs: &[TraceJob]) -> Trial {
    let mut trial = Trial::new(jobs.len());
    replay_part(policy, capacities, cell, jobs, (0..).zip(jobs).map(|(job, _)| job), 0, &mut trial);
    trial
}

/// Replays a trace with every member on nodes of its own; `capacities_by_member` are the GPUs of each node by member.
/// Nodes are numbered through, in the order of the members.
#[must_use]
pub fn replay_partitioned(
    policy: Policy,
    capacities_by_member: &[Vec<Gpus>],
    cell: Gpus,
    jobs: &[TraceJob],
) -> Trial {
    let mut trial = Trial::new(jobs.len());
    let mut first_node = 0;
    for (member, capacities) in capacities_by_member.iter().enumerate() {
        let own = (0..).zip(jobs).filter(|(_, job)| job.member.index() == member).map(|(index, _)| index);
        replay_part(policy, capacities, cell, jobs, own, first_node, &mut trial);
        first_node += u32::try_from(capacities.len()).unwrap_or(u32::MAX);
    }
    trial.runs.sort_by_key(|run| run.ended_at);
    trial
}

/// Nodes of `cell` GPUs worth a guarantee; a rest smaller than a node is a smaller node.
#[must_use]
pub fn own_nodes(guarantee: Gpus, cell: Gpus) -> Vec<Gpus> {
    let cell = cell.max(1);
    let rest = guarantee % cell;
    let mut nodes = vec![cell; (guarantee / cell) as usize];
    nodes.extend((rest > 0).then_some(rest));
    nodes
}

fn replay_part(
    policy: Policy,
    capacities: &[Gpus],
    cell: Gpus,
    jobs: &[TraceJob],
    part: impl Iterator<Item = u32>,
    first_node: u32,
    trial: &mut Trial,
) {
    let mut line = Line::new(policy, capacities, cell, jobs);
    let mut arrivals = part.peekable();
    loop {
        let arrival = arrivals.peek().map(|&job| jobs[job as usize].submitted_at);
        let Some(now) = [arrival, line.next_end()].into_iter().flatten().min() else { break };
        line.now = now;
        line.end_runs(first_node, trial);
        while let Some(job) = arrivals.next_if(|&job| jobs[job as usize].submitted_at <= now) {
            line.arrive(job);
        }
        line.pass();
    }
}

/// Order in line; a job's index stands for its arrival.
type Key = (i64, u32);

struct Line<'a> {
    policy: Policy,
    jobs: &'a [TraceJob],
    cell: Gpus,
    nodes: Nodes,
    now: TimestampMillis,
    waiting: BTreeMap<NodeShape, BTreeSet<Key>>,
    /// By end, then by start.
    running: BTreeMap<(TimestampMillis, u64), (u32, TimestampMillis, Vec<NodeGpus>)>,
    starts: u64,
}

impl<'a> Line<'a> {
    fn new(policy: Policy, capacities: &[Gpus], cell: Gpus, jobs: &'a [TraceJob]) -> Self {
        Self {
            policy,
            jobs,
            cell,
            nodes: Nodes::new(capacities, cell),
            now: TimestampMillis(i64::MIN),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            starts: 0,
        }
    }

    fn next_end(&self) -> Option<TimestampMillis> {
        self.running.first_key_value().map(|((end, _), _)| *end)
    }

    fn end_runs(&mut self, first_node: u32, trial: &mut Trial) {
        while let Some(entry) = self.running.first_entry().filter(|e| e.key().0 <= self.now) {
            let ((ended_at, _), (job, started_at, mut places)) = entry.remove_entry();
            for place in &mut places {
                self.nodes.give(*place);
                place.0 += first_node;
            }
            trial.record(Run { job, started_at, ended_at, places, completed: true });
        }
    }

    fn arrive(&mut self, index: u32) {
        let job = &self.jobs[index as usize];
        let Some(shape) = job.shape(self.cell) else { return };
        if self.nodes.could_ever_hold(shape) {
            let length = if self.policy == Policy::ShortestFirst { job.runtime.0 } else { 0 };
            self.waiting.entry(shape).or_default().insert((length, index));
        }
    }

    /// Starts what the policy starts now. No start makes room for another, so that always starting the first in line
    /// that may is the same as one pass from the front to the end.
    fn pass(&mut self) {
        match self.policy {
            Policy::Fifo | Policy::ShortestFirst => self.start_from_front(),
            Policy::FirstFit => {
                while let Some((shape, key)) = self.first_that_fits(|_, _| true) {
                    self.start(shape, key);
                }
            }
            Policy::Easy => {
                self.start_from_front();
                self.backfill();
            }
        }
    }

    fn start_from_front(&mut self) {
        while let Some((shape, key)) = self.front().filter(|(shape, _)| self.nodes.fit(*shape)) {
            self.start(shape, key);
        }
    }

    fn front(&self) -> Option<(NodeShape, Key)> {
        let heads = self.waiting.iter().filter_map(|(shape, line)| line.first().map(|key| (*shape, *key)));
        heads.min_by_key(|(_, key)| *key)
    }

    fn first_that_fits(&self, may: impl Fn(NodeShape, u32) -> bool) -> Option<(NodeShape, Key)> {
        let fitting = self.waiting.iter().filter(|(shape, _)| self.nodes.fit(**shape));
        let first = |(shape, line): (&NodeShape, &BTreeSet<Key>)| {
            line.iter().find(|key| may(*shape, key.1)).map(|key| (*shape, *key))
        };
        fitting.filter_map(first).min_by_key(|(_, key)| *key)
    }

    /// The first does not fit. Others pass it if they end before enough GPUs are free for it, or need only GPUs that
    /// it will then leave over.
    fn backfill(&mut self) {
        let Some((blocked, _)) = self.front() else { return };
        let mut free = self.nodes.total_free;
        let enough_at = self.running.iter().find_map(|((end, _), (_, _, places))| {
            free += places.iter().map(|(_, gpus)| gpus).sum::<Gpus>();
            (free >= blocked.total()).then_some(*end)
        });
        let mut left_over = free.saturating_sub(blocked.total());
        let (now, jobs) = (self.now, self.jobs);
        let in_time = |job: u32| enough_at.is_none_or(|at| now.after(jobs[job as usize].runtime) <= at);
        while let Some((shape, key)) =
            self.first_that_fits(|shape, job| in_time(job) || shape.total() <= left_over)
        {
            if !in_time(key.1) {
                left_over -= shape.total();
            }
            self.start(shape, key);
        }
    }

    fn start(&mut self, shape: NodeShape, key: Key) {
        if let Some(line) = self.waiting.get_mut(&shape) {
            line.remove(&key);
        }
        let places = self.nodes.take(shape);
        let end = self.now.after(self.jobs[key.1 as usize].runtime);
        self.running.insert((end, self.starts), (key.1, self.now, places));
        self.starts += 1;
    }
}

/// Free GPUs of nodes, by how many are free.
struct Nodes {
    free: Vec<Gpus>,
    by_free: Vec<BTreeSet<u32>>,
    total_free: Gpus,
    /// GPUs of the largest node, and number of whole nodes.
    largest: Gpus,
    whole: usize,
}

impl Nodes {
    fn new(capacities: &[Gpus], cell: Gpus) -> Self {
        let mut by_free = vec![BTreeSet::new(); cell as usize + 1];
        for (node, &gpus) in (0..).zip(capacities) {
            by_free[gpus as usize].insert(node);
        }
        Self {
            free: capacities.to_vec(),
            total_free: capacities.iter().sum(),
            largest: capacities.iter().copied().max().unwrap_or(0),
            whole: by_free[cell as usize].len(),
            by_free,
        }
    }

    fn could_ever_hold(&self, shape: NodeShape) -> bool {
        shape.gpus <= self.largest && (shape.nodes == 1 || shape.nodes as usize <= self.whole)
    }

    fn fit(&self, shape: NodeShape) -> bool {
        match shape.nodes {
            1 => self.best_fit(shape.gpus).is_some(),
            nodes => self.by_free.last().is_some_and(|whole| whole.len() >= nodes as usize),
        }
    }

    /// The fullest node with room, of equals the first.
    fn best_fit(&self, gpus: Gpus) -> Option<u32> {
        self.by_free.get(gpus as usize..)?.iter().find_map(|nodes| nodes.first().copied())
    }

    /// Takes a shape that fits.
    fn take(&mut self, shape: NodeShape) -> Vec<NodeGpus> {
        let chosen: Vec<u32> = match (shape.nodes, self.by_free.last()) {
            (1, _) | (_, None) => self.best_fit(shape.gpus).into_iter().collect(),
            (nodes, Some(whole)) => whole.iter().copied().take(nodes as usize).collect(),
        };
        for &node in &chosen {
            self.set(node, self.free[node as usize] - shape.gpus);
        }
        chosen.into_iter().map(|node| (node, shape.gpus)).collect()
    }

    fn give(&mut self, (node, gpus): NodeGpus) {
        self.set(node, self.free[node as usize] + gpus);
    }

    fn set(&mut self, node: u32, free: Gpus) {
        let before = std::mem::replace(&mut self.free[node as usize], free);
        self.by_free[before as usize].remove(&node);
        self.by_free[free as usize].insert(node);
        self.total_free = self.total_free + free - before;
    }
}

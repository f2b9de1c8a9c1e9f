//! A member's line alone: what its claims would do if the member had only its guarantee, as nodes of its own.
//!
//! The pool promises that nobody is worse off than alone, so it has to know what "alone" would be, while it happens:
//! each member has such a line beside the pool. A claim that starts in it is *due*: from then on the pool may not let
//! it wait (HiveD, OSDI'20, promises cells; this promises the schedule itself). That is computable without knowing
//! run times, because the pool never runs behind the line: a claim that ends alone has ended in the pool before, and
//! its run time is known. A claim that the pool finished early goes on occupying the line, as it would have alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::alone_shares::AloneShares;
use super::queue::{Job, Key, NameOrder, Queue};
use super::space::{Place, Shape, Space, WholeNodes};
use crate::clauses::LineOrder;
use crate::quota::ShareTree;
use crate::snapshot::SharePath;
use crate::units::Gpus;

/// In which order a line alone starts its claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AloneOrder {
    /// Strictly by submission: nobody passes the first.
    #[default]
    Submission,
    /// By submission, and whoever fits passes those who do not.
    FirstFit,
}

impl From<LineOrder> for AloneOrder {
    fn from(order: LineOrder) -> Self {
        match order {
            LineOrder::Submission => Self::Submission,
            LineOrder::FirstFit => Self::FirstFit,
        }
    }
}

/// One member's line alone.
#[derive(Debug, Clone)]
pub(crate) struct AloneLine {
    order: AloneOrder,
    space: Space,
    queue: Queue,
    /// Ceilings inside the member, where there are any: the same claims wait apart by element.
    shares: Option<AloneShares>,
    /// Ends that are known, by time.
    ends: BinaryHeap<Reverse<(i64, Job)>>,
}

/// A claim started alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AloneStart {
    pub(crate) job: Job,
    pub(crate) at: i64,
    pub(crate) places: Vec<Place>,
}

impl AloneLine {
    /// Nodes of `cell` GPUs worth `guarantee`; a rest smaller than a node is a smaller node.
    pub(crate) fn new(order: AloneOrder, guarantee: Gpus, cell: Gpus) -> Self {
        let cell = cell.max(1);
        let mut nodes = vec![cell; (guarantee / cell) as usize];
        if !guarantee.is_multiple_of(cell) {
            nodes.push(guarantee % cell);
        }
        Self {
            order,
            space: Space::new(&nodes, cell, WholeNodes::LowestFirst),
            queue: Queue::default(),
            shares: None,
            ends: BinaryHeap::new(),
        }
    }

    /// The same line with the ceilings of the member's tree.
    pub(crate) fn with_tree(self, tree: Option<Arc<ShareTree>>) -> Self {
        Self { shares: tree.and_then(AloneShares::new), ..self }
    }

    /// Takes note of a claim's path; before anything else is said of it.
    pub(crate) fn introduce(&mut self, job: Job, path: &SharePath) {
        if let Some(shares) = &mut self.shares {
            shares.introduce(job, path);
        }
    }

    /// Whether the ceilings around that claim could ever hold a gang of this shape.
    pub(crate) fn could_run_inside(&self, job: Job, shape: Shape) -> bool {
        self.shares.as_ref().is_none_or(|shares| shares.could_run(job, shape.total()))
    }

    /// Whether a gang of this shape could ever run alone. Nobody can who asks for a place: a line's nodes have none.
    pub(crate) fn could_run(&self, shape: Shape, guarantee: Gpus) -> bool {
        shape.site.is_anywhere() && self.has_shape(shape, guarantee)
    }

    /// Whether the guarantee is worth nodes of this shape.
    pub(crate) fn has_shape(&self, shape: Shape, guarantee: Gpus) -> bool {
        let whole = guarantee / self.space.cell();
        if shape.nodes > 1 { shape.nodes <= whole } else { shape.gpus <= self.space.cell().min(guarantee) }
    }

    pub(crate) fn submit(&mut self, shape: Shape, submitted_at: i64, name: NameOrder, job: Job) {
        let key = key(submitted_at, name);
        if let Some(shares) = &mut self.shares {
            shares.insert(shape, key.clone(), job);
        }
        self.queue.insert(shape, key, job);
    }

    /// Submits many at once.
    pub(crate) fn fill(&mut self, claims: Vec<(Shape, i64, NameOrder, Job)>) {
        let claim = |(shape, submitted_at, name, job)| (shape, key(submitted_at, name), job);
        let claims: Vec<(Shape, Key, Job)> = claims.into_iter().map(claim).collect();
        if let Some(shares) = &mut self.shares {
            claims.iter().for_each(|(shape, key, job)| shares.insert(*shape, key.clone(), *job));
        }
        self.queue.fill(claims);
    }

    /// A claim that waits alone and will never run.
    pub(crate) fn cancel(&mut self, shape: Shape, submitted_at: i64, name: NameOrder, job: Job) {
        self.leave_line(shape, key(submitted_at, name), job);
    }

    fn leave_line(&mut self, shape: Shape, key: Key, job: Job) {
        if let Some(shares) = &mut self.shares {
            shares.remove(shape, key.clone(), job);
        }
        self.queue.remove(shape, key, job);
    }

    /// A claim that runs alone will end at that time.
    pub(crate) fn will_end(&mut self, job: Job, at: i64) {
        self.ends.push(Reverse((at, job)));
    }

    /// Puts a running claim where an earlier line had it; false, and nothing done, if there is no such room.
    pub(crate) fn restore(&mut self, job: Job, places: &[Place]) -> bool {
        let room = places.iter().all(|&(node, gpus)| self.space.has_free(node, gpus));
        if let Some(shares) = self.shares.as_mut().filter(|_| room) {
            shares.take(job, places.iter().map(|(_, gpus)| gpus).sum());
        }
        for &(node, gpus) in places.iter().filter(|_| room) {
            self.space.take(node, gpus);
        }
        room
    }

    /// Next time at which something happens by itself.
    pub(crate) fn next_end(&self) -> Option<i64> {
        self.ends.peek().map(|Reverse((at, _))| *at)
    }

    /// Ends everything that ends at the next time not after `now`; `places_of` says where a claim runs alone.
    pub(crate) fn end_next(
        &mut self,
        now: i64,
        mut places_of: impl FnMut(Job) -> Vec<Place>,
    ) -> Option<(i64, Vec<Job>)> {
        let at = self.next_end().filter(|&at| at <= now)?;
        let mut ended = Vec::new();
        while let Some(&Reverse((end, job))) = self.ends.peek() {
            if end > at {
                break;
            }
            self.ends.pop();
            for (node, gpus) in places_of(job) {
                self.space.give(node, gpus);
            }
            if let Some(shares) = &mut self.shares {
                shares.give(job);
            }
            ended.push(job);
        }
        Some((at, ended))
    }

    /// Starts what the line starts until that time or its next end, if it has not changed since `changed`: what was
    /// submitted later starts as it is submitted, also when the pool learns only now that there was room. `runtime_of` is
    /// known for claims that the pool has finished.
    pub(crate) fn start(
        &mut self,
        changed: i64,
        until: i64,
        mut runtime_of: impl FnMut(Job) -> Option<i64>,
    ) -> Vec<AloneStart> {
        let mut started = Vec::new();
        while let Some((key, job, shape)) = self.next(self.next_end().map_or(until, |end| end.min(until))) {
            let at = changed.max(key.submitted_at);
            let Some(places) = self.space.find(shape) else { break };
            self.restore(job, &places);
            self.leave_line(shape, key, job);
            if let Some(runtime) = runtime_of(job) {
                self.will_end(job, at.saturating_add(runtime));
            }
            started.push(AloneStart { job, at, places });
        }
        started
    }

    fn next(&self, at: i64) -> Option<(Key, Job, Shape)> {
        let fits = |shape: Shape| self.space.fits(shape, 0);
        let (key, job, shape) = match (self.order, &self.shares) {
            (AloneOrder::Submission, None) => self.queue.first(|_| true),
            (AloneOrder::FirstFit, None) => self.queue.first(fits),
            (AloneOrder::Submission, Some(shares)) => shares.first_by_submission(),
            (AloneOrder::FirstFit, Some(shares)) => shares.first_that_fits(fits),
        }?;
        (key.submitted_at <= at && self.space.fits(shape, 0)).then_some((key, job, shape))
    }
}

const fn key(submitted_at: i64, name: NameOrder) -> Key {
    Key { class: 0, length: 0, submitted_at, name }
}

//! A member's line alone: what its claims would do if the member had only its guarantee, as nodes of its own.
//!
//! The pool promises that nobody is worse off than alone, so it has to know what "alone" would be, while it happens:
//! each member has such a line beside the pool. A claim that starts in it is *due*: from then on the pool may not let
//! it wait (HiveD, OSDI'20, promises cells; this promises the schedule itself). No run time has to be predicted: a
//! claim that ends alone has ended in the pool by then, or one notice later. A claim that the pool finished early goes
//! on occupying the line, as it would have alone.
//!
//! An end that becomes known late may have let others start earlier than the line had them start. Then the line goes
//! back and is made anew from [`Claim::line_memory`](crate::snapshot::Claim::line_memory) ago: what it says of times
//! longer ago than a notice is always what would have happened. Without that lateness would add up.

use std::collections::{BTreeMap, BTreeSet};

use super::alone_shares::AloneShares;
use super::places::Places;
use super::queue::{Job, Key, NameOrder, Queue};
use super::space::{Place, Shape, Space, WholeNodes};
use crate::clauses::LineOrder;
use crate::quota::PartyShares;
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
    /// Since when the member has these, or none.
    shares_since: i64,
    /// What runs, and what ended so recently that the line may have to go back before that.
    runs: BTreeMap<Job, AloneRun>,
    /// Known ends to come, by time.
    to_come: BTreeSet<(i64, Job)>,
    /// Ends that the line has passed, by time.
    passed: BTreeSet<(i64, Job)>,
    /// Last start or end.
    clock: i64,
    /// Something is known now that the line did not know when it passed that time.
    outdated: bool,
    /// Claims whose start may have changed.
    changed: Vec<Job>,
}

/// A claim's run alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AloneRun {
    pub(crate) since: i64,
    pub(crate) places: Places,
    pub(crate) shape: Shape,
    pub(crate) key: Key,
    pub(crate) end: Option<i64>,
    /// By the present rules it could not start, but it runs: the line does not go back on it.
    pub(crate) stays: bool,
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
            shares_since: i64::MIN,
            runs: BTreeMap::new(),
            to_come: BTreeSet::new(),
            passed: BTreeSet::new(),
            clock: i64::MIN,
            outdated: false,
            changed: Vec::new(),
        }
    }

    /// The same line with the ceilings inside the member.
    pub(crate) fn with_shares(self, inside: PartyShares) -> Self {
        Self { shares: inside.tree.and_then(AloneShares::new), shares_since: inside.since.0, ..self }
    }

    /// From when on the line may be made anew: not from before the rules inside the member are as they are, or a
    /// member that raises a ceiling would have been due before it did, and borrowers would have no notice.
    pub(crate) fn open_from(&self, now: i64, memory_from: i64) -> i64 {
        memory_from.max(self.shares_since.min(now))
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
        self.enqueue(shape, key(submitted_at, name), job);
        self.outdated |= submitted_at < self.clock;
    }

    /// Submits a claim of a snapshot to a line that has yet to begin; [`Self::sort`] comes after the last.
    pub(crate) fn restore_waiting(&mut self, shape: Shape, submitted_at: i64, name: NameOrder, job: Job) {
        let key = key(submitted_at, name);
        if let Some(shares) = &mut self.shares {
            shares.insert(shape, key.clone(), job);
        }
        self.queue.restore(shape, key, job);
    }

    /// Puts in order what was restored.
    pub(crate) fn sort(&mut self) {
        self.queue.sort();
    }

    fn enqueue(&mut self, shape: Shape, key: Key, job: Job) {
        if let Some(shares) = &mut self.shares {
            shares.insert(shape, key.clone(), job);
        }
        self.queue.insert(shape, key, job);
    }

    fn dequeue(&mut self, shape: Shape, key: Key, job: Job) {
        if let Some(shares) = &mut self.shares {
            shares.remove(shape, key.clone(), job);
        }
        self.queue.remove(shape, key, job);
    }

    /// A claim that is taken back counts as if it had never been.
    pub(crate) fn take_back(&mut self, shape: Shape, submitted_at: i64, name: NameOrder, job: Job) {
        self.dequeue(shape, key(submitted_at, name), job);
        self.drop_run(job);
        self.outdated = true;
    }

    /// A claim that runs alone ends at that time.
    pub(crate) fn will_end(&mut self, job: Job, at: i64) {
        if let Some(run) = self.runs.get_mut(&job) {
            run.end = Some(at);
            self.to_come.insert((at, job));
            self.outdated |= at <= self.clock;
        }
    }

    /// Puts a running claim where an earlier line had it; false, and nothing done, if there is no such room. What
    /// follows is made anew.
    pub(crate) fn restore(&mut self, job: Job, run: AloneRun) -> bool {
        let room = run.places.iter().all(|&(node, gpus)| self.space.has_free(node, gpus));
        if room {
            self.take(job, &run.places);
            self.to_come.extend(run.end.map(|end| (end, job)));
            self.runs.insert(job, run);
        }
        room
    }

    /// Claims of which an earlier line said something that may no longer be so.
    pub(crate) fn doubt(&mut self, jobs: impl IntoIterator<Item = Job>) {
        self.outdated = true;
        self.changed.extend(jobs);
    }

    pub(crate) fn run(&self, job: Job) -> Option<&AloneRun> {
        self.runs.get(&job)
    }

    /// Next time at which something happens by itself.
    pub(crate) fn next_end(&self) -> Option<i64> {
        self.to_come.first().map(|(at, _)| *at)
    }

    pub(crate) fn has_to_go_on(&self, now: i64) -> bool {
        self.outdated || self.next_end().is_some_and(|at| at <= now)
    }

    /// Lets the line go on until now, going back to `memory_from` if need be. Returns the claims whose start may have
    /// changed, and those of which nothing matters any more. `runtime_of` is known for claims that the pool finished.
    pub(crate) fn go_on(
        &mut self,
        now: i64,
        memory_from: i64,
        mut runtime_of: impl FnMut(Job) -> Option<i64>,
    ) -> (Vec<Job>, Vec<Job>) {
        let mut held = Vec::new();
        if std::mem::take(&mut self.outdated) {
            let open_from = self.open_from(now, memory_from);
            self.go_back(open_from);
            held = self.startable_before(open_from);
        }
        self.go_on_without(&held, now, &mut runtime_of);
        if !held.is_empty() {
            self.clock = now;
            self.go_on_without(&[], now, &mut runtime_of);
        }
        let forgotten = self.forget_before(memory_from);
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        (changed, forgotten)
    }

    /// Undoes everything from that time on.
    fn go_back(&mut self, to: i64) {
        let undone: Vec<Job> =
            self.runs.iter().filter(|(_, run)| run.since >= to && !run.stays).map(|(job, _)| *job).collect();
        for job in undone {
            if let Some(run) = self.drop_run(job) {
                self.enqueue(run.shape, run.key, job);
                self.changed.push(job);
            }
        }
        for (at, job) in self.passed.split_off(&(to, Job::MIN)) {
            let places = self.runs[&job].places.clone();
            self.take(job, &places);
            self.to_come.insert((at, job));
        }
        self.clock = to;
    }

    /// Shapes of claims that could have started by then, had it been so: a claim before them was taken back or the
    /// guarantee was raised meanwhile. They start now, lest borrowers have no notice.
    fn startable_before(&self, time: i64) -> Vec<Shape> {
        let (mut seen, mut held) = (Vec::new(), Vec::new());
        while let Some((key, job, shape)) = self.next_start(&seen)
            && key.submitted_at < time
        {
            seen.push(shape);
            if !self.changed.contains(&job) {
                held.push(shape);
            }
            if self.order == AloneOrder::Submission {
                break;
            }
        }
        held
    }

    fn go_on_without(&mut self, held: &[Shape], now: i64, runtime_of: &mut impl FnMut(Job) -> Option<i64>) {
        loop {
            let start = self.next_start(held);
            let start_at = start.as_ref().map(|(key, ..)| key.submitted_at.max(self.clock));
            if let Some(&(at, job)) = self.to_come.first()
                && at <= now
                && start_at.is_none_or(|start_at| at <= start_at)
            {
                self.pass_end(at, job);
            } else if let Some(((key, job, shape), at)) = start.zip(start_at)
                && at <= now
                && let Some(places) = self.space.find(shape)
            {
                self.take(job, &places);
                self.dequeue(shape, key.clone(), job);
                let end = runtime_of(job).map(|runtime| at.saturating_add(runtime));
                self.to_come.extend(end.map(|end| (end, job)));
                self.runs.insert(job, AloneRun { since: at, places, shape, key, end, stays: false });
                self.changed.push(job);
                self.clock = at;
            } else {
                return;
            }
        }
    }

    fn next_start(&self, held: &[Shape]) -> Option<(Key, Job, Shape)> {
        let could = |shape: Shape| self.space.fits(shape, 0) && !held.contains(&shape);
        match (self.order, &self.shares) {
            (AloneOrder::Submission, None) => self.queue.first(|_| true).filter(|(.., shape)| could(*shape)),
            (AloneOrder::FirstFit, None) => self.queue.first(could),
            (AloneOrder::Submission, Some(shares)) => {
                shares.first_by_submission().filter(|(.., shape)| could(*shape))
            }
            (AloneOrder::FirstFit, Some(shares)) => shares.first_that_fits(could),
        }
    }

    fn pass_end(&mut self, at: i64, job: Job) {
        self.to_come.remove(&(at, job));
        self.passed.insert((at, job));
        self.give(job);
        self.clock = self.clock.max(at);
    }

    fn forget_before(&mut self, time: i64) -> Vec<Job> {
        let kept = self.passed.split_off(&(time, Job::MIN));
        let forgotten: Vec<Job> =
            std::mem::replace(&mut self.passed, kept).into_iter().map(|(_, job)| job).collect();
        for job in &forgotten {
            self.runs.remove(job);
        }
        forgotten
    }

    fn drop_run(&mut self, job: Job) -> Option<AloneRun> {
        let end = self.runs.get(&job)?.end.map(|end| (end, job));
        if !end.is_some_and(|end| self.passed.remove(&end)) {
            self.give(job);
        }
        if let Some(end) = end {
            self.to_come.remove(&end);
        }
        self.runs.remove(&job)
    }

    fn take(&mut self, job: Job, places: &[Place]) {
        if let Some(shares) = &mut self.shares {
            shares.take(job, places.iter().map(|(_, gpus)| gpus).sum());
        }
        for &(node, gpus) in places {
            self.space.take(node, gpus);
        }
    }

    fn give(&mut self, job: Job) {
        let Some(run) = self.runs.get(&job) else { return };
        if let Some(shares) = &mut self.shares {
            shares.give(job);
        }
        for &(node, gpus) in &run.places {
            self.space.give(node, gpus);
        }
    }
}

pub(crate) const fn key(submitted_at: i64, name: NameOrder) -> Key {
    Key { class: 0, length: 0, submitted_at, name }
}

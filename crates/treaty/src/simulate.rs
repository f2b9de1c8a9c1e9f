//! The engine on a virtual clock: what a trace would have seen under a treaty.
//!
//! [`Replay::next_instant`] moves the clock to the next instant and tells the engine what happened there;
//! [`Replay::decide`] lets the engine decide and makes it true. They are apart so that a caller can measure decisions.
//! A stopped claim loses its work and starts from nothing. Each class of GPUs is a pool with an engine of its own; where
//! the treaty lets the past count, the books ([`crate::books`]) go along with the clock.
//!
//! What came of it is a [`Trial`], the same for a treaty and for the policies of [`crate::baseline`]; [`report`] makes
//! figures for people of it, and [`floor`] checks the guarantees from the starts and ends alone.

mod course;
pub mod floor;
mod observe;
mod past;
pub mod pools;
pub mod report;
mod setting;
mod tiers;

pub use setting::{Ask, Setting};

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use course::Course;
use past::Past;

use crate::clauses::ClassId;
use crate::engine::{Action, Engine, JobSpec, NodeWindow, Rules};
use crate::snapshot::{Basis, Gang};
use crate::terms::Terms;
use crate::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};

/// GPUs on one node, by the node's index.
pub type NodeGpus = (u32, Gpus);

/// One job of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceJob {
    /// Name.
    pub id: ClaimId,
    /// Member.
    pub member: MemberId,
    /// Shape.
    pub gang: Gang,
    /// GPU class, where the treaty has several.
    pub class: Option<ClassId>,
    /// Arrival.
    pub submitted_at: TimestampMillis,
    /// Run time without interruption.
    pub runtime: DurationMillis,
}

/// GPUs on each of so many different nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeShape {
    pub(crate) gpus: Gpus,
    pub(crate) nodes: u32,
}

impl NodeShape {
    pub(crate) const fn total(self) -> Gpus {
        self.gpus.saturating_mul(self.nodes)
    }
}

impl TraceJob {
    /// What it asks of nodes of `cell` GPUs; `None` if it fits neither one of them nor whole ones.
    pub(crate) fn shape(&self, cell: Gpus) -> Option<NodeShape> {
        match self.gang.whole_nodes(cell).ok()? {
            None => Some(NodeShape { gpus: self.gang.gpus(), nodes: 1 }),
            Some(nodes) => Some(NodeShape { gpus: cell, nodes }),
        }
    }
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// End; `None` if it could never start.
    pub finished_at: Option<TimestampMillis>,
    /// How often it was stopped and put back.
    pub reclaims: u32,
    /// GPU-milliseconds of runs that were stopped.
    pub lost_gpu_millis: u64,
    /// Started at least once on borrowed GPUs.
    pub borrowed: bool,
}

/// A stretch of time in which a job held GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Index of the job in the trace.
    pub job: u32,
    /// Start.
    pub started_at: TimestampMillis,
    /// End.
    pub ended_at: TimestampMillis,
    /// GPUs held, by node.
    pub places: Vec<NodeGpus>,
    /// False: stopped, its work is lost.
    pub completed: bool,
}

impl Run {
    /// GPUs held.
    #[must_use]
    pub fn gpus(&self) -> Gpus {
        self.places.iter().map(|(_, gpus)| gpus).sum()
    }
}

/// What a policy made of a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trial {
    /// Every stretch in which a job held GPUs, in the order of their ends.
    pub runs: Vec<Run>,
    /// By job.
    pub outcomes: Vec<Outcome>,
}

impl Trial {
    pub(crate) fn new(jobs: usize) -> Self {
        Self { runs: Vec::with_capacity(jobs), outcomes: vec![Outcome::default(); jobs] }
    }

    pub(crate) fn record(&mut self, run: Run) {
        let outcome = &mut self.outcomes[run.job as usize];
        if run.completed {
            outcome.finished_at = Some(run.ended_at);
        } else {
            let gpus = u64::from(run.gpus());
            let ran = run.ended_at.since(run.started_at).0.unsigned_abs();
            outcome.reclaims += 1;
            outcome.lost_gpu_millis += ran.saturating_mul(gpus);
        }
        self.runs.push(run);
    }
}

/// One pool of a replay: a class of GPUs, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedPool {
    /// The class; `None` when the treaty has no classes.
    pub class: Option<ClassId>,
    /// Rules.
    pub rules: Rules,
    /// GPUs of each node.
    pub capacities: Vec<Gpus>,
}

/// A replay under way.
#[derive(Debug)]
pub struct Replay<'a> {
    pools: Vec<Pool>,
    jobs: &'a [TraceJob],
    /// By job: its pool and its number there, once it has arrived.
    whereabouts: Vec<Option<(usize, u32)>>,
    now: TimestampMillis,
    arrived: usize,
    /// Ends to come, with the run that they belong to.
    ends: BinaryHeap<Reverse<(TimestampMillis, u32, u32)>>,
    /// By job: how many runs were begun or ended, so that the end of a stopped run is not taken for the next one's;
    /// and since when it runs.
    attempts: Vec<(u32, Option<TimestampMillis>)>,
    past: Option<Past>,
    /// What holds, where it is more than rules that stay.
    course: Option<Course<'a>>,
    trial: Trial,
    /// Complete runs.
    complete: usize,
    notices: u64,
    withdrawals: u64,
    /// What the jobs' owners state as run times; empty: the real ones.
    stated: &'a [Option<DurationMillis>],
}

#[derive(Debug)]
struct Pool {
    class: Option<ClassId>,
    engine: Engine,
    /// Number of the first node among those of all pools.
    first_node: u32,
    /// Jobs by their number in the engine.
    jobs: Vec<u32>,
    /// GPUs held, by party.
    held: Vec<Gpus>,
}

impl<'a> Replay<'a> {
    /// Jobs sorted by arrival, on one idle pool, where the past counts for nothing.
    #[must_use]
    pub fn new(rules: Rules, capacities: &[Gpus], jobs: &'a [TraceJob]) -> Self {
        Self::of_pools(vec![SimulatedPool { class: None, rules, capacities: capacities.to_vec() }], jobs)
    }

    /// Jobs sorted by arrival, on an idle pool for each class, where the past counts for nothing. A job of a class
    /// without pool never starts.
    #[must_use]
    pub fn of_pools(pools: Vec<SimulatedPool>, jobs: &'a [TraceJob]) -> Self {
        let engine = |pool: SimulatedPool| {
            (pool.class, pool.rules.members.len(), Engine::new(pool.rules, &pool.capacities))
        };
        Self::of_engines(pools.into_iter().map(engine), jobs)
    }

    /// By pool: class, number of parties, engine.
    fn of_engines(
        pools: impl IntoIterator<Item = (Option<ClassId>, usize, Engine)>,
        jobs: &'a [TraceJob],
    ) -> Self {
        let mut first_node = 0;
        let mut pool = |(class, parties, engine): (Option<ClassId>, usize, Engine)| {
            let first = first_node;
            first_node += u32::try_from(engine.node_count()).unwrap_or(u32::MAX);
            Pool { class, engine, first_node: first, jobs: Vec::new(), held: vec![0; parties] }
        };
        Self {
            pools: pools.into_iter().map(&mut pool).collect(),
            jobs,
            whereabouts: vec![None; jobs.len()],
            now: TimestampMillis(i64::MIN),
            arrived: 0,
            ends: BinaryHeap::new(),
            attempts: vec![(0, None); jobs.len()],
            past: None,
            course: None,
            trial: Trial::new(jobs.len()),
            complete: 0,
            notices: 0,
            withdrawals: 0,
            stated: &[],
        }
    }

    /// Keeps books where the treaty lets the past count. `terms` are those of the pools, in their order; second 0 of the
    /// trace happens at `begin`, so that budgets' periods have a meaning.
    #[must_use]
    pub fn with_past(self, terms: Terms, begin: TimestampMillis) -> Self {
        Self { past: Past::under(terms, begin), ..self }
    }

    /// With these windows, by pool, in the time of the trace.
    #[must_use]
    pub fn with_windows(mut self, by_pool: Vec<Vec<NodeWindow>>) -> Self {
        for (pool, windows) in self.pools.iter_mut().zip(by_pool) {
            pool.engine.set_windows(windows);
        }
        self
    }

    /// Moves to the next instant at which something happens and tells the engines; `None` at the end.
    pub fn next_instant(&mut self) -> Option<TimestampMillis> {
        let now = self.peek()?;
        self.now = now.max(self.now);
        self.keep_books();
        while let Some(&Reverse((at, job, run))) = self.ends.peek() {
            if at > self.now {
                break;
            }
            self.ends.pop();
            if self.attempts[job as usize].0 == run {
                self.end_run(job, at, true);
                if let Some((pool, number)) = self.whereabouts[job as usize] {
                    self.pools[pool].engine.finish(number, at);
                }
            }
        }
        while self.jobs.get(self.arrived).is_some_and(|j| j.submitted_at <= self.now) {
            self.arrive(self.arrived);
            self.arrived += 1;
        }
        self.pass_stage();
        Some(self.now)
    }

    fn arrive(&mut self, index: usize) {
        let job = &self.jobs[index];
        let several = self.pools.len() > 1;
        let Some(at) = self.pools.iter().position(|pool| !several || pool.class == job.class) else { return };
        let plain = JobSpec {
            expected_runtime: self.stated.get(index).map_or(Some(job.runtime), |stated| *stated),
            ..JobSpec::new(job.id.clone(), job.member, job.gang, job.submitted_at)
        };
        let Some(spec) = self.asked(index, at, plain) else { return };
        let number = self.pools[at].engine.submit(spec);
        self.pools[at].jobs.push(u32::try_from(index).unwrap_or(u32::MAX));
        self.whereabouts[index] = Some((at, number));
    }

    /// One decision in each pool and its effect; true when there may be more to decide at this instant.
    pub fn decide(&mut self) -> bool {
        let mut again = false;
        for pool in 0..self.pools.len() {
            for action in self.pools[pool].engine.settle(self.now) {
                self.carry_out(pool, &action);
                again = true;
            }
        }
        self.note_decision(again);
        again
    }

    fn carry_out(&mut self, pool: usize, action: &Action) {
        match action {
            Action::Start { job, basis } => self.start(pool, *job, *basis),
            Action::Stop { job, .. } => {
                self.end_run(self.pools[pool].jobs[*job as usize], self.now, false);
                self.pools[pool].engine.released(*job);
            }
            Action::Notice { .. } => self.notices += 1,
            Action::Withdraw { .. } => self.withdrawals += 1,
            Action::Reserve { .. } | Action::Unreserve { .. } => {}
            Action::Rebook { .. } | Action::Forgotten { .. } => {}
            Action::Due { .. } | Action::NoLongerDue { .. } => {}
        }
    }

    fn start(&mut self, pool: usize, number: u32, basis: Basis) {
        let job = self.pools[pool].jobs[number as usize];
        let traced = &self.jobs[job as usize];
        let run = &mut self.attempts[job as usize];
        *run = (run.0 + 1, Some(self.now));
        self.ends.push(Reverse((self.now.after(traced.runtime), job, run.0)));
        self.pools[pool].held[traced.member.index()] += traced.gang.gpus();
        self.note_use(job, self.now, |held| held.saturating_add(traced.gang.gpus()));
        self.trial.outcomes[job as usize].borrowed |= basis == Basis::Borrowed;
    }

    fn end_run(&mut self, job: u32, ended_at: TimestampMillis, completed: bool) {
        let (count, since) = self.attempts[job as usize];
        self.attempts[job as usize] = (count + 1, None);
        let Some((pool, number)) = self.whereabouts[job as usize] else { return };
        let traced = &self.jobs[job as usize];
        self.note_use(job, ended_at, |held| held.saturating_sub(traced.gang.gpus()));
        let pool = &mut self.pools[pool];
        let held = &mut pool.held[traced.member.index()];
        *held = held.saturating_sub(traced.gang.gpus());
        let place = |&(node, gpus): &NodeGpus| (node + pool.first_node, gpus);
        let places = pool.engine.places(number).iter().map(place).collect();
        self.complete += usize::from(completed);
        self.trial.record(Run { job, started_at: since.unwrap_or(ended_at), ended_at, places, completed });
    }

    fn note_use(&mut self, job: u32, now: TimestampMillis, change: impl Fn(Gpus) -> Gpus) {
        let Some(project) = self.project_of(job) else { return };
        if let Some(course) = &mut self.course {
            course.tiers.change(project, now, change);
        }
    }

    /// Due claims for which there is no place now whoever leaves: what is due to others lies across all nodes.
    #[must_use]
    pub fn due_without_place(&self) -> usize {
        self.pools.iter().map(|pool| pool.engine.due_without_place()).sum()
    }

    /// What came of it so far; nodes are numbered through, pool after pool.
    #[must_use]
    pub const fn trial(&self) -> &Trial {
        &self.trial
    }

    /// What came of it.
    #[must_use]
    pub fn into_trial(self) -> Trial {
        self.trial
    }

    /// Jobs that have arrived so far.
    #[must_use]
    pub const fn arrived(&self) -> usize {
        self.arrived
    }

    /// Notices given so far, and notices taken back before their deadline.
    #[must_use]
    pub const fn notices(&self) -> (u64, u64) {
        (self.notices, self.withdrawals)
    }
}

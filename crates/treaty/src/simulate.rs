//! The engine on a virtual clock: what a trace would have seen under a treaty.
//!
//! [`Replay::next_instant`] moves the clock to the next instant and tells the engine what happened there;
//! [`Replay::decide`] lets the engine decide and makes it true. They are apart so that a caller can measure decisions.
//! A stopped claim loses its work and starts from nothing.
//!
//! What came of it is a [`Trial`], the same for a treaty and for the policies of [`crate::baseline`]; [`report`] makes
//! figures for people of it, and [`floor`] checks the guarantees from the starts and ends alone.

pub mod floor;
pub mod report;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::{Action, Engine, JobSpec, Rules};
use crate::snapshot::{Basis, Gang};
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

/// A replay under way.
#[derive(Debug)]
pub struct Replay<'a> {
    engine: Engine,
    jobs: &'a [TraceJob],
    now: TimestampMillis,
    arrived: usize,
    /// Ends to come, with the run that they belong to.
    ends: BinaryHeap<Reverse<(TimestampMillis, u32, u32)>>,
    /// By job: how many runs were begun or ended, so that the end of a stopped run is not taken for the next one's;
    /// and since when it runs.
    attempts: Vec<(u32, Option<TimestampMillis>)>,
    trial: Trial,
    notices: u64,
    withdrawals: u64,
}

impl<'a> Replay<'a> {
    /// Jobs sorted by arrival, on an idle pool.
    #[must_use]
    pub fn new(rules: Rules, capacities: &[Gpus], jobs: &'a [TraceJob]) -> Self {
        Self {
            engine: Engine::new(rules, capacities),
            jobs,
            now: TimestampMillis(i64::MIN),
            arrived: 0,
            ends: BinaryHeap::new(),
            attempts: vec![(0, None); jobs.len()],
            trial: Trial::new(jobs.len()),
            notices: 0,
            withdrawals: 0,
        }
    }

    /// Moves to the next instant at which something happens and tells the engine; `None` at the end.
    pub fn next_instant(&mut self) -> Option<TimestampMillis> {
        let arrival = self.jobs.get(self.arrived).map(|j| j.submitted_at);
        while self.ends.peek().is_some_and(|Reverse((_, job, run))| self.attempts[*job as usize].0 != *run) {
            self.ends.pop();
        }
        let end = self.ends.peek().map(|Reverse((at, ..))| *at);
        let now = [arrival, end, self.engine.next_alarm()].into_iter().flatten().min()?;
        self.now = now.max(self.now);
        while let Some(&Reverse((at, job, run))) = self.ends.peek() {
            if at > self.now {
                break;
            }
            self.ends.pop();
            if self.attempts[job as usize].0 == run {
                self.end_run(job, at, true);
                self.engine.finish(job, at);
            }
        }
        while let Some(job) = self.jobs.get(self.arrived).filter(|j| j.submitted_at <= self.now) {
            self.engine.submit(JobSpec {
                id: job.id.clone(),
                member: job.member,
                gang: job.gang,
                submitted_at: job.submitted_at,
                expected_runtime: Some(job.runtime),
            });
            self.arrived += 1;
        }
        Some(self.now)
    }

    /// One decision and its effect; true when there may be more to decide at this instant.
    pub fn decide(&mut self) -> bool {
        let actions = self.engine.settle(self.now);
        for action in &actions {
            match action {
                Action::Start { job, basis } => {
                    let run = &mut self.attempts[*job as usize];
                    *run = (run.0 + 1, Some(self.now));
                    let end = self.now.after(self.jobs[*job as usize].runtime);
                    self.ends.push(Reverse((end, *job, run.0)));
                    self.trial.outcomes[*job as usize].borrowed |= *basis == Basis::Borrowed;
                }
                Action::Stop { job, .. } => {
                    self.stop(*job);
                }
                Action::Notice { .. } => self.notices += 1,
                Action::Withdraw { .. } => self.withdrawals += 1,
                Action::Reserve { .. } | Action::Unreserve { .. } => {}
                Action::Rebook { .. } | Action::Forgotten { .. } => {}
                Action::Due { .. } | Action::NoLongerDue { .. } => {}
            }
        }
        !actions.is_empty()
    }

    fn stop(&mut self, job: u32) {
        self.end_run(job, self.now, false);
        self.engine.released(job);
    }

    fn end_run(&mut self, job: u32, ended_at: TimestampMillis, completed: bool) {
        let (count, since) = self.attempts[job as usize];
        self.attempts[job as usize] = (count + 1, None);
        let places = self.engine.places(job).to_vec();
        self.trial.record(Run { job, started_at: since.unwrap_or(ended_at), ended_at, places, completed });
    }

    /// The engine as it stands.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Outcomes so far, in the order of the jobs.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.trial.outcomes
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

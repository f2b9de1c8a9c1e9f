//! The engine on a virtual clock: what a trace would have seen under a treaty.
//!
//! [`Replay::next_instant`] moves the clock to the next instant and tells the engine what happened there;
//! [`Replay::decide`] lets the engine decide and makes it true. They are apart so that a caller can measure decisions.
//! A stopped claim loses its work and starts from nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::{Action, Engine, JobSpec, Rules};
use crate::snapshot::{Basis, Gang};
use crate::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};

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

/// A replay under way.
#[derive(Debug)]
pub struct Replay<'a> {
    engine: Engine,
    jobs: &'a [TraceJob],
    now: TimestampMillis,
    arrived: usize,
    /// Ends to come, with the run that they belong to.
    ends: BinaryHeap<Reverse<(TimestampMillis, u32, u32)>>,
    /// By job: which run it is in, and since when.
    runs: Vec<(u32, Option<TimestampMillis>)>,
    outcomes: Vec<Outcome>,
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
            runs: vec![(0, None); jobs.len()],
            outcomes: vec![Outcome::default(); jobs.len()],
            notices: 0,
            withdrawals: 0,
        }
    }

    /// Moves to the next instant at which something happens and tells the engine; `None` at the end.
    pub fn next_instant(&mut self) -> Option<TimestampMillis> {
        let arrival = self.jobs.get(self.arrived).map(|j| j.submitted_at);
        while self.ends.peek().is_some_and(|Reverse((_, job, run))| self.runs[*job as usize].0 != *run) {
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
            if self.runs[job as usize].0 == run {
                self.outcomes[job as usize].finished_at = Some(at);
                self.runs[job as usize] = (run + 1, None);
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
        let mut again = false;
        for action in &actions {
            match action {
                Action::Start { job, basis } => {
                    let run = &mut self.runs[*job as usize];
                    *run = (run.0 + 1, Some(self.now));
                    let end = self.now.after(self.jobs[*job as usize].runtime);
                    self.ends.push(Reverse((end, *job, run.0)));
                    self.outcomes[*job as usize].borrowed |= *basis == Basis::Borrowed;
                }
                Action::Stop { job, .. } => {
                    self.stop(*job);
                    again = true;
                }
                Action::Notice { .. } => self.notices += 1,
                Action::Withdraw { .. } => self.withdrawals += 1,
                Action::Reserve { .. } | Action::Unreserve { .. } => {}
                Action::Rebook { .. } | Action::Due { .. } | Action::Forgotten { .. } => {}
            }
        }
        again
    }

    fn stop(&mut self, job: u32) {
        let (run, since) = self.runs[job as usize];
        let ran = since.map_or(0, |since| self.now.since(since).0).unsigned_abs();
        let outcome = &mut self.outcomes[job as usize];
        outcome.reclaims += 1;
        outcome.lost_gpu_millis += ran.saturating_mul(u64::from(self.jobs[job as usize].gang.gpus()));
        self.runs[job as usize] = (run + 1, None);
        self.engine.released(job);
    }

    /// The engine as it stands.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Outcomes so far, in the order of the jobs.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// Notices given so far, and notices taken back before their deadline.
    #[must_use]
    pub const fn notices(&self) -> (u64, u64) {
        (self.notices, self.withdrawals)
    }
}

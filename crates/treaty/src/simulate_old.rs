//! The same engine on a virtual clock: what a trace would have seen under a treaty.
//!
//! [`replay_partitioned`] is the world without sharing: every member alone on nodes of its own, with the same engine,
//! so that the difference is the sharing and nothing else. A stopped claim loses its work and starts from nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::check::{CheckedPlan, Violation};
use crate::decide::decide;
use crate::snapshot::{Basis, Claim, ClaimState, Gang, Holding, Node, Phase, Snapshot};
use crate::treaty::Treaty;
use crate::units::{ClaimId, DurationMillis, Gpus, MemberId, NodeName, TimestampMillis};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// End; `None` if it could never start.
    pub finished_at: Option<TimestampMillis>,
    /// How often it was stopped and put back.
    pub reclaims: u32,
    /// Started at least once on borrowed GPUs.
    pub borrowed: bool,
}

/// Result of a replay; outcomes in the order of the jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// By job.
    pub outcomes: Vec<Outcome>,
    /// GPU-milliseconds of runs that ended well.
    pub useful_gpu_millis: u64,
    /// GPU-milliseconds of runs that were stopped.
    pub lost_gpu_millis: u64,
    /// Calls of the engine.
    pub decisions: u64,
    /// Notices given to borrowers.
    pub notices: u64,
    /// Notices taken back before their deadline.
    pub withdrawals: u64,
}

impl Replay {
    /// Time that the job was not usefully running: end minus arrival minus run time.
    #[must_use]
    pub fn wait(&self, jobs: &[TraceJob], index: usize) -> Option<DurationMillis> {
        let (job, end) = (&jobs[index], self.outcomes[index].finished_at?);
        Some(DurationMillis(end.since(job.submitted_at).0 - job.runtime.0))
    }
}

/// Replays the jobs (sorted by arrival) on the nodes.
///
/// # Errors
/// The violations of the first plan that [`crate::check`] refuses; this would be a defect of the engine.
pub fn replay(treaty: &Treaty, nodes: &[Node], jobs: &[TraceJob]) -> Result<Replay, Vec<Violation>> {
    Simulation::new(treaty, nodes, jobs).run()
}

/// Replays every member alone on as many nodes of `gpus_per_node` as its guarantee is worth.
///
/// # Errors
/// As [`replay`].
pub fn replay_partitioned(
    treaty: &Treaty,
    gpus_per_node: Gpus,
    jobs: &[TraceJob],
) -> Result<Replay, Vec<Violation>> {
    let outcome = Outcome { finished_at: None, reclaims: 0, borrowed: false };
    let mut all = Replay {
        outcomes: vec![outcome; jobs.len()],
        useful_gpu_millis: 0,
        lost_gpu_millis: 0,
        decisions: 0,
        notices: 0,
        withdrawals: 0,
    };
    for id in treaty.member_ids() {
        let count = treaty.member(id).guarantee / gpus_per_node.max(1);
        let node = |n: Gpus| Node {
            name: NodeName::from(format!("{n:06}").as_str()),
            gpus: gpus_per_node,
            schedulable: true,
        };
        let nodes: Vec<Node> = (0..count).map(node).collect();
        let own: Vec<usize> = (0..jobs.len()).filter(|&i| jobs[i].member == id).collect();
        let mine: Vec<TraceJob> =
            own.iter().map(|&i| TraceJob { member: MemberId(0), ..jobs[i].clone() }).collect();
        let Replay { outcomes, useful_gpu_millis, lost_gpu_millis, decisions, notices, withdrawals } =
            replay(&treaty.alone(id), &nodes, &mine)?;
        for (index, outcome) in own.into_iter().zip(outcomes) {
            all.outcomes[index] = outcome;
        }
        all.useful_gpu_millis += useful_gpu_millis;
        all.lost_gpu_millis += lost_gpu_millis;
        all.decisions += decisions;
        all.notices += notices;
        all.withdrawals += withdrawals;
    }
    Ok(all)
}

struct Simulation<'a> {
    treaty: &'a Treaty,
    jobs: &'a [TraceJob],
    snapshot: Snapshot,
    /// By position in `snapshot.claims`: which job.
    job_of: Vec<usize>,
    /// Ends and deadlines to come, earliest first.
    alarms: BinaryHeap<Reverse<(TimestampMillis, usize)>>,
    result: Replay,
}

impl<'a> Simulation<'a> {
    fn new(treaty: &'a Treaty, nodes: &[Node], jobs: &'a [TraceJob]) -> Self {
        let outcome = Outcome { finished_at: None, reclaims: 0, borrowed: false };
        let outcomes = vec![outcome; jobs.len()];
        let result = Replay {
            outcomes,
            useful_gpu_millis: 0,
            lost_gpu_millis: 0,
            decisions: 0,
            notices: 0,
            withdrawals: 0,
        };
        let snapshot = Snapshot::new(nodes.to_vec(), Vec::new());
        Self { treaty, jobs, snapshot, job_of: Vec::new(), alarms: BinaryHeap::new(), result }
    }

    fn run(mut self) -> Result<Replay, Vec<Violation>> {
        let mut arrived = 0;
        loop {
            let arrival = self.jobs.get(arrived).map(|j| j.submitted_at);
            let alarm = self.alarms.peek().map(|Reverse((at, _))| *at);
            let Some(now) = [arrival, alarm].into_iter().flatten().min() else { break };
            while self.alarms.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                self.alarms.pop();
            }
            self.finish_due(now);
            while self.jobs.get(arrived).is_some_and(|j| j.submitted_at <= now) {
                self.arrive(arrived);
                arrived += 1;
            }
            // A stop frees its nodes at once and a start may unblock a line: decide again until nothing changes.
            while self.step(now)? {}
        }
        Ok(self.result)
    }

    fn arrive(&mut self, index: usize) {
        let job = &self.jobs[index];
        let claim = Claim {
            id: job.id.clone(),
            member: job.member,
            gang: job.gang,
            submitted_at: job.submitted_at,
            state: ClaimState::Waiting { put_back: false },
        };
        let position = self.snapshot.claims.partition_point(|c| c.id < claim.id);
        self.snapshot.claims.insert(position, claim);
        self.job_of.insert(position, index);
    }

    fn finish_due(&mut self, now: TimestampMillis) {
        for position in (0..self.snapshot.claims.len()).rev() {
            let job = self.job_of[position];
            let Some(holding) = self.snapshot.claims[position].holding() else { continue };
            let end = holding.since.after(self.jobs[job].runtime);
            if end <= now {
                self.result.useful_gpu_millis += holding.work_at(end);
                self.result.outcomes[job].finished_at = Some(end);
                self.snapshot.claims.remove(position);
                self.job_of.remove(position);
            }
        }
    }

    /// One decision and its effect; true when something changed.
    fn step(&mut self, now: TimestampMillis) -> Result<bool, Vec<Violation>> {
        let plan = decide(self.treaty, &self.snapshot, now);
        let plan = CheckedPlan::new(self.treaty, &self.snapshot, now, plan)?;
        let plan = plan.plan();
        self.result.decisions += 1;
        self.result.notices += plan.notices.len() as u64;
        self.result.withdrawals += plan.withdrawals.len() as u64;
        for admission in &plan.admissions {
            let Some((position, job)) = self.find(&admission.claim) else { continue };
            self.result.outcomes[job].borrowed |= admission.basis == Basis::Borrowed;
            self.alarms.push(Reverse((now.after(self.jobs[job].runtime), job)));
            let (slots, basis) = (admission.slots.clone(), admission.basis);
            self.snapshot.claims[position].state = ClaimState::Holding(Holding {
                slots,
                basis,
                since: now,
                phase: Phase::Running,
                promised_to: None,
            });
        }
        for notice in &plan.notices {
            if let Some((_, job)) = self.find(&notice.claim) {
                self.alarms.push(Reverse((notice.deadline, job)));
            }
            self.set_phase(
                &notice.claim,
                Phase::Noticed { deadline: notice.deadline },
                notice.promised_to().cloned(),
            );
        }
        for id in &plan.withdrawals {
            self.set_phase(id, Phase::Running, None);
        }
        for change in &plan.basis_changes {
            if let Some((position, _)) = self.find(&change.claim)
                && let ClaimState::Holding(h) = &mut self.snapshot.claims[position].state
            {
                h.basis = change.to;
            }
        }
        for stop in &plan.stops {
            let Some((position, job)) = self.find(&stop.claim) else { continue };
            let work = self.snapshot.claims[position].holding().map_or(0, |h| h.work_at(now));
            self.result.lost_gpu_millis += work;
            self.result.outcomes[job].reclaims += 1;
            self.snapshot.claims[position].state = ClaimState::Waiting { put_back: stop.to_front };
        }
        Ok(!plan.is_quiet())
    }

    fn find(&self, id: &ClaimId) -> Option<(usize, usize)> {
        let position = self.snapshot.claims.binary_search_by(|c| c.id.cmp(id)).ok()?;
        Some((position, self.job_of[position]))
    }

    fn set_phase(&mut self, id: &ClaimId, phase: Phase, promised_to: Option<ClaimId>) {
        if let Some((position, _)) = self.find(id)
            && let ClaimState::Holding(h) = &mut self.snapshot.claims[position].state
        {
            h.phase = phase;
            h.promised_to = promised_to;
        }
    }
}

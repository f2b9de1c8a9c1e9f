//! An engine from what a caller observed: every claim as the last decision left it.

use super::alone::{self, AloneRun};
use super::job::{JobSpec, JobState, Record};
use super::queue::Job;
use super::space::Place;
use super::{Engine, Rules};
use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Claim, ClaimState, Holding, Phase, Slot, Snapshot};
use crate::units::{Gpus, TimestampMillis};

impl Engine {
    /// The engine of a snapshot; claims have the snapshot's positions as indices.
    #[must_use]
    pub fn restore(rules: Rules, snapshot: &Snapshot, now: TimestampMillis) -> Self {
        let capacities: Vec<Gpus> = snapshot.nodes.iter().map(|n| n.gpus).collect();
        let mut engine = Self::new(rules, &capacities);
        engine.now = now.0;
        for (node, observed) in (0..).zip(&snapshot.nodes) {
            if !observed.schedulable {
                engine.space.close(node);
            }
        }
        for claim in &snapshot.claims {
            engine.jobs.push(Record::new(spec(claim), engine.space.cell()));
        }
        // Where the line has become too short for all, those who have been due longest stay.
        let mut by_due: Vec<(Job, &Claim)> = (0..).zip(&snapshot.claims).collect();
        by_due.sort_by_key(|(_, c)| (c.due.is_none(), c.due.as_ref().map(|d| d.since), c.submitted_at));
        let memory_from = now.0.saturating_sub(Claim::line_memory(engine.rules.notice).0);
        for member in &mut engine.members {
            member.alone.doubt([]);
        }
        for (job, claim) in by_due {
            engine.restore_alone(job, claim, memory_from);
        }
        for (job, claim) in (0..).zip(&snapshot.claims) {
            if let ClaimState::Holding(holding) = &claim.state {
                engine.restore_holding(snapshot, job, holding);
            }
        }
        for (job, claim) in (0..).zip(&snapshot.claims) {
            engine.restore_waiting(snapshot, job, claim);
        }
        engine
    }

    /// The line as it was at `memory_from`; it goes on from there when the engine settles.
    fn restore_alone(&mut self, job: Job, claim: &Claim, memory_from: i64) {
        let guarantee = self.rules.members[claim.member.index()].guarantee;
        let record = &mut self.jobs[job as usize];
        let Some(shape) = record.shape else { return };
        let line = &mut self.members[claim.member.index()].alone;
        let runtime = match claim.state {
            ClaimState::Finished { runtime } => Some(runtime.0),
            _ => None,
        };
        if let Some(runtime) = runtime {
            record.state = JobState::Finished { runtime };
        }
        if let Some(due) = &claim.due {
            record.due_since = Some(due.since.0);
            record.places_alone.clone_from(&due.places);
            let end = runtime.map(|runtime| due.since.0.saturating_add(runtime));
            if end.is_some_and(|end| end < memory_from) {
                return;
            }
            line.doubt([job]);
            let key = alone::key(claim.submitted_at.0, &claim.id);
            let run = AloneRun { since: due.since.0, places: due.places.clone(), shape, key, end };
            if due.since.0 < memory_from && line.restore(job, run) {
                return;
            }
        }
        if line.could_run(shape, guarantee) {
            line.submit(shape, claim.submitted_at.0, &claim.id, job);
        }
    }

    fn restore_holding(&mut self, snapshot: &Snapshot, job: Job, holding: &Holding) {
        let record = &self.jobs[job as usize];
        let due = record.due_since.is_some();
        let basis = match holding.basis {
            Basis::Due if !due => Basis::Guaranteed,
            Basis::Borrowed | Basis::Guaranteed if due => Basis::Due,
            basis => basis,
        };
        let since = holding.since.0;
        let lost = holding.slots.iter().any(|s| snapshot.node_index(&s.node).is_none());
        let places = places(snapshot, &holding.slots);
        for &(node, gpus) in &places {
            self.space.take(node, gpus);
            self.nodes[node as usize].holders.push(job);
        }
        let promised_to = holding.promised_to.as_ref();
        let promised_to = promised_to.and_then(|id| {
            let at = snapshot.claims.binary_search_by(|c| c.id.cmp(id)).ok()?;
            Job::try_from(at).ok()
        });
        let reason = match &holding.promised_to {
            Some(claim) => {
                let member =
                    promised_to.map_or(record.spec.member, |job| self.jobs[job as usize].spec.member);
                ReclaimReason::GuaranteeOf { member, claim: claim.clone() }
            }
            None => ReclaimReason::AboveCeiling(record.spec.member),
        };
        self.jobs[job as usize].places = places;
        self.book(job);
        self.jobs[job as usize].state = match holding.phase {
            Phase::Running => {
                self.remember_running(job, basis);
                JobState::Running { since, basis }
            }
            Phase::Noticed { deadline } => {
                self.deadlines.insert((deadline.0, job));
                JobState::Noticed { since, basis, deadline: deadline.0, reason, promised_to }
            }
            Phase::Stopping => {
                self.stopping.insert(job);
                JobState::Stopping { basis, reason, promised_to }
            }
        };
        if lost {
            self.stop(job, ReclaimReason::NodeLost);
        }
    }

    fn restore_waiting(&mut self, snapshot: &Snapshot, job: Job, claim: &Claim) {
        match &claim.state {
            ClaimState::Waiting { put_back } => {
                self.jobs[job as usize].put_back = *put_back;
                self.line_up(job);
            }
            ClaimState::Reserved(kept)
                if kept.slots.iter().all(|s| snapshot.node_index(&s.node).is_some()) =>
            {
                let due = self.jobs[job as usize].due_since.is_some();
                let basis = if due { Basis::Due } else { Basis::Guaranteed };
                self.keep(job, basis, places(snapshot, &kept.slots));
            }
            ClaimState::Reserved(_) => self.line_up(job),
            ClaimState::Holding(_) | ClaimState::Finished { .. } => {}
        }
    }
}

fn spec(claim: &Claim) -> JobSpec {
    JobSpec {
        id: claim.id.clone(),
        member: claim.member,
        gang: claim.gang,
        submitted_at: claim.submitted_at,
        expected_runtime: claim.expected_runtime,
    }
}

fn places(snapshot: &Snapshot, slots: &[Slot]) -> Vec<Place> {
    let place = |s: &Slot| Some((u32::try_from(snapshot.node_index(&s.node)?).ok()?, s.gpus));
    slots.iter().filter_map(place).collect()
}

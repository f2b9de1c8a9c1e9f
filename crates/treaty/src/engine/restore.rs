//! An engine from what a caller observed: every claim as the last decision left it.

use super::alone::{self, AloneRun};
use super::job::{JobState, Record};
use super::names::NodeNames;
use super::queue::{Job, NameOrder};
use super::space::Place;
use super::{Engine, NodeSpec, Rules};
use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Claim, ClaimState, Holding, Phase, Reserved, Snapshot};
use crate::units::{ClaimId, MemberId, TimestampMillis};

impl Engine {
    /// The engine of a snapshot; claims have the snapshot's positions as indices.
    #[must_use]
    pub fn restore(rules: Rules, snapshot: &Snapshot, now: TimestampMillis) -> Self {
        let nodes: Vec<NodeSpec> = snapshot.nodes.iter().map(NodeSpec::from).collect();
        let mut engine = Self::with_nodes(rules, &nodes);
        engine.now = now.0;
        for (node, observed) in (0..).zip(&snapshot.nodes) {
            if !observed.schedulable {
                engine.space.close(node);
            }
        }
        engine.restored = snapshot.claims.clone();
        engine.jobs.reserve(snapshot.claims.len());
        let mut by_due: Vec<(MemberId, TimestampMillis, TimestampMillis, Job)> = Vec::new();
        let mut others: Vec<Job> = Vec::new();
        for (job, claim) in (0..).zip(&snapshot.claims) {
            engine.restore_record(job, claim);
            match &claim.due {
                Some(due) => by_due.push((claim.member, due.since, claim.submitted_at, job)),
                None => engine.waits_alone(job),
            }
            // What is known at once of those who only wait, and they are most.
            match claim.state {
                ClaimState::Waiting { .. } if claim.due.is_none() => engine.waits_in_line(job),
                _ => others.push(job),
            }
        }
        engine.restore_due_lines(snapshot, by_due);
        engine.restore_others(snapshot, &others);
        for member in &mut engine.members {
            member.alone.doubt([]);
            member.alone.sort();
            member.queue.sort();
        }
        engine
    }

    fn restore_record(&mut self, job: Job, claim: &Claim) {
        let mut record = Record::restored(claim, NameOrder::rank_at(job), &mut self.space);
        record.element = self.members[claim.member.index()].introduce(job, &claim.path);
        match claim.state {
            ClaimState::Waiting { put_back } => record.put_back = put_back,
            ClaimState::Finished { runtime } => record.state = JobState::Finished { runtime: runtime.0 },
            ClaimState::Reserved(_) | ClaimState::Holding(_) => {}
        }
        self.jobs.push(record);
    }

    /// The lines as they were as long ago as they remember; they go on from there when the engine settles.
    fn restore_due_lines(
        &mut self,
        snapshot: &Snapshot,
        mut by_due: Vec<(MemberId, TimestampMillis, TimestampMillis, Job)>,
    ) {
        let memory_from = self.now.saturating_sub(Claim::line_memory(self.rules.notice).0);
        // Where a line has become too short for all, those who have been due longest stay.
        by_due.sort_unstable();
        for (.., job) in by_due {
            if !self.restore_due(job, &snapshot.claims[job as usize], memory_from) {
                self.waits_alone(job);
            }
        }
    }

    /// The claim waits in its member's line alone, if it could ever run there.
    fn waits_alone(&mut self, job: Job) {
        let record = &self.jobs[job as usize];
        let (member, Some(shape)) = (record.spec.member.index(), record.shape) else { return };
        let (line, guarantee) = (&mut self.members[member].alone, self.rules.members[member].guarantee);
        if line.could_run(shape, guarantee) && line.could_run_inside(job, shape) {
            line.restore_waiting(shape, record.spec.submitted_at.0, record.name(), job);
        }
    }

    /// Those who have more than a place in line.
    fn restore_others(&mut self, snapshot: &Snapshot, others: &[Job]) {
        let names = NodeNames::of(&snapshot.nodes);
        for &job in others {
            if let ClaimState::Holding(holding) = &snapshot.claims[job as usize].state {
                self.restore_holding(snapshot, &names, job, holding);
            }
        }
        for &job in others {
            if self.restore_waiting(&names, job, &snapshot.claims[job as usize]) {
                self.waits_in_line(job);
            }
        }
    }

    /// Whether the claim was in its member's line alone before `memory_from` and goes on there, or ended before. What
    /// the line did later is made anew.
    fn restore_due(&mut self, job: Job, claim: &Claim, memory_from: i64) -> bool {
        let record = &mut self.jobs[job as usize];
        let (Some(shape), Some(due)) = (record.shape, &claim.due) else { return false };
        let line = &mut self.members[record.spec.member.index()].alone;
        record.due_since = Some(due.since.0);
        record.places_alone = due.places.iter().copied().collect();
        let end = match record.state {
            JobState::Finished { runtime } => Some(due.since.0.saturating_add(runtime)),
            _ => None,
        };
        if end.is_some_and(|end| end < memory_from) {
            return true;
        }
        line.doubt([job]);
        // Who may not start any more by its member's own rules is not due either; what runs stays due.
        let stays = !line.could_run_inside(job, shape);
        if stays && claim.is_waiting() {
            return false;
        }
        if due.since.0 >= line.open_from(self.now, memory_from) && !stays {
            return false;
        }
        let key = alone::key(claim.submitted_at.0, record.name());
        let run =
            AloneRun { since: due.since.0, places: record.places_alone.clone(), shape, key, end, stays };
        // After an amendment the line may have become too small for what it was doing.
        line.restore(job, run)
    }

    fn restore_holding(&mut self, snapshot: &Snapshot, names: &NodeNames<'_>, job: Job, holding: &Holding) {
        let record = &self.jobs[job as usize];
        let due = record.due_since.is_some();
        let basis = match holding.basis {
            Basis::Due if !due => Basis::Guaranteed,
            Basis::Borrowed | Basis::Guaranteed if due => Basis::Due,
            basis => basis,
        };
        let since = holding.since.0;
        let places = names.places(&holding.slots);
        let lost = places.len() < holding.slots.len();
        for &(node, gpus) in &places {
            self.space.take(node, gpus);
            self.nodes[node as usize].holders.push(job);
        }
        let promised_to = holding.promised_to.as_ref();
        let promised_to = promised_to.and_then(|id| {
            let at = snapshot.claims.binary_search_by(|c| c.id.cmp(id)).ok()?;
            Job::try_from(at).ok()
        });
        let by_age = |id: &ClaimId| {
            let at = snapshot.claims.binary_search_by(|c| c.id.cmp(id));
            at.is_ok_and(|at| matches!(&snapshot.claims[at].state, ClaimState::Reserved(r) if r.basis == Basis::Borrowed))
        };
        let reason = match &holding.promised_to {
            Some(claim) if by_age(claim) => ReclaimReason::Overran { claim: claim.clone() },
            Some(claim) => {
                let member =
                    promised_to.map_or(record.spec.member, |job| self.jobs[job as usize].spec.member);
                ReclaimReason::GuaranteeOf { member, claim: claim.clone() }
            }
            None => ReclaimReason::AboveCeiling(record.spec.member),
        };
        self.jobs[job as usize].places = places;
        let saved_at = holding.saves.last(holding.since, TimestampMillis(self.now));
        self.jobs[job as usize].saved_at = saved_at.map_or(i64::MIN, |at| at.0);
        self.book(job);
        self.jobs[job as usize].state = match holding.phase {
            Phase::Running => {
                self.remember_running(job, basis);
                JobState::Running { since, basis }
            }
            Phase::Noticed { deadline } => {
                // The minimum run may have been raised since.
                let deadline = deadline.0.max(since.saturating_add(self.rules.minimum_run.0));
                self.deadlines.insert((deadline, job));
                JobState::Noticed { since, basis, deadline, reason: Box::new(reason), promised_to }
            }
            Phase::Stopping => {
                self.stopping.insert(job);
                JobState::Stopping { basis, reason: Box::new(reason), promised_to }
            }
        };
        if lost {
            self.stop(job, ReclaimReason::NodeLost);
        }
    }

    /// Whether the claim stands in line; false for one for which GPUs are kept.
    fn restore_waiting(&mut self, names: &NodeNames<'_>, job: Job, claim: &Claim) -> bool {
        match &claim.state {
            ClaimState::Waiting { .. } => true,
            ClaimState::Reserved(kept) if kept.basis == Basis::Borrowed => {
                let places = names.places(&kept.slots);
                let there = self.still_takes(kept, &places)
                    && places.iter().all(|&(node, _)| !self.aging.keeps_on(node));
                if there && self.rules.aging.is_some() {
                    self.keep_by_age(job, places.to_vec());
                }
                true
            }
            ClaimState::Reserved(kept) => {
                let places = names.places(&kept.slots);
                // A node may have been lost or closed since, or have other labels now.
                if !self.still_takes(kept, &places)
                    || !self.is_where_wanted(job, &places)
                    || self.is_held_up_inside(job)
                {
                    return true;
                }
                let due = self.jobs[job as usize].due_since.is_some();
                let basis = if due { Basis::Due } else { Basis::Guaranteed };
                self.keep(job, basis, places);
                false
            }
            ClaimState::Holding(_) | ClaimState::Finished { .. } => false,
        }
    }

    /// Whether the nodes on which GPUs are kept still exist and take work.
    fn still_takes(&self, kept: &Reserved, places: &[Place]) -> bool {
        places.len() == kept.slots.len() && places.iter().all(|&(node, _)| !self.space.is_closed(node))
    }

    /// What [`Self::line_up`] does, with the line itself left to be sorted at the end.
    fn waits_in_line(&mut self, job: Job) {
        let record = &self.jobs[job as usize];
        let Some(shape) = record.shape else { return };
        let (key, element) = (record.key(self.rules.shortest_first), record.element);
        let (due, submitted_at) = (record.due_since.is_some(), record.spec.submitted_at.0);
        let member = self.member_of(job);
        if let Some(inside) = &mut member.inside {
            inside.insert(element, shape, key.clone(), job);
        }
        member.queue.restore(shape, key, job);
        if due {
            member.owed.insert((submitted_at, job));
        }
        member.touched = true;
        self.begins_to_age(job);
    }

    fn is_where_wanted(&self, job: Job, places: &[Place]) -> bool {
        self.record(job).shape.is_some_and(|shape| self.space.meets_wish(shape, places))
    }
}

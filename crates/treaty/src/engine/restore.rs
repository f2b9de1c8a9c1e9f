//! An engine from what a caller observed: every claim as the last decision left it.

use super::alone::{self, AloneRun};
use super::job::{JobState, Record};
use super::names::NodeNames;
use super::queue::{Job, Key, NameOrder};
use super::space::{Place, Shape};
use super::{Engine, NodeSpec, Rules};
use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Claim, ClaimState, Holding, Phase, Snapshot};
use crate::units::{ClaimId, TimestampMillis};

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
        for (job, claim) in (0..).zip(&snapshot.claims) {
            let mut record = Record::restored(claim, NameOrder::rank_at(job), &mut engine.space);
            record.element = engine.members[claim.member.index()].introduce(job, &claim.path);
            engine.jobs.push(record);
        }
        engine.restore_lines_alone(snapshot);
        let names = NodeNames::of(&snapshot.nodes);
        for (job, claim) in (0..).zip(&snapshot.claims) {
            if let ClaimState::Holding(holding) = &claim.state {
                engine.restore_holding(snapshot, &names, job, holding);
            }
        }
        let mut in_line = vec![Vec::new(); engine.members.len()];
        for (job, claim) in (0..).zip(&snapshot.claims) {
            if engine.restore_waiting(&names, job, claim) {
                engine.note_in_line(job, &mut in_line[claim.member.index()]);
            }
        }
        for (member, claims) in engine.members.iter_mut().zip(in_line) {
            member.queue.fill(claims);
        }
        engine
    }

    /// The lines as they were as long ago as they remember; they go on from there when the engine settles.
    fn restore_lines_alone(&mut self, snapshot: &Snapshot) {
        let memory_from = self.now.saturating_sub(Claim::line_memory(self.rules.notice).0);
        // Where the line has become too short for all, those who have been due longest stay.
        let mut by_due: Vec<(TimestampMillis, TimestampMillis, Job)> = Vec::new();
        let mut in_line: Vec<Vec<Job>> = vec![Vec::new(); self.members.len()];
        for (job, claim) in (0..).zip(&snapshot.claims) {
            if let ClaimState::Finished { runtime } = claim.state {
                self.jobs[job as usize].state = JobState::Finished { runtime: runtime.0 };
            }
            match &claim.due {
                Some(due) => by_due.push((due.since, claim.submitted_at, job)),
                None => in_line[claim.member.index()].push(job),
            }
        }
        by_due.sort_unstable();
        for (.., job) in by_due {
            let claim = &snapshot.claims[job as usize];
            if !self.restore_due(job, claim, memory_from) {
                in_line[claim.member.index()].push(job);
            }
        }
        for (index, jobs) in in_line.into_iter().enumerate() {
            let guarantee = self.rules.members[index].guarantee;
            let (records, line) = (&self.jobs, &mut self.members[index].alone);
            let in_line = |job: Job| {
                let record = &records[job as usize];
                let possible = |s: Shape| line.could_run(s, guarantee) && line.could_run_inside(job, s);
                let shape = record.shape.filter(|&shape| possible(shape))?;
                Some((shape, record.spec.submitted_at.0, record.name(), job))
            };
            let claims: Vec<_> = jobs.into_iter().filter_map(in_line).collect();
            line.doubt([]);
            line.fill(claims);
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
        let key = alone::key(claim.submitted_at.0, record.name());
        let run = AloneRun { since: due.since.0, places: record.places_alone.clone(), shape, key, end, stays };
        // After an amendment the line may have become too small for what it was doing.
        (due.since.0 < line.open_from(self.now, memory_from) || stays) && line.restore(job, run)
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
        self.jobs[job as usize].saved_at = holding.saved_at.map_or(i64::MIN, |at| at.0);
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
            ClaimState::Waiting { put_back } => {
                self.jobs[job as usize].put_back = *put_back;
                true
            }
            ClaimState::Reserved(kept) if kept.basis == Basis::Borrowed => {
                let places = names.places(&kept.slots);
                let there = places.len() == kept.slots.len()
                    && places.iter().all(|&(node, _)| !self.aging.keeps_on(node));
                if there && self.rules.aging.is_some() {
                    self.keep_by_age(job, places.to_vec());
                }
                true
            }
            ClaimState::Reserved(kept) => {
                let places = names.places(&kept.slots);
                // A node may have been lost since, or have other labels now.
                if places.len() < kept.slots.len()
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

    /// What [`Self::line_up`] does, with the line itself left to be filled at once.
    fn note_in_line(&mut self, job: Job, line: &mut Vec<(Shape, Key, Job)>) {
        let record = &self.jobs[job as usize];
        let Some(shape) = record.shape else { return };
        let (key, element) = (record.key(self.rules.shortest_first), record.element);
        let (due, submitted_at) = (record.due_since.is_some(), record.spec.submitted_at.0);
        let member = self.member_of(job);
        if let Some(inside) = &mut member.inside {
            inside.insert(element, shape, key.clone(), job);
        }
        line.push((shape, key, job));
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

//! What is kept on one node. Several claims may wait for leavers on the same node: what is free there goes to them by
//! urgency, whoever frees it, so that each has its part no later than its own leavers would have freed it.

use super::job::JobState;
use super::queue::Job;
use super::reclaim::{Demand, Found};
use super::{Action, Engine};
use crate::reason::ReclaimReason;
use crate::snapshot::Basis;
use crate::units::{ClaimId, Gpus, TimestampMillis};

/// GPUs kept on a node for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) job: Job,
    pub(super) wanted: Gpus,
    /// Not free yet.
    pub(super) missing: Gpus,
}

impl Engine {
    /// Hands out anew what is free on the node: first to those for whom it is kept; what is left is idle.
    pub(super) fn hand_out(&mut self, node: u32) {
        let index = node as usize;
        let mut kept = std::mem::take(&mut self.nodes[index].kept);
        kept.sort_by(|a, b| self.urgency(a.job).cmp(&self.urgency(b.job)));
        let held: Gpus = self.nodes[index].holders.iter().map(|&job| self.gpus_on(job, node)).sum();
        let mut free = self.nodes[index].capacity.saturating_sub(held);
        for Kept { job, wanted, missing } in &mut kept {
            let part = free.min(*wanted);
            free -= part;
            let before = std::mem::replace(missing, *wanted - part);
            if let JobState::Reserved { missing: all, .. } = &mut self.jobs[*job as usize].state {
                *all = (*all + *missing).saturating_sub(before);
            }
        }
        self.nodes[index].kept = kept;
        self.freed |= self.space.set_free(node, free);
    }

    /// Smaller first: by when the place was promised. For whom nobody has to leave any more is overdue.
    fn urgency(&self, job: Job) -> (i64, i64, &ClaimId) {
        let record = self.record(job);
        let promised_by = match record.due_since {
            Some(since) => since.saturating_add(self.rules.notice.0),
            None => self.promised(job).first().map_or(i64::MIN, |(deadline, _)| *deadline),
        };
        (promised_by, record.spec.submitted_at.0, self.name(job))
    }

    /// Claims that are not due and whose kept places, given up, may make a place for this one, which is; whoever was to
    /// leave for them may then be told to leave for it.
    pub(super) fn in_the_way(&self, due: Job) -> Vec<Job> {
        let demand = self.demand(due, Basis::Due);
        let shape = demand.shape;
        let node_count = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let mut able: Vec<(usize, u32)> = (0..node_count)
            .filter(|&node| self.may_use(&demand, node) && self.could_be_free(node) >= shape.gpus)
            .map(|node| (self.kept_not_due(node).count(), node))
            .collect();
        able.sort_unstable();
        able.truncate(shape.nodes as usize);
        if able.len() < shape.nodes as usize {
            return Vec::new();
        }
        let mut jobs: Vec<Job> = able.iter().flat_map(|(_, node)| self.kept_not_due(*node)).collect();
        jobs.sort_unstable();
        jobs.dedup();
        jobs
    }

    fn kept_not_due(&self, node: u32) -> impl Iterator<Item = Job> {
        let kept = self.nodes[node as usize].kept.iter().map(|kept| kept.job);
        kept.filter(|&job| self.record(job).due_since.is_none())
    }

    /// GPUs of the node that due work neither holds nor waits for.
    fn could_be_free(&self, node: u32) -> Gpus {
        let state = &self.nodes[node as usize];
        let is_due = |job: Job| self.record(job).due_since.is_some();
        let held: Gpus =
            state.holders.iter().filter(|&&job| is_due(job)).map(|&job| self.gpus_on(job, node)).sum();
        let wanted: Gpus = state.kept.iter().filter(|kept| is_due(kept.job)).map(|kept| kept.wanted).sum();
        state.capacity.saturating_sub(held).saturating_sub(wanted)
    }

    /// Claims for which GPUs are kept, the most urgent first.
    pub(super) fn reserved_by_urgency(&self) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.reserved.iter().copied().collect();
        jobs.sort_by_cached_key(|&job| self.urgency(job));
        jobs
    }

    /// By when a claim that leaves frees its GPUs for those who wait on the node, if it does.
    fn frees_by(&self, job: Job, node: u32) -> Option<i64> {
        match *self.state(job) {
            JobState::Stopping { .. } => Some(i64::MIN),
            JobState::Noticed { promised_to: Some(claim), deadline, .. } => {
                self.nodes[node as usize].kept.iter().any(|k| k.job == claim).then_some(deadline)
            }
            _ => None,
        }
    }

    /// Whether those who wait on the node would get their GPUs later, or never, if this one stayed.
    fn is_needed(&self, victim: Job, node: u32) -> bool {
        let state = &self.nodes[node as usize];
        let JobState::Noticed { deadline, .. } = *self.state(victim) else { return false };
        let missing_by = |at: i64| -> Gpus {
            state.kept.iter().filter(|k| self.urgency(k.job).0 <= at).map(|k| k.missing).sum()
        };
        let freed_by = |at: i64| -> Gpus {
            let others = state.holders.iter().filter(|&&job| job != victim);
            let in_time = others.filter(|&&job| self.frees_by(job, node).is_some_and(|by| by <= at));
            in_time.map(|&job| self.gpus_on(job, node)).sum()
        };
        let promised = state.kept.iter().map(|k| self.urgency(k.job).0).filter(|&at| at >= deadline);
        promised.chain([i64::MAX]).any(|at| missing_by(at) > freed_by(at))
    }

    /// GPUs of the node that a claim could have by then, if whoever waits there gets the own part by the own time, too;
    /// below 0, some get theirs late. With `hurried`, whoever leaves for a due claim leaves at once.
    pub(super) fn slack(&self, node: u32, by: i64, hurried: bool) -> i64 {
        let state = &self.nodes[node as usize];
        let held: Gpus = state.holders.iter().map(|&job| self.gpus_on(job, node)).sum();
        let free = i64::from(state.capacity.saturating_sub(held));
        let frees_by = |job: Job| {
            let at = self.frees_by(job, node)?;
            Some(if hurried && self.leaves_for_due(job) { i64::MIN } else { at })
        };
        let freed_by = |at: i64| -> i64 {
            let in_time = state.holders.iter().filter(|&&job| frees_by(job).is_some_and(|by| by <= at));
            in_time.map(|&job| i64::from(self.gpus_on(job, node))).sum()
        };
        let wanted_by = |at: i64| -> i64 {
            let before = state.kept.iter().filter(|k| self.urgency(k.job).0 <= at);
            before.map(|k| i64::from(k.wanted)).sum()
        };
        let promised = state.kept.iter().map(|k| self.urgency(k.job).0).filter(|&at| at > by);
        promised.chain([by, i64::MAX]).map(|at| free + freed_by(at) - wanted_by(at)).min().unwrap_or(0)
    }

    fn leaves_for_due(&self, job: Job) -> bool {
        matches!(*self.state(job), JobState::Noticed { promised_to: Some(claim), .. } if self.record(claim).due_since.is_some())
    }

    /// A place where others leave anyway, for claims that have been due for less long: they leave sooner. False: none.
    pub(super) fn hurry(&mut self, due: Job) -> bool {
        let demand = Demand { hurried: true, ..self.demand(due, Basis::Due) };
        let Some(by) = demand.promised_by else { return false };
        let Some(Found { places, victims, .. }) = self.find_victims(&demand) else { return false };
        self.reserve(due, Basis::Due, places.clone(), victims);
        for (node, _) in places {
            let told: Vec<Job> =
                self.deadlines.iter().filter(|(at, _)| *at > by).map(|(_, job)| *job).collect();
            for victim in told {
                if self.slack(node, by, false) >= 0 {
                    break;
                }
                if self.gpus_on(victim, node) > 0
                    && self.leaves_for_due(victim)
                    && self.frees_by(victim, node).is_some()
                {
                    self.promise(victim, due);
                }
            }
        }
        true
    }

    /// Whether too few leave for those who wait on the node.
    fn is_short(&self, node: u32) -> bool {
        let state = &self.nodes[node as usize];
        let missing: Gpus = state.kept.iter().map(|kept| kept.missing).sum();
        let leaving = state.holders.iter().filter(|&&job| self.frees_by(job, node).is_some());
        missing > leaving.map(|&job| self.gpus_on(job, node)).sum()
    }

    /// Nobody need leave for this claim any more.
    pub(super) fn release_promised(&mut self, job: Job) {
        for (_, victim) in self.promised(job).into_iter().rev() {
            self.let_go(victim, Some(job));
        }
    }

    /// Whoever is still to free GPUs for another claim on the same node, because others freed theirs for the one it was
    /// to leave for, leaves for that; everybody else stays.
    pub(super) fn let_go(&mut self, victim: Job, left_for: Option<Job>) {
        let places = &self.record(victim).places;
        let needed = places.iter().find(|(node, _)| self.is_needed(victim, *node));
        let heir = needed.and_then(|(node, _)| {
            let waiting = self.nodes[*node as usize].kept.iter();
            let mut waiting = waiting.filter(|k| Some(k.job) != left_for && k.missing > 0);
            waiting.find(|k| self.may_inherit(victim, k.job)).map(|k| k.job)
        });
        match heir {
            Some(heir) => self.promise(victim, heir),
            None => self.withdraw(victim),
        }
    }

    fn may_inherit(&self, victim: Job, heir: Job) -> bool {
        let JobState::Noticed { basis, .. } = *self.state(victim) else { return false };
        match basis {
            Basis::Borrowed => true,
            Basis::Guaranteed => self.record(heir).due_since.is_some(),
            Basis::Due => false,
        }
    }

    /// It goes on having to leave, but for another claim, and no later.
    fn promise(&mut self, victim: Job, heir: Job) {
        let JobState::Noticed { since, basis, deadline: before, .. } = *self.state(victim) else { return };
        let (member, claim) = (self.record(heir).spec.member, self.name(heir).clone());
        let reason = ReclaimReason::GuaranteeOf { member, claim };
        let anew = self.earliest_deadline(since, Some(heir));
        let deadline = if self.was_told_before(victim, before) { anew.min(before) } else { anew };
        self.deadlines.remove(&(before, victim));
        self.deadlines.insert((deadline, victim));
        let promised_to = Some(heir);
        self.jobs[victim as usize].state =
            JobState::Noticed { since, basis, deadline, reason: Box::new(reason.clone()), promised_to };
        self.actions.push(Action::Notice { job: victim, deadline: TimestampMillis(deadline), reason });
    }

    /// Lets everybody stay whose GPUs became free otherwise, the last told first, and gives up what is kept where too few
    /// leave, because one of them may stay after all.
    pub(super) fn review_reservations(&mut self) {
        let told: Vec<Job> = self.deadlines.iter().rev().map(|(_, job)| *job).collect();
        for victim in told {
            let JobState::Noticed { promised_to: Some(claim), .. } = *self.state(victim) else { continue };
            // Of a claim that is not due the last one stays told: its deadline says by when the place is promised.
            let known_by = self.record(claim).due_since.is_some() || self.promised(claim).len() > 1;
            let reserved = known_by && matches!(self.state(claim), JobState::Reserved { .. });
            let places = &self.record(victim).places;
            if reserved && places.iter().all(|(node, _)| !self.is_needed(victim, *node)) {
                self.withdraw(victim);
            }
        }
        for job in self.reserved_by_urgency().into_iter().rev() {
            let places = &self.record(job).places;
            let in_vain = |(node, _): &(u32, Gpus)| {
                let waits = self.nodes[*node as usize].kept.iter().any(|k| k.job == job && k.missing > 0);
                waits && self.is_short(*node)
            };
            if places.iter().any(in_vain) {
                self.abandon_reservation(job);
            }
        }
        for job in self.reserved_by_urgency() {
            self.reserve_sooner(job);
        }
    }

    /// A due claim that counts on others who turn out to leave too late gets another place, if there is one. Tried
    /// beside the engine, so that it cannot go on for ever.
    fn reserve_sooner(&mut self, job: Job) {
        if !self.comes_late(job) || !self.could_come_in_time(job) {
            return;
        }
        let mut trial = self.clone();
        trial.abandon_reservation(job);
        let found = trial.start_or_reclaim(job, Basis::Due) || trial.hurry(job);
        if found && !trial.comes_late(job) {
            *self = trial;
        }
    }

    /// Whether a trial can succeed at all, because a copy of the engine costs as much as its backlog: nobody who is told
    /// to leave now leaves before now, so that a claim which is late already needs GPUs that nobody holds.
    fn could_come_in_time(&self, job: Job) -> bool {
        let record = self.record(job);
        let by = record.due_since.map_or(i64::MAX, |since| since.saturating_add(self.rules.notice.0));
        let Some(shape) = record.shape.filter(|_| by < self.now) else { return true };
        let unheld = |node: u32| {
            let state = &self.nodes[node as usize];
            let stays = |holder: &&Job| !matches!(self.state(**holder), JobState::Stopping { .. });
            let held = state.holders.iter().filter(stays).map(|&holder| self.gpus_on(holder, node));
            state.capacity.saturating_sub(held.sum())
        };
        let node_count = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let able = (0..node_count).filter(|&node| unheld(node) >= shape.gpus);
        able.take(shape.nodes as usize).count() == shape.nodes as usize
    }

    fn comes_late(&self, job: Job) -> bool {
        let (record, reserved) = (self.record(job), matches!(self.state(job), JobState::Reserved { .. }));
        let by = record.due_since.map(|since| since.saturating_add(self.rules.notice.0));
        reserved
            && by.is_some_and(|by| record.places.iter().any(|(node, _)| self.slack(*node, by, false) < 0))
    }
}

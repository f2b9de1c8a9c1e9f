//! Booking: on whose account a claim holds GPUs, and what changes when the member's use changes.

use super::job::JobState;
use super::places::Places;
use super::queue::Job;
use super::{Action, Engine};
use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Claim};
use crate::units::{Gpus, MemberId, TimestampMillis};

impl Engine {
    /// Lets every member's line alone go on until now.
    pub(super) fn advance_lines_alone(&mut self) {
        let memory_from = self.now.saturating_sub(Claim::line_memory(self.rules.notice).0);
        for index in 0..self.members.len() {
            if !self.members[index].touched && !self.members[index].alone.has_to_go_on(self.now) {
                continue;
            }
            let jobs = &self.jobs;
            let runtime_of = |job: Job| match jobs[job as usize].state {
                JobState::Finished { runtime } => Some(runtime),
                _ => None,
            };
            let (changed, forgotten) = self.members[index].alone.go_on(self.now, memory_from, runtime_of);
            for job in changed {
                self.follow_line_alone(job);
            }
            for job in forgotten {
                self.jobs[job as usize].is_forgotten = true;
                self.actions.push(Action::Forgotten { job });
            }
        }
    }

    fn follow_line_alone(&mut self, job: Job) {
        let run = self.members[self.record(job).spec.member.index()].alone.run(job);
        let run = run.map(|run| (run.since, run.places.clone()));
        let record = &mut self.jobs[job as usize];
        match (record.due_since, run) {
            (Some(before), Some((since, places))) => {
                record.places_alone = places;
                if since != before {
                    record.due_since = Some(since);
                    self.actions.push(Action::Due { job, since: TimestampMillis(since) });
                    self.hasten(job);
                }
            }
            (None, Some((since, places))) => self.becomes_due(job, since, places),
            (Some(_), None) => self.is_no_longer_due(job),
            (None, None) => {}
        }
    }

    /// The line alone has changed its mind, or the guarantee was lowered.
    fn is_no_longer_due(&mut self, job: Job) {
        let record = &mut self.jobs[job as usize];
        record.due_since = None;
        record.places_alone = Places::default();
        self.actions.push(Action::NoLongerDue { job });
        let record = &self.jobs[job as usize];
        let submitted_at = record.spec.submitted_at.0;
        let member = self.member_of(job);
        member.owed.remove(&(submitted_at, job));
        member.touched = true;
        match self.state(job) {
            JobState::Reserved { .. } => self.abandon_reservation(job),
            JobState::Waiting => self.release_promised(job),
            JobState::Running { .. } => self.rebook(job, Basis::Guaranteed),
            JobState::Noticed { .. } | JobState::Stopping { .. } => {
                self.rebook_leaving(job, Basis::Guaranteed);
            }
            JobState::Finished { .. } => {}
        }
    }

    /// From now on the pool may not let this claim wait, nor stop it.
    fn becomes_due(&mut self, job: Job, since: i64, places: Places) {
        let record = &mut self.jobs[job as usize];
        record.due_since = Some(since);
        record.places_alone = places;
        let submitted_at = record.spec.submitted_at.0;
        self.actions.push(Action::Due { job, since: TimestampMillis(since) });
        match self.jobs[job as usize].state.clone() {
            JobState::Waiting => {
                let member = self.member_of(job);
                member.owed.insert((submitted_at, job));
                member.touched = true;
            }
            JobState::Reserved { missing, .. } => {
                self.jobs[job as usize].state = JobState::Reserved { basis: Basis::Due, missing };
                self.hasten(job);
            }
            JobState::Running { .. } => self.rebook(job, Basis::Due),
            JobState::Noticed { promised_to, .. } => {
                self.withdraw(job);
                self.rebook(job, Basis::Due);
                if let Some(beneficiary) = promised_to {
                    self.abandon_reservation(beneficiary);
                }
            }
            JobState::Stopping { .. } => self.rebook_leaving(job, Basis::Due),
            JobState::Finished { .. } => {}
        }
    }

    /// Books a claim that is on its way out on another account; it has no part in its member's guarantee any more.
    fn rebook_leaving(&mut self, job: Job, to: Basis) {
        let (JobState::Noticed { basis, .. } | JobState::Stopping { basis, .. }) =
            &mut self.jobs[job as usize].state
        else {
            return;
        };
        if *basis != to && (*basis == Basis::Due || to == Basis::Due) {
            *basis = to;
            self.actions.push(Action::Rebook { job, to });
        }
    }

    /// Books what runs anew for every member whose use changed: the guarantee covers the claims submitted first.
    pub(super) fn book_running(&mut self) {
        for index in 0..self.members.len() {
            if !self.members[index].touched {
                continue;
            }
            let rules = self.rules.members[index];
            while self.members[index].safe > rules.guarantee
                && let Some(&(_, job)) = self.members[index].guaranteed.last()
            {
                self.rebook(job, Basis::Borrowed);
            }
            if self.members[index].safe > rules.guarantee {
                self.release_above_guarantee(index);
            }
            let room = rules.guarantee.saturating_sub(self.members[index].safe);
            if room > 0 && !self.members[index].borrowed.is_empty() {
                self.promote_borrowers(index);
            }
            if self.members[index].used > rules.ceiling {
                self.leave_above_ceiling(index);
            }
        }
    }

    /// GPUs are no longer kept for claims that a lowered guarantee does not cover, the newest first.
    fn release_above_guarantee(&mut self, index: usize) {
        for job in self.kept_newest_first(index) {
            if self.members[index].safe <= self.rules.members[index].guarantee {
                break;
            }
            self.abandon_reservation(job);
        }
    }

    /// The member's claims for which GPUs are kept and that are not due, the newest first.
    pub(super) fn kept_newest_first(&self, index: usize) -> Vec<Job> {
        let due = |job: &Job| matches!(self.state(*job), JobState::Reserved { basis: Basis::Due, .. });
        let of_member = |job: &Job| self.record(*job).spec.member.index() == index;
        let mut newest_first: Vec<Job> =
            self.reserved.iter().copied().filter(|job| of_member(job) && !due(job)).collect();
        newest_first.sort_unstable_by_key(|&job| std::cmp::Reverse(self.record(job).spec.submitted_at));
        newest_first
    }

    fn promote_borrowers(&mut self, index: usize) {
        let borrowed: Vec<Job> = self.members[index].borrowed.iter().map(|(_, job)| *job).collect();
        for job in borrowed {
            let room = self.rules.members[index].guarantee.saturating_sub(self.members[index].safe);
            if room == 0 {
                break;
            }
            if self.record(job).gpus() <= room {
                self.rebook(job, Basis::Guaranteed);
            }
        }
    }

    /// What a lowered ceiling no longer covers leaves with notice, the newest borrower first.
    fn leave_above_ceiling(&mut self, index: usize) {
        let ceiling = self.rules.members[index].ceiling;
        let mut staying = self.members[index].used - self.leaving_gpus(index).min(self.members[index].used);
        let newest_first: Vec<Job> = self.members[index].borrowed.iter().rev().map(|(_, job)| *job).collect();
        for job in newest_first {
            if staying <= ceiling {
                break;
            }
            staying = staying.saturating_sub(self.record(job).gpus());
            let member = MemberId(u16::try_from(index).unwrap_or(u16::MAX));
            self.tell_to_leave(job, ReclaimReason::AboveCeiling(member), None);
        }
    }

    /// A member's claims that are on their way out.
    pub(super) fn leaving(&self, index: usize) -> impl Iterator<Item = Job> {
        let leaving = self.deadlines.iter().map(|(_, job)| *job).chain(self.stopping.iter().copied());
        leaving.filter(move |job| self.record(*job).spec.member.index() == index)
    }

    pub(super) fn leaving_gpus(&self, index: usize) -> Gpus {
        self.leaving(index).map(|job| self.record(job).gpus()).sum()
    }

    /// The member uses these GPUs from now on: the claim starts, or they are kept for it.
    pub(super) fn book(&mut self, job: Job) {
        let (gpus, element) = (self.record(job).gpus(), self.record(job).element);
        let member = self.member_of(job);
        member.used += gpus;
        if let Some(inside) = &mut member.inside {
            inside.book(element, gpus);
        }
        member.touched = true;
    }

    /// Reverses [`Self::book`].
    pub(super) fn unbook(&mut self, job: Job) {
        let (gpus, element) = (self.record(job).gpus(), self.record(job).element);
        let member = self.member_of(job);
        member.used = member.used.saturating_sub(gpus);
        if let Some(inside) = &mut member.inside {
            inside.unbook(element, gpus);
        }
        member.touched = true;
    }

    /// GPUs are kept for a claim inside its guarantee, or no longer.
    pub(super) fn secure_reservation(&mut self, job: Job, kept: bool) {
        let gpus = self.record(job).gpus();
        let member = self.member_of(job);
        member.safe = if kept { member.safe + gpus } else { member.safe.saturating_sub(gpus) };
        member.touched = true;
    }

    /// The claim is among its member's running ones, where reclaim and booking look. Who was told to leave is not:
    /// its share of the guarantee is free for others.
    pub(super) fn remember_running(&mut self, job: Job, basis: Basis) {
        self.note_leavers(job);
        let (gpus, submitted_at) = (self.record(job).gpus(), self.record(job).spec.submitted_at.0);
        let member = self.member_of(job);
        match basis {
            Basis::Due => {}
            Basis::Guaranteed => drop(member.guaranteed.insert((submitted_at, job))),
            Basis::Borrowed => drop(member.borrowed.insert((submitted_at, job))),
        }
        member.safe += if basis == Basis::Borrowed { 0 } else { gpus };
    }

    pub(super) fn forget_running(&mut self, job: Job, basis: Basis) {
        self.note_leavers(job);
        let (gpus, submitted_at) = (self.record(job).gpus(), self.record(job).spec.submitted_at.0);
        let member = self.member_of(job);
        match basis {
            Basis::Due => {}
            Basis::Guaranteed => drop(member.guaranteed.remove(&(submitted_at, job))),
            Basis::Borrowed => drop(member.borrowed.remove(&(submitted_at, job))),
        }
        member.safe = member.safe.saturating_sub(if basis == Basis::Borrowed { 0 } else { gpus });
        member.touched = true;
    }

    /// Books a running claim on another account.
    pub(super) fn rebook(&mut self, job: Job, to: Basis) {
        let JobState::Running { since, basis } = *self.state(job) else { return };
        if basis == to {
            return;
        }
        self.forget_running(job, basis);
        self.remember_running(job, to);
        self.jobs[job as usize].state = JobState::Running { since, basis: to };
        self.member_of(job).touched = true;
        self.actions.push(Action::Rebook { job, to });
    }
}

//! Booking: on whose account a claim holds GPUs, and what changes when the member's use changes.

use super::alone::AloneStart;
use super::job::JobState;
use super::queue::Job;
use super::{Action, Engine};
use crate::reason::ReclaimReason;
use crate::snapshot::Basis;
use crate::units::{MemberId, TimestampMillis};

impl Engine {
    /// Lets every member's line alone go on until now.
    pub(super) fn advance_lines_alone(&mut self) {
        for index in 0..self.members.len() {
            let due = self.members[index].alone.next_end().is_some_and(|at| at <= self.now);
            if !due && !self.members[index].touched {
                continue;
            }
            loop {
                let jobs = &mut self.jobs;
                let places_of = |job: Job| std::mem::take(&mut jobs[job as usize].places_alone);
                let Some((at, ended)) = self.members[index].alone.end_next(self.now, places_of) else { break };
                self.actions.extend(ended.into_iter().map(|job| Action::Forgotten { job }));
                self.start_alone(index, at);
            }
            self.start_alone(index, self.now);
        }
    }

    fn start_alone(&mut self, member: usize, at: i64) {
        let jobs = &self.jobs;
        let runtime_of = |job: Job| match jobs[job as usize].state {
            JobState::Finished { runtime } => Some(runtime),
            _ => None,
        };
        for start in self.members[member].alone.start(at, runtime_of) {
            self.becomes_due(start);
        }
    }

    /// From now on the pool may not let this claim wait, nor stop it.
    fn becomes_due(&mut self, start: AloneStart) {
        let AloneStart { job, at, places } = start;
        let record = &mut self.jobs[job as usize];
        record.due_since = Some(at);
        record.places_alone = places;
        let submitted_at = record.spec.submitted_at.0;
        self.actions.push(Action::Due { job, since: TimestampMillis(at) });
        match self.jobs[job as usize].state.clone() {
            JobState::Waiting => {
                let member = self.member_of(job);
                member.owed.insert((submitted_at, job));
                member.touched = true;
            }
            JobState::Reserved { missing, .. } => {
                self.jobs[job as usize].state = JobState::Reserved { basis: Basis::Due, missing };
            }
            JobState::Running { .. } => self.rebook(job, Basis::Due),
            JobState::Noticed { promised_to, .. } => {
                self.withdraw(job);
                self.rebook(job, Basis::Due);
                if let Some(beneficiary) = promised_to {
                    self.abandon_reservation(beneficiary);
                }
            }
            JobState::Stopping { .. } | JobState::Finished { .. } => {}
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
            let room = rules.guarantee.saturating_sub(self.members[index].safe);
            if room > 0 && !self.members[index].borrowed.is_empty() {
                self.promote_borrowers(index);
            }
            if self.members[index].used > rules.ceiling {
                self.leave_above_ceiling(index);
            }
        }
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
    pub(super) fn leave_above_ceiling(&mut self, index: usize) {
        let ceiling = self.rules.members[index].ceiling;
        let mut staying = self.members[index].used - self.leaving(index).min(self.members[index].used);
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

    /// GPUs of a member's claims that are on their way out.
    fn leaving(&self, index: usize) -> u32 {
        let of_member = |job: &Job| self.record(*job).spec.member.index() == index;
        let leaving = self.deadlines.iter().map(|(_, job)| *job).chain(self.stopping.iter().copied());
        leaving.filter(of_member).map(|job| self.record(job).gpus()).sum()
    }

    /// Books the GPUs of a claim that starts or for which GPUs are kept.
    pub(super) fn book(&mut self, job: Job, basis: Basis) {
        let gpus = self.record(job).gpus();
        let member = self.member_of(job);
        member.used += gpus;
        member.safe += if basis == Basis::Borrowed { 0 } else { gpus };
        member.touched = true;
    }

    /// Reverses [`Self::book`] and forgets that it runs.
    pub(super) fn unbook(&mut self, job: Job, basis: Basis) {
        self.forget_running(job, basis);
        self.stopping.remove(&job);
        let gpus = self.record(job).gpus();
        let member = self.member_of(job);
        member.used = member.used.saturating_sub(gpus);
        member.safe = member.safe.saturating_sub(if basis == Basis::Borrowed { 0 } else { gpus });
        member.touched = true;
    }

    /// The claim is among its member's running ones, where reclaim and booking look.
    pub(super) fn remember_running(&mut self, job: Job, basis: Basis) {
        let submitted_at = self.record(job).spec.submitted_at.0;
        let member = self.member_of(job);
        match basis {
            Basis::Due => false,
            Basis::Guaranteed => member.guaranteed.insert((submitted_at, job)),
            Basis::Borrowed => member.borrowed.insert((submitted_at, job)),
        };
    }

    pub(super) fn forget_running(&mut self, job: Job, basis: Basis) {
        let submitted_at = self.record(job).spec.submitted_at.0;
        let member = self.member_of(job);
        match basis {
            Basis::Due => false,
            Basis::Guaranteed => member.guaranteed.remove(&(submitted_at, job)),
            Basis::Borrowed => member.borrowed.remove(&(submitted_at, job)),
        };
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
        let gpus = self.record(job).gpus();
        let member = self.member_of(job);
        match (basis, to) {
            (Basis::Borrowed, _) => member.safe += gpus,
            (_, Basis::Borrowed) => member.safe = member.safe.saturating_sub(gpus),
            _ => {}
        }
        member.touched = true;
        self.actions.push(Action::Rebook { job, to });
    }
}

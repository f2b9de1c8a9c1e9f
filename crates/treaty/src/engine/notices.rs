//! Telling borrowers to leave, letting them stay after all, and stopping them at their deadline.

use super::job::JobState;
use super::queue::Job;
use super::{Action, Engine};
use crate::reason::ReclaimReason;
use crate::units::TimestampMillis;

impl Engine {
    /// Tells a running claim to leave; at once where the treaty gives no notice. Nobody leaves before its minimum run.
    ///
    /// A due claim that is late already, because the claim before it in its line waited out a notice, does not wait
    /// for a whole notice more: it counts from the time at which it became due, so that lateness never adds up.
    pub(super) fn tell_to_leave(&mut self, job: Job, reason: ReclaimReason, promised_to: Option<Job>) {
        let JobState::Running { since, basis } = *self.state(job) else { return };
        let anew = self.earliest_deadline(since, promised_to);
        // Whoever was to leave for one claim and now leaves for another need not be given longer.
        let deadline = self.withdrawn.get(&job).map_or(anew, |&before| anew.min(before));
        self.forget_running(job, basis);
        self.jobs[job as usize].state =
            JobState::Noticed { since, basis, deadline, reason: Box::new(reason.clone()), promised_to };
        self.deadlines.insert((deadline, job));
        if deadline > self.now {
            self.actions.push(Action::Notice { job, deadline: TimestampMillis(deadline), reason });
        }
    }

    pub(super) fn earliest_deadline(&self, runs_since: i64, promised_to: Option<Job>) -> i64 {
        let due_since = promised_to.and_then(|claim| self.record(claim).due_since).unwrap_or(self.now);
        let told = due_since.saturating_add(self.rules.notice.0);
        let least = self.now.saturating_add(self.rules.least_notice.0);
        told.max(least).max(runs_since.saturating_add(self.rules.minimum_run.0))
    }

    /// The claim has been due longer than was known when others were told to leave for it: they leave sooner.
    pub(super) fn hasten(&mut self, beneficiary: Job) {
        for (before, job) in self.promised(beneficiary) {
            let JobState::Noticed { since, .. } = *self.state(job) else { continue };
            let sooner = self.earliest_deadline(since, Some(beneficiary));
            if sooner >= before {
                continue;
            }
            self.deadlines.remove(&(before, job));
            self.deadlines.insert((sooner, job));
            if let JobState::Noticed { deadline, reason, .. } = &mut self.jobs[job as usize].state {
                *deadline = sooner;
                let (deadline, reason) = (TimestampMillis(sooner), (**reason).clone());
                self.actions.push(Action::Notice { job, deadline, reason });
            }
        }
        if !matches!(self.state(beneficiary), JobState::Reserved { .. }) {
            return;
        }
        let places = self.record(beneficiary).places.clone();
        for &(node, _) in &places {
            self.hand_out(node);
        }
    }

    /// Whether the claim has had that notice before this decision.
    pub(super) fn was_told_before(&self, job: Job, deadline: i64) -> bool {
        let told_now = |action: &Action| matches!(action, Action::Notice { job: told, .. } if *told == job);
        deadline > self.now && !self.actions.iter().any(told_now)
    }

    /// Who was told to leave for the claim, with the deadline.
    pub(super) fn promised(&self, beneficiary: Job) -> Vec<(i64, Job)> {
        let promised = |job: Job| matches!(self.state(job), JobState::Noticed { promised_to, .. } if *promised_to == Some(beneficiary));
        self.deadlines.iter().copied().filter(|(_, job)| promised(*job)).collect()
    }

    /// Lets a claim that was told to leave stay.
    pub(super) fn withdraw(&mut self, job: Job) {
        let JobState::Noticed { since, basis, deadline, .. } = *self.state(job) else { return };
        self.deadlines.remove(&(deadline, job));
        if self.was_told_before(job, deadline) {
            self.withdrawn.insert(job, deadline);
        }
        self.jobs[job as usize].state = JobState::Running { since, basis };
        self.remember_running(job, basis);
        self.member_of(job).touched = true;
        if self.record(job).leaves_by.is_some() {
            self.announce_window(job);
        } else {
            self.actions.push(Action::Withdraw { job });
        }
    }

    /// Whether it runs longer than its owner stated.
    pub(super) fn has_overrun(&self, job: Job) -> bool {
        let record = self.record(job);
        record.spec.expected_runtime.is_some() && record.expected_end(self.now).is_none()
    }

    /// Lets stay who was told to leave for a reason that has passed.
    pub(super) fn withdraw_idle_notices(&mut self) {
        let passed = |job: Job| match self.state(job) {
            JobState::Noticed { promised_to: Some(claim), .. } => {
                let for_aged = self.aging.places(*claim).is_some() && self.has_overrun(job);
                !matches!(self.state(*claim), JobState::Reserved { .. })
                    && !self.waits_for_ceiling(*claim)
                    && !for_aged
            }
            JobState::Noticed { promised_to: None, reason, .. }
                if let ReclaimReason::AboveCeiling(member) = **reason =>
            {
                self.members[member.index()].used <= self.rules.members[member.index()].ceiling
            }
            // The claim that it was promised to is gone.
            JobState::Noticed { promised_to: None, .. } => true,
            _ => false,
        };
        let idle: Vec<Job> = self.deadlines.iter().map(|(_, job)| *job).filter(|&job| passed(job)).collect();
        for job in idle {
            self.let_go(job, None);
        }
    }

    /// Stops everybody whose time is up.
    pub(super) fn carry_out_notices(&mut self) {
        while let Some(&(deadline, job)) = self.deadlines.first() {
            if deadline > self.now {
                break;
            }
            let JobState::Noticed { ref reason, .. } = *self.state(job) else { break };
            let reason = (**reason).clone();
            self.stop(job, reason);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<i64> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}

//! GPUs that are kept for a claim inside its guarantee while the borrowers on them leave.

use std::collections::BTreeSet;

use super::job::JobState;
use super::kept::Kept;
use super::places::Places;
use super::queue::Job;
use super::space::Place;
use super::{Action, Engine};
use crate::reason::ReclaimReason;
use crate::snapshot::Basis;

impl Engine {
    /// Starts a claim on GPUs that are free.
    pub(super) fn start_on(&mut self, job: Job, basis: Basis, places: Places) {
        for &(node, gpus) in &places {
            self.space.take(node, gpus);
        }
        self.jobs[job as usize].places = places;
        self.book(job);
        self.begin(job, basis);
    }

    /// The claim runs on its places, which are taken and booked.
    fn begin(&mut self, job: Job, basis: Basis) {
        self.leave_line(job);
        let record = &mut self.jobs[job as usize];
        record.state = JobState::Running { since: self.now, basis };
        record.put_back = false;
        record.has_just_started = true;
        record.leaves_by = None;
        for &(node, _) in &record.places {
            self.nodes[node as usize].holders.push(job);
        }
        self.remember_running(job, basis);
        self.release_promised(job);
        self.expect_end_before_window(job);
        self.started.push(job);
        self.actions.push(Action::Start { job, basis });
    }

    /// Keeps places for a claim: what is free there now, the rest as it becomes free; the victims are told to leave.
    pub(super) fn reserve(&mut self, job: Job, basis: Basis, places: Vec<Place>, victims: Vec<Job>) {
        self.leave_line(job);
        self.jobs[job as usize].put_back = false;
        let (member, claim) = (self.record(job).spec.member, self.name(job).clone());
        for victim in victims {
            let reason = ReclaimReason::GuaranteeOf { member, claim: claim.clone() };
            self.tell_to_leave(victim, reason, Some(job));
        }
        self.keep(job, basis, places.into());
        self.actions.push(Action::Reserve { job });
    }

    /// Takes what is free of the places now; the rest is handed out as it becomes free.
    pub(super) fn keep(&mut self, job: Job, basis: Basis, places: Places) {
        self.jobs[job as usize].state =
            JobState::Reserved { basis, missing: places.iter().map(|(_, gpus)| gpus).sum() };
        for &(node, wanted) in &places {
            self.nodes[node as usize].kept.push(Kept { job, wanted, missing: wanted });
        }
        for &(node, _) in &places {
            self.hand_out(node);
        }
        self.jobs[job as usize].places = places;
        self.book(job);
        self.secure_reservation(job, true);
        self.reserved.insert(job);
    }

    /// Starts claims whose places are complete, and those that would fit elsewhere at once.
    pub(super) fn start_ready(&mut self) {
        // Who is told to leave, or stopped, changes who comes first on a node.
        let kept: BTreeSet<u32> =
            self.reserved.iter().flat_map(|job| &self.record(*job).places).map(|(node, _)| *node).collect();
        for node in kept {
            self.hand_out(node);
        }
        for job in self.reserved_by_urgency() {
            let JobState::Reserved { basis, missing } = *self.state(job) else { continue };
            if missing == 0 {
                self.stop_keeping(job);
                self.begin(job, basis);
            } else if self.freed
                && let Some(places) = self.find_place(job, false)
            {
                self.abandon_reservation(job);
                self.start_on(job, basis, places);
            }
        }
    }

    /// Gives up what is kept for a claim and lets the borrowers stay; the claim waits again.
    pub(super) fn abandon_reservation(&mut self, job: Job) {
        if !matches!(self.state(job), JobState::Reserved { .. }) {
            return;
        }
        self.cancel_reservation(job);
        self.jobs[job as usize].state = JobState::Waiting;
        self.line_up(job);
        self.actions.push(Action::Unreserve { job });
    }

    /// Takes back what is kept for a claim.
    pub(super) fn cancel_reservation(&mut self, job: Job) {
        if !self.reserved.contains(&job) {
            return;
        }
        self.unbook(job);
        self.stop_keeping(job);
        for &(node, _) in &std::mem::take(&mut self.jobs[job as usize].places) {
            self.hand_out(node);
        }
        self.release_promised(job);
    }

    /// Its places are its own from now on, or nobody's.
    fn stop_keeping(&mut self, job: Job) {
        self.reserved.remove(&job);
        self.secure_reservation(job, false);
        for &(node, _) in &self.record(job).places.clone() {
            self.nodes[node as usize].kept.retain(|kept| kept.job != job);
        }
    }
}

//! GPUs that are kept for a claim inside its guarantee while the borrowers on them leave.

use super::job::JobState;
use super::queue::Job;
use super::space::Place;
use super::{Action, Engine};
use crate::reason::ReclaimReason;
use crate::snapshot::Basis;

impl Engine {
    /// Starts a claim on GPUs that are free.
    pub(super) fn start_on(&mut self, job: Job, basis: Basis, places: Vec<Place>) {
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
        for &(node, _) in &record.places {
            self.nodes[node as usize].holders.push(job);
        }
        self.remember_running(job, basis);
        self.actions.push(Action::Start { job, basis });
    }

    /// Keeps places for a claim: what is free there now, the rest as it becomes free; the victims are told to leave.
    pub(super) fn reserve(&mut self, job: Job, basis: Basis, places: Vec<Place>, victims: Vec<Job>) {
        self.leave_line(job);
        self.keep(job, basis, places);
        self.actions.push(Action::Reserve { job });
        let (member, claim) = (self.record(job).spec.member, self.record(job).spec.id.clone());
        for victim in victims {
            let reason = ReclaimReason::GuaranteeOf { member, claim: claim.clone() };
            self.tell_to_leave(victim, reason, Some(job));
        }
    }

    /// Takes what is free of the places now; the rest is handed out as it becomes free.
    pub(super) fn keep(&mut self, job: Job, basis: Basis, places: Vec<Place>) {
        let mut missing_total = 0;
        for &(node, gpus) in &places {
            let now_free = self.space.free(node).min(gpus);
            self.space.take(node, now_free);
            if now_free < gpus {
                self.nodes[node as usize].missing.push((job, gpus - now_free));
                missing_total += gpus - now_free;
            }
        }
        self.jobs[job as usize].places = places;
        self.jobs[job as usize].state = JobState::Reserved { basis, missing: missing_total };
        self.book(job);
        self.secure_reservation(job, true);
        self.reserved.insert(job);
    }

    /// Gives GPUs that became free on a node to those for whom it is kept; what is left is idle.
    pub(super) fn hand_out(&mut self, node: u32, mut gpus: u32) {
        let mut served = Vec::new();
        for (job, missing) in &mut self.nodes[node as usize].missing {
            let part = gpus.min(*missing);
            *missing -= part;
            gpus -= part;
            served.push((*job, part));
        }
        self.nodes[node as usize].missing.retain(|(_, missing)| *missing > 0);
        for (job, part) in served {
            if let JobState::Reserved { missing, .. } = &mut self.jobs[job as usize].state {
                *missing = missing.saturating_sub(part);
            }
        }
        if gpus > 0 {
            self.space.give(node, gpus);
            self.freed = true;
        }
    }

    /// Starts claims whose places are complete, and those that would fit elsewhere at once.
    pub(super) fn start_ready(&mut self) {
        for job in self.reserved.iter().copied().collect::<Vec<_>>() {
            let JobState::Reserved { basis, missing } = *self.state(job) else { continue };
            if missing == 0 {
                self.reserved.remove(&job);
                self.secure_reservation(job, false);
                self.begin(job, basis);
            } else if self.freed
                && let Some(places) = self.record(job).shape.and_then(|shape| self.space.find(shape))
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
        if !self.reserved.remove(&job) {
            return;
        }
        self.secure_reservation(job, false);
        self.unbook(job);
        for (node, gpus) in std::mem::take(&mut self.jobs[job as usize].places) {
            let list = &mut self.nodes[node as usize].missing;
            let missing = list.iter().find(|(waiting, _)| *waiting == job).map_or(0, |(_, missing)| *missing);
            list.retain(|(waiting, _)| *waiting != job);
            self.hand_out(node, gpus - missing.min(gpus));
        }
        self.withdraw_promised(job);
    }

    /// Lets everybody stay who was told to leave for this claim.
    pub(super) fn withdraw_promised(&mut self, job: Job) {
        let promised = |(_, victim): &(i64, Job)| matches!(self.state(*victim), JobState::Noticed { promised_to, .. } if *promised_to == Some(job));
        let victims: Vec<Job> =
            self.deadlines.iter().filter(|d| promised(d)).map(|(_, victim)| *victim).collect();
        for victim in victims {
            self.withdraw(victim);
        }
    }
}

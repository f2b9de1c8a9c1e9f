//! Guarantees: due claims first, then claims for which their member's guarantee has room.

use super::Engine;
use super::job::JobState;
use super::queue::Job;
use super::reclaim::Demand;
use super::site::SiteId;
use super::space::Shape;
use crate::reason::ReclaimReason;
use crate::snapshot::Basis;
use crate::units::Gpus;

impl Engine {
    /// Serves every member that the last events touched, the one with the smallest part of its guarantee first.
    pub(super) fn serve_guarantees(&mut self) {
        let mut members: Vec<usize> = (0..self.members.len()).filter(|&m| self.wants_guarantee(m)).collect();
        let part = |m: &usize| {
            let (safe, all) = (u64::from(self.members[*m].safe), u64::from(self.rules.members[*m].guarantee));
            (safe.saturating_mul(1 << 20) / all.max(1), *m)
        };
        members.sort_unstable_by_key(part);
        self.serve_due(&members);
        // What is due takes room from what was only inside the guarantee; nothing that could still be displaced has
        // been started before it.
        self.book_running();
        self.start_ready();
        self.review_reservations();
        // Whoever may stay after all is booked anew.
        self.book_running();
        self.serve_due(&members);
        self.book_running();
        for &member in &members {
            self.serve_room(member);
        }
    }

    fn wants_guarantee(&self, member: usize) -> bool {
        // Whoever found no place may find one also when nothing became free: others' rights may have changed.
        let state = &self.members[member];
        self.rules.members[member].closed.is_none()
            && (state.touched || state.fragmented || !state.owed.is_empty())
            && state.queue.len() > 0
    }

    /// Whoever has been due longest goes first, whosever it is.
    fn serve_due(&mut self, members: &[usize]) {
        let mut owed: Vec<(i64, i64, Job)> = Vec::new();
        let mut held_back: Vec<Vec<Job>> = Vec::new();
        for &member in members {
            held_back.push(std::mem::take(&mut self.members[member].below_ceiling));
            if let Some(inside) = &mut self.members[member].inside {
                inside.hold_back_nothing();
            }
            let waiting = self.members[member].owed.iter();
            owed.extend(waiting.map(|&(submitted_at, job)| {
                (self.record(job).due_since.unwrap_or(i64::MAX), submitted_at, job)
            }));
        }
        owed.sort_unstable();
        for (_, _, job) in owed {
            self.serve_one_due(job);
        }
        // What others started may have taken the last place of a due claim, which then keeps its member's room no more.
        for (&member, before) in members.iter().zip(held_back) {
            self.members[member].touched |= self.members[member].below_ceiling != before;
        }
    }

    fn serve_one_due(&mut self, job: Job) {
        let member = self.record(job).spec.member.index();
        let could_be_placed = !self.waits_for_ceiling(job) || self.could_be_placed(job);
        if could_be_placed {
            self.release_for_ceiling(job);
        }
        if could_be_placed && self.waits_for_ceiling(job) {
            self.members[member].below_ceiling.push(job);
            self.hold_back_inside(job);
            self.make_room_below_ceiling(job);
            self.make_room_inside(job);
            return;
        }
        self.release_promised(job);
        if self.waits_for_ceiling(job) || self.start_or_reclaim(job, Basis::Due) || self.hurry(job) {
            return;
        }
        // Tried beside the engine: giving up what is kept without a place in return would go on for ever.
        let displaced = self.in_the_way(job);
        if !displaced.is_empty() {
            let mut trial = self.clone();
            for kept in displaced {
                trial.abandon_reservation(kept);
            }
            if trial.start_or_reclaim(job, Basis::Due) || trial.hurry(job) {
                *self = trial;
            }
        }
    }

    /// A due claim for which its member, or an element inside it, uses too much already.
    pub(super) fn waits_for_ceiling(&self, job: Job) -> bool {
        let record = self.record(job);
        record.due_since.is_some()
            && matches!(record.state, JobState::Waiting)
            && (self.exceeds_member_ceiling(job) || self.is_held_up_inside(job))
    }

    pub(super) fn exceeds_member_ceiling(&self, job: Job) -> bool {
        let member = self.record(job).spec.member.index();
        self.members[member].used.saturating_add(self.record(job).gpus()) > self.rules.members[member].ceiling
    }

    /// Whether the due claim has a place once everybody has left who would have to leave for it. If not, because a
    /// node is lost or others' due work lies across all, nobody of its member has to make room nor to wait for it.
    fn could_be_placed(&self, job: Job) -> bool {
        let Some(shape) = self.record(job).shape else { return false };
        let leaving: Vec<Job> = self.leaving(self.record(job).spec.member.index()).collect();
        self.space.fits(shape, 0) || self.has_place_without(&self.demand(job, Basis::Due), &leaving)
    }

    /// Due claims for which there is no place whoever leaves: what is due to others lies across all nodes.
    #[must_use]
    pub fn due_without_place(&self) -> usize {
        self.members.iter().map(|member| member.owed.len().saturating_sub(member.below_ceiling.len())).sum()
    }

    pub(super) fn demand(&self, job: Job, basis: Basis) -> Demand {
        let record = self.record(job);
        Demand {
            shape: record.shape.unwrap_or(Shape { gpus: 0, nodes: 0, site: SiteId::ANYWHERE }),
            member: record.spec.member,
            submitted_at: record.spec.submitted_at.0,
            due: basis == Basis::Due,
            promised_by: record.due_since.map(|since| since.saturating_add(self.rules.notice.0)),
            ends_by: record.end_if_started(self.now.saturating_add(self.rules.notice.0)),
            hurried: false,
        }
    }

    /// Starts the first claims in line as long as the member uses less than its guarantee.
    fn serve_room(&mut self, member: usize) {
        self.members[member].fragmented = false;
        let mut without_place: Vec<Shape> = Vec::new();
        let guarantee = self.rules.members[member].guarantee;
        // Down a tree one element's claim without a place must not hold up the others.
        let may_pass = self.rules.shortest_first || self.members[member].inside.is_some();
        loop {
            // What waits for room below a ceiling, also one inside the member, gets the guarantee before others.
            let taken = self.members[member].used.saturating_add(self.held_back(member));
            let room = guarantee.saturating_sub(taken).min(self.room_below_ceiling(member));
            if room == 0 {
                break;
            }
            let first = if may_pass {
                self.members[member].next(|s| s.total() <= room && !without_place.contains(&s))
            } else {
                // By submission nobody passes the first that the guarantee could ever hold, except whoever asks for a
                // place that is not to be had now.
                let could = |s: Shape| {
                    self.members[member].alone.has_shape(s, guarantee)
                        && self.space.could_meet_wish(s)
                        && !without_place.contains(&s)
                };
                self.members[member].next(could).filter(|(_, s)| s.total() <= room)
            };
            let Some((job, shape)) = first else { break };
            if !self.start_or_reclaim(job, Basis::Guaranteed) {
                self.members[member].fragmented = true;
                if !may_pass && shape.site.is_anywhere() {
                    break;
                }
                without_place.push(shape);
            }
        }
    }

    /// Starts the claim on idle GPUs, or reserves a place and tells the borrowers there to leave. False: no place.
    pub(super) fn start_or_reclaim(&mut self, job: Job, basis: Basis) -> bool {
        if let Some(places) = self.find_place(job, false) {
            self.start_on(job, basis, places);
            return true;
        }
        let Some(found) = self.find_victims(&self.demand(job, basis)) else { return false };
        self.reserve(job, basis, found.places, found.victims);
        true
    }

    /// What claims that are not due may take without standing in the way of due ones that wait for room below the
    /// ceiling.
    pub(super) fn room_below_ceiling(&self, member: usize) -> Gpus {
        let taken = self.members[member].used.saturating_add(self.held_back(member));
        self.rules.members[member].ceiling.saturating_sub(taken)
    }

    /// GPUs of the member's due claims that wait for room below a ceiling.
    fn held_back(&self, member: usize) -> Gpus {
        self.members[member].below_ceiling.iter().map(|job| self.record(*job).gpus()).sum()
    }

    /// The member's own work that is not due makes room below the ceiling for what is: first borrowers, then what is
    /// inside the guarantee, the newest first. What is due never exceeds the guarantee, and so not the ceiling.
    fn make_room_below_ceiling(&mut self, job: Job) {
        let (member, id) = (self.record(job).spec.member, self.name(job).clone());
        let (state, ceiling) = (&self.members[member.index()], self.rules.members[member.index()].ceiling);
        let held_back = self.held_back(member.index());
        let mut staying = state.used.saturating_sub(self.leaving_gpus(member.index()));
        let newest_first = state.borrowed.iter().rev().chain(state.guaranteed.iter().rev());
        for victim in newest_first.map(|(_, victim)| *victim).collect::<Vec<_>>() {
            if staying.saturating_add(held_back) <= ceiling {
                break;
            }
            if self.has_just_started(victim) {
                continue;
            }
            staying = staying.saturating_sub(self.record(victim).gpus());
            self.tell_to_leave(victim, ReclaimReason::GuaranteeOf { member, claim: id.clone() }, Some(job));
        }
    }

    /// GPUs are no longer kept for claims that are not due and take the room of this one below the ceiling.
    fn release_for_ceiling(&mut self, job: Job) {
        let member = self.record(job).spec.member.index();
        for kept in self.kept_newest_first(member) {
            if self.exceeds_member_ceiling(job) {
                self.abandon_reservation(kept);
            }
        }
        self.release_inside(job);
    }
}

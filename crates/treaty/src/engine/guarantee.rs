//! Guarantees: due claims first, then claims for which their member's guarantee has room.

use super::Engine;
use super::queue::Job;
use super::reclaim::Demand;
use super::space::Shape;
use crate::snapshot::Basis;

impl Engine {
    /// Serves every member that the last events touched, the one with the smallest part of its guarantee first.
    pub(super) fn serve_guarantees(&mut self) {
        let mut members: Vec<usize> = (0..self.members.len()).filter(|&m| self.wants_guarantee(m)).collect();
        let part = |m: &usize| {
            let (safe, all) = (u64::from(self.members[*m].safe), u64::from(self.rules.members[*m].guarantee));
            (safe.saturating_mul(1 << 20) / all.max(1), *m)
        };
        members.sort_unstable_by_key(part);
        for &member in &members {
            self.serve_due(member);
        }
        // What is due takes room from what was only inside the guarantee; nothing that could still be displaced has
        // been started before it.
        self.book_running();
        self.start_ready();
        // Whoever may stay after all is booked anew.
        self.book_running();
        for &member in &members {
            self.serve_room(member);
        }
    }

    fn wants_guarantee(&self, member: usize) -> bool {
        let state = &self.members[member];
        self.rules.members[member].closed.is_none()
            && (state.touched || self.freed && (state.fragmented || !state.owed.is_empty()))
            && state.queue.len() > 0
    }

    fn serve_due(&mut self, member: usize) {
        let owed: Vec<Job> = self.members[member].owed.iter().map(|(_, job)| *job).collect();
        for job in owed {
            let most = self.rules.members[member].ceiling.saturating_sub(self.record(job).gpus());
            if self.members[member].used > most {
                // Its own member's borrowers have to make room below the ceiling first.
                self.make_room_below(member, most);
                continue;
            }
            self.start_or_reclaim(job, Basis::Due);
        }
    }

    /// Starts the first claims in line as long as the member uses less than its guarantee.
    fn serve_room(&mut self, member: usize) {
        self.members[member].fragmented = false;
        let mut without_place: Vec<Shape> = Vec::new();
        let guarantee = self.rules.members[member].guarantee;
        loop {
            let room =
                guarantee.saturating_sub(self.members[member].used).min(self.room_below_ceiling(member));
            if room == 0 {
                break;
            }
            let first = if self.rules.shortest_first {
                self.members[member].queue.first(|s| s.total() <= room && !without_place.contains(&s))
            } else {
                // By submission nobody passes the first that the guarantee could ever hold, except whoever asks for a
                // place that is not to be had now.
                let could = |s: Shape| {
                    self.members[member].alone.has_shape(s, guarantee)
                        && self.space.could_meet_wish(s)
                        && !without_place.contains(&s)
                };
                self.members[member].queue.first(could).filter(|(_, _, s)| s.total() <= room)
            };
            let Some((_, job, shape)) = first else { break };
            if !self.start_or_reclaim(job, Basis::Guaranteed) {
                self.members[member].fragmented = true;
                if !self.rules.shortest_first && shape.site.is_anywhere() {
                    break;
                }
                without_place.push(shape);
            }
        }
    }

    /// Starts the claim on idle GPUs, or reserves a place and tells the borrowers there to leave. False: no place.
    fn start_or_reclaim(&mut self, job: Job, basis: Basis) -> bool {
        let Some(shape) = self.record(job).shape else { return false };
        if let Some(places) = self.find_place(job, false) {
            self.start_on(job, basis, places);
            return true;
        }
        let record = self.record(job);
        let demand = Demand {
            shape,
            member: record.spec.member,
            submitted_at: record.spec.submitted_at.0,
            due: basis == Basis::Due,
            ends_by: record.end_if_started(self.now.saturating_add(self.rules.notice.0)),
        };
        let Some(found) = self.find_victims(&demand) else { return false };
        self.reserve(job, basis, found.places, found.victims);
        true
    }

    /// What claims that are not due may take without standing in the way of due ones below the ceiling.
    pub(super) fn room_below_ceiling(&self, member: usize) -> u32 {
        let owed: u32 = self.members[member].owed.iter().map(|(_, job)| self.record(*job).gpus()).sum();
        self.rules.members[member].ceiling.saturating_sub(self.members[member].used.saturating_add(owed))
    }

    fn make_room_below(&mut self, member: usize, most: u32) {
        let ceiling = std::mem::replace(&mut self.rules.members[member].ceiling, most);
        self.leave_above_ceiling(member);
        self.rules.members[member].ceiling = ceiling;
    }
}

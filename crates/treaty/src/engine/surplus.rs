//! Lending what is idle: the member that borrows least for its weight goes next, with its first claim in line that
//! fits. A start only makes less idle, so a member for whom nothing fits is done for this time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Engine;
use super::queue::Job;
use super::space::Shape;
use crate::snapshot::Basis;
use crate::units::{Gpus, MemberId};

impl Engine {
    /// Starts claims on idle GPUs until none fits.
    pub(super) fn lend_surplus(&mut self) {
        if self.waits_for_owners() {
            return;
        }
        let turn = |engine: &Self, member| Reverse((engine.borrowed_share(member), member));
        let members = (0..self.members.len()).filter(|&m| self.could_borrow(m));
        let mut turns: BinaryHeap<_> = members.map(|m| turn(self, m)).collect();
        let mut kept = self.whole_nodes_kept();
        while let Some(Reverse((_, member))) = turns.pop() {
            // A start changes only its own member's turn, and what that one keeps.
            let kept_before = self.whole_nodes_kept_by(member);
            if self.lend_to(member, kept) {
                kept = kept - kept_before + self.whole_nodes_kept_by(member);
                turns.push(turn(self, member));
            }
        }
    }

    fn could_borrow(&self, member: usize) -> bool {
        // What an owner uses itself it no longer keeps from others.
        let others_changed = || self.rules.members.iter().any(|rules| rules.keep > 0);
        self.rules.members[member].closed.is_none()
            // Near a window and beside what is kept by age, what fits changes with the time alone.
            && (self.freed || self.members[member].touched || self.has_limits() || others_changed())
            && self.members[member].queue.len() > 0
    }

    /// What the member uses above its guarantee, with what its past adds, for its weight; below it, how much it leaves
    /// to others. Who is to come last comes last.
    fn borrowed_share(&self, member: usize) -> (bool, i128) {
        let rules = &self.rules.members[member];
        let above = i128::from(self.members[member].used) - i128::from(rules.guarantee);
        let thousandths = above * 1000 + i128::from(rules.standing.handicap_thousandths);
        (rules.standing.last, thousandths * (1 << 32) / i128::from(rules.weight.max(1)))
    }

    fn lend_to(&mut self, member: usize, kept: u32) -> bool {
        let aged = self.room_for_aged(MemberId(u16::try_from(member).unwrap_or(u16::MAX)));
        let room = self.room_below_ceiling(member).min(self.room_to_borrow(member)).saturating_sub(aged);
        let Some(job) = self.next_borrower(member, room, kept) else { return false };
        let Some(places) = self.find_place(job, true) else { return false };
        self.start_on(job, Basis::Borrowed, places);
        true
    }

    /// The member's first claim in line that has a place among idle GPUs.
    fn next_borrower(&self, member: usize, room: Gpus, kept: u32) -> Option<Job> {
        let state = &self.members[member];
        if !self.has_limits() {
            let fits = |shape: Shape| shape.total() <= room && self.space.fits(shape, kept);
            return state.next(fits).map(|(job, _)| job);
        }
        let id = MemberId(u16::try_from(member).unwrap_or(u16::MAX));
        let latest = |shape: Shape| self.latest_end(id, shape).filter(|_| shape.total() <= room);
        state.next_ending(latest, |job| self.record(job).end_if_started(self.now))
    }

    /// Whole nodes that stay free for members who lend only a part of their guarantee.
    pub(super) fn whole_nodes_kept(&self) -> u32 {
        (0..self.members.len()).map(|member| self.whole_nodes_kept_by(member)).sum()
    }

    fn whole_nodes_kept_by(&self, member: usize) -> u32 {
        let (rules, state) = (&self.rules.members[member], &self.members[member]);
        rules.keep.min(rules.guarantee.saturating_sub(state.used)).div_ceil(self.space.cell().max(1))
    }
}

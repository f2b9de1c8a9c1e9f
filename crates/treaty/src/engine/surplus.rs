//! Lending what is idle: the member that borrows least for its weight goes next, with its first claim in line that
//! fits. A start only makes less idle, so a member for whom nothing fits is done for this time.

use super::Engine;
use super::space::Shape;
use crate::snapshot::Basis;
use crate::units::Gpus;

impl Engine {
    /// Starts claims on idle GPUs until none fits.
    pub(super) fn lend_surplus(&mut self) {
        let mut members: Vec<usize> = (0..self.members.len()).filter(|&m| self.could_borrow(m)).collect();
        while let Some(position) =
            (0..members.len()).min_by_key(|&i| (self.borrowed_share(members[i]), members[i]))
        {
            if !self.lend_to(members[position]) {
                members.swap_remove(position);
            }
        }
    }

    fn could_borrow(&self, member: usize) -> bool {
        // What an owner uses itself it no longer keeps from others.
        let others_changed = || self.rules.members.iter().any(|rules| rules.keep > 0);
        (self.freed || self.members[member].touched || others_changed())
            && self.members[member].queue.len() > 0
    }

    /// What the member uses above its guarantee, for its weight; below it, how much it leaves to others.
    fn borrowed_share(&self, member: usize) -> i64 {
        let rules = &self.rules.members[member];
        let above = i64::from(self.members[member].used) - i64::from(rules.guarantee);
        above * (1 << 24) / i64::from(rules.weight.max(1))
    }

    fn lend_to(&mut self, member: usize) -> bool {
        let kept = self.whole_nodes_kept();
        let room = self.room_below_ceiling(member);
        let fits = |shape: Shape| shape.total() <= room && self.space.fits(shape, kept);
        let Some((_, job, shape)) = self.members[member].queue.first(fits) else { return false };
        let Some(places) = self.space.find(shape) else { return false };
        self.start_on(job, Basis::Borrowed, places);
        true
    }

    /// Whole nodes that stay free for members who lend only a part of their guarantee.
    pub(super) fn whole_nodes_kept(&self) -> u32 {
        let cell = self.space.cell().max(1);
        let kept = |(rules, state): (&super::MemberRules, &super::MemberState)| {
            rules.keep.min(rules.guarantee.saturating_sub(state.used)).div_ceil(cell)
        };
        self.rules.members.iter().zip(&self.members).map(kept).sum::<Gpus>()
    }
}

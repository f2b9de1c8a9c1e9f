//! What the books say of a party's past: it orders and limits new borrowing, and touches neither a guarantee nor what
//! runs.

use super::Engine;
use super::queue::Job;
use crate::snapshot::{Basis, Standing};
use crate::units::Gpus;

impl Engine {
    /// From now on these count, in the order of the members; members beyond their end have no past.
    pub fn set_standings(&mut self, standings: &[Standing]) {
        let all = standings.iter().copied().chain(std::iter::repeat(Standing::default()));
        for ((rules, member), standing) in self.rules.members.iter_mut().zip(&mut self.members).zip(all) {
            // A new order alone lets nobody start: what fits and may start has started.
            member.touched |= rules.standing.most_borrowed != standing.most_borrowed;
            rules.standing = standing;
        }
    }

    /// Whether claims wait of a member whose borrowing is limited: a new standing alone can let them start.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        let limited = |index: usize| self.rules.members[index].standing.most_borrowed.is_some();
        (0..self.members.len()).any(|index| limited(index) && self.members[index].queue.len() > 0)
    }

    /// What its past lets the member borrow beside what it borrows now.
    pub(super) fn room_to_borrow(&self, member: usize) -> Gpus {
        let most = self.rules.members[member].standing.most_borrowed;
        most.map_or(Gpus::MAX, |most| most.saturating_sub(self.borrowed_by(member)))
    }

    /// GPUs that the member's borrowers hold, those told to leave and those leaving among them.
    fn borrowed_by(&self, member: usize) -> Gpus {
        let of_member = |job: &Job| self.record(*job).spec.member.index() == member;
        let leaving = self.deadlines.iter().map(|(_, job)| *job).chain(self.stopping.iter().copied());
        let leaving =
            leaving.filter(|job| of_member(job) && self.record(*job).basis() == Some(Basis::Borrowed));
        let running = self.members[member].borrowed.iter().map(|(_, job)| *job);
        running.chain(leaving).map(|job| self.record(job).gpus()).sum()
    }
}

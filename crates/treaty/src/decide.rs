//! The decision: who starts where, who must leave, and why everybody else waits.
//!
//! One call looks at the whole pool, because sharing couples all claims. It is a pure function of its arguments:
//! no clock, no randomness, no I/O, and the order in which claims were seen does not matter. The rules, in order:
//!
//! 1. Claims on lost nodes stop; what exceeds a lowered guarantee counts as borrowed, what exceeds a ceiling leaves.
//! 2. A running borrower moves into its member's guarantee when that has room and nobody before it in line waits.
//! 3. Guarantees: each member's claims by submission, strictly, on nodes bound to the member; borrowers in the way are told
//!    to leave, and the place is promised so that nobody else takes it meanwhile.
//! 4. Surplus: the member with the smallest borrowed share of its guarantee goes next; its first claim in line that
//!    fits starts. Claims put back after a reclaim stand in front.
//! 5. Notices are given, withdrawn where no longer needed, and carried out at their deadline.
//!
//! A start may make room for another decision (a large claim that borrows no longer blocks its line), so a caller
//! decides again until [`Plan::is_quiet`].
//!
//! No loop of reclaims is possible: only guaranteed claims cause a reclaim, only borrowed ones suffer it, and a
//! guaranteed claim becomes borrowed only when the treaty itself changes. A member's own borrower leaves only for a
//! claim that was submitted before it, so that it cannot take the place again.

use std::collections::HashSet;

use crate::guarantee;
use crate::occupancy::{Occupancy, slots_gpus};
use crate::plan::{Admission, BasisChange, Notice, Plan, Stop, Wait};
use crate::reason::{ReclaimReason, WaitReason};
use crate::snapshot::{Basis, Claim, ClaimState, Gang, Phase, Snapshot};
use crate::surplus::{NoSurplus, Surplus};
use crate::treaty::Treaty;
use crate::units::{Gpus, MemberId, TimestampMillis};

/// Decides what happens now. Same arguments, same plan, to the byte.
#[must_use]
pub fn decide(treaty: &Treaty, snapshot: &Snapshot, now: TimestampMillis) -> Plan {
    let mut round = Round::new(treaty, snapshot, now);
    round.stop_on_lost_nodes();
    round.demote_above_guarantee();
    round.leave_above_ceiling();
    round.promote_borrowers();
    round.serve_guarantees();
    round.lend_surplus();
    round.settle_notices();
    round.record_basis_changes();
    round.record_waits();
    round.plan
}

struct Round<'a> {
    occupancy: Occupancy<'a>,
    /// By member: claim indices in line, in order.
    lines: Vec<Vec<usize>>,
    /// By claim index: admitted in this round.
    admitted: Vec<bool>,
    /// By claim index: best known reason to wait.
    waiting: Vec<Option<WaitReason>>,
    plan: Plan,
}

impl<'a> Round<'a> {
    fn new(treaty: &'a Treaty, snapshot: &'a Snapshot, now: TimestampMillis) -> Self {
        let count = snapshot.claims.len();
        Self {
            occupancy: Occupancy::new(treaty, snapshot, now),
            lines: lines(treaty, snapshot),
            admitted: vec![false; count],
            waiting: vec![None; count],
            plan: Plan::default(),
        }
    }

    fn stop_on_lost_nodes(&mut self) {
        let snapshot = self.occupancy.snapshot;
        for (index, claim) in snapshot.claims.iter().enumerate() {
            let lost =
                |h: &crate::snapshot::Holding| h.slots.iter().any(|s| snapshot.node_index(&s.node).is_none());
            if claim.holding().is_some_and(lost) {
                self.occupancy.doom(index, ReclaimReason::NodeLost);
            }
        }
    }

    fn demote_above_guarantee(&mut self) {
        for member in self.occupancy.treaty.member_ids() {
            let guarantee = self.occupancy.treaty.member(member).guarantee;
            if self.occupancy.members[member.index()].guaranteed <= guarantee {
                continue;
            }
            for index in self.holders(member, Basis::Guaranteed, true) {
                if self.occupancy.members[member.index()].guaranteed <= guarantee {
                    break;
                }
                self.rebook(index, Basis::Borrowed);
            }
        }
    }

    fn leave_above_ceiling(&mut self) {
        for member in self.occupancy.treaty.member_ids() {
            let Some(ceiling) = self.occupancy.treaty.member(member).ceiling else { continue };
            let holders = self.holders(member, Basis::Borrowed, true);
            let (leaving, running): (Vec<usize>, Vec<usize>) =
                holders.into_iter().partition(|&i| self.occupancy.is_leaving(i));
            let gone: Gpus = leaving.iter().map(|&i| self.gpus_held(i)).sum();
            let mut staying = self.occupancy.use_of(member).saturating_sub(gone);
            for index in running {
                if staying <= ceiling {
                    break;
                }
                staying = staying.saturating_sub(self.gpus_held(index));
                self.occupancy.doom(index, ReclaimReason::AboveCeiling(member));
            }
        }
    }

    fn promote_borrowers(&mut self) {
        for member in self.occupancy.treaty.member_ids() {
            let guarantee = self.occupancy.treaty.member(member).guarantee;
            let able = |&&i: &&usize| self.occupancy.claim(i).gang.gpus() <= guarantee;
            let line = self.by_submission(member);
            let first_in_line = line.iter().find(able).map(|&i| self.occupancy.claim(i).submission_key());
            for index in self.holders(member, Basis::Borrowed, false) {
                let room = guarantee.saturating_sub(self.occupancy.members[member.index()].guaranteed);
                // Somebody before it in line has the better right to the room.
                if first_in_line.is_some_and(|first| first < self.occupancy.claim(index).submission_key()) {
                    continue;
                }
                if !self.occupancy.is_leaving(index)
                    && self.gpus_held(index) <= room
                    && self.may_bind_all(index, member)
                {
                    self.rebook(index, Basis::Guaranteed);
                }
            }
        }
    }

    fn serve_guarantees(&mut self) {
        for member in self.members_by_satisfaction() {
            let guarantee = self.occupancy.treaty.member(member).guarantee;
            for index in self.by_submission(member) {
                let gang = self.occupancy.claim(index).gang;
                if gang.gpus() > guarantee || !self.occupancy.could_ever_fit(gang) {
                    continue; // can only borrow, or never start; must not block the line
                }
                let used = self.occupancy.members[member.index()].guaranteed;
                if used + gang.gpus() > guarantee || self.exceeds_ceiling(member, gang.gpus()) {
                    break; // strict order: a smaller claim behind must not starve this one
                }
                let Some(found) = guarantee::find(&self.occupancy, index) else {
                    self.waiting[index] = Some(WaitReason::GuaranteeFragmented(member));
                    break;
                };
                let reason = guarantee::reason(&self.occupancy, member, index);
                for victim in found.victims {
                    self.occupancy.doom(victim, reason.clone());
                }
                if found.places.iter().all(|&(n, gpus)| self.occupancy.nodes[n].available() >= gpus) {
                    self.admit(index, Basis::Guaranteed, &found.places);
                } else {
                    self.occupancy.promise(member, &found.places);
                    self.waiting[index] = Some(WaitReason::WaitingForReclaim);
                }
            }
        }
    }

    fn lend_surplus(&mut self) {
        let mut surplus = Surplus::new(&self.occupancy);
        let mut futile: HashSet<Gang> = HashSet::new();
        let mut next = vec![0_usize; self.lines.len()];
        let mut candidates: Vec<MemberId> = self.occupancy.treaty.member_ids().collect();
        while let Some(position) = self.least_borrowed(&candidates) {
            let member = candidates[position];
            if !self.lend_to(member, &mut next[member.index()], &mut surplus, &mut futile) {
                candidates.remove(position);
            }
        }
    }

    /// Starts the member's first claim from `next` on that can borrow; false when there is none.
    fn lend_to(
        &mut self,
        member: MemberId,
        next: &mut usize,
        surplus: &mut Surplus,
        futile: &mut HashSet<Gang>,
    ) -> bool {
        while let Some(&index) = self.lines[member.index()].get(*next) {
            *next += 1;
            if self.admitted[index] || self.waiting[index] == Some(WaitReason::WaitingForReclaim) {
                continue;
            }
            let gang = self.occupancy.claim(index).gang;
            if let Some(reason) = self.never_starts(member, gang) {
                self.waiting[index] = Some(reason);
            } else if self.exceeds_ceiling(member, gang.gpus()) {
                self.waiting[index] = Some(WaitReason::CeilingReached(member));
            } else if futile.contains(&gang) {
                self.waiting[index].get_or_insert(WaitReason::NoIdleGpus(member));
            } else {
                match surplus.find(&self.occupancy, gang) {
                    Ok(places) => {
                        let cell = self.occupancy.cell;
                        let whole =
                            places.iter().filter(|&&(n, _)| self.occupancy.nodes[n].is_whole(cell)).count();
                        surplus.opened(u32::try_from(whole).unwrap_or(u32::MAX));
                        self.admit(index, Basis::Borrowed, &places);
                        return true;
                    }
                    Err(NoSurplus::NoneIdle) => {
                        futile.insert(gang);
                        self.waiting[index].get_or_insert(WaitReason::NoIdleGpus(member));
                    }
                    Err(NoSurplus::Kept) => self.waiting[index] = Some(WaitReason::KeptByOwners),
                }
            }
        }
        false
    }

    fn settle_notices(&mut self) {
        let (now, notice) = (self.occupancy.now, self.occupancy.treaty.reclaim_notice());
        for (index, claim) in self.occupancy.snapshot.claims.iter().enumerate() {
            let Some(holding) = claim.holding() else { continue };
            let id = || claim.id.clone();
            match (self.occupancy.doomed[index].clone(), holding.phase) {
                (_, Phase::Stopping) | (None, Phase::Running) => {}
                (None, Phase::Noticed { .. }) => self.plan.withdrawals.push(id()),
                (Some(ReclaimReason::NodeLost), _) => {
                    self.plan.stops.push(stop(claim, ReclaimReason::NodeLost));
                }
                (Some(reason), Phase::Noticed { deadline }) if now >= deadline => {
                    self.plan.stops.push(stop(claim, reason));
                }
                (Some(_), Phase::Noticed { .. }) => {}
                (Some(reason), Phase::Running) if notice.0 == 0 => self.plan.stops.push(stop(claim, reason)),
                (Some(reason), Phase::Running) => {
                    self.plan.notices.push(Notice { claim: id(), deadline: now.after(notice), reason });
                }
            }
        }
    }

    fn record_basis_changes(&mut self) {
        for (claim, basis) in self.occupancy.snapshot.claims.iter().zip(&self.occupancy.basis) {
            if let (Some(holding), Some(to)) = (claim.holding(), *basis)
                && holding.basis != to
            {
                self.plan.basis_changes.push(BasisChange { claim: claim.id.clone(), to });
            }
        }
    }

    fn record_waits(&mut self) {
        for (member, line) in self.occupancy.treaty.member_ids().zip(&self.lines) {
            for (&index, place) in line.iter().filter(|&&i| !self.admitted[i]).zip(1..) {
                let reason = self.waiting[index].clone().unwrap_or(WaitReason::NoIdleGpus(member));
                self.plan.waits.push(Wait { claim: self.occupancy.claim(index).id.clone(), place, reason });
            }
        }
    }

    /// The member's line in the order of its rights: a claim that once ran on borrowed GPUs does not thereby pass an
    /// earlier one to the guarantee.
    fn by_submission(&self, member: MemberId) -> Vec<usize> {
        let mut line = self.lines[member.index()].clone();
        line.sort_by_key(|&i| self.occupancy.claim(i).submission_key());
        line
    }

    fn admit(&mut self, index: usize, basis: Basis, places: &[(usize, Gpus)]) {
        let claim = self.occupancy.claim(index);
        self.occupancy.take(claim.member, basis, places);
        self.admitted[index] = true;
        self.waiting[index] = None;
        let slots = self.occupancy.slots(places);
        self.plan.admissions.push(Admission { claim: claim.id.clone(), slots, basis });
    }

    /// Claims of a member on one basis that still run, oldest or newest first.
    fn holders(&self, member: MemberId, basis: Basis, newest_first: bool) -> Vec<usize> {
        let claims = &self.occupancy.snapshot.claims;
        let mut found: Vec<usize> = (0..claims.len())
            .filter(|&i| claims[i].member == member && self.occupancy.basis[i] == Some(basis))
            .collect();
        found.sort_by_key(|&i| (claims[i].holding().map(|h| h.since), &claims[i].id));
        if newest_first {
            found.reverse();
        }
        found
    }

    fn gpus_held(&self, index: usize) -> Gpus {
        self.occupancy.claim(index).holding().map_or(0, |h| slots_gpus(&h.slots))
    }

    fn rebook(&mut self, index: usize, to: Basis) {
        let claim = self.occupancy.claim(index);
        let Some(holding) = claim.holding() else { return };
        let gpus = slots_gpus(&holding.slots);
        let from = if to == Basis::Guaranteed { Basis::Borrowed } else { Basis::Guaranteed };
        self.occupancy.sub_use(claim.member, from, gpus);
        self.occupancy.add_use(claim.member, to, gpus);
        self.occupancy.basis[index] = Some(to);
        for slot in &holding.slots {
            let Some(n) = self.occupancy.snapshot.node_index(&slot.node) else { continue };
            if to == Basis::Guaranteed {
                self.occupancy.nodes[n].borrowers.retain(|&b| b != index);
                self.occupancy.bind(n, claim.member, slot.gpus);
            } else {
                self.occupancy.unbind(n, slot.gpus);
                self.occupancy.nodes[n].borrowers.push(index);
            }
        }
    }

    fn may_bind_all(&self, index: usize, member: MemberId) -> bool {
        let Some(holding) = self.occupancy.claim(index).holding() else { return false };
        let mut new_cells = 0;
        for slot in &holding.slots {
            match self.occupancy.snapshot.node_index(&slot.node).map(|n| self.occupancy.nodes[n].bound_to) {
                Some(None) => new_cells += 1,
                Some(Some(owner)) if owner == member => {}
                _ => return false,
            }
        }
        self.occupancy.members[member.index()].cells + new_cells <= self.occupancy.cells_of(member)
    }

    fn exceeds_ceiling(&self, member: MemberId, gpus: Gpus) -> bool {
        let ceiling = self.occupancy.treaty.member(member).ceiling;
        ceiling.is_some_and(|c| self.occupancy.use_of(member).saturating_add(gpus) > c)
    }

    fn never_starts(&self, member: MemberId, gang: Gang) -> Option<WaitReason> {
        if gang.whole_nodes(self.occupancy.cell).is_err() {
            let larger_than_any_node = gang.gpus_per_pod > self.occupancy.cell;
            return Some(if larger_than_any_node {
                WaitReason::ExceedsPool
            } else {
                WaitReason::UnsupportedShape
            });
        }
        if !self.occupancy.could_ever_fit(gang) {
            return Some(WaitReason::ExceedsPool);
        }
        let ceiling = self.occupancy.treaty.member(member).ceiling;
        ceiling.is_some_and(|c| gang.gpus() > c).then_some(WaitReason::ExceedsCeiling(member))
    }

    /// Least satisfied guarantee first, so that a shortage after a node loss is shared.
    fn members_by_satisfaction(&self) -> Vec<MemberId> {
        let mut members: Vec<MemberId> = self.occupancy.treaty.member_ids().collect();
        members.sort_by_key(|m| {
            let guarantee = u64::from(self.occupancy.treaty.member(*m).guarantee).max(1);
            (u64::from(self.occupancy.members[m.index()].guaranteed) * 1_000_000 / guarantee, *m)
        });
        members
    }

    /// Position of the member with the smallest borrowed share of its guarantee; the treaty's order breaks ties.
    fn least_borrowed(&self, candidates: &[MemberId]) -> Option<usize> {
        (0..candidates.len()).min_by_key(|&i| {
            let member = candidates[i];
            let guarantee = u64::from(self.occupancy.treaty.member(member).guarantee).max(1);
            (u64::from(self.occupancy.members[member.index()].borrowed) * 1_000_000 / guarantee, member)
        })
    }
}

/// A claim that had to give way to another member goes to the front; one that gave way to its own member's earlier
/// claim had jumped the line and goes back to its place.
fn stop(claim: &Claim, reason: ReclaimReason) -> Stop {
    let own = matches!(&reason, ReclaimReason::GuaranteeOf { member, .. } if *member == claim.member);
    Stop { claim: claim.id.clone(), reason, to_front: !own }
}

/// Waiting claims by member, each line in its order.
fn lines(treaty: &Treaty, snapshot: &Snapshot) -> Vec<Vec<usize>> {
    let mut lines = vec![Vec::new(); treaty.members().len()];
    for (index, claim) in snapshot.claims.iter().enumerate() {
        if matches!(claim.state, ClaimState::Waiting { .. }) {
            lines[claim.member.index()].push(index);
        }
    }
    for line in &mut lines {
        line.sort_by_key(|&i| snapshot.claims[i].line_key());
    }
    lines
}

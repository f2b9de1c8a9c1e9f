//! What an engine decided, as a plan: the difference between the claims as they were observed and as it left them.

use std::collections::BTreeMap;

use super::Engine;
use super::job::{JobState, Record};
use super::queue::Job;
use super::site::{Site, SiteId};
use super::space::Shape;
use crate::plan::{Admission, BasisChange, DueStart, Notice, Plan, Reservation, Stop, Wait};
use crate::reason::{AskedPlace, ReclaimReason, WaitReason};
use crate::snapshot::{Basis, Claim, ClaimState, Due, Holding, Phase, Reserved, Slot, Snapshot, Standing};
use crate::units::{Gpus, MemberId, TimestampMillis};

/// What reasons to wait rest on, beside the claim: worked out once for all claims.
struct Idle {
    /// How many nodes have exactly so many GPUs.
    nodes_by_capacity: Vec<u32>,
    whole_nodes_kept: u32,
    /// By member.
    room_below_ceiling: Vec<Gpus>,
    /// What windows have to do with it, as far as it was asked: by member, shape and whether the guarantee covers it.
    windows: BTreeMap<(MemberId, Shape, bool), Option<WaitReason>>,
    /// The same of what is kept for aged claims.
    for_aged: BTreeMap<(MemberId, Shape), bool>,
}

/// Where a waiting claim stands.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// Among all waits of the plan.
    position: usize,
    /// In its member's line, from 1.
    place: u32,
}

impl Engine {
    /// The plan that leads from the snapshot, from which this engine was restored, to its present state.
    #[must_use]
    pub fn plan_since(&self, snapshot: &Snapshot) -> Plan {
        let mut plan = Plan::default();
        let (mut idle, turns) = (self.idle(), self.turns());
        let mut waits: Vec<Option<Wait>> = vec![None; turns.iter().flatten().count()];
        let mut in_no_line = Vec::new();
        // One pass in the order of the claims, in which they, their records and their names lie in memory.
        for ((job, claim), turn) in (0..).zip(&snapshot.claims).zip(turns) {
            let record = self.record(job);
            self.note_due(&mut plan, claim, record);
            match &claim.state {
                ClaimState::Waiting { .. } => self.note_waiting(&mut plan, snapshot, claim, job, None),
                ClaimState::Reserved(kept) => {
                    self.note_waiting(&mut plan, snapshot, claim, job, Some(kept));
                }
                ClaimState::Holding(holding) => note_holding(&mut plan, claim, record, holding),
                ClaimState::Finished { .. } => {}
            }
            if let Some(Turn { position, place }) = turn {
                let reason = self.wait_reason(job, &mut idle);
                waits[position] = Some(Wait { claim: claim.id.clone(), place, reason });
            } else if record.shape.is_none() && matches!(record.state, JobState::Waiting) {
                let too_wide = record.spec.gang.gpus_per_pod > self.space.cell();
                let reason = if too_wide { WaitReason::ExceedsPool } else { WaitReason::UnsupportedShape };
                in_no_line.push(Wait { claim: claim.id.clone(), place: 0, reason });
            }
        }
        plan.waits.extend(waits.into_iter().flatten().chain(in_no_line));
        plan
    }

    /// Who waits, by claim: members one after the other, each in the order of its line.
    fn turns(&self) -> Vec<Option<Turn>> {
        let mut turns = vec![None; self.jobs.len()];
        let mut positions = 0..;
        for (index, member) in self.members.iter().enumerate() {
            let of_member = |job: &&Job| self.record(**job).spec.member.index() == index;
            let reserved = self.reserved.iter().filter(of_member).copied();
            let in_line = reserved.chain(member.queue.in_order());
            for ((job, place), position) in in_line.zip(1..).zip(&mut positions) {
                turns[job as usize] = Some(Turn { position, place });
            }
        }
        turns
    }

    fn note_due(&self, plan: &mut Plan, claim: &Claim, record: &Record) {
        match (&claim.due, record.due_since.map(TimestampMillis)) {
            (Some(before), Some(since)) if before.since == since && before.places == record.places_alone => {}
            (_, Some(since)) => {
                let due = Due { since, places: record.places_alone.clone() };
                plan.due.push(DueStart { claim: claim.id.clone(), due });
            }
            (Some(_), None) => plan.no_longer_due.push(claim.id.clone()),
            (None, None) => {}
        }
    }

    fn note_waiting(
        &self,
        plan: &mut Plan,
        snapshot: &Snapshot,
        claim: &Claim,
        job: Job,
        before: Option<&Reserved>,
    ) {
        let record = self.record(job);
        let slot =
            |&(node, gpus): &(u32, u32)| Slot { node: snapshot.nodes[node as usize].name.clone(), gpus };
        let slots = || record.places.iter().map(slot).collect();
        let id = || claim.id.clone();
        match record.state {
            JobState::Running { basis, .. } => {
                plan.admissions.push(Admission { claim: id(), slots: slots(), basis });
            }
            JobState::Reserved { basis, .. } => {
                let kept = Reserved { slots: slots(), basis };
                if before != Some(&kept) {
                    plan.reservations.push(Reservation { claim: id(), kept });
                }
            }
            _ if let Some(places) = self.aging.places(job) => {
                let kept = Reserved { slots: places.iter().map(slot).collect(), basis: Basis::Borrowed };
                if before != Some(&kept) {
                    plan.reservations.push(Reservation { claim: id(), kept });
                }
            }
            _ if before.is_some() => plan.releases.push(id()),
            _ => {}
        }
    }

    fn idle(&self) -> Idle {
        let mut nodes_by_capacity = vec![0; self.space.cell() as usize + 1];
        for node in &self.nodes {
            nodes_by_capacity[node.capacity as usize] += 1;
        }
        let room = |member| self.room_below_ceiling(member);
        Idle {
            nodes_by_capacity,
            whole_nodes_kept: self.whole_nodes_kept(),
            room_below_ceiling: (0..self.members.len()).map(room).collect(),
            windows: BTreeMap::new(),
            for_aged: BTreeMap::new(),
        }
    }

    /// Why a waiting claim waits.
    fn wait_reason(&self, job: Job, idle: &mut Idle) -> WaitReason {
        let record = self.record(job);
        let member = record.spec.member;
        let (rules, state) = (&self.rules.members[member.index()], &self.members[member.index()]);
        let Some(shape) = record.shape else { return WaitReason::UnsupportedShape };
        let covered =
            record.due_since.is_some() || state.used.saturating_add(shape.total()) <= rules.guarantee;
        let could_hold: u32 = idle.nodes_by_capacity.iter().skip(shape.gpus as usize).sum();
        if let Some(closed) = rules.closed {
            WaitReason::Closed(member, closed)
        } else if matches!(record.state, JobState::Reserved { .. }) {
            WaitReason::WaitingForReclaim
        } else if self.aging.places(job).is_some() {
            WaitReason::ReservedByAge
        } else if could_hold < shape.nodes {
            WaitReason::ExceedsPool
        } else if let Some(site) = self.space.wish(shape).filter(|_| !self.space.could_meet_wish(shape)) {
            WaitReason::NoSuchPlace(asked(shape, site, site.most_nodes))
        } else if shape.total() > rules.ceiling {
            WaitReason::ExceedsCeiling(member)
        } else if let Some(never) = self.reason_inside(job, shape, true) {
            never
        } else if (state.below_ceiling.contains(&job) && self.exceeds_member_ceiling(job))
            || record.due_since.is_none() && shape.total() > idle.room_below_ceiling[member.index()]
        {
            WaitReason::CeilingReached(member)
        } else if let Some(reached) = self.reason_inside(job, shape, false) {
            reached
        } else if let Some(site) =
            self.space.wish(shape).filter(|_| self.waits_for_its_place(job, shape, idle))
        {
            WaitReason::PlaceTaken(asked(shape, site, self.space.most_free(site)))
        } else if let Some(reason) = self.window_reason(member, shape, covered, idle) {
            reason
        } else if covered {
            WaitReason::GuaranteeFragmented(member)
        } else if shape.total() > self.room_to_borrow(member.index()) {
            let Standing { most_borrowed, until, .. } = rules.standing;
            WaitReason::BorrowingLimited { member, most: most_borrowed.unwrap_or(0), until }
        } else if self.space.fits(shape, 0) && !self.space.fits(shape, idle.whole_nodes_kept) {
            WaitReason::KeptByOwners
        } else if *idle.for_aged.entry((member, shape)).or_insert_with(|| self.waits_for_aged(member, shape))
        {
            WaitReason::KeptForAged
        } else {
            WaitReason::NoIdleGpus(member)
        }
    }

    fn window_reason(
        &self,
        member: MemberId,
        shape: Shape,
        covered: bool,
        idle: &mut Idle,
    ) -> Option<WaitReason> {
        if !self.has_limits() {
            return None;
        }
        let reason = idle.windows.entry((member, shape, covered));
        reason.or_insert_with(|| self.window_wait(member, shape, covered)).clone()
    }

    /// Whether the claim waits for what it wishes: it is inside the guarantee, or would start now without the wish.
    fn waits_for_its_place(&self, job: Job, shape: Shape, idle: &Idle) -> bool {
        let record = self.record(job);
        let member = record.spec.member.index();
        let inside =
            self.members[member].used.saturating_add(shape.total()) <= self.rules.members[member].guarantee;
        let kept = idle.whole_nodes_kept;
        let anywhere = Shape { site: SiteId::ANYWHERE, ..shape };
        record.due_since.is_some()
            || inside
            || self.space.fits(anywhere, kept) && !self.space.fits(shape, kept)
    }
}

fn asked(shape: Shape, site: &Site, most_nodes: u32) -> AskedPlace {
    let (nodes, gpus) = (shape.nodes, shape.gpus);
    AskedPlace { nodes, gpus, within: site.within, labels: site.labels.clone(), most_nodes }
}

fn note_holding(plan: &mut Plan, claim: &Claim, record: &Record, before: &Holding) {
    let id = || claim.id.clone();
    match (&record.state, before.phase) {
        (JobState::Running { .. }, phase) if record.leaves_by.is_some() => {
            let Some((start, window)) = record.leaves_by else { return };
            let deadline = TimestampMillis(start);
            if phase != (Phase::Noticed { deadline }) || before.promised_to.is_some() {
                plan.notices.push(Notice { claim: id(), deadline, reason: ReclaimReason::Window(window) });
            }
        }
        (JobState::Running { .. }, Phase::Noticed { .. }) => plan.withdrawals.push(id()),
        (JobState::Noticed { deadline, reason, .. }, phase) => {
            let start = record.leaves_by.map_or(i64::MAX, |(start, _)| start);
            let deadline = TimestampMillis((*deadline).min(start));
            if phase != (Phase::Noticed { deadline }) || before.promised_to.as_ref() != promised(reason) {
                plan.notices.push(Notice { claim: id(), deadline, reason: reason.clone() });
            }
        }
        (JobState::Stopping { reason, .. }, Phase::Running | Phase::Noticed { .. }) => {
            plan.stops.push(Stop {
                claim: id(),
                reason: reason.clone(),
                to_front: goes_to_front(reason, claim.member),
            });
        }
        _ => {}
    }
    if let Some(to) = record.basis().filter(|&to| to != before.basis) {
        plan.basis_changes.push(BasisChange { claim: id(), to });
    }
}

const fn promised(reason: &ReclaimReason) -> Option<&crate::units::ClaimId> {
    match reason {
        ReclaimReason::GuaranteeOf { claim, .. } | ReclaimReason::Overran { claim } => Some(claim),
        ReclaimReason::AboveCeiling(_) | ReclaimReason::NodeLost | ReclaimReason::Window(_) => None,
    }
}

/// Whoever gave way to another member, to a broken node or to a window is first for the next idle GPUs; whoever gave way to its
/// own member's rules or earlier claim goes back to its place in line.
pub(super) fn goes_to_front(reason: &ReclaimReason, own: MemberId) -> bool {
    match reason {
        ReclaimReason::GuaranteeOf { member, .. } => *member != own,
        ReclaimReason::NodeLost | ReclaimReason::Window(_) => true,
        ReclaimReason::AboveCeiling(_) | ReclaimReason::Overran { .. } => false,
    }
}

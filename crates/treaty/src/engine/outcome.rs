//! What an engine decided, as a plan: the difference between the claims as they were observed and as it left them.

use super::Engine;
use super::job::{JobState, Record};
use super::queue::Job;
use crate::plan::{Admission, BasisChange, DueStart, Notice, Plan, Reservation, Stop, Wait};
use crate::reason::{ReclaimReason, WaitReason};
use crate::snapshot::{Claim, ClaimState, Due, Holding, Phase, Reserved, Slot, Snapshot};
use crate::units::{MemberId, TimestampMillis};

impl Engine {
    /// The plan that leads from the snapshot, from which this engine was restored, to its present state.
    #[must_use]
    pub fn plan_since(&self, snapshot: &Snapshot) -> Plan {
        let mut plan = Plan::default();
        for (job, claim) in (0..).zip(&snapshot.claims) {
            let record = self.record(job);
            self.note_due(&mut plan, claim, record);
            match &claim.state {
                ClaimState::Waiting { .. } => self.note_waiting(&mut plan, snapshot, claim, record, None),
                ClaimState::Reserved(kept) => {
                    self.note_waiting(&mut plan, snapshot, claim, record, Some(kept));
                }
                ClaimState::Holding(holding) => note_holding(&mut plan, claim, record, holding),
                ClaimState::Finished { .. } => {}
            }
        }
        self.note_waits(&mut plan);
        plan
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
        record: &Record,
        before: Option<&Reserved>,
    ) {
        let slot =
            |&(node, gpus): &(u32, u32)| Slot { node: snapshot.nodes[node as usize].name.clone(), gpus };
        let slots = || record.places.iter().map(slot).collect();
        let id = claim.id.clone();
        match record.state {
            JobState::Running { basis, .. } => {
                plan.admissions.push(Admission { claim: id, slots: slots(), basis });
            }
            JobState::Reserved { basis, .. } => {
                let kept = Reserved { slots: slots(), basis };
                if before != Some(&kept) {
                    plan.reservations.push(Reservation { claim: id, kept });
                }
            }
            _ if before.is_some() => plan.releases.push(id),
            _ => {}
        }
    }

    fn note_waits(&self, plan: &mut Plan) {
        for (index, member) in self.members.iter().enumerate() {
            let of_member = |job: &&Job| self.record(**job).spec.member.index() == index;
            let reserved = self.reserved.iter().filter(of_member).copied();
            for (job, place) in reserved.chain(member.queue.in_order()).zip(1..) {
                let claim = self.record(job).spec.id.clone();
                plan.waits.push(Wait { claim, place, reason: self.wait_reason(job) });
            }
        }
        // Gangs of a shape that no line takes.
        for record in self.jobs.iter().filter(|r| r.shape.is_none() && matches!(r.state, JobState::Waiting)) {
            let claim = record.spec.id.clone();
            let too_wide = record.spec.gang.gpus_per_pod > self.space.cell();
            let reason = if too_wide { WaitReason::ExceedsPool } else { WaitReason::UnsupportedShape };
            plan.waits.push(Wait { claim, place: 0, reason });
        }
    }

    /// Why a waiting claim waits.
    pub(super) fn wait_reason(&self, job: Job) -> WaitReason {
        let record = self.record(job);
        let member = record.spec.member;
        let (rules, state) = (&self.rules.members[member.index()], &self.members[member.index()]);
        let Some(shape) = record.shape else { return WaitReason::UnsupportedShape };
        let could_hold = self.nodes.iter().filter(|n| n.capacity >= shape.gpus).count();
        if matches!(record.state, JobState::Reserved { .. }) {
            WaitReason::WaitingForReclaim
        } else if could_hold < shape.nodes as usize {
            WaitReason::ExceedsPool
        } else if shape.total() > rules.ceiling {
            WaitReason::ExceedsCeiling(member)
        } else if state.below_ceiling.contains(&job)
            || record.due_since.is_none() && shape.total() > self.room_below_ceiling(member.index())
        {
            WaitReason::CeilingReached(member)
        } else if record.due_since.is_some() || state.used.saturating_add(shape.total()) <= rules.guarantee {
            WaitReason::GuaranteeFragmented(member)
        } else if self.space.fits(shape, 0) && !self.space.fits(shape, self.whole_nodes_kept()) {
            WaitReason::KeptByOwners
        } else {
            WaitReason::NoIdleGpus(member)
        }
    }
}

fn note_holding(plan: &mut Plan, claim: &Claim, record: &Record, before: &Holding) {
    let id = || claim.id.clone();
    match (&record.state, before.phase) {
        (JobState::Running { .. }, Phase::Noticed { .. }) => plan.withdrawals.push(id()),
        (JobState::Noticed { deadline, reason, .. }, phase) => {
            let deadline = TimestampMillis(*deadline);
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
        ReclaimReason::GuaranteeOf { claim, .. } => Some(claim),
        ReclaimReason::AboveCeiling(_) | ReclaimReason::NodeLost => None,
    }
}

/// Whoever gave way to another member, or to a broken node, is first for the next idle GPUs; whoever gave way to its
/// own member's rules or earlier claim goes back to its place in line.
pub(super) fn goes_to_front(reason: &ReclaimReason, own: MemberId) -> bool {
    match reason {
        ReclaimReason::GuaranteeOf { member, .. } => *member != own,
        ReclaimReason::NodeLost => true,
        ReclaimReason::AboveCeiling(_) => false,
    }
}

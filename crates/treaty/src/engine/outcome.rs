//! What an engine decided, as a plan: the difference between the claims as they were observed and as it left them.

use super::Engine;
use super::job::{JobState, Record};
use super::queue::Job;
use super::waits::Waiting;
use crate::plan::{Admission, BasisChange, DueStart, Notice, Plan, Reservation, Stop};
use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Claim, ClaimState, Due, Holding, Phase, Reserved, Slot, Snapshot};
use crate::units::{MemberId, TimestampMillis};

impl Engine {
    /// The plan that leads from the snapshot, from which this engine was restored, to its present state.
    #[must_use]
    pub fn plan_since(&self, snapshot: &Snapshot) -> Plan {
        let mut plan = Plan::default();
        let mut waiting = Waiting::of(self);
        for (job, claim) in (0..).zip(&snapshot.claims) {
            let record = self.record(job);
            self.note_due(&mut plan, claim, record);
            match &claim.state {
                ClaimState::Waiting { .. } | ClaimState::Reserved(_) => {
                    self.note_waiting(&mut plan, snapshot, claim, job);
                }
                ClaimState::Holding(holding) => note_holding(&mut plan, claim, record, holding),
                ClaimState::Finished { .. } => {}
            }
            waiting.note(job, record);
        }
        plan.waits = waiting.in_order(&snapshot.claims);
        plan
    }

    fn note_due(&self, plan: &mut Plan, claim: &Claim, record: &Record) {
        match (&claim.due, record.due_since.map(TimestampMillis)) {
            (Some(before), Some(since))
                if before.since == since && *before.places == *record.places_alone => {}
            (_, Some(since)) => {
                let due = Due { since, places: record.places_alone.to_vec() };
                plan.due.push(DueStart { claim: claim.id.clone(), due });
            }
            (Some(_), None) => plan.no_longer_due.push(claim.id.clone()),
            (None, None) => {}
        }
    }

    fn note_waiting(&self, plan: &mut Plan, snapshot: &Snapshot, claim: &Claim, job: Job) {
        let record = self.record(job);
        let before = if let ClaimState::Reserved(kept) = &claim.state { Some(kept) } else { None };
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
}

fn note_holding(plan: &mut Plan, claim: &Claim, record: &Record, before: &Holding) {
    let id = || claim.id.clone();
    match (&record.state, before.phase) {
        (JobState::Running { .. }, phase) if record.leaves_by.is_some() => {
            let Some((start, window)) = record.leaves_by.as_deref().copied() else { return };
            let deadline = TimestampMillis(start);
            if phase != (Phase::Noticed { deadline }) || before.promised_to.is_some() {
                plan.notices.push(Notice { claim: id(), deadline, reason: ReclaimReason::Window(window) });
            }
        }
        (JobState::Running { .. }, Phase::Noticed { .. }) => plan.withdrawals.push(id()),
        (JobState::Noticed { deadline, reason, .. }, phase) => {
            let start = record.leaves_by.as_ref().map_or(i64::MAX, |by| by.0);
            let deadline = TimestampMillis((*deadline).min(start));
            if phase != (Phase::Noticed { deadline }) || before.promised_to.as_ref() != promised(reason) {
                plan.notices.push(Notice { claim: id(), deadline, reason: (**reason).clone() });
            }
        }
        (JobState::Stopping { reason, .. }, Phase::Running | Phase::Noticed { .. }) => {
            plan.stops.push(Stop {
                claim: id(),
                reason: (**reason).clone(),
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

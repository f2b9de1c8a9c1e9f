//! What a decision wants done. A plan changes nothing by itself; the caller makes it true and has no choices left.

use crate::reason::{ReclaimReason, WaitReason};
use crate::snapshot::{Basis, Due, Reserved, Slot};
use crate::units::{ClaimId, TimestampMillis};

/// Result of one decision. A claim is started, told, let stay or stopped at most once; it may become due or be booked
/// differently at the same time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Claims that start now.
    pub admissions: Vec<Admission>,
    /// Borrowers that are told to leave.
    pub notices: Vec<Notice>,
    /// Borrowers that were told to leave and may stay after all.
    pub withdrawals: Vec<ClaimId>,
    /// Claims to stop now.
    pub stops: Vec<Stop>,
    /// Waiting claims for which GPUs are kept from now on, or elsewhere than before.
    pub reservations: Vec<Reservation>,
    /// Waiting claims for which GPUs are no longer kept.
    pub releases: Vec<ClaimId>,
    /// Claims that started in their member's line alone.
    pub due: Vec<DueStart>,
    /// Claims that are due no longer, because their member's line alone became too short for them.
    pub no_longer_due: Vec<ClaimId>,
    /// Claims that move between guaranteed and borrowed while they run.
    pub basis_changes: Vec<BasisChange>,
    /// Every claim that goes on waiting, with the reason.
    pub waits: Vec<Wait>,
}

/// Start this claim there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Claim.
    pub claim: ClaimId,
    /// GPUs by node.
    pub slots: Vec<Slot>,
    /// On whose account.
    pub basis: Basis,
}

/// Keep these GPUs for this claim until the borrowers there have left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Claim.
    pub claim: ClaimId,
    /// What is kept, and on whose account the claim will run.
    pub kept: Reserved,
}

/// Remember that this claim is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueStart {
    /// Claim.
    pub claim: ClaimId,
    /// Its run alone.
    pub due: Due,
}

/// Tell this borrower to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Borrower.
    pub claim: ClaimId,
    /// Latest end.
    pub deadline: TimestampMillis,
    /// Why.
    pub reason: ReclaimReason,
}

/// Stop this claim and put it back in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Claim.
    pub claim: ClaimId,
    /// Why.
    pub reason: ReclaimReason,
    /// Whether it goes to the front of its member's line or to its place by submission.
    pub to_front: bool,
}

/// Book a running claim differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasisChange {
    /// Claim.
    pub claim: ClaimId,
    /// New basis.
    pub to: Basis,
}

/// Why a claim does not start now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Claim.
    pub claim: ClaimId,
    /// Place in its member's line, from 1.
    pub place: u32,
    /// Why.
    pub reason: WaitReason,
}

impl Notice {
    /// The claim that will get the place.
    #[must_use]
    pub const fn promised_to(&self) -> Option<&ClaimId> {
        match &self.reason {
            ReclaimReason::GuaranteeOf { claim, .. } | ReclaimReason::Overran { claim } => Some(claim),
            ReclaimReason::AboveCeiling(_) | ReclaimReason::NodeLost | ReclaimReason::Window(_) => None,
        }
    }
}

impl Plan {
    /// Adds the plan of another pool, which concerns other claims.
    pub fn append(&mut self, other: Self) {
        // No `..`: a new part of a plan must not be dropped.
        let Self {
            admissions,
            notices,
            withdrawals,
            stops,
            reservations,
            releases,
            due,
            no_longer_due,
            basis_changes,
            waits,
        } = other;
        self.admissions.extend(admissions);
        self.notices.extend(notices);
        self.withdrawals.extend(withdrawals);
        self.stops.extend(stops);
        self.reservations.extend(reservations);
        self.releases.extend(releases);
        self.due.extend(due);
        self.no_longer_due.extend(no_longer_due);
        self.basis_changes.extend(basis_changes);
        extend(&mut self.waits, waits);
    }

    /// The part that concerns these claims.
    #[must_use]
    pub fn part(&self, concerns: impl Fn(&ClaimId) -> bool) -> Self {
        let mut plan = self.clone();
        plan.admissions.retain(|a| concerns(&a.claim));
        plan.notices.retain(|n| concerns(&n.claim));
        plan.withdrawals.retain(&concerns);
        plan.stops.retain(|s| concerns(&s.claim));
        plan.reservations.retain(|r| concerns(&r.claim));
        plan.releases.retain(&concerns);
        plan.due.retain(|d| concerns(&d.claim));
        plan.no_longer_due.retain(&concerns);
        plan.basis_changes.retain(|b| concerns(&b.claim));
        plan.waits.retain(|w| concerns(&w.claim));
        plan
    }

    /// True when there is nothing to do but wait.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let Self {
            admissions,
            notices,
            withdrawals,
            stops,
            reservations,
            releases,
            due,
            no_longer_due,
            basis_changes,
            waits: _,
        } = self;
        admissions.is_empty()
            && notices.is_empty()
            && withdrawals.is_empty()
            && stops.is_empty()
            && reservations.is_empty()
            && releases.is_empty()
            && due.is_empty()
            && no_longer_due.is_empty()
            && basis_changes.is_empty()
    }
}

/// A first part, which is mostly the only one, is not copied.
fn extend<T>(all: &mut Vec<T>, part: Vec<T>) {
    if all.is_empty() { *all = part } else { all.extend(part) }
}

//! Who may be sent away, and when.

use super::{Judge, Violation, aging};
use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Holding, Phase};
use crate::units::{ClaimId, TimestampMillis};

impl<'a> Judge<'a> {
    /// Whether a claim booked so may be sent away for the claim that gets its place.
    fn may_be_sent_away(&self, basis: Basis, reason: &ReclaimReason) -> bool {
        match (basis, reason) {
            (_, ReclaimReason::NodeLost | ReclaimReason::Window(_)) | (Basis::Borrowed, _) => true,
            (Basis::Guaranteed, ReclaimReason::GuaranteeOf { claim, .. }) => self.due_after(claim).is_some(),
            (Basis::Guaranteed | Basis::Due, _) => false,
        }
    }

    /// Earliest lawful deadline of a notice given now: after the notice and the minimum run, but a window does not wait.
    fn earliest_deadline(&self, id: &ClaimId, h: &'a Holding, reason: &ReclaimReason) -> TimestampMillis {
        let due = match reason {
            ReclaimReason::GuaranteeOf { claim, .. } => self.due_after(claim),
            _ => None,
        };
        let told = due.map_or(self.now, |d| d.since).after(self.treaty.reclaim_notice()).max(self.now);
        // Who was told already may be told a later time.
        let told = match h.phase {
            Phase::Noticed { deadline } => told.min(deadline),
            Phase::Running | Phase::Stopping => told,
        };
        let ran = h.since.after(self.treaty.reclaim().minimum_run);
        let forced = self.claim(id).and_then(|claim| self.forced_away_at(claim, h, reason));
        match reason {
            ReclaimReason::Window(_) => forced.unwrap_or(TimestampMillis(i64::MAX)),
            _ => told.max(ran).min(forced.unwrap_or(TimestampMillis(i64::MAX))),
        }
    }

    pub(super) fn reclaims_are_lawful(&mut self) {
        let node_lost = |h: &Holding| h.slots.iter().any(|s| self.node(&s.node).is_none());
        let mut broken = Vec::new();
        for notice in &self.plan.notices {
            let Some(h) = self.holding(&notice.claim) else { continue };
            if aging::overran(&notice.reason).is_some_and(|aged| !self.has_overrun(&notice.claim, h, aged)) {
                broken.push(("SentAwayForAged", format!("{} has not overrun", notice.claim)));
            }
            if !self.may_be_sent_away(self.basis_after(&notice.claim, h.basis), &notice.reason) {
                broken.push(("ReclaimedGuarantee", format!("{} runs inside its guarantee", notice.claim)));
            }
            let earliest = self.earliest_deadline(&notice.claim, h, &notice.reason);
            if h.phase == Phase::Stopping || notice.deadline < earliest {
                broken.push((
                    "ShortNotice",
                    format!(
                        "{} is told to leave by {:?}, not before {earliest:?}",
                        notice.claim, notice.deadline
                    ),
                ));
            }
        }
        for stop in &self.plan.stops {
            let Some(h) = self.holding(&stop.claim) else { continue };
            if node_lost(h) {
                continue;
            }
            if aging::overran(&stop.reason).is_some_and(|aged| !self.has_overrun(&stop.claim, h, aged)) {
                broken.push(("SentAwayForAged", format!("{} has not overrun", stop.claim)));
            }
            if !self.may_be_sent_away(self.basis_after(&stop.claim, h.basis), &stop.reason) {
                broken.push(("ReclaimedGuarantee", format!("{} runs inside its guarantee", stop.claim)));
            }
            // For a claim that is late already the notice is shorter, also one that was given before.
            let earliest = self.earliest_deadline(&stop.claim, h, &stop.reason);
            if h.phase == Phase::Stopping || self.now < earliest {
                broken.push(("ShortNotice", format!("{} is stopped before {earliest:?}", stop.claim)));
            }
        }
        self.found.extend(broken.into_iter().map(|(rule, detail)| Violation { rule, detail }));
    }
}

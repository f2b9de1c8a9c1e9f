//! Windows, judged from the occurrences alone: nothing starts that would run into one, nobody stays who was not told,
//! and nobody is sent away for a window that is not in his way.

use super::Judge;
use crate::reason::ReclaimReason;
use crate::schedule::Occurrence;
use crate::snapshot::{Claim, Holding, Phase, Slot};
use crate::units::{DurationMillis, TimestampMillis};

impl<'a> Judge<'a> {
    pub(super) fn windows_hold(&mut self) {
        if self.windows.is_empty() {
            return;
        }
        let admitted = self.plan.admissions.iter().map(|a| (&a.claim, &a.slots));
        let kept = self.plan.reservations.iter().map(|r| (&r.claim, &r.kept.slots));
        for (id, slots) in admitted.chain(kept) {
            let Some(claim) = self.claim(id) else { continue };
            let end = claim.expected_runtime.map(|run| self.now.after(DurationMillis(run.0.max(1))));
            for window in self.windows_on(claim, slots) {
                if end.is_none_or(|end| end > window.interval.start) {
                    let detail =
                        format!("{id} is not done when {:?} opens at {:?}", window.window, window.interval);
                    self.report("StartsIntoWindow", detail);
                }
            }
        }
        for claim in &self.snapshot.claims {
            if let Some(holding) = claim.holding() {
                self.leaves_before_windows(claim, holding);
            }
        }
    }

    fn leaves_before_windows(&mut self, claim: &'a Claim, holding: &'a Holding) {
        let stopped = self.index.stopped.contains(&claim.id) || holding.phase == Phase::Stopping;
        if stopped {
            return;
        }
        let anew = self.index.noticed.get(&claim.id).copied();
        let deadline = anew.or(match holding.phase {
            Phase::Noticed { deadline } if !self.index.withdrawn.contains(&claim.id) => Some(deadline),
            _ => None,
        });
        for window in self.windows_in_the_way(claim, holding) {
            let start = window.interval.start;
            if start <= self.now {
                self.report("StaysInWindow", format!("{} runs on in {:?}", claim.id, window.window));
            } else if deadline.is_none_or(|deadline| deadline > start) {
                let detail = format!("{} would run into {:?} at {start:?}", claim.id, window.window);
                self.report("NotToldOfWindow", detail);
            }
        }
    }

    /// Windows whose nodes are among these and that are not the claim's own member's.
    pub(super) fn windows_on(&self, claim: &Claim, slots: &'a [Slot]) -> Vec<&'a Occurrence> {
        let nodes = || slots.iter().filter_map(|s| self.node(&s.node));
        let concerned = |w: &&Occurrence| nodes().any(|node| w.concerns(node));
        let barring = self.windows.iter().filter(|w| w.only_for != Some(claim.member));
        barring.filter(concerned).collect()
    }

    /// Those of them before which the claim is not done by its own account. Who should have ended has no account left.
    fn windows_in_the_way(&self, claim: &Claim, holding: &'a Holding) -> Vec<&'a Occurrence> {
        let end = claim.expected_runtime.map(|run| holding.since.after(DurationMillis(run.0.max(1))));
        let end = end.filter(|&end| end > self.now);
        let mut windows = self.windows_on(claim, &holding.slots);
        windows.retain(|w| end.is_none_or(|end| end > w.interval.start));
        windows
    }

    /// Time by which windows force the claim away: all of them, or the one that is named.
    pub(super) fn forced_away_at(
        &self,
        claim: &Claim,
        holding: &'a Holding,
        reason: &ReclaimReason,
    ) -> Option<TimestampMillis> {
        let named = |w: &Occurrence| match reason {
            ReclaimReason::Window(window) => w.window == *window,
            _ => true,
        };
        let windows = self.windows_in_the_way(claim, holding).into_iter().filter(|w| named(w));
        windows.map(|w| w.interval.start.max(self.now)).min()
    }
}

//! Aging and backfill, judged from plain sums: GPUs are kept for a borrower only if it waited long, others leave them to
//! it or are done in time, and who is told to leave for it has overrun what he stated.

use std::collections::{BTreeMap, BTreeSet};

use super::Judge;
use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Claim, ClaimState, Holding, Phase, Reserved, Slot};
use crate::units::{ClaimId, DurationMillis, MemberId, NodeName, TimestampMillis};

impl<'a> Judge<'a> {
    pub(super) fn aging_holds(&mut self) {
        self.kept_only_for_the_aged();
        let before = self.snapshot.claims.iter().filter(|c| kept_by_age(c).is_some());
        let still: BTreeSet<&ClaimId> = self.kept_for_aged_after().iter().map(|(c, _)| &c.id).collect();
        for claim in before.filter(|c| still.contains(&c.id)) {
            // A place that lost a node, or that a window takes before the claim would be done, is kept no more: it gets
            // another.
            let stands = |kept: &&Reserved| self.is_there(kept) && !self.runs_into_window(claim, kept);
            if let Some(kept) = kept_by_age(claim).filter(stands) {
                self.others_leave_it(claim, kept);
            }
        }
    }

    fn is_there(&self, kept: &Reserved) -> bool {
        kept.slots.iter().all(|slot| self.node(&slot.node).is_some_and(|node| node.schedulable))
    }

    /// Whether a window opens on the place before the claim, started there as soon as it can be, says that it is done.
    fn runs_into_window(&self, claim: &'a Claim, kept: &'a Reserved) -> bool {
        let start = self.could_start(kept);
        let end =
            start.zip(claim.expected_runtime).map(|(start, run)| start.after(DurationMillis(run.0.max(1))));
        self.windows_on(claim, &kept.slots).iter().any(|w| end.is_none_or(|end| end > w.interval.start))
    }

    /// When all of the place is free, as far as anybody knows.
    fn could_start(&self, kept: &'a Reserved) -> Option<TimestampMillis> {
        let free_at = |slot: &'a Slot| self.free_at(&slot.node, u64::from(slot.gpus));
        kept.slots.iter().map(free_at).try_fold(TimestampMillis(i64::MIN), |a, b| Some(a.max(b?)))
    }

    /// What is kept for waiting claims on borrowed account once the plan is applied.
    fn kept_for_aged_after(&self) -> Vec<(&'a Claim, &'a Reserved)> {
        let mut all = self.kept_after_of(true);
        all.sort_by_key(|(claim, _)| &claim.id);
        all
    }

    fn kept_only_for_the_aged(&mut self) {
        let mut members: BTreeSet<MemberId> = BTreeSet::new();
        let mut nodes: BTreeSet<&NodeName> = BTreeSet::new();
        for (claim, kept) in self.kept_for_aged_after() {
            let id = &claim.id;
            let aged = self.treaty.line().aging.is_some_and(|a| claim.submitted_at.after(a) <= self.now);
            if !aged || self.due_after(id).is_some() {
                self.report("KeptForBorrower", format!("GPUs are kept for {id}, which has not aged"));
            }
            let total: u64 = kept.slots.iter().map(|s| u64::from(s.gpus)).sum();
            if total != u64::from(claim.gang.pods) * u64::from(claim.gang.gpus_per_pod) {
                self.report(
                    "PartialGang",
                    format!("{total} GPUs are kept for {id}, which asks {:?}", claim.gang),
                );
            }
            if !members.insert(claim.member) {
                self.report("KeptForBorrower", format!("{id} is its member's second aged claim"));
            }
            for slot in &kept.slots {
                let node = self.node(&slot.node);
                if !nodes.insert(&slot.node) || node.is_none_or(|n| !n.schedulable || n.gpus < slot.gpus) {
                    self.report(
                        "KeptTwice",
                        format!("{} of {} cannot be kept for {id}", slot.gpus, slot.node),
                    );
                }
            }
        }
    }

    /// Borrowers that start on the nodes leave what is kept, or end before the claim can start.
    fn others_leave_it(&mut self, claim: &'a Claim, kept: &'a Reserved) {
        let start = self.could_start(kept);
        let mut broken = Vec::new();
        for slot in &kept.slots {
            let (mut idle, mut late) = (self.capacity(&slot.node), 0);
            for (_, gpus, _) in self.lasting_holders(&slot.node) {
                idle = idle.saturating_sub(gpus);
            }
            let left = idle.saturating_sub(u64::from(slot.gpus).min(idle));
            for admission in self.plan.admissions.iter().filter(|a| a.basis == Basis::Borrowed) {
                let end = self.claim(&admission.claim).and_then(|c| self.end_if_started(c));
                let in_time = end.zip(start).is_some_and(|(end, start)| end <= start);
                let here = admission.slots.iter().filter(|s| s.node == slot.node);
                late += if in_time { 0 } else { here.map(|s| u64::from(s.gpus)).sum::<u64>() };
            }
            if late > left {
                broken.push(format!(
                    "{late} GPUs of {} are lent, {left} are not kept for {}",
                    slot.node, claim.id
                ));
            }
        }
        for detail in broken {
            self.report("TakenFromAged", detail);
        }
    }

    /// Who holds GPUs of the node once the plan is applied, borrowers that start now aside: who, how many, until when.
    fn lasting_holders(&self, node: &NodeName) -> Vec<(&'a ClaimId, u64, Option<TimestampMillis>)> {
        let borrowed: BTreeSet<&ClaimId> =
            self.plan.admissions.iter().filter(|a| a.basis == Basis::Borrowed).map(|a| &a.claim).collect();
        let lasting = self.holdings_after().into_iter().filter(|(id, ..)| !borrowed.contains(id));
        let here = lasting.filter_map(|(id, _, _, slots)| {
            let gpus: u64 = slots.iter().filter(|s| s.node == *node).map(|s| u64::from(s.gpus)).sum();
            if gpus == 0 {
                return None;
            }
            Some((id, gpus, self.gone_by(id)))
        });
        here.collect()
    }

    fn capacity(&self, node: &NodeName) -> u64 {
        self.node(node).map_or(0, |n| u64::from(n.gpus))
    }

    /// When so many GPUs of the node are free, by what its holders state and were told.
    fn free_at(&self, node: &NodeName, gpus: u64) -> Option<TimestampMillis> {
        let mut held: BTreeMap<Option<TimestampMillis>, u64> = BTreeMap::new();
        for (_, part, end) in self.lasting_holders(node) {
            *held.entry(end).or_default() += part;
        }
        let mut free = self.capacity(node).saturating_sub(held.values().sum());
        let mut at = (free >= gpus).then_some(self.now);
        for (end, part) in held.into_iter().filter_map(|(end, part)| Some((end?, part))) {
            free += part;
            at = at.or((free >= gpus).then_some(end));
        }
        at
    }

    fn end_if_started(&self, claim: &Claim) -> Option<TimestampMillis> {
        claim.expected_runtime.map(|run| self.now.after(DurationMillis(run.0.max(1))))
    }

    /// When a claim that holds GPUs is gone, as far as anybody knows.
    fn gone_by(&self, id: &ClaimId) -> Option<TimestampMillis> {
        let claim = self.claim(id)?;
        let Some(holding) = claim.holding() else { return self.end_if_started(claim) };
        if holding.phase == Phase::Stopping || self.plan.stops.iter().any(|s| s.claim == *id) {
            return Some(self.now);
        }
        let anew = self.plan.notices.iter().find(|n| n.claim == *id).map(|n| n.deadline);
        let told = anew.or(match holding.phase {
            Phase::Noticed { deadline } if !self.plan.withdrawals.contains(id) => Some(deadline),
            _ => None,
        });
        let stated = self.stated_end(claim, holding).filter(|&end| end > self.now);
        told.into_iter().chain(stated).min()
    }

    fn stated_end(&self, claim: &Claim, holding: &Holding) -> Option<TimestampMillis> {
        claim.expected_runtime.map(|run| holding.since.after(DurationMillis(run.0.max(1))))
    }

    /// Whether a borrower may be told to leave because it overran on nodes that are kept for an aged claim.
    pub(super) fn has_overrun(&self, id: &ClaimId, holding: &Holding, aged: &ClaimId) -> bool {
        let over =
            self.claim(id).and_then(|c| self.stated_end(c, holding)).is_some_and(|end| end <= self.now);
        let kept = self.kept_for_aged_after();
        let kept = kept.iter().find(|(claim, _)| claim.id == *aged).map(|(_, kept)| *kept);
        // A stop may come when the claim itself has just started elsewhere or here.
        let kept = kept.or_else(|| self.claim(aged).and_then(kept_by_age));
        let there =
            |kept: &Reserved| kept.slots.iter().any(|s| holding.slots.iter().any(|h| h.node == s.node));
        // Who was told while it was young has to go, also when it has aged since.
        let told_at = match holding.phase {
            Phase::Noticed { deadline } => deadline.0.saturating_sub(self.treaty.reclaim_notice().0),
            Phase::Running | Phase::Stopping => self.now.0,
        };
        let young = self.treaty.line().aging.is_some_and(|aging| {
            self.claim(id).is_some_and(|claim| claim.submitted_at.after(aging).0 > told_at.min(self.now.0))
        });
        over && young && kept.is_some_and(there)
    }
}

fn kept_by_age(claim: &Claim) -> Option<&Reserved> {
    match &claim.state {
        ClaimState::Reserved(kept) if kept.basis == Basis::Borrowed => Some(kept),
        _ => None,
    }
}

/// The aged claim for which one that overran has to leave.
pub(super) const fn overran(reason: &ReclaimReason) -> Option<&ClaimId> {
    match reason {
        ReclaimReason::Overran { claim } => Some(claim),
        _ => None,
    }
}

//! What starts, and for whom GPUs are kept: each claim is spoken of once and in its state, whole gangs, on nodes that
//! exist, and only who may.

use std::collections::{BTreeSet, HashSet};

use super::Judge;
use crate::snapshot::{Basis, Claim, ClaimState, Gang, Phase, Slot};
use crate::units::{ClaimId, NodeName};

impl Judge<'_> {
    pub(super) fn every_claim_once(&mut self) {
        let mut acted: HashSet<&ClaimId> = HashSet::with_capacity(self.plan.waits.len());
        let plan = self.plan;
        let started = plan.admissions.iter().map(|a| &a.claim);
        let told = plan
            .notices
            .iter()
            .map(|n| &n.claim)
            .chain(&plan.withdrawals)
            .chain(plan.stops.iter().map(|s| &s.claim));
        let waiting = plan.waits.iter().map(|w| &w.claim);
        for (id, must_wait) in started.chain(waiting).map(|id| (id, true)).chain(told.map(|id| (id, false))) {
            let is_waiting = self.claim(id).map(Claim::is_waiting);
            if !acted.insert(id) {
                self.report("ActedTwice", format!("{id} appears twice"));
            } else if is_waiting != Some(must_wait) {
                self.report("WrongState", format!("{id} is not in the state that the plan assumes"));
            }
        }
        self.what_is_taken_back_was_given();
        let forgotten = |c: &&Claim| c.is_waiting() && !acted.contains(&c.id);
        let lost: Vec<&Claim> = self.snapshot.claims.iter().filter(forgotten).collect();
        for claim in lost {
            self.report("Forgotten", format!("{} waits without a reason", claim.id));
        }
    }

    /// A notice that is withdrawn was given, and so on.
    fn what_is_taken_back_was_given(&mut self) {
        let told = |id: &ClaimId| self.holding(id).is_some_and(|h| matches!(h.phase, Phase::Noticed { .. }));
        let kept = |id: &ClaimId| self.claim(id).is_some_and(|c| matches!(c.state, ClaimState::Reserved(_)));
        let plan = self.plan;
        let not_told = plan.withdrawals.iter().filter(|id| !told(id));
        let not_kept = plan.releases.iter().filter(|id| !kept(id));
        let not_booked = plan.basis_changes.iter().map(|c| &c.claim).filter(|id| self.holding(id).is_none());
        let keeps_twice = plan.reservations.iter().map(|r| &r.claim);
        let keeps_twice = keeps_twice.filter(|id| !self.claim(id).is_some_and(Claim::is_waiting));
        let due = plan.due.iter().map(|d| &d.claim).chain(&plan.no_longer_due);
        let unknown = due.filter(|id| self.claim(id).is_none());
        let wrong: BTreeSet<&ClaimId> =
            unknown.chain(not_told).chain(not_kept).chain(not_booked).chain(keeps_twice).collect();
        for id in wrong {
            self.report("WrongState", format!("{id} has nothing of what the plan takes from it"));
        }
    }

    pub(super) fn only_who_may_start_starts(&mut self) {
        for admission in &self.plan.admissions {
            let Some(claim) = self.claim(&admission.claim) else { continue };
            let id = &claim.id;
            if !matches!(claim.state, ClaimState::Reserved(_)) && !self.is_eligible(claim) {
                self.report("NotEligible", format!("{id} starts, but the treaty does not admit it"));
            }
            if let Some(closed) = self.treaty.members().get(claim.member.index()).and_then(|m| m.closed) {
                self.report("ClosedParty", format!("{id} starts, but its party is closed: {closed:?}"));
            }
        }
    }

    /// Whoever starts, or gets GPUs kept for it, gets all of its gang, on nodes that exist and take work.
    pub(super) fn places_are_whole_gangs(&mut self) {
        let plan = self.plan;
        let started = plan.admissions.iter().map(|a| (&a.claim, &a.slots));
        let kept = plan.reservations.iter().map(|r| (&r.claim, &r.kept.slots));
        for (id, slots) in started.chain(kept) {
            let Some(gang) = self.claim(id).map(|claim| claim.gang) else { continue };
            let total: u64 = slots.iter().map(|s| u64::from(s.gpus)).sum();
            if total != u64::from(gang.pods) * u64::from(gang.gpus_per_pod) {
                self.report("PartialGang", format!("{id} asks {gang:?} and gets {total} GPUs"));
            }
            let distinct: BTreeSet<&NodeName> = slots.iter().map(|s| &s.node).collect();
            if distinct.len() != slots.len() {
                self.report("PartialGang", format!("{id} gets a node twice"));
            }
            for slot in slots {
                self.slot_takes_pods(id, slot, gang, slots.len() > 1);
            }
        }
    }

    fn slot_takes_pods(&mut self, id: &ClaimId, slot: &Slot, gang: Gang, one_of_several: bool) {
        let Slot { node, gpus } = slot;
        match self.node(node) {
            None => self.report("UnknownNode", format!("{id} on {node}")),
            Some(n) if !n.schedulable => self.report("UnschedulableNode", format!("{id} on {node}")),
            // A gang over several nodes must own them, or the scheduler could mix it with others.
            Some(n) if one_of_several && *gpus != n.gpus => {
                self.report("SharedGangNode", format!("{id} takes {gpus} of {} GPUs on {node}", n.gpus));
            }
            Some(_) if !gpus.is_multiple_of(gang.gpus_per_pod.max(1)) => {
                self.report("SplitPod", format!("{id} gets {gpus} GPUs on {node}"));
            }
            Some(_) => {}
        }
    }

    /// Nobody can send due work away, so only who is due in its member's line alone is booked so.
    pub(super) fn only_the_due_are_booked_so(&mut self) {
        let plan = self.plan;
        let started = plan.admissions.iter().map(|a| (&a.claim, a.basis));
        let kept = plan.reservations.iter().map(|r| (&r.claim, r.kept.basis));
        let booked = plan.basis_changes.iter().map(|c| (&c.claim, c.to));
        for (id, _) in started.chain(kept).chain(booked).filter(|(_, basis)| *basis == Basis::Due) {
            if self.due_after(id).is_none() {
                self.report("NotDue", format!("{id} is booked as due and is not"));
            }
        }
    }

    /// Whether the treaty's conditions admit the claim; the lists are compared here anew.
    fn is_eligible(&self, claim: &Claim) -> bool {
        let Some(clause) = self.treaty.eligibility_of(claim.member) else { return true };
        let Some(applicant) = claim.applicant.as_deref() else { return false };
        let country = applicant.country.to_ascii_uppercase();
        (clause.organisation_kinds.is_empty()
            || clause.organisation_kinds.contains(&applicant.organisation_kind))
            && (clause.countries.is_empty()
                || clause.countries.iter().any(|c| c.to_ascii_uppercase() == country))
            && (clause.purposes.is_empty() || clause.purposes.contains(&applicant.purpose))
            && applicant
                .data_class
                .as_ref()
                .is_none_or(|name| clause.data_classes.iter().any(|d| d.name == *name))
    }
}

//! Judges what parties allow inside themselves: plain sums by every part of a path, held against the ceiling there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Judge, Violation};
use crate::quota::Limits;
use crate::snapshot::{Claim, ClaimState, Slot};
use crate::units::{Gpus, MemberId};

/// An element inside a party: names from the outside in.
type Element = (MemberId, Vec<Arc<str>>);

impl Judge<'_> {
    /// Whatever starts, or gets GPUs kept for it, stays below every ceiling around it; what was above one before may
    /// stay. The same in the lines alone.
    pub(super) fn shares_inside_hold(&mut self) {
        self.nobody_was_due_before();
        if self.inside.iter().all(|inside| inside.tree.is_none()) {
            return;
        }
        let mut used: BTreeMap<Element, u64> = BTreeMap::new();
        let mut add = |claim: &Claim, gpus: u64| {
            for (element, _) in self.elements(claim) {
                *used.entry(element).or_default() += gpus;
            }
        };
        let sum = |slots: &[Slot]| slots.iter().map(|s| u64::from(s.gpus)).sum::<u64>();
        for (id, _, _, slots) in self.holdings_after() {
            self.claim(id).into_iter().for_each(|claim| add(claim, sum(slots)));
        }
        self.kept_after().into_iter().for_each(|(claim, kept)| add(claim, sum(&kept.slots)));
        let anew = self.plan.admissions.iter().map(|a| &a.claim);
        let anew = anew.chain(self.plan.reservations.iter().map(|r| &r.claim));
        let anew: Vec<&Claim> = anew.filter_map(|id| self.claim(id)).collect();
        let mut broken = self.above_ceilings("AboveShareCeiling", &anew, &used);
        for claim in anew {
            let refused = self.elements(claim).into_iter().find_map(|(_, limits)| limits.refused);
            broken.extend(refused.map(|why| Violation {
                rule: "RefusedShare",
                detail: format!("{} starts, but {why:?}", claim.id),
            }));
        }
        broken.extend(self.lines_above_ceilings());
        self.found.extend(broken);
    }

    /// What a member allows inside itself since a time makes nobody due before it.
    fn nobody_was_due_before(&mut self) {
        let mut broken = Vec::new();
        for start in &self.plan.due {
            let Some(claim) = self.claim(&start.claim).filter(|claim| claim.due.is_none()) else { continue };
            let since = self.inside.get(claim.member.index()).map_or(start.due.since, |inside| inside.since);
            if start.due.since < since.min(self.now) {
                let detail = format!("{} is due since before the quota that lets it start", claim.id);
                broken.push(Violation { rule: "DueBeforeQuota", detail });
            }
        }
        self.found.extend(broken);
    }

    fn lines_above_ceilings(&self) -> Vec<Violation> {
        let mut used: BTreeMap<Element, u64> = BTreeMap::new();
        for claim in &self.snapshot.claims {
            let Some(due) = self.due_after(&claim.id) else { continue };
            if let ClaimState::Finished { runtime } = claim.state
                && due.since.after(runtime) <= self.now
            {
                continue;
            }
            let gpus = due.places.iter().map(|(_, gpus)| u64::from(*gpus)).sum::<u64>();
            for (element, _) in self.elements(claim) {
                *used.entry(element).or_default() += gpus;
            }
        }
        let anew: Vec<&Claim> = self.plan.due.iter().filter_map(|d| self.claim(&d.claim)).collect();
        self.above_ceilings("LineAboveShareCeiling", &anew, &used)
    }

    /// Elements around these claims that use more than their ceiling.
    fn above_ceilings(
        &self,
        rule: &'static str,
        claims: &[&Claim],
        used: &BTreeMap<Element, u64>,
    ) -> Vec<Violation> {
        let around: BTreeSet<(Element, Gpus)> = claims
            .iter()
            .flat_map(|claim| self.elements(claim))
            .filter_map(|(element, limits)| Some((element, limits.ceiling?)))
            .collect();
        let of = |element: &Element| used.get(element).copied().unwrap_or(0);
        let above = around.into_iter().filter(|(element, most)| of(element) > u64::from(*most));
        above
            .map(|(element, most)| {
                let (party, path) = (&self.treaty.member(element.0).name, element.1.join("/"));
                let detail = format!("{path} of {party} would use {} of at most {most}", of(&element));
                Violation { rule, detail }
            })
            .collect()
    }

    /// The claim's elements with their limits, from the outside in.
    fn elements(&self, claim: &Claim) -> Vec<(Element, Limits)> {
        let Some(tree) = self.inside.get(claim.member.index()).and_then(|i| i.tree.as_ref()) else {
            return Vec::new();
        };
        let limits = tree.along(&claim.path);
        let path = |depth: usize| limits[..=depth].iter().map(|l| l.name.clone()).collect();
        (0..limits.len()).map(|depth| ((claim.member, path(depth)), limits[depth].clone())).collect()
    }
}

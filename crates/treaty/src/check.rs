//! An independent judge of plans: lists every broken promise of a plan before anybody acts on it.
//!
//! Written without looking at how [`crate::decide`] works and sharing no code with it: it replays the plan on plain
//! sums and compares these with the treaty. It runs in tests and before every apply; a violation stops the apply.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::plan::Plan;
use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Claim, ClaimState, Due, Holding, Phase, Reserved, Slot, Snapshot};
use crate::treaty::Treaty;
use crate::units::{ClaimId, MemberId, NodeName, TimestampMillis};

/// A promise that a plan would break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Rule, CamelCase; a metric label.
    pub rule: &'static str,
    /// What exactly.
    pub detail: String,
}

/// A plan that passed [`check`]; the only kind that may be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPlan(Plan);

impl CheckedPlan {
    /// Lets a plan through if it breaks nothing.
    ///
    /// # Errors
    /// The violations found.
    pub fn new(
        treaty: &Treaty,
        snapshot: &Snapshot,
        now: TimestampMillis,
        plan: Plan,
    ) -> Result<Self, Vec<Violation>> {
        let found = check(treaty, snapshot, now, &plan);
        if found.is_empty() { Ok(Self(plan)) } else { Err(found) }
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.0
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}

/// Lists what the plan would break; empty is good.
#[must_use]
pub fn check(treaty: &Treaty, snapshot: &Snapshot, now: TimestampMillis, plan: &Plan) -> Vec<Violation> {
    let by_id = snapshot.claims.iter().map(|c| (&c.id, c)).collect();
    let rebooked = plan.basis_changes.iter().map(|c| (&c.claim, c.to)).collect();
    let mut judge = Judge { treaty, snapshot, now, plan, by_id, rebooked, found: Vec::new() };
    judge.every_claim_once();
    judge.admissions_are_whole_gangs();
    judge.nodes_are_not_overbooked();
    judge.quotas_hold();
    judge.lines_alone_hold();
    judge.reclaims_are_lawful();
    judge.found
}

struct Judge<'a> {
    treaty: &'a Treaty,
    snapshot: &'a Snapshot,
    now: TimestampMillis,
    plan: &'a Plan,
    by_id: BTreeMap<&'a ClaimId, &'a Claim>,
    rebooked: BTreeMap<&'a ClaimId, Basis>,
    found: Vec<Violation>,
}

impl<'a> Judge<'a> {
    fn report(&mut self, rule: &'static str, detail: String) {
        self.found.push(Violation { rule, detail });
    }

    fn claim(&self, id: &ClaimId) -> Option<&'a Claim> {
        self.by_id.get(id).copied()
    }

    fn holding(&self, id: &ClaimId) -> Option<&'a Holding> {
        self.claim(id).and_then(Claim::holding)
    }

    /// Basis of a running claim after the plan.
    fn basis_after(&self, id: &ClaimId, before: Basis) -> Basis {
        self.rebooked.get(id).copied().unwrap_or(before)
    }

    /// Everything that holds GPUs once the plan is applied. Stopped claims still hold theirs until they are gone.
    fn holdings_after(&self) -> Vec<(&'a ClaimId, MemberId, Basis, &'a [Slot])> {
        let mut all: Vec<(&ClaimId, MemberId, Basis, &[Slot])> = Vec::new();
        for claim in &self.snapshot.claims {
            if let ClaimState::Holding(h) = &claim.state {
                all.push((&claim.id, claim.member, self.basis_after(&claim.id, h.basis), &h.slots));
            }
        }
        for admission in &self.plan.admissions {
            if let Some(claim) = self.claim(&admission.claim) {
                all.push((&claim.id, claim.member, admission.basis, &admission.slots));
            }
        }
        all
    }

    /// What is kept for waiting claims once the plan is applied.
    fn kept_after(&self) -> Vec<(&'a Claim, &'a Reserved)> {
        let started: BTreeSet<&ClaimId> = self.plan.admissions.iter().map(|a| &a.claim).collect();
        let anew: BTreeMap<&ClaimId, &Reserved> =
            self.plan.reservations.iter().map(|r| (&r.claim, &r.kept)).collect();
        let before = self.snapshot.claims.iter().filter_map(|c| match &c.state {
            ClaimState::Reserved(kept) if !self.plan.releases.contains(&c.id) => Some((c, kept)),
            _ => None,
        });
        let before = before.filter(|(c, _)| !started.contains(&c.id) && !anew.contains_key(&c.id));
        let new = anew.iter().filter_map(|(id, kept)| Some((self.claim(id)?, *kept)));
        before.chain(new).collect()
    }

    /// The claim's run alone after the plan.
    fn due_after(&self, id: &ClaimId) -> Option<&'a Due> {
        let anew = self.plan.due.iter().find(|d| d.claim == *id).map(|d| &d.due);
        let before = || self.claim(id)?.due.as_ref().filter(|_| !self.plan.no_longer_due.contains(id));
        anew.or_else(before)
    }

    fn every_claim_once(&mut self) {
        let mut acted: BTreeSet<&ClaimId> = BTreeSet::new();
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
        let forgotten = |c: &&Claim| c.is_waiting() && !acted.contains(&c.id);
        let lost: Vec<&Claim> = self.snapshot.claims.iter().filter(forgotten).collect();
        for claim in lost {
            self.report("Forgotten", format!("{} waits without a reason", claim.id));
        }
    }

    fn admissions_are_whole_gangs(&mut self) {
        for admission in &self.plan.admissions {
            let Some(claim) = self.claim(&admission.claim) else { continue };
            let (gang, id) = (claim.gang, &claim.id);
            let total: u64 = admission.slots.iter().map(|s| u64::from(s.gpus)).sum();
            if total != u64::from(gang.pods) * u64::from(gang.gpus_per_pod) {
                self.report("PartialGang", format!("{id} asks {gang:?} and gets {total} GPUs"));
            }
            let distinct: BTreeSet<&NodeName> = admission.slots.iter().map(|s| &s.node).collect();
            if distinct.len() != admission.slots.len() {
                self.report("PartialGang", format!("{id} gets a node twice"));
            }
            for slot in &admission.slots {
                let node = self.snapshot.nodes.iter().find(|n| n.name == slot.node);
                match node {
                    None => self.report("UnknownNode", format!("{id} on {}", slot.node)),
                    Some(n) if !n.schedulable => {
                        self.report("UnschedulableNode", format!("{id} on {}", slot.node));
                    }
                    // A gang over several nodes must own them, or the scheduler could mix it with others.
                    Some(n) if admission.slots.len() > 1 && slot.gpus != n.gpus => {
                        self.report(
                            "SharedGangNode",
                            format!("{id} takes {} of {} GPUs on {}", slot.gpus, n.gpus, n.name),
                        );
                    }
                    Some(_) if !slot.gpus.is_multiple_of(gang.gpus_per_pod.max(1)) => {
                        self.report("SplitPod", format!("{id} gets {} GPUs on {}", slot.gpus, slot.node));
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn nodes_are_not_overbooked(&mut self) {
        let mut used: BTreeMap<&NodeName, u64> = BTreeMap::new();
        for (_, _, _, slots) in self.holdings_after() {
            for slot in slots {
                *used.entry(&slot.node).or_default() += u64::from(slot.gpus);
            }
        }
        let started: BTreeSet<&NodeName> =
            self.plan.admissions.iter().flat_map(|a| a.slots.iter().map(|s| &s.node)).collect();
        let kept_anew: BTreeSet<&NodeName> =
            self.plan.reservations.iter().flat_map(|r| r.kept.slots.iter().map(|s| &s.node)).collect();
        let kept = self.kept_and_staying();
        for node in &self.snapshot.nodes {
            let kept = kept.get(&node.name).copied().unwrap_or(0);
            if kept > u64::from(node.gpus) && (started.contains(&node.name) || kept_anew.contains(&node.name))
            {
                self.report(
                    "KeptTwice",
                    format!("{} has {} GPUs, {kept} are kept or stay in use", node.name, node.gpus),
                );
            }
            let now_used = used.get(&node.name).copied().unwrap_or(0);
            // A node that shrank under running work is no fault of a plan that adds nothing to it.
            if now_used > u64::from(node.gpus) && started.contains(&node.name) {
                self.report(
                    "Overbooked",
                    format!("{} has {} GPUs, {now_used} would be used", node.name, node.gpus),
                );
            }
        }
    }

    /// By node: what is kept for waiting claims, and what is held by claims that nobody told to leave.
    fn kept_and_staying(&self) -> BTreeMap<&'a NodeName, u64> {
        let mut sums: BTreeMap<&NodeName, u64> = BTreeMap::new();
        for (id, _, _, slots) in self.holdings_after() {
            for slot in slots.iter().filter(|_| !self.leaves(id)) {
                *sums.entry(&slot.node).or_default() += u64::from(slot.gpus);
            }
        }
        for (_, kept) in self.kept_after() {
            for slot in &kept.slots {
                *sums.entry(&slot.node).or_default() += u64::from(slot.gpus);
            }
        }
        sums
    }

    /// Whether a claim that holds GPUs is on its way out once the plan is applied.
    fn leaves(&self, id: &ClaimId) -> bool {
        let was_told = self.holding(id).is_some_and(|h| h.phase != Phase::Running);
        let told = |id: &ClaimId| {
            self.plan.notices.iter().any(|n| n.claim == *id) || self.plan.stops.iter().any(|s| s.claim == *id)
        };
        told(id) || was_told && !self.plan.withdrawals.contains(id)
    }

    fn quotas_hold(&mut self) {
        let mut total: BTreeMap<MemberId, u64> = BTreeMap::new();
        let mut guaranteed: BTreeMap<MemberId, u64> = BTreeMap::new();
        for (id, member, basis, slots) in self.holdings_after() {
            let gpus: u64 = slots.iter().map(|s| u64::from(s.gpus)).sum();
            *total.entry(member).or_default() += gpus;
            if basis != Basis::Borrowed && !self.leaves(id) {
                *guaranteed.entry(member).or_default() += gpus;
            }
        }
        for (claim, kept) in self.kept_after() {
            let gpus: u64 = kept.slots.iter().map(|s| u64::from(s.gpus)).sum();
            *total.entry(claim.member).or_default() += gpus;
            *guaranteed.entry(claim.member).or_default() += gpus;
        }
        let started: BTreeSet<MemberId> =
            self.plan.admissions.iter().filter_map(|a| self.claim(&a.claim)).map(|c| c.member).collect();
        for id in self.treaty.member_ids() {
            let member = self.treaty.member(id);
            let (all, safe) =
                (total.get(&id).copied().unwrap_or(0), guaranteed.get(&id).copied().unwrap_or(0));
            if safe > u64::from(member.guarantee) {
                self.report(
                    "AboveGuarantee",
                    format!("{} books {safe} of {} guaranteed", member.name, member.guarantee),
                );
            }
            if let Some(ceiling) = member.ceiling.filter(|c| all > u64::from(*c) && started.contains(&id)) {
                self.report("AboveCeiling", format!("{} would use {all} of at most {ceiling}", member.name));
            }
        }
    }

    /// Who is called due runs alone on the member's own nodes, and these are not overbooked.
    fn lines_alone_hold(&mut self) {
        let cell = self.snapshot.nodes.iter().map(|n| u64::from(n.gpus)).max().unwrap_or(0);
        let mut used: BTreeMap<(MemberId, u32), u64> = BTreeMap::new();
        let mut lines: BTreeMap<MemberId, u64> = BTreeMap::new();
        for claim in &self.snapshot.claims {
            let Some(due) = self.due_after(&claim.id) else { continue };
            let over = match claim.state {
                ClaimState::Finished { runtime } => due.since.after(runtime) <= self.now,
                _ => false,
            };
            for &(node, gpus) in due.places.iter().filter(|_| !over) {
                *used.entry((claim.member, node)).or_default() += u64::from(gpus);
                *lines.entry(claim.member).or_default() += u64::from(gpus);
            }
        }
        if self.plan.due.is_empty() {
            return;
        }
        let overbooked: Vec<String> = used
            .iter()
            .filter(|(_, gpus)| **gpus > cell)
            .map(|((member, node), gpus)| {
                format!(
                    "{} runs {gpus} GPUs alone on its node {node} of {cell}",
                    self.treaty.member(*member).name
                )
            })
            .collect();
        for detail in overbooked {
            self.report("LineOverbooked", detail);
        }
        let too_long: Vec<String> = lines
            .iter()
            .map(|(member, gpus)| (self.treaty.member(*member), gpus))
            .filter(|(member, gpus)| **gpus > u64::from(member.guarantee))
            .map(|(member, gpus)| format!("{} runs {gpus} of {} GPUs alone", member.name, member.guarantee))
            .collect();
        for detail in too_long {
            self.report("LineOverbooked", detail);
        }
    }

    /// Whether a claim booked so may be sent away for the claim that gets its place.
    fn may_be_sent_away(&self, basis: Basis, reason: &ReclaimReason) -> bool {
        match (basis, reason) {
            (_, ReclaimReason::NodeLost) | (Basis::Borrowed, _) => true,
            (Basis::Guaranteed, ReclaimReason::GuaranteeOf { claim, .. }) => self.due_after(claim).is_some(),
            (Basis::Guaranteed | Basis::Due, _) => false,
        }
    }

    /// Earliest lawful deadline of a notice given now.
    fn earliest_deadline(&self, reason: &ReclaimReason) -> TimestampMillis {
        let due = match reason {
            ReclaimReason::GuaranteeOf { claim, .. } => self.due_after(claim),
            _ => None,
        };
        due.map_or(self.now, |d| d.since).after(self.treaty.reclaim_notice()).max(self.now)
    }

    fn reclaims_are_lawful(&mut self) {
        let node_lost =
            |h: &Holding| h.slots.iter().any(|s| !self.snapshot.nodes.iter().any(|n| n.name == s.node));
        let mut broken = Vec::new();
        for notice in &self.plan.notices {
            let Some(h) = self.holding(&notice.claim) else { continue };
            if !self.may_be_sent_away(self.basis_after(&notice.claim, h.basis), &notice.reason) {
                broken.push(("ReclaimedGuarantee", format!("{} runs inside its guarantee", notice.claim)));
            }
            let anew = self.earliest_deadline(&notice.reason);
            // Who was told before need not be given longer because it now leaves for another.
            let earliest = match h.phase {
                Phase::Noticed { deadline } => anew.min(deadline),
                Phase::Running | Phase::Stopping => anew,
            };
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
            if !self.may_be_sent_away(self.basis_after(&stop.claim, h.basis), &stop.reason) {
                broken.push(("ReclaimedGuarantee", format!("{} runs inside its guarantee", stop.claim)));
            }
            let allowed = match h.phase {
                Phase::Noticed { deadline } if self.now >= deadline => true,
                // For a claim that is late already the notice is shorter, also one that was given before.
                Phase::Noticed { .. } | Phase::Running => self.now >= self.earliest_deadline(&stop.reason),
                Phase::Stopping => false,
            };
            if !allowed {
                broken.push(("ShortNotice", format!("{} is stopped before its deadline", stop.claim)));
            }
        }
        self.found.extend(broken.into_iter().map(|(rule, detail)| Violation { rule, detail }));
    }
}

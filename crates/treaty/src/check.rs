//! An independent judge of plans: lists every broken promise of a plan before anybody acts on it.
//!
//! Written without looking at how [`crate::decide`] works and sharing no code with it: it replays the plan on plain
//! sums and compares these with the treaty. It runs in tests and before every apply; a violation stops the apply.

mod aging;
mod index;
mod places;
mod reclaims;
mod shares;
mod starts;
mod windows;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use index::Index;

use crate::plan::Plan;
use crate::quota::PartyShares;
use crate::schedule::Occurrence;
use crate::snapshot::{Basis, Claim, ClaimState, Due, Holding, Node, Phase, Reserved, Slot, Snapshot};
use crate::terms::{Pool, Terms};
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

/// Lists what the plan would break; empty is good. Each class of GPUs is judged for itself.
#[must_use]
pub fn check(treaty: &Treaty, snapshot: &Snapshot, now: TimestampMillis, plan: &Plan) -> Vec<Violation> {
    let terms = Terms::at(treaty, snapshot, now);
    let mut found = Vec::new();
    for pool in &terms.pools {
        if pool.class.is_none() {
            return check_pool(pool, snapshot, now, plan);
        }
        let part = pool.part(snapshot);
        let here: HashSet<&ClaimId> = part.claims.iter().map(|c| &c.id).collect();
        found.extend(check_pool(pool, &part, now, &plan.part(|id| here.contains(id))));
    }
    let known: HashSet<&ClaimId> = snapshot.claims.iter().map(|c| &c.id).collect();
    let strangers = plan.part(|id| !known.contains(id));
    if !strangers.is_quiet() || !strangers.waits.is_empty() {
        let detail = format!("the plan speaks of claims that do not exist: {strangers:?}");
        found.push(Violation { rule: "WrongState", detail });
    }
    // Who asks no pool may only wait.
    let nowhere: Vec<&Claim> = snapshot.claims.iter().filter(|c| terms.pool_of(c).is_none()).collect();
    let ids: HashSet<&ClaimId> = nowhere.iter().map(|c| &c.id).collect();
    let rest = plan.part(|id| ids.contains(id));
    let waits: HashSet<&ClaimId> = rest.waits.iter().map(|w| &w.claim).collect();
    let acted_on = |id: &ClaimId| !rest.is_quiet() && !rest.part(|other| other == id).is_quiet();
    for claim in nowhere {
        if acted_on(&claim.id) || claim.is_waiting() && !waits.contains(&claim.id) {
            let detail = format!("{} is acted on without a class, or waits without a reason", claim.id);
            found.push(Violation { rule: "WrongClass", detail });
        }
    }
    found
}

fn check_pool(pool: &Pool, snapshot: &Snapshot, now: TimestampMillis, plan: &Plan) -> Vec<Violation> {
    let index = Index::of(snapshot, plan);
    let (Pool { treaty, windows, .. }, inside) = (pool, pool.shares_inside(snapshot));
    let mut judge = Judge { treaty, windows, inside, snapshot, now, plan, index, found: Vec::new() };
    judge.every_claim_once();
    judge.only_who_may_start_starts();
    judge.places_are_whole_gangs();
    judge.only_the_due_are_booked_so();
    judge.places_are_as_asked();
    judge.nodes_are_not_overbooked();
    judge.quotas_hold();
    judge.limits_of_borrowing_hold();
    judge.shares_inside_hold();
    judge.lines_alone_hold();
    judge.reclaims_are_lawful();
    judge.windows_hold();
    judge.aging_holds();
    judge.found
}

struct Judge<'a> {
    treaty: &'a Treaty,
    windows: &'a [Occurrence],
    /// By party: what it allows inside itself.
    inside: Vec<PartyShares>,
    snapshot: &'a Snapshot,
    now: TimestampMillis,
    plan: &'a Plan,
    index: Index<'a>,
    found: Vec<Violation>,
}

impl<'a> Judge<'a> {
    fn report(&mut self, rule: &'static str, detail: String) {
        self.found.push(Violation { rule, detail });
    }

    fn claim(&self, id: &ClaimId) -> Option<&'a Claim> {
        self.index.claims.get(id).copied()
    }

    fn holding(&self, id: &ClaimId) -> Option<&'a Holding> {
        self.claim(id).and_then(Claim::holding)
    }

    fn node(&self, name: &NodeName) -> Option<&'a Node> {
        self.index.nodes.get(name).map(|&at| &self.snapshot.nodes[at])
    }

    /// Basis of a running claim after the plan.
    fn basis_after(&self, id: &ClaimId, before: Basis) -> Basis {
        self.index.rebooked.get(id).copied().unwrap_or(before)
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

    /// What is kept for waiting claims, for their members' guarantees, once the plan is applied.
    fn kept_after(&self) -> Vec<(&'a Claim, &'a Reserved)> {
        self.kept_after_of(false)
    }

    /// The same, or what is kept for aged claims on borrowed account.
    fn kept_after_of(&self, borrowed: bool) -> Vec<(&'a Claim, &'a Reserved)> {
        let started: BTreeSet<&ClaimId> = self.plan.admissions.iter().map(|a| &a.claim).collect();
        let anew: BTreeMap<&ClaimId, &Reserved> =
            self.plan.reservations.iter().map(|r| (&r.claim, &r.kept)).collect();
        let before = self.snapshot.claims.iter().filter_map(|c| match &c.state {
            ClaimState::Reserved(kept) if !self.index.released.contains(&c.id) => Some((c, kept)),
            _ => None,
        });
        let before = before.filter(|(c, _)| !started.contains(&c.id) && !anew.contains_key(&c.id));
        let new = anew.iter().filter_map(|(id, kept)| Some((self.claim(id)?, *kept)));
        before.chain(new).filter(|(_, kept)| (kept.basis == Basis::Borrowed) == borrowed).collect()
    }

    /// The claim's run alone after the plan.
    fn due_after(&self, id: &ClaimId) -> Option<&'a Due> {
        let anew = self.index.due.get(id).copied();
        let before = || self.claim(id)?.due.as_ref().filter(|_| !self.index.no_longer_due.contains(id));
        anew.or_else(before)
    }

    fn nodes_are_not_overbooked(&mut self) {
        let mut used = vec![0; self.snapshot.nodes.len()];
        for (_, _, _, slots) in self.holdings_after() {
            self.add(slots, &mut used);
        }
        let started: HashSet<&NodeName> =
            self.plan.admissions.iter().flat_map(|a| a.slots.iter().map(|s| &s.node)).collect();
        let kept_anew: HashSet<&NodeName> =
            self.plan.reservations.iter().flat_map(|r| r.kept.slots.iter().map(|s| &s.node)).collect();
        let kept = self.kept_and_staying();
        for ((node, kept), now_used) in self.snapshot.nodes.iter().zip(kept).zip(used) {
            if kept > u64::from(node.gpus) && (started.contains(&node.name) || kept_anew.contains(&node.name))
            {
                self.report(
                    "KeptTwice",
                    format!("{} has {} GPUs, {kept} are kept or stay in use", node.name, node.gpus),
                );
            }
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
    fn kept_and_staying(&self) -> Vec<u64> {
        let mut sums = vec![0; self.snapshot.nodes.len()];
        for (_, _, _, slots) in self.holdings_after().iter().filter(|(id, ..)| !self.leaves(id)) {
            self.add(slots, &mut sums);
        }
        for (_, kept) in self.kept_after() {
            self.add(&kept.slots, &mut sums);
        }
        sums
    }

    /// Adds GPUs to sums by node; a node that is gone has none.
    fn add(&self, slots: &[Slot], sums: &mut [u64]) {
        for slot in slots {
            if let Some(&at) = self.index.nodes.get(&slot.node) {
                sums[at] += u64::from(slot.gpus);
            }
        }
    }

    /// Whether a claim that holds GPUs is on its way out once the plan is applied.
    fn leaves(&self, id: &ClaimId) -> bool {
        let was_told = || self.holding(id).is_some_and(|h| h.phase != Phase::Running);
        let told = self.index.noticed.contains_key(id) || self.index.stopped.contains(id);
        told || !self.index.withdrawn.contains(id) && was_told()
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

    /// Nobody starts on borrowed GPUs beyond what over-use of the budget leaves. What runs already is no fault of a
    /// plan that starts nothing.
    fn limits_of_borrowing_hold(&mut self) {
        let mut borrowed: BTreeMap<MemberId, u64> = BTreeMap::new();
        for (_, member, _, slots) in
            self.holdings_after().iter().filter(|(_, _, basis, _)| *basis == Basis::Borrowed)
        {
            *borrowed.entry(*member).or_default() += slots.iter().map(|s| u64::from(s.gpus)).sum::<u64>();
        }
        let new = self.plan.admissions.iter().filter(|a| a.basis == Basis::Borrowed);
        let borrowers: BTreeSet<MemberId> =
            new.filter_map(|a| self.claim(&a.claim)).map(|c| c.member).collect();
        for member in borrowers {
            let most = self.snapshot.standings.get(member.index()).and_then(|s| s.most_borrowed);
            let borrowed = borrowed.get(&member).copied().unwrap_or(0);
            if let Some(most) = most.filter(|most| borrowed > u64::from(*most)) {
                let name = &self.treaty.member(member).name;
                self.report(
                    "AboveBorrowingLimit",
                    format!("{name} would borrow {borrowed} of at most {most}"),
                );
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
}

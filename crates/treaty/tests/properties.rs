//! Properties of every decision, on random small pools, held against brute force where there is an oracle.
//! A failing case is kept by proptest beside this file; its seed is printed.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use concord_treaty::check::check;
use concord_treaty::decide::decide;
use concord_treaty::document::Document;
use concord_treaty::plan::Plan;
use concord_treaty::reason::WaitReason;
use concord_treaty::simulate::{TraceJob, replay, replay_partitioned};
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Gang, Holding, Phase, Snapshot};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, DurationMillis, MemberId, TimestampMillis};
use proptest::prelude::*;
use support::*;

const NODE_GPUS: u32 = 4;

fn any_gang() -> impl Strategy<Value = Gang> {
    prop_oneof![
        4 => (1..=2_u32, 1..=2_u32).prop_map(|(p, g)| gang(p, g)),
        2 => (1..=3_u32).prop_map(|p| gang(p, 4)),
        1 => (1..=5_u32, 1..=5_u32).prop_map(|(p, g)| gang(p, g)),
    ]
}

/// Guarantees of 0 to 2 whole nodes each, at most as many as the pool has; sometimes a ceiling or a kept node.
fn any_document() -> impl Strategy<Value = (Document, usize)> {
    let member = (0..=2_i64, proptest::option::of(0..=3_i64), prop_oneof![3 => Just(0_i64), 1 => 0..=4_i64]);
    (proptest::collection::vec(member, 1..=3), 0..=2_usize, 0..=2_i64).prop_map(|(members, extra, notice)| {
        let cells: Vec<i64> = members.iter().map(|m| m.0 * i64::from(NODE_GPUS)).collect();
        let mut document = document(&cells, notice);
        for (i, (_, ceiling, keep)) in members.iter().enumerate() {
            if let Some(above) = ceiling {
                document = with_ceiling(document, i, cells[i] + above * 2);
            }
            document = keeping(document, i, (*keep).min(cells[i]));
        }
        let nodes = usize::try_from(cells.iter().sum::<i64>()).unwrap() / NODE_GPUS as usize;
        (document, (nodes + extra).max(1))
    })
}

#[derive(Debug, Clone)]
enum Event {
    Submit(u16, Gang),
    Finish(usize),
    Cancel(usize),
    Wait(i64),
    LoseNode(usize),
    Amend(usize, i64),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3_u16, any_gang()).prop_map(|(m, g)| Event::Submit(m, g)),
        3 => (0..20_usize).prop_map(Event::Finish),
        1 => (0..20_usize).prop_map(Event::Cancel),
        3 => (0..3_000_i64).prop_map(Event::Wait),
        1 => (0..20_usize).prop_map(Event::LoseNode),
        1 => (0..3_usize, 0..=2_i64).prop_map(|(m, c)| Event::Amend(m, c)),
    ]
}

/// A pool that lives: applies events, decides after each and makes the plan true.
struct Pool {
    document: Document,
    snapshot: Snapshot,
    now: i64,
    submitted: usize,
}

impl Pool {
    fn new(document: Document, node_count: usize) -> Self {
        Self { document, snapshot: snapshot(&nodes(node_count, NODE_GPUS), &[]), now: 0, submitted: 0 }
    }

    fn treaty(&self) -> Treaty {
        treaty(&self.document)
    }

    fn happen(&mut self, event: &Event) {
        self.now += 1;
        let claims = &mut self.snapshot.claims;
        match event {
            Event::Submit(member, gang) => {
                let member = member % u16::try_from(self.document.members.len()).unwrap();
                self.submitted += 1;
                claims.push(waiting(&format!("c{:04}", self.submitted), member, *gang, self.now));
            }
            Event::Finish(nth) => {
                let running: Vec<usize> =
                    (0..claims.len()).filter(|&i| claims[i].holding().is_some()).collect();
                if let Some(&i) = running.get(nth % running.len().max(1)) {
                    claims.remove(i);
                }
            }
            Event::Cancel(nth) => {
                let i = nth % claims.len().max(1);
                if i < claims.len() {
                    claims.remove(i);
                }
            }
            Event::Wait(millis) => self.now += millis,
            Event::LoseNode(nth) if self.snapshot.nodes.len() > 1 => {
                let n = nth % self.snapshot.nodes.len();
                self.snapshot.nodes.remove(n);
            }
            Event::LoseNode(_) => {}
            Event::Amend(member, cells) => {
                let member = member % self.document.members.len();
                let raw = &mut self.document.members[member];
                let gpus = (cells * i64::from(NODE_GPUS)).min(raw.guarantee.gpus);
                raw.guarantee.gpus = gpus;
                raw.lending = None;
            }
        }
        self.snapshot = Snapshot::new(self.snapshot.nodes.clone(), std::mem::take(&mut self.snapshot.claims));
    }

    /// Decides and applies until nothing changes, as every caller must; the last plan is quiet.
    fn settle(
        &mut self,
        mut look: impl FnMut(&Self, &Treaty, &Plan) -> Result<(), TestCaseError>,
    ) -> Result<Plan, TestCaseError> {
        let treaty = self.treaty();
        // Each claim can start, be told, be stopped and be rebooked, and each such step may cost one decision.
        for _ in 0..8 * (self.snapshot.claims.len() + 1) {
            let plan = decide(&treaty, &self.snapshot, TimestampMillis(self.now));
            look(self, &treaty, &plan)?;
            if plan.is_quiet() {
                return Ok(plan);
            }
            self.apply(&plan);
        }
        Err(TestCaseError::fail("decisions do not come to rest: a loop"))
    }

    fn apply(&mut self, plan: &Plan) {
        for claim in &mut self.snapshot.claims {
            if let Some(a) = plan.admissions.iter().find(|a| a.claim == claim.id) {
                claim.state = ClaimState::Holding(Holding {
                    slots: a.slots.clone(),
                    basis: a.basis,
                    since: TimestampMillis(self.now),
                    phase: Phase::Running,
                    promised_to: None,
                });
            }
            let ClaimState::Holding(h) = &mut claim.state else { continue };
            if let Some(n) = plan.notices.iter().find(|n| n.claim == claim.id) {
                h.phase = Phase::Noticed { deadline: n.deadline };
                h.promised_to = n.promised_to().cloned();
            }
            if plan.withdrawals.contains(&claim.id) {
                h.phase = Phase::Running;
                h.promised_to = None;
            }
            if let Some(c) = plan.basis_changes.iter().find(|c| c.claim == claim.id) {
                h.basis = c.to;
            }
            if let Some(stop) = plan.stops.iter().find(|s| s.claim == claim.id) {
                claim.state = ClaimState::Waiting { put_back: stop.to_front };
            }
        }
    }
}

/// Brute force: could the gang run on free GPUs, if nothing were promised or kept?
fn fits_idle(snapshot: &Snapshot, plan: &Plan, gang: Gang) -> bool {
    let used = |name| -> u32 {
        let held = snapshot.claims.iter().filter_map(Claim::holding).flat_map(|h| &h.slots);
        let started = plan.admissions.iter().flat_map(|a| &a.slots);
        held.chain(started).filter(|s| s.node == name).map(|s| s.gpus).sum()
    };
    let free: Vec<u32> = snapshot.nodes.iter().map(|n| n.gpus - used(n.name.clone())).collect();
    match gang.whole_nodes(NODE_GPUS) {
        Ok(None) => free.iter().any(|f| *f >= gang.gpus()),
        Ok(Some(count)) => free.iter().filter(|f| **f == NODE_GPUS).count() >= count as usize,
        Err(_) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever happens, no plan breaks a promise, decisions come to rest, and the same situation seen in another
    /// order gives the same plan.
    #[test]
    fn every_plan_is_lawful_and_deterministic((document, node_count) in any_document(), events in proptest::collection::vec(any_event(), 1..60)) {
        let mut pool = Pool::new(document, node_count);
        for event in &events {
            pool.happen(event);
            pool.settle(|pool, treaty, plan| {
                let now = TimestampMillis(pool.now);
                prop_assert_eq!(check(treaty, &pool.snapshot, now, plan), vec![]);
                let mut reversed = pool.snapshot.clone();
                reversed.nodes.reverse();
                reversed.claims.reverse();
                let again = decide(treaty, &Snapshot::new(reversed.nodes, reversed.claims), now);
                prop_assert_eq!(&again, plan);
                Ok(())
            })?;
        }
    }

    /// No GPU idles while somebody could use it: not promised, not kept, not above a ceiling.
    #[test]
    fn idle_gpus_are_used((document, node_count) in any_document(), events in proptest::collection::vec(any_event(), 1..40)) {
        let mut pool = Pool::new(document, node_count);
        for event in &events {
            pool.happen(event);
            let plan = pool.settle(|_, _, _| Ok(()))?;
            let promised = plan.waits.iter().any(|w| w.reason == WaitReason::WaitingForReclaim);
            let excused = |r: &WaitReason| matches!(r, WaitReason::KeptByOwners | WaitReason::CeilingReached(_) | WaitReason::ExceedsCeiling(_));
            for wait in plan.waits.iter().filter(|w| !promised && !excused(&w.reason)) {
                let claim = pool.snapshot.claims.iter().find(|c| c.id == wait.claim).unwrap();
                prop_assert!(!fits_idle(&pool.snapshot, &plan, claim.gang), "{} waits for {:?} beside idle GPUs", wait.claim, wait.reason);
            }
        }
    }

    /// The first in a member's line that fits the guarantee by number and, packed alone, by shape, starts or is
    /// promised its place in the same decision. Holds as long as the pool has all the nodes that were promised.
    #[test]
    fn a_guarantee_is_never_refused((document, node_count) in any_document(), events in proptest::collection::vec(any_event(), 1..60)) {
        let mut pool = Pool::new(document, node_count);
        for event in events.iter().filter(|e| !matches!(e, Event::LoseNode(_) | Event::Amend(..))) {
            pool.happen(event);
            let treaty = pool.treaty();
            let plan = pool.settle(|_, _, _| Ok(()))?;
            for member in treaty.member_ids() {
                let guarantee = treaty.member(member).guarantee;
                let waits = plan.waits.iter().filter_map(|w| pool.snapshot.claims.iter().find(|c| c.id == w.claim).map(|c| (c, w)));
                let mut waits: Vec<_> = waits.collect();
                waits.sort_by_key(|(c, _)| c.submission_key());
                let head = waits.into_iter().find(|(c, _)| c.member == member && c.gang.gpus() <= guarantee && c.gang.whole_nodes(NODE_GPUS).is_ok());
                let Some((head, wait)) = head else { continue };
                if wait.reason == WaitReason::WaitingForReclaim || matches!(wait.reason, WaitReason::CeilingReached(_)) {
                    continue;
                }
                // An earlier claim of the member that runs on borrowed GPUs may stand in the way; alone it would too.
                let earlier = |c: &&Claim| c.member == member && c.holding().is_some_and(|h| h.basis == Basis::Borrowed) && c.submission_key() < head.submission_key();
                if pool.snapshot.claims.iter().any(|c| earlier(&c)) {
                    continue;
                }
                prop_assert!(!fits_alone(&pool.snapshot, &plan, member, guarantee, head.gang), "{} waits for {:?}", head.id, wait.reason);
            }
        }
    }

    /// A replay ends with every job done, every GPU-millisecond booked once, and never more than the pool in use.
    #[test]
    fn a_replay_finishes_everything((document, node_count) in any_document(), arrivals in proptest::collection::vec((0..3_u16, any_gang(), 0..5_000_i64, 1..20_000_i64), 1..40)) {
        let treaty = treaty(&document);
        let nodes = nodes(node_count, NODE_GPUS);
        let members = u16::try_from(document.members.len()).unwrap();
        let mut at = 0;
        let jobs: Vec<TraceJob> = arrivals.iter().enumerate().map(|(i, (member, gang, gap, runtime))| {
            at += gap;
            TraceJob { id: ClaimId::from(format!("j{i:03}").as_str()), member: MemberId(member % members), gang: *gang, submitted_at: TimestampMillis(at), runtime: DurationMillis(*runtime) }
        }).collect();
        let result = replay(&treaty, &nodes, &jobs).unwrap();
        let ceiling = |j: &TraceJob| treaty.member(j.member).ceiling.unwrap_or(u32::MAX).min(u32::try_from(nodes.len()).unwrap() * NODE_GPUS);
        let mut useful = 0_u64;
        for (job, outcome) in jobs.iter().zip(&result.outcomes) {
            let possible = job.gang.whole_nodes(NODE_GPUS).is_ok() && job.gang.gpus() <= ceiling(job);
            prop_assert!(!possible || outcome.finished_at.is_some() || kept(&treaty), "{} never ended", job.id);
            if outcome.finished_at.is_some() {
                useful += u64::from(job.gang.gpus()) * job.runtime.0.unsigned_abs();
            }
        }
        prop_assert_eq!(result.useful_gpu_millis, useful);
        let alone = replay_partitioned(&treaty, NODE_GPUS, &jobs).unwrap();
        for (job, (pooled, own)) in jobs.iter().zip(result.outcomes.iter().zip(&alone.outcomes)) {
            prop_assert!(own.finished_at.is_none() || pooled.finished_at.is_some() || kept(&treaty), "{} ends alone but not in the pool", job.id);
        }
    }
}

/// Kept GPUs can hold back work for ever, by the owners' wish.
fn kept(treaty: &Treaty) -> bool {
    treaty.members().iter().any(|m| m.keep > 0)
}

/// Brute force over the nodes on which the member has guaranteed work and as many fresh ones as its guarantee is
/// worth: is there room for the gang, borrowers ignored?
fn fits_alone(snapshot: &Snapshot, plan: &Plan, member: MemberId, guarantee: u32, gang: Gang) -> bool {
    let mut own: std::collections::BTreeMap<String, u32> = std::collections::BTreeMap::new();
    let mut total = 0;
    for claim in snapshot.claims.iter().filter(|c| c.member == member) {
        let held = claim.holding().filter(|h| {
            let basis = plan.basis_changes.iter().find(|b| b.claim == claim.id).map_or(h.basis, |b| b.to);
            basis == Basis::Guaranteed
        });
        let started = plan
            .admissions
            .iter()
            .find(|a| a.claim == claim.id && a.basis == Basis::Guaranteed)
            .map(|a| &a.slots);
        for slot in held.map(|h| &h.slots).or(started).into_iter().flatten() {
            *own.entry(slot.node.to_string()).or_default() += slot.gpus;
            total += slot.gpus;
        }
    }
    // Places promised in this plan to claims in front are not visible in it; then there is no oracle.
    let promised = plan.waits.iter().any(|w| w.reason == WaitReason::WaitingForReclaim);
    if promised || total + gang.gpus() > guarantee {
        return false;
    }
    let fresh = (guarantee / NODE_GPUS).saturating_sub(u32::try_from(own.len()).unwrap());
    match gang.whole_nodes(NODE_GPUS) {
        Ok(None) => fresh > 0 || own.values().any(|used| NODE_GPUS - used >= gang.gpus()),
        Ok(Some(count)) => fresh >= count,
        Err(_) => false,
    }
}

//! Properties of every decision, on random small pools, held against brute force where there is an oracle.
//! A failing case is kept by proptest beside this file; its seed is printed.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use concord_treaty::decide::decide;
use concord_treaty::document::Document;
use concord_treaty::plan::Plan;
use concord_treaty::reason::WaitReason;
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Gang, Node, Phase, Snapshot};
use concord_treaty::units::{MemberId, TimestampMillis};
use proptest::prelude::*;
use support::history::{Event, happen};
use support::pool::Pool;
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

fn any_event() -> impl Strategy<Value = Event> {
    let expected = proptest::option::of(1..5_000_i64);
    prop_oneof![
        6 => (0..3_u16, any_gang(), expected).prop_map(|(m, g, e)| Event::Submit(m, g, e)),
        3 => (0..20_usize).prop_map(Event::Finish),
        1 => (0..20_usize).prop_map(Event::Cancel),
        2 => (0..20_usize).prop_map(Event::Release),
        3 => (0..3_000_i64).prop_map(Event::Wait),
        1 => (0..20_usize).prop_map(Event::LoseNode),
        1 => (0..20_usize).prop_map(Event::Cordon),
        1 => (0..3_usize, 0..=2_i64).prop_map(|(m, cells)| Event::Amend(m, cells * i64::from(NODE_GPUS))),
    ]
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    proptest::collection::vec(any_event(), 1..60)
}

/// GPUs that are free on each node that takes work: not held, not kept for a waiting claim.
fn idle(snapshot: &Snapshot, beside: impl Fn(&Claim) -> bool) -> Vec<u32> {
    let used = |name| -> u32 {
        let claims = snapshot.claims.iter().filter(|c| !beside(c));
        let slots = claims.flat_map(|c| match &c.state {
            ClaimState::Holding(h) => h.slots.clone(),
            ClaimState::Reserved(r) => r.slots.clone(),
            ClaimState::Waiting { .. } | ClaimState::Finished { .. } => Vec::new(),
        });
        slots.filter(|s| s.node == name).map(|s| s.gpus).sum()
    };
    let free = |n: &Node| if n.schedulable { n.gpus.saturating_sub(used(n.name.clone())) } else { 0 };
    snapshot.nodes.iter().map(free).collect()
}

/// Brute force: could the gang run there?
fn fits(free: &[u32], gang: Gang) -> bool {
    match gang.whole_nodes(NODE_GPUS) {
        Ok(None) => free.iter().any(|f| *f >= gang.gpus()),
        Ok(Some(count)) => free.iter().filter(|f| **f == NODE_GPUS).count() >= count as usize,
        Err(_) => false,
    }
}

fn used(pool: &Pool, member: MemberId) -> u32 {
    let of = pool.snapshot.claims.iter().filter(|c| c.member == member);
    of.map(|c| match &c.state {
        ClaimState::Holding(_) | ClaimState::Reserved(_) => c.gang.gpus(),
        ClaimState::Waiting { .. } | ClaimState::Finished { .. } => 0,
    })
    .sum()
}

fn claim<'a>(pool: &'a Pool, id: &concord_treaty::units::ClaimId) -> &'a Claim {
    pool.snapshot.claims.iter().find(|c| c.id == *id).unwrap()
}

fn settle(pool: &mut Pool) -> Result<Plan, TestCaseError> {
    pool.settle(|_, _| ()).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(cases(512))]

    /// Whatever happens, also while pods linger, no plan breaks a promise, decisions come to rest, and the same
    /// situation seen in another order gives the same plan.
    #[test]
    fn every_plan_is_lawful_and_deterministic((document, node_count) in any_document(), linger in any::<bool>(), events in any_events()) {
        let mut pool = Pool::new(document, node_count, NODE_GPUS);
        pool.pods_linger = linger;
        for event in &events {
            happen(&mut pool, event);
            let mut differing = None;
            pool.settle(|pool, plan| {
                let Snapshot { mut nodes, claims, .. } = pool.snapshot.clone();
                let mut claims = claims.to_vec();
                nodes.reverse();
                claims.reverse();
                let again = decide(&pool.treaty(), &Snapshot::new(nodes, claims), TimestampMillis(pool.now));
                differing = differing.take().or((again != *plan).then_some(again));
            }).map_err(TestCaseError::fail)?;
            prop_assert_eq!(differing, None);
        }
    }

    /// A program decides once and then looks again, and in between the treaty may change or pods may end: each of its
    /// plans is lawful, too.
    #[test]
    fn plans_are_lawful_also_without_rest((document, node_count) in any_document(), events in any_events()) {
        let mut pool = Pool::new(document, node_count, NODE_GPUS);
        pool.pods_linger = true;
        for event in &events {
            happen(&mut pool, event);
            let plan = pool.decide().map_err(TestCaseError::fail)?;
            pool.apply(&plan);
        }
    }

    /// Work conservation: no GPU idles while somebody could use it, unless it is kept or above a ceiling.
    #[test]
    fn idle_gpus_are_used((document, node_count) in any_document(), events in any_events()) {
        let mut pool = Pool::new(document, node_count, NODE_GPUS);
        for event in &events {
            happen(&mut pool, event);
            let plan = settle(&mut pool)?;
            for wait in &plan.waits {
                let excused = matches!(wait.reason, WaitReason::KeptByOwners | WaitReason::CeilingReached(_) | WaitReason::ExceedsCeiling(_) | WaitReason::WaitingForReclaim);
                let claim = claim(&pool, &wait.claim);
                prop_assert!(excused || !fits(&idle(&pool.snapshot, |_| false), claim.gang), "{} waits for {:?} beside idle GPUs", wait.claim, wait.reason);
            }
        }
    }

    /// Floor safety: while a member uses less than its guarantee, a claim of it that fits the difference starts or has
    /// its place kept, unless no node has the shape even with every borrower gone. A due claim may moreover displace
    /// what is only inside a guarantee.
    #[test]
    fn a_guarantee_is_never_refused((document, node_count) in any_document(), events in any_events()) {
        let mut pool = Pool::new(document, node_count, NODE_GPUS);
        for event in &events {
            happen(&mut pool, event);
            let plan = settle(&mut pool)?;
            let treaty = pool.treaty();
            for wait in plan.waits.iter().filter(|w| w.reason != WaitReason::WaitingForReclaim) {
                let waiting = claim(&pool, &wait.claim);
                let rules = treaty.member(waiting.member);
                let ceiling = rules.ceiling.unwrap_or(u32::MAX);
                let used = used(&pool, waiting.member);
                // For a due claim of its member it may have to wait until there is room below the ceiling.
                let before = plan.waits.iter().filter(|w| claim(&pool, &w.claim).member == waiting.member);
                let before = before.filter(|w| w.claim != wait.claim && matches!(w.reason, WaitReason::CeilingReached(_)));
                let before: u32 = before.map(|w| claim(&pool, &w.claim)).filter(|c| c.due.is_some()).map(|c| c.gang.gpus()).sum();
                let inside = used + before + waiting.gang.gpus() <= rules.guarantee;
                if !inside && waiting.due.is_none() || used + waiting.gang.gpus() > ceiling {
                    continue;
                }
                // Who has been told to leave leaves for somebody; whose place is kept stays.
                let could_leave = |c: &Claim| c.holding().is_some_and(|h| h.phase == Phase::Running && match h.basis {
                    Basis::Due => false,
                    Basis::Guaranteed => waiting.due.is_some(),
                    Basis::Borrowed => waiting.due.is_some() || c.member != waiting.member || c.submitted_at > waiting.submitted_at,
                });
                let mut free = idle(&pool.snapshot, could_leave);
                // A node on which somebody already waits for leavers is spoken for.
                for (node, free) in pool.snapshot.nodes.iter().zip(&mut free) {
                    let kept = pool.snapshot.claims.iter().any(|c| matches!(&c.state, ClaimState::Reserved(r) if r.slots.iter().any(|s| s.node == node.name)));
                    *free = if kept { 0 } else { *free };
                }
                prop_assert!(!fits(&free, waiting.gang), "{} waits for {:?}", wait.claim, wait.reason);
            }
        }
    }

    /// Whoever is due and waits for room below the ceiling gets it: somebody of its member is on the way out.
    #[test]
    fn a_ceiling_holds_due_work_up_for_one_notice((document, node_count) in any_document(), linger in any::<bool>(), events in any_events()) {
        let mut pool = Pool::new(document, node_count, NODE_GPUS);
        pool.pods_linger = linger;
        let mut amended = false;
        for event in &events {
            // Then a claim may be found to have been due for longer than others were told.
            amended |= matches!(event, Event::Amend(..));
            happen(&mut pool, event);
            let plan = settle(&mut pool)?;
            for wait in plan.waits.iter().filter(|w| matches!(w.reason, WaitReason::CeilingReached(_))) {
                let waiting = claim(&pool, &wait.claim);
                let latest = waiting.due.as_ref().map(|due| due.since.after(pool.treaty().reclaim_notice()).0.max(pool.now));
                let leaves = |c: &Claim| c.member == waiting.member && c.holding().is_some_and(|h| match h.phase {
                    Phase::Running => false,
                    Phase::Noticed { deadline } => amended || Some(deadline.0) <= latest,
                    Phase::Stopping => true,
                });
                prop_assert!(waiting.due.is_none() || pool.snapshot.claims.iter().any(leaves), "{} waits at its ceiling at {}", wait.claim, pool.now);
            }
        }
    }

    /// Put-back minimality: of those told to leave for one claim, none could stay.
    #[test]
    fn nobody_leaves_in_vain((document, node_count) in any_document(), events in any_events()) {
        let mut pool = Pool::new(document, node_count, NODE_GPUS);
        pool.pods_linger = true;
        for event in &events {
            happen(&mut pool, event);
            let plan = pool.decide().map_err(TestCaseError::fail)?;
            let before = pool.snapshot.clone();
            for reservation in &plan.reservations {
                let sent: Vec<_> = plan.notices.iter().filter(|n| n.promised_to() == Some(&reservation.claim)).map(|n| &n.claim)
                    .chain(plan.stops.iter().filter(|s| matches!(&s.reason, concord_treaty::reason::ReclaimReason::GuaranteeOf { claim, .. } if *claim == reservation.claim)).map(|s| &s.claim)).collect();
                for stays in &sent {
                    let others_gone = |c: &Claim| sent.contains(&&c.id) && c.id != **stays;
                    let mut free = idle(&before, others_gone);
                    // What the same plan gives to others is no longer free.
                    let started = plan.admissions.iter().flat_map(|a| &a.slots);
                    let kept = plan.reservations.iter().filter(|r| r.claim != reservation.claim).flat_map(|r| &r.kept.slots);
                    for slot in started.chain(kept) {
                        let free = &mut free[before.node_index(&slot.node).unwrap()];
                        *free = free.saturating_sub(slot.gpus);
                    }
                    let enough = reservation.kept.slots.iter().all(|s| free[before.node_index(&s.node).unwrap()] >= s.gpus);
                    prop_assert!(!enough, "{stays} leaves for {} in vain", reservation.claim);
                }
            }
            settle(&mut pool)?;
        }
    }

    /// Borrow fairness up to one gang, for gangs of one size: who borrows more for its weight than another does not
    /// start on what that one could use. (With several sizes a small claim may rightly fill a gap.)
    #[test]
    fn surplus_goes_to_who_borrows_least(guarantees in proptest::collection::vec(1..=2_i64, 2..=3), extra in 1..=6_usize, gpus in 1..=4_u32, members in proptest::collection::vec(0..3_u16, 1..40)) {
        let cells: Vec<i64> = guarantees.iter().map(|g| g * i64::from(NODE_GPUS)).collect();
        let nodes = usize::try_from(guarantees.iter().sum::<i64>()).unwrap();
        let mut pool = Pool::new(document(&cells, 0), nodes + extra, NODE_GPUS);
        for (i, member) in members.iter().enumerate() {
            pool.submit(&format!("c{i:03}"), member % u16::try_from(cells.len()).unwrap(), gang(1, gpus), None);
        }
        let plan = settle(&mut pool)?;
        let treaty = pool.treaty();
        let above = |m: MemberId| i64::from(used(&pool, m)) - i64::from(treaty.member(m).guarantee);
        let free = idle(&pool.snapshot, |_| false);
        for wait in &plan.waits {
            let poor = claim(&pool, &wait.claim);
            for rich in treaty.member_ids().filter(|&m| m != poor.member && above(m) > 0) {
                // The last that the richer one started was at most this large; which one is booked as borrowed may
                // have changed since.
                let held = pool.snapshot.claims.iter().filter(|c| c.member == rich && c.holding().is_some());
                let Some(largest) = held.map(|c| i64::from(c.gang.gpus())).max() else { continue };
                // Only a waiting claim no larger than what the richer one took can complain.
                if i64::from(poor.gang.gpus()) > largest || fits(&free, poor.gang) {
                    continue;
                }
                let weight = |m: MemberId| i64::from(treaty.member(m).guarantee);
                prop_assert!((above(rich) - largest) * weight(poor.member) <= (above(poor.member) + i64::from(poor.gang.gpus())) * weight(rich), "{rich:?} borrows {} while {} waits", above(rich), wait.claim);
            }
        }
    }
}

//! Bugs that other schedulers had, each as a test that Concord does not have it. Names and numbers: see
//! `docs/decisions/` and the changelogs of Kueue 0.17 to 0.19, Volcano and KAI. What concerns the API server rather
//! than decisions (labels removed, pods that join a group, owners with a stale UID) is tested with the operator.
//! Scripts with the same origin: `reclaim-does-not-loop`, `quota-lowered-converges`, `large-gang-is-not-starved`.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeMap;

use concord_treaty::check::check;
use concord_treaty::decide::decide;
use concord_treaty::document::{SurplusDocument, WeightByName};
use concord_treaty::explain::explain;
use concord_treaty::snapshot::{ClaimState, Phase};
use concord_treaty::units::{ClaimId, Gpus, MemberId, TimestampMillis};
use proptest::prelude::*;
use support::pool::Pool;
use support::{cases, document, gang, with_ceiling};

fn held(pool: &Pool, member: u16) -> u64 {
    let of = |c: &&concord_treaty::snapshot::Claim| c.member == MemberId(member);
    let holdings = pool.snapshot.claims.iter().filter(of).filter_map(|c| c.holding());
    holdings.flat_map(|h| &h.slots).map(|s| u64::from(s.gpus)).sum()
}

/// Kueue #13391: a negative or empty request created credit. GPUs are unsigned here; an empty gang gives nobody room.
#[test]
fn an_empty_gang_is_no_credit() {
    for empty in [gang(0, 0), gang(0, 8), gang(8, 0)] {
        let mut pool = Pool::new(with_ceiling(document(&[8, 8], 60), 0, 8), 2, 8);
        pool.submit("e", 0, empty, None);
        pool.submit("f", 0, gang(1, 8), None);
        pool.submit("g", 0, gang(1, 1), None);
        pool.settle(|_, _| ()).unwrap();
        assert_eq!(held(&pool, 0), 8, "{empty:?}");
    }
}

/// Kueue 0.18 changelog: device counts that overflow 64 bits were admitted. The product of the largest numbers is only
/// too large.
#[test]
fn the_largest_numbers_do_not_wrap() {
    let mut pool = Pool::new(document(&[8, 8], 60), 2, 8);
    let huge = [
        gang(u32::MAX, u32::MAX),
        gang(u32::MAX, 1),
        gang(1, u32::MAX),
        gang(1 << 31, 2),
        gang(1 << 16, 1 << 16),
    ];
    for (index, huge) in huge.into_iter().enumerate() {
        pool.submit(&format!("h{index}"), 0, huge, Some(i64::MAX));
    }
    pool.submit("s", 0, gang(1, 8), Some(i64::MAX));
    let plan = pool.settle(|_, _| ()).unwrap();
    assert_eq!(held(&pool, 0), 8);
    assert_eq!(plan.waits.len(), 5);
}

/// The same for nodes: one that reports nonsense gets no work, and costs no memory.
#[test]
fn a_node_that_reports_nonsense_gets_no_work() {
    let mut pool = Pool::new(document(&[8, 8], 60), 2, 8);
    pool.snapshot.nodes[0].gpus = Gpus::MAX;
    for (member, id) in [(0, "a"), (1, "b"), (0, "c")] {
        pool.submit(id, member, gang(1, 8), None);
    }
    pool.submit("huge", 0, gang(1, Gpus::MAX), None);
    pool.settle(|_, _| ()).unwrap();
    assert_eq!(held(&pool, 0) + held(&pool, 1), 8);
}

/// Kueue 0.17 changelog: "unlimited" was a large number that wrapped when something was added. No ceiling is no number.
#[test]
fn no_ceiling_is_not_a_number() {
    let mut pool = Pool::new(document(&[0, 0], 60), 4, 8);
    for index in 0..6 {
        pool.submit(&format!("c{index}"), 0, gang(1, 8), None);
    }
    pool.settle(|_, _| ()).unwrap();
    assert_eq!(held(&pool, 0), 32);
}

/// Kueue #12963: usage leaked where timestamps were equal. Claims of one instant are told apart by name and booked once.
#[test]
fn claims_of_one_instant_are_booked_once_each() {
    let mut pool = Pool::new(with_ceiling(document(&[16], 60), 0, 16), 4, 8);
    for index in 0..40 {
        pool.submit(&format!("c{index:02}"), 0, gang(1, 1), None);
    }
    pool.settle(|_, _| ()).unwrap();
    assert_eq!(held(&pool, 0), 16);
    for index in 0..16 {
        pool.finish(&format!("c{index:02}"));
    }
    pool.settle(|_, _| ()).unwrap();
    assert_eq!(held(&pool, 0), 16, "what ended is free, once");
    let waiting = pool.snapshot.claims.iter().filter(|c| c.is_waiting()).count();
    assert_eq!(waiting, 8);
}

/// Kueue #2678: usage of a flavor that was removed no longer counted, so that more was admitted than the quota. What
/// holds GPUs of a node that is gone counts until its pods are.
#[test]
fn what_ran_on_a_removed_node_counts_until_it_is_gone() {
    let mut pool = Pool::new(with_ceiling(document(&[8, 8], 60), 0, 8), 3, 8);
    pool.pods_linger = true;
    pool.submit("a", 0, gang(1, 8), None);
    pool.settle(|_, _| ()).unwrap();
    pool.lose_node(0);
    pool.submit("b", 0, gang(1, 8), None);
    pool.settle(|_, _| ()).unwrap();
    assert_eq!(held(&pool, 0), 8, "b does not start beside a");
    pool.release("a");
    pool.settle(|_, _| ()).unwrap();
    assert_eq!(held(&pool, 0), 8);
}

/// Kueue #13612: a flavor deleted and made again forgot who used it. A node that comes back under its name still has
/// the pods that did not end.
#[test]
fn a_node_that_comes_back_remembers_who_is_on_it() {
    let mut pool = Pool::new(document(&[8, 8], 60), 2, 8);
    pool.pods_linger = true;
    pool.submit("a", 0, gang(1, 8), None);
    pool.settle(|_, _| ()).unwrap();
    let at = pool.snapshot.claims[0].holding().unwrap().slots[0].node.clone();
    let index = pool.snapshot.nodes.iter().position(|n| n.name == at).unwrap();
    let node = pool.snapshot.nodes[index].clone();
    pool.lose_node(index);
    pool.settle(|_, _| ()).unwrap();
    pool.snapshot.nodes.insert(index, node);
    pool.submit("b", 1, gang(2, 8), None);
    pool.submit("c", 1, gang(1, 8), None);
    pool.settle(|_, _| ()).unwrap();
    let on_it = pool.snapshot.claims.iter().filter_map(|c| c.holding()).flat_map(|h| &h.slots);
    assert_eq!(on_it.filter(|s| s.node == at).map(|s| s.gpus).sum::<u32>(), 8);
}

/// Kueue #9437: the same victim was preempted again in each cycle. A claim is told once and stopped once.
#[test]
fn a_victim_is_told_once_and_stopped_once() {
    let mut pool = Pool::new(document(&[8, 8], 60), 2, 8);
    pool.pods_linger = true;
    pool.submit("a1", 0, gang(1, 8), None);
    pool.submit("a2", 0, gang(1, 8), None);
    pool.settle(|_, _| ()).unwrap();
    pool.submit("b", 1, gang(1, 8), None);
    let (mut told, mut stopped) = (0, 0);
    for _ in 0..200 {
        pool.settle(|_, plan| {
            told += plan.notices.len();
            stopped += plan.stops.len();
        })
        .unwrap();
        pool.now += 1000;
    }
    assert_eq!((told, stopped), (1, 1));
}

/// Kueue, rule S1: whoever is inside its own guarantee is nobody's victim, also with the least weight.
#[test]
fn with_the_least_weight_one_keeps_the_guarantee() {
    let mut raw = document(&[8, 8], 0);
    raw.surplus = Some(SurplusDocument {
        weight_by: Some(WeightByName::Stated),
        usage_half_life_hours: None,
        credit_cap_gpu_hours: None,
    });
    raw.members[0].weight = Some(1);
    raw.members[1].weight = Some(1_000_000);
    let mut pool = Pool::new(raw, 2, 8);
    pool.submit("a", 0, gang(1, 8), None);
    pool.settle(|_, _| ()).unwrap();
    for index in 0..4 {
        pool.submit(&format!("b{index}"), 1, gang(1, 8), None);
    }
    pool.settle(|_, plan| assert!(plan.stops.is_empty() && plan.notices.is_empty())).unwrap();
    assert_eq!((held(&pool, 0), held(&pool, 1)), (8, 8));
}

/// KAI #2058: a claim of as many GPUs as are idle waits, and nobody says why. `explain` says that they lie apart.
#[test]
fn idle_gpus_that_lie_apart_are_named() {
    let mut pool = Pool::new(document(&[0, 0], 60), 2, 8);
    pool.submit("a1", 0, gang(1, 5), None);
    pool.submit("a2", 0, gang(1, 5), None);
    pool.settle(|_, _| ()).unwrap();
    pool.submit("b", 1, gang(1, 6), None);
    pool.settle(|_, _| ()).unwrap();
    let now = TimestampMillis(pool.now);
    let answer = explain(&pool.treaty(), &pool.snapshot, &ClaimId::from("b"), now).unwrap();
    let holders = answer.holders.unwrap();
    assert_eq!((holders.idle, holders.nodes_with_room, holders.nodes_needed), (6, 0, 1));
}

proptest! {
    #![proptest_config(cases(256))]

    /// Kueue #14543, #13662, #3779, #7101 ("preempted over 33 times"), Volcano #3729: members that preempt each other
    /// for ever. Where nothing ends and nobody comes, time alone sends nobody away twice.
    #[test]
    fn time_alone_sends_nobody_away_twice(
        guarantees in proptest::collection::vec(0..=2_i64, 2..=4),
        extra in 0..=2_usize,
        notice in 0..=3_i64,
        linger in any::<bool>(),
        comers in proptest::collection::vec((0..4_u16, prop_oneof![(1..=2_u32, 1..=2_u32), (1..=3_u32, Just(4_u32))], 0..3_000_i64), 1..30),
    ) {
        let gpus: Vec<i64> = guarantees.iter().map(|cells| cells * 4).collect();
        let node_count = usize::try_from(guarantees.iter().sum::<i64>()).unwrap() + extra;
        let mut pool = Pool::new(document(&gpus, notice), node_count.max(1), 4);
        pool.pods_linger = linger;
        for (member, (pods, gpus), after) in comers {
            pool.now += 1 + after;
            let id = format!("c{:06}", pool.now);
            pool.submit(&id, member % u16::try_from(guarantees.len()).unwrap(), gang(pods, gpus), None);
            pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
        }
        let mut stops: BTreeMap<ClaimId, u32> = BTreeMap::new();
        for _ in 0..60 {
            pool.now += 500;
            pool.settle(|_, plan| {
                for stop in &plan.stops {
                    *stops.entry(stop.claim.clone()).or_default() += 1;
                }
            })
            .map_err(TestCaseError::fail)?;
            let stopping = |c: &&concord_treaty::snapshot::Claim| c.holding().is_some_and(|h| h.phase == Phase::Stopping);
            let gone: Vec<String> = pool.snapshot.claims.iter().filter(stopping).map(|c| c.id.to_string()).collect();
            gone.iter().for_each(|id| pool.release(id));
        }
        prop_assert!(stops.values().all(|times| *times <= 1), "{:?}", stops);
        let still: Vec<_> = pool.snapshot.claims.iter().filter(|c| matches!(&c.state, ClaimState::Holding(h) if h.phase != Phase::Running)).collect();
        prop_assert!(still.is_empty(), "somebody is still on the way out: {:?}", still);
    }

    /// Kueue #5176, #2678: whatever a treaty becomes, running work converges to lawful use without new work.
    #[test]
    fn any_amendment_converges(
        before in proptest::collection::vec(0..=3_i64, 2..=3),
        after in proptest::collection::vec(0..=3_i64, 3),
        ceilings in proptest::collection::vec(proptest::option::of(0..=2_i64), 3),
        comers in proptest::collection::vec((0..3_u16, 1..=2_u32, prop_oneof![1..=2_u32, Just(4_u32)]), 1..25),
    ) {
        let node_count = usize::try_from(before.iter().sum::<i64>().max(1)).unwrap();
        let mut pool = Pool::new(document(&before.iter().map(|c| c * 4).collect::<Vec<_>>(), 2), node_count, 4);
        for (index, (member, pods, gpus)) in comers.into_iter().enumerate() {
            pool.now += 1;
            pool.submit(&format!("c{index:03}"), member % u16::try_from(before.len()).unwrap(), gang(pods, gpus), None);
        }
        pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
        let mut left = i64::try_from(node_count).unwrap();
        let cells: Vec<i64> = before.iter().zip(&after).map(|(_, cells)| { let c = (*cells).min(left); left -= c; c }).collect();
        pool.document = document(&cells.iter().map(|c| c * 4).collect::<Vec<_>>(), 2);
        for (member, above) in ceilings.iter().take(before.len()).enumerate() {
            if let Some(above) = above {
                pool.document = with_ceiling(pool.document.clone(), member, (cells[member] * 4 + above * 2).max(1));
            }
        }
        for _ in 0..40 {
            pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
            pool.now += 500;
        }
        for (member, raw) in pool.treaty().members().iter().enumerate() {
            let used = held(&pool, u16::try_from(member).unwrap());
            if let Some(ceiling) = raw.ceiling {
                prop_assert!(used <= u64::from(ceiling), "{} uses {used} of {ceiling}", raw.name);
            }
        }
        let (treaty, now) = (pool.treaty(), TimestampMillis(pool.now));
        let plan = decide(&treaty, &pool.snapshot, now);
        prop_assert!(plan.is_quiet() && check(&treaty, &pool.snapshot, now, &plan).is_empty());
    }
}

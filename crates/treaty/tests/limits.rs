//! Limits in time: windows and aging on random small pools, held against brute force, and the judge against plans that
//! do not know of them.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use concord_treaty::check::check;
use concord_treaty::clauses::WindowPurpose;
use concord_treaty::decide::decide;
use concord_treaty::document::{Document, LineDocument};
use concord_treaty::plan::{Admission, Notice, Plan, Reservation, Stop};
use concord_treaty::reason::ReclaimReason;
use concord_treaty::schedule::{Occurrence, occurrences};
use concord_treaty::snapshot::{Basis, Claim, Gang, Phase, Reserved, Slot};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, TimestampMillis};
use proptest::prelude::*;
use support::limits::{aging, announced, daily, maintenance, on_rack, put_into_rack, reserved_for};
use support::pool::Pool;
use support::{document, gang};

const NODE_GPUS: u32 = 4;
const MINUTE: i64 = 60_000;

/// What happens; every step also lets some minutes pass.
#[derive(Debug, Clone)]
enum Step {
    Submit(u16, Gang, Option<i64>),
    Finish(usize),
    Release(usize),
    LoseNode(usize),
    Cordon(usize),
    Nothing,
}

fn any_gang() -> impl Strategy<Value = Gang> {
    prop_oneof![(1..=2_u32, 1..=2_u32).prop_map(|(p, g)| gang(p, g)), (1..=2_u32).prop_map(|p| gang(p, 4))]
}

fn any_step() -> impl Strategy<Value = (Step, i64)> {
    let runtime = proptest::option::of((1..200_i64).prop_map(|m| m * MINUTE));
    let step = prop_oneof![
        6 => (0..3_u16, any_gang(), runtime).prop_map(|(m, g, r)| Step::Submit(m, g, r)),
        3 => (0..20_usize).prop_map(Step::Finish),
        2 => (0..20_usize).prop_map(Step::Release),
        1 => (0..20_usize).prop_map(Step::LoseNode),
        1 => (0..20_usize).prop_map(Step::Cordon),
        3 => Just(Step::Nothing),
    ];
    (step, 0..40_i64)
}

/// Two windows that do not meet on a node: one daily, one once; on all nodes or on half of them. Sometimes with aging.
fn any_windowed() -> impl Strategy<Value = (Document, usize)> {
    let cells = proptest::collection::vec(0..=2_i64, 1..=3);
    let window = |start: std::ops::Range<i64>| {
        (start, 5..60_i64, 0..=2_i64, proptest::option::of(0..3_usize), any::<bool>())
    };
    let windows = (window(20..200), window(300..400));
    let aging_hours = proptest::option::of(1..=4_i64);
    let parts = (cells, 0..=2_usize, 0..=3_i64, windows, aging_hours);
    parts.prop_map(|(cells, extra, notice, (first, second), aging_hours)| {
        let gpus: Vec<i64> = cells.iter().map(|c| c * i64::from(NODE_GPUS)).collect();
        let mut document = document(&gpus, notice * 60);
        if let Some(hours) = aging_hours {
            document = aging(document, hours);
        }
        for (name, (start, length, announce, member, racked), repeats) in
            [("w0", first, true), ("w1", second, false)]
        {
            let mut window = announced(maintenance(name, start, length), announce);
            window = if repeats { daily(window) } else { window };
            if let Some(member) = member.filter(|&m| m < cells.len()) {
                window = reserved_for(window, &format!("m{member}"));
            }
            document.windows.push(if racked { on_rack(window, "r0") } else { window });
        }
        (document, (usize::try_from(cells.iter().sum::<i64>()).unwrap() + extra).max(1))
    })
}

fn pool_of(document: Document, node_count: usize) -> Pool {
    let mut pool = Pool::new(document, node_count, NODE_GPUS);
    for node in 0..node_count.div_ceil(2) {
        put_into_rack(&mut pool, node, "r0");
    }
    pool
}

fn happen(pool: &mut Pool, index: usize, (step, minutes): &(Step, i64)) {
    pool.now += minutes * MINUTE;
    let nth = |pool: &Pool, n: usize, wanted: fn(&Claim) -> bool| {
        let all: Vec<_> =
            pool.snapshot.claims.iter().filter(|c| wanted(c)).map(|c| c.id.0.to_string()).collect();
        (!all.is_empty()).then(|| all[n % all.len()].clone())
    };
    match step {
        Step::Submit(member, gang, runtime) => {
            let member = member % u16::try_from(pool.document.members.len()).unwrap();
            pool.submit(&format!("c{index:03}"), member, *gang, *runtime);
        }
        Step::Finish(n) => {
            let running = |c: &Claim| c.holding().is_some_and(|h| h.phase != Phase::Stopping);
            nth(pool, *n, running).into_iter().for_each(|id| pool.finish(&id));
        }
        Step::Release(n) => {
            let stopping = |c: &Claim| c.holding().is_some_and(|h| h.phase == Phase::Stopping);
            nth(pool, *n, stopping).into_iter().for_each(|id| pool.release(&id));
        }
        Step::LoseNode(n) if pool.snapshot.nodes.len() > 1 => pool.lose_node(n % pool.snapshot.nodes.len()),
        Step::Cordon(n) => pool.cordon(n % pool.snapshot.nodes.len()),
        Step::LoseNode(_) | Step::Nothing => {}
    }
}

/// The occurrences that matter at a time, by a search minute by minute through the clauses as they are written.
fn open_or_near(treaty: &Treaty, now: i64) -> Vec<(usize, i64, i64)> {
    let mut found = Vec::new();
    for (index, rule) in treaty.windows().iter().enumerate() {
        let lead = rule.announce.0.max(treaty.reclaim_notice().0);
        let first = rule.first_start.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_millisecond();
        for day in 0..40 {
            let start = first + day * 1440 * MINUTE;
            let repeats = day == 0 || rule.repeats == concord_treaty::clauses::Repeat::Daily;
            if repeats && start - lead <= now && now < start + rule.length.0 {
                found.push((index, start, start + rule.length.0));
            }
        }
    }
    found.sort_unstable();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// The judge has no complaint, decisions come to rest, and by plain sums: nobody is on a node of an open window but
    /// its member and who lingers, and nobody who starts says that it runs into one.
    #[test]
    fn windows_are_kept((document, node_count) in any_windowed(), linger in any::<bool>(), steps in proptest::collection::vec(any_step(), 1..40)) {
        let mut pool = pool_of(document, node_count);
        pool.pods_linger = linger;
        for (index, step) in steps.iter().enumerate() {
            happen(&mut pool, index, step);
            let treaty = pool.treaty();
            let mut plans = Vec::new();
            pool.settle(|_, plan| plans.push(plan.clone())).map_err(TestCaseError::fail)?;
            for (window, start, _) in open_or_near(&treaty, pool.now) {
                let rule = &treaty.windows()[window];
                let barred = |c: &Claim| rule.purpose != WindowPurpose::ReservedFor(c.member);
                let here = |c: &Claim| c.holding().is_some_and(|h| h.slots.iter().any(|s| {
                    pool.snapshot.node_index(&s.node).is_some_and(|n| pool.snapshot.nodes[n].labels.have_all(&rule.node_labels))
                }));
                for claim in pool.snapshot.claims.iter().filter(|c| barred(c) && here(c)) {
                    let holding = claim.holding().unwrap();
                    let end = claim.expected_runtime.map(|r| holding.since.0 + r.0);
                    let done = end.is_some_and(|end| end <= start && end > pool.now);
                    let told = matches!(holding.phase, Phase::Noticed { deadline } if deadline.0 <= start);
                    prop_assert!(holding.phase == Phase::Stopping || pool.now < start && (done || told), "{claim:?} at {}", pool.now);
                    if plans.iter().any(|p: &Plan| p.admissions.iter().any(|a| a.claim == claim.id)) {
                        prop_assert!(done, "{claim:?} starts at {}", pool.now);
                    }
                }
            }
        }
    }

    /// A gang above its guarantee starts as soon as everything that ran when it had aged has ended, whatever comes
    /// meanwhile: others borrow without pause, state run times or not, and keep to what they state.
    #[test]
    fn nobody_starves(node_count in 1..=4_usize, size in 1..=4_u32, small in 1..=4_u32, comers in proptest::collection::vec((1..=4_u32, 1..120_i64, any::<bool>(), 0..6_i64), 60..100)) {
        let nodes = size.min(u32::try_from(node_count).unwrap());
        let wanted = if nodes == 1 { gang(1, small) } else { gang(nodes, NODE_GPUS) };
        let mut pool = Pool::new(aging(document(&[0, 0], 60), 1), node_count, NODE_GPUS);
        let mut minutes: BTreeMap<String, i64> = BTreeMap::new();
        let ends = |pool: &Pool, minutes: &BTreeMap<String, i64>| {
            let end = |c: &Claim| Some((c.holding()?.since.0 + minutes.get(&*c.id.0)? * MINUTE, c.id.0.to_string()));
            pool.snapshot.claims.iter().filter_map(end).collect::<BTreeSet<_>>()
        };
        let (mut submitted, mut must_start_by) = (None, None);
        for (index, &(gpus, length, states, pause)) in comers.iter().enumerate() {
            let id = format!("c{index:03}");
            pool.submit(&id, 1, gang(1, gpus), states.then_some(length * MINUTE));
            minutes.insert(id.clone(), length);
            pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
            if submitted.is_none() && pool.claim(&id).is_some_and(|c| c.is_waiting()) {
                // The pool is full: the gang comes instead of the first that has to wait.
                pool.cancel(&id);
                pool.submit("gang", 0, wanted, None);
                submitted = Some(pool.now);
                pool.now += 1;
            }
            let until = pool.now + pause * MINUTE;
            loop {
                pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
                if must_start_by.is_none() && submitted.is_some_and(|at| pool.now >= at + 60 * MINUTE) {
                    must_start_by = Some(ends(&pool, &minutes).last().map_or(pool.now, |(end, _)| *end));
                }
                let waits = pool.claim("gang").is_some_and(|c| c.is_waiting());
                prop_assert!(!waits || must_start_by.is_none_or(|by| pool.now < by), "the gang waits at {}", pool.now);
                let ends = ends(&pool, &minutes);
                let Some(&(next, _)) = ends.first().filter(|(end, _)| *end <= until) else { break };
                pool.now = next;
                ends.iter().filter(|(end, _)| *end == next).for_each(|(_, id)| pool.finish(id));
            }
            pool.now = until;
        }
    }

    /// Which occurrences act is what a search through the days says.
    #[test]
    fn occurrences_are_those_of_the_clauses((document, _) in any_windowed(), now in 0..(4 * 1440_i64)) {
        let treaty = support::treaty(&document);
        let now = now * MINUTE;
        let one = |o: &Occurrence| (usize::from(o.window.0), o.interval.start.0, o.interval.end.0);
        let mut found: Vec<_> = occurrences(&treaty, TimestampMillis(now), TimestampMillis(now)).iter().map(one).collect();
        found.sort_unstable();
        prop_assert_eq!(found, open_or_near(&treaty, now));
    }

    /// The judge does not believe plans made without the windows: it finds fault exactly when somebody who runs would
    /// have been told or stopped with them.
    #[test]
    fn the_judge_knows_windows((document, node_count) in any_windowed(), steps in proptest::collection::vec(any_step(), 1..25)) {
        let mut pool = pool_of(Document { windows: Vec::new(), ..document.clone() }, node_count);
        let treaty = support::treaty(&document);
        for (index, step) in steps.iter().enumerate() {
            happen(&mut pool, index, step);
            pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
            let now = TimestampMillis(pool.now);
            let blind = decide(&pool.treaty(), &pool.snapshot, now);
            let found = check(&treaty, &pool.snapshot, now, &blind);
            let seen = decide(&treaty, &pool.snapshot, now);
            let runs = |id: &&ClaimId| pool.snapshot.claims.iter().any(|c| c.id == **id && c.holding().is_some_and(|h| h.phase == Phase::Running));
            let for_window = |reason: &ReclaimReason| reason.code() == "Window";
            let told = seen.notices.iter().map(|n| (&n.claim, &n.reason)).chain(seen.stops.iter().map(|s| (&s.claim, &s.reason)));
            let told_of_window = told.clone().filter(|(_, reason)| for_window(reason)).map(|(id, _)| id).filter(runs);
            let missed: BTreeSet<&str> = found.iter().filter(|v| v.rule == "StaysInWindow" || v.rule == "NotToldOfWindow").filter_map(|v| v.detail.split(' ').next()).collect();
            for id in told_of_window {
                prop_assert!(missed.contains(&*id.0), "{id} is not among {missed:?}");
            }
            // Some leave for another reason before the window.
            let told: BTreeSet<&str> = told.map(|(id, _)| &*id.0).collect();
            prop_assert!(missed.is_subset(&told) || pool.pods_linger, "{missed:?} but {told:?}");
        }
    }
}

/// A plan with one more start, as a wrong engine would make it.
fn with_start(pool: &Pool, plan: &Plan, id: &str, node: usize, basis: Basis) -> Plan {
    let mut plan = plan.clone();
    let claim = pool.snapshot.claims.iter().find(|c| &*c.id.0 == id).unwrap();
    let slots = vec![Slot { node: pool.snapshot.nodes[node].name.clone(), gpus: claim.gang.gpus() }];
    plan.waits.retain(|w| w.claim != claim.id);
    plan.admissions.push(Admission { claim: claim.id.clone(), slots, basis });
    plan
}

fn rules(pool: &Pool, plan: &Plan) -> Vec<&'static str> {
    check(&pool.treaty(), &pool.snapshot, TimestampMillis(pool.now), plan).iter().map(|v| v.rule).collect()
}

fn started(plan: &Plan) -> Vec<&str> {
    plan.admissions.iter().map(|a| &*a.claim.0).collect()
}

#[test]
fn the_judge_refuses_starts_into_a_window() {
    let mut document = document(&[8], 60);
    document.windows.push(maintenance("w", 60, 10));
    let mut pool = Pool::new(document, 2, 4);
    pool.now = 59 * MINUTE + 1;
    pool.submit("silent", 0, gang(1, 4), None);
    pool.submit("long", 0, gang(1, 4), Some(MINUTE));
    pool.submit("short", 0, gang(1, 4), Some(MINUTE - 1));
    let plan = pool.decide().unwrap();
    assert_eq!(started(&plan), ["short"]);
    for id in ["silent", "long"] {
        let wrong = with_start(&pool, &plan, id, 0, Basis::Guaranteed);
        assert_eq!(rules(&pool, &wrong), ["StartsIntoWindow"], "{id}");
    }
}

#[test]
fn the_judge_refuses_to_lend_what_is_kept_for_an_aged_claim() {
    let mut document = aging(document(&[0, 0], 60), 1);
    document.line = document.line.map(|line| LineDocument { shortest_first: false, ..line });
    let mut pool = Pool::new(document, 2, 4);
    pool.submit("b0", 1, gang(1, 4), Some(200 * MINUTE));
    pool.submit("b1", 1, gang(1, 4), Some(100 * MINUTE));
    pool.settle(|_, _| ()).unwrap();
    pool.submit("gang", 0, gang(2, 4), None);
    pool.now = 60 * MINUTE;
    pool.settle(|_, _| ()).unwrap();
    pool.finish("b1");
    pool.submit("silent", 1, gang(1, 2), None);
    pool.submit("long", 1, gang(1, 2), Some(140 * MINUTE + 1));
    let plan = pool.settle(|_, _| ()).unwrap();
    for id in ["silent", "long"] {
        let wrong = with_start(&pool, &plan, id, 0, Basis::Borrowed);
        assert_eq!(rules(&pool, &wrong), ["TakenFromAged"], "{id}");
    }
    let mut keeping = plan;
    let slots = vec![Slot { node: pool.snapshot.nodes[0].name.clone(), gpus: 2 }];
    let kept = Reserved { slots, basis: Basis::Borrowed };
    keeping.reservations.push(Reservation { claim: "silent".into(), kept });
    assert_eq!(rules(&pool, &keeping), ["KeptForBorrower", "KeptTwice"]);
    pool.submit("short", 1, gang(1, 2), Some(140 * MINUTE));
    let plan = pool.decide().unwrap();
    assert_eq!(started(&plan), ["short"]);
    let mut sending = plan;
    let reason = ReclaimReason::Overran { claim: "gang".into() };
    let deadline = TimestampMillis(pool.now + MINUTE);
    sending.notices.push(Notice { claim: "b0".into(), deadline, reason });
    assert!(rules(&pool, &sending).contains(&"SentAwayForAged"));
}

#[test]
fn the_judge_refuses_to_stop_before_the_minimum_run() {
    let mut document = document(&[4, 4], 60);
    document.reclaim.minimum_run_seconds = Some(600);
    let mut pool = Pool::new(document, 2, 4);
    pool.submit("a1", 0, gang(1, 4), None);
    pool.submit("a2", 0, gang(1, 4), None);
    pool.settle(|_, _| ()).unwrap();
    pool.now = 2 * MINUTE;
    pool.submit("b1", 1, gang(1, 4), None);
    let plan = pool.decide().unwrap();
    assert_eq!(plan.notices[0].deadline, TimestampMillis(10 * MINUTE));
    let mut early = plan;
    early.notices[0].deadline = TimestampMillis(10 * MINUTE - 1);
    assert_eq!(rules(&pool, &early), ["ShortNotice"]);
    // A deadline that was given before the clause was raised is not kept either.
    pool.settle(|_, _| ()).unwrap();
    pool.document.reclaim.minimum_run_seconds = Some(1200);
    pool.now = 15 * MINUTE;
    let later = pool.decide().unwrap();
    assert_eq!(later.notices[0].deadline, TimestampMillis(20 * MINUTE));
    let mut early = later;
    let Notice { claim, reason, .. } = early.notices.remove(0);
    early.stops.push(Stop { claim, reason, to_front: true });
    assert_eq!(rules(&pool, &early), ["ShortNotice"]);
}

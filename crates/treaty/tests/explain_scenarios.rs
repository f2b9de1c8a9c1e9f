//! Explanations of small situations: reasons, what nobody can say, and each change that may be told.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeMap;

use concord_treaty::clauses::ClassId;
use concord_treaty::document::{
    Document, EligibilityDocument, LineDocument, SuspensionDocument, WindowDocument, WindowPurposeName,
};
use concord_treaty::explain::{Bound, By, Explanation, Range, State, WhatIf, expected_starts, explain};
use concord_treaty::snapshot::{Snapshot, Standing};
use concord_treaty::source;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, DurationMillis, Labels, TimestampMillis};
use support::pool::Pool;
use support::*;

fn told(pool: &Pool, id: &str) -> Explanation {
    explain(&pool.treaty(), &pool.snapshot, &ClaimId::from(id), TimestampMillis(pool.now)).unwrap()
}

/// A pool after these claims (name, member, pods, GPUs of each, stated seconds) came one by one.
fn pool(document: Document, nodes: usize, claims: &[(&str, u16, u32, u32, Option<i64>)]) -> Pool {
    let mut pool = Pool::new(document, nodes, 8);
    for (id, member, pods, gpus, seconds) in claims {
        pool.submit(id, *member, gang(*pods, *gpus), seconds.map(|s| s * 1000));
        pool.settle(|_, _| ()).unwrap();
        pool.now += 1000;
    }
    pool
}

fn code(e: &Explanation) -> &str {
    &e.reason.as_ref().unwrap().code
}

fn what_if<'e>(e: &'e Explanation, code: &str) -> &'e WhatIf {
    e.what_ifs.iter().find(|w| w.code == code).unwrap_or_else(|| panic!("no {code} in {:?}", e.what_ifs))
}

fn at(seconds: i64) -> Bound {
    Bound::At { at: TimestampMillis(seconds * 1000) }
}

#[test]
fn what_owners_keep_is_named_with_its_clause() {
    let document = keeping(document(&[8, 8], 60), 0, 8);
    let e = told(&pool(document, 2, &[("b1", 1, 1, 8, Some(100)), ("b2", 1, 1, 8, Some(100))]), "b2");
    assert_eq!((code(&e), &e.state), ("KeptByOwners", &State::Waiting { put_back: false }));
    let lent = what_if(&e, "KeptByOwners");
    assert_eq!(
        (lent.clauses.as_slice(), lent.by, lent.starts_now),
        (&["lending/m0".to_owned()][..], By::Members, true)
    );
    assert_eq!(lent.sentence, "if the GPUs were lent that others keep idle for themselves (8 of m0)");
    assert_eq!((e.holders.as_ref().unwrap().idle, e.holders.as_ref().unwrap().nodes_with_room), (8, 1));
}

#[test]
fn a_ceiling_is_named_with_its_clause() {
    let document = with_ceiling(document(&[8, 8], 60), 1, 8);
    let e = told(&pool(document, 2, &[("b1", 1, 1, 8, Some(100)), ("b2", 1, 1, 8, Some(100))]), "b2");
    assert_eq!(code(&e), "CeilingReached");
    let free = what_if(&e, "NoCeiling");
    assert_eq!((free.clauses[0].as_str(), free.starts_now, &free.ask), ("ceiling/m1", true, &None));
    // The early end is half of what is stated, counted from the start at 0.
    assert_eq!(e.start.unwrap().range, Range { earliest: at(50), latest: at(100) });
}

#[test]
fn a_smaller_gang_is_proposed_by_shape() {
    let e =
        told(&pool(document(&[8, 16], 60), 3, &[("a", 0, 1, 4, Some(500)), ("b", 1, 4, 8, Some(100))]), "b");
    assert_eq!(code(&e), "ExceedsPool");
    assert_eq!(e.state, State::Refused);
    let largest = what_if(&e, "LargestNow").ask.clone().unwrap();
    assert_eq!((largest.pods, largest.gpus_per_pod), (2, 8), "half the gang is the largest that starts now");
    let single = what_if(&e, "OneNode");
    assert!(single.starts_now && single.sentence == "submitted anew as 1 pod of 8 GPUs, one node");
    assert_eq!(e.what_ifs.len(), 2, "half the gang is told once: {:?}", e.what_ifs);
}

#[test]
fn a_stated_run_time_helps_only_where_the_treaty_says_so() {
    // All of m1 is borrowed; of a guarantee the line alone takes care by submission.
    let claims = [
        ("b1", 1, 1, 8, Some(100)),
        ("b2", 1, 1, 8, Some(1000)),
        ("b3", 1, 1, 8, None),
        ("b4", 1, 1, 8, Some(2000)),
    ];
    let mut document = document(&[8, 0], 60);
    document.line = None;
    let plain = told(&pool(document.clone(), 1, &claims), "b3");
    assert!(plain.what_ifs.iter().all(|w| w.code != "StateRunTime"), "{:?}", plain.what_ifs);
    document.line = Some(LineDocument { alone: None, shortest_first: true, aging_hours: None });
    let e = told(&pool(document, 1, &claims), "b3");
    assert_eq!(e.line.as_ref().unwrap().place, 3, "one without a run time stands last");
    assert_eq!(e.start.as_ref().unwrap().range.latest, at(3100));
    // b4 does not pass it any more.
    let stated = what_if(&e, "StateRunTime");
    assert_eq!(
        (stated.clauses[0].as_str(), stated.ask.as_ref().unwrap().stated_run),
        ("line", Some(DurationMillis(1_000_000)))
    );
    assert_eq!(stated.start.latest, at(1100));
}

#[test]
fn nobody_says_a_time_that_hangs_on_unstated_ends() {
    let claims = [("a1", 0, 1, 8, None), ("a2", 0, 1, 4, None), ("a3", 0, 1, 8, Some(60))];
    let e = told(&pool(document(&[16], 60), 2, &claims), "a3");
    let range = e.start.as_ref().unwrap().range.clone();
    let because = vec![ClaimId::from("a1"), ClaimId::from("a2")];
    assert_eq!(range.latest, Bound::Unknown { not_before: TimestampMillis(3000), because, more: 0 });
    // The median of the stated run times is 60 s; a1 has begun at 0.
    assert_eq!(range.earliest, at(30));
    assert!(e.start.unwrap().latest_assumes.contains("one that states none does not end"));
}

#[test]
fn who_runs_beyond_its_limit_has_no_stated_end() {
    let mut pool = pool(document(&[8], 60), 1, &[("a1", 0, 1, 8, Some(10)), ("a2", 0, 1, 8, Some(10))]);
    pool.now = 10_000;
    let range = told(&pool, "a2").start.unwrap().range;
    assert_eq!(range.earliest, Bound::At { at: TimestampMillis(10_001) }, "at any moment");
    assert!(matches!(range.latest, Bound::Unknown { ref because, .. } if because[0] == ClaimId::from("a1")));
}

#[test]
fn a_forecast_ends_somewhere_and_says_where() {
    let year = 365 * 86_400;
    let claims = [("a1", 0, 1, 8, Some(year)), ("a2", 0, 1, 8, Some(10))];
    let range = told(&pool(document(&[8], 60), 1, &claims), "a2").start.unwrap().range;
    assert_eq!(
        range.latest,
        Bound::NotBefore { at: TimestampMillis(2000) },
        "nothing happens until the limit"
    );
    let none = Treaty::validate(&document(&[8], 60)).unwrap();
    assert!(explain(&none, &Snapshot::default(), &ClaimId::from("a"), TimestampMillis(0)).is_none());
}

#[test]
fn a_due_claim_has_a_promise() {
    let claims = [("a1", 0, 1, 8, Some(900)), ("a2", 0, 1, 8, Some(900)), ("b1", 1, 1, 8, Some(900))];
    let e = told(&pool(document(&[8, 8], 60), 2, &claims), "b1");
    assert_eq!(code(&e), "WaitingForReclaim");
    let promise = e.promise.as_ref().unwrap();
    assert_eq!((e.due_since, promise.latest_start), (Some(TimestampMillis(2000)), TimestampMillis(62_000)));
    assert!(!promise.is_late);
    let State::Reserved { leaving, .. } = &e.state else { panic!("{:?}", e.state) };
    assert_eq!((&*leaving[0].claim.0, leaving[0].deadline), ("a2", TimestampMillis(62_000)));
    assert_eq!(e.start.unwrap().range.latest, at(62));
    assert_eq!(e.line.unwrap().place, 1);
}

#[test]
fn rights_that_rest_cannot_be_forecast() {
    let mut document = document(&[8, 8], 60);
    document.members[0].suspended =
        Some(SuspensionDocument { from: "1970-01-01".to_owned(), reason: "arrears".to_owned() });
    let e = told(&pool(document, 2, &[("a1", 0, 1, 8, Some(9))]), "a1");
    assert_eq!((code(&e), &e.start, e.what_ifs.len()), ("MemberSuspended", &None, 0));
    assert!(e.notes[0].starts_with("no start can be forecast"), "{:?}", e.notes);
}

fn two_classes() -> (Treaty, Snapshot) {
    let text = "apiVersion: concord.dev/v1alpha1\nkind: Treaty\nmetadata: {name: t}\nspec:\n  title: t\n  classes:\n    \
                - {name: new, nodeLabels: {gpu: new}}\n    - {name: old, nodeLabels: {gpu: old}}\n  members:\n    \
                - {name: a, guarantee: {byClass: {new: {gpus: 8}, old: {gpus: 8}}}}\n  reclaim: {noticeSeconds: 60}\n";
    let treaty = source::read(text.as_bytes()).treaties.remove(0).treaty.unwrap();
    let mut nodes = nodes(2, 8);
    for (node, class) in nodes.iter_mut().zip(["new", "old"]) {
        node.labels = Labels::from(BTreeMap::from([("gpu".to_owned(), class.to_owned())]));
    }
    let mut claims = vec![
        waiting("a1", 0, gang(1, 8), 0),
        waiting("a2", 0, gang(1, 8), 1),
        waiting("a3", 0, gang(1, 4), 2),
    ];
    claims[0].class = Some(ClassId(0));
    claims[1].class = Some(ClassId(0));
    let slots = vec![concord_treaty::snapshot::Slot { node: nodes[0].name.clone(), gpus: 8 }];
    claims[0].state = concord_treaty::snapshot::ClaimState::Holding(concord_treaty::snapshot::Holding {
        slots,
        basis: concord_treaty::snapshot::Basis::Guaranteed,
        since: TimestampMillis(0),
        phase: concord_treaty::snapshot::Phase::Running,
        promised_to: None,
        saves: Default::default(),
    });
    (treaty, Snapshot::new(nodes, claims).with_standings(vec![Standing::default()]))
}

#[test]
fn another_class_may_have_room() {
    let (treaty, snapshot) = two_classes();
    let of = |id| explain(&treaty, &snapshot, &ClaimId::from(id), TimestampMillis(5)).unwrap();
    let e = of("a2");
    assert_eq!(e.class.as_deref(), Some("new"));
    let other = what_if(&e, "OtherClass");
    assert_eq!((other.starts_now, other.ask.as_ref().unwrap().class.as_deref()), (true, Some("old")));
    let e = of("a3");
    assert_eq!((code(&e), &e.state), ("NoSuchClass", &State::Refused));
    let classes: Vec<&str> = e.what_ifs.iter().filter_map(|w| w.ask.as_ref()?.class.as_deref()).collect();
    assert_eq!(classes, ["old", "new"], "the one with room first");
}

#[test]
fn a_batch_stops_after_so_many_starts() {
    let claims = [
        ("a1", 0, 1, 8, Some(100)),
        ("a2", 0, 1, 8, Some(100)),
        ("a3", 0, 1, 8, Some(100)),
        ("a4", 0, 1, 8, Some(100)),
    ];
    let pool = pool(document(&[8], 60), 1, &claims);
    let starts = |most| expected_starts(&pool.treaty(), &pool.snapshot, TimestampMillis(pool.now), most);
    let all: Vec<Bound> = starts(9).into_values().map(|r| r.latest).collect();
    assert_eq!(all, [at(100), at(200), at(300)]);
    let first: Vec<Bound> = starts(1).into_values().map(|r| r.latest).collect();
    let rest = Bound::NotBefore { at: TimestampMillis(100_000) };
    assert_eq!(first, [at(100), rest.clone(), rest]);
}

#[test]
fn a_run_time_that_ends_before_the_window_starts_now() {
    let mut document = document(&[8], 60);
    document.windows.push(WindowDocument {
        name: "patch".to_owned(),
        purpose: WindowPurposeName::Maintenance,
        member: None,
        start: "1970-01-01T01:00".to_owned(),
        length_minutes: 60,
        time_zone: None,
        repeats: None,
        until: None,
        node_labels: BTreeMap::default(),
        announce_hours: Some(1),
    });
    let e = told(&pool(document, 1, &[("a1", 0, 1, 8, None)]), "a1");
    assert_eq!(code(&e), "WindowAhead");
    assert_eq!(
        e.start.as_ref().unwrap().range,
        Range::exactly(TimestampMillis(7_200_000)),
        "after the window"
    );
    let early = what_if(&e, "EndsBeforeWindow");
    let run = early.ask.as_ref().unwrap().stated_run;
    assert_eq!((early.starts_now, run), (true, Some(DurationMillis(3_599_000))));
    assert_eq!(early.clauses, ["windows"]);
}

#[test]
fn what_a_budget_forbids_it_forbids_until_its_period_ends() {
    let mut pool = pool(document(&[8, 0], 60), 1, &[("b1", 1, 1, 8, Some(100))]);
    pool.snapshot = snapshot(&nodes(1, 8), &[waiting("b1", 1, gang(1, 8), 0)]);
    let until = Some(TimestampMillis(90_000));
    let overdrawn = Standing { last: true, most_borrowed: Some(0), until, ..Standing::default() };
    pool.snapshot.standings = vec![Standing::default(), overdrawn];
    let e = told(&pool, "b1");
    assert_eq!((code(&e), e.reason.as_ref().unwrap().clause.as_str()), ("BudgetOverdrawn", "budget"));
    assert_eq!(e.start.unwrap().range, Range::exactly(TimestampMillis(90_000)));
}

/// Both steps of the ladder are named: the limit as the reason, the last place as a note.
#[test]
fn every_step_of_a_ladder_that_is_reached_is_told() {
    let mut pool = pool(document(&[8, 0], 60), 1, &[]);
    pool.snapshot = snapshot(&nodes(1, 8), &[waiting("b1", 1, gang(1, 8), 0)]);
    let until = Some(TimestampMillis(90_000));
    let of = |most_borrowed| Standing { last: true, most_borrowed, until, ..Standing::default() };
    pool.snapshot.standings = vec![Standing::default(), of(Some(4))];
    let e = told(&pool, "b1");
    assert_eq!(code(&e), "BorrowingLimited");
    let note = "m1 has overdrawn its budget and borrows only after members within theirs until its period ends at \
                1970-01-01 00:01 UTC";
    assert_eq!(e.notes, [note]);
    // Who borrows nothing stands in no order.
    pool.snapshot.standings[1] = of(Some(0));
    assert_eq!(told(&pool, "b1").notes, [""; 0]);
}

#[test]
fn wishes_for_nodes_cost_time() {
    let mut pool = Pool::new(document(&[16], 60), 2, 8);
    let zone = |name: &str| Labels::from(BTreeMap::from([("zone".to_owned(), name.to_owned())]));
    pool.snapshot.nodes[0].labels = zone("a");
    pool.submit("a1", 0, gang(1, 8), Some(100_000));
    pool.claim("a1").unwrap().node_labels = zone("a");
    pool.settle(|_, _| ()).unwrap();
    pool.submit("a2", 0, gang(1, 8), Some(100_000));
    pool.claim("a2").unwrap().node_labels = zone("a");
    let e = told(&pool, "a2");
    assert_eq!((code(&e), e.holders.as_ref().unwrap().nodes), ("PlaceTaken", 1));
    assert_eq!(e.start.as_ref().unwrap().range, Range { earliest: at(50), latest: at(100) });
    let anywhere = what_if(&e, "AnyNode");
    assert!(anywhere.starts_now && anywhere.sentence == "submitted anew for nodes without zone=a too");
}

#[test]
fn who_is_not_admitted_is_told_so_and_nothing_is_forecast() {
    let mut document = document(&[8], 60);
    document.eligibility = Some(EligibilityDocument::default());
    let mut pool = Pool::new(document, 1, 8);
    pool.submit("a1", 0, gang(1, 8), None);
    let e = told(&pool, "a1");
    assert_eq!((code(&e), &e.state, &e.start), ("NotEligible", &State::Refused, &None));
    let all = expected_starts(&pool.treaty(), &pool.snapshot, TimestampMillis(0), 9);
    assert_eq!(all[&ClaimId::from("a1")], Range { earliest: Bound::Never, latest: Bound::Never });
}

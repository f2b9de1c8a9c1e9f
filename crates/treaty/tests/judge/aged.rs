//! What is kept by age, and who overran there.

use concord_treaty::reason::ReclaimReason;
use concord_treaty::snapshot::Basis::{Borrowed, Guaranteed};
use concord_treaty::snapshot::{ClaimState, Phase};
use concord_treaty::units::{DurationMillis, TimestampMillis};

use crate::scene::{NOTICE, NOW, Scene, for_guarantee};
use crate::support::gang;
use crate::support::limits::{aging, announced, maintenance};

const HOUR: i64 = 3_600_000;

/// Claims submitted at `submitted_at` are aged after an hour.
fn aged(submitted_at: i64) -> Scene {
    let mut scene = Scene::new();
    scene.document = aging(scene.document, 1);
    scene.waits("old", 0, gang(1, 8));
    scene.claim("old").submitted_at = TimestampMillis(submitted_at);
    scene
}

#[test]
fn gpus_are_kept_for_the_aged_alone() {
    for (submitted_at, lawful) in [(NOW - HOUR, true), (NOW - HOUR + 1, false)] {
        let mut scene = aged(submitted_at);
        scene.keeps("old", &[(0, 8)], Borrowed);
        scene.keeps_or_breaks("KeptForBorrower", lawful);
    }
    let mut due = aged(NOW - HOUR);
    due.keeps("old", &[(0, 8)], Borrowed);
    due.is_due("old", 0, &[(0, 8)]);
    assert_eq!(due.broken(), ["KeptForBorrower"]);
    let mut without = aged(NOW - HOUR);
    without.document.line = None;
    without.keeps("old", &[(0, 8)], Borrowed);
    assert_eq!(without.broken(), ["KeptForBorrower"]);
}

#[test]
fn one_for_each_member_and_on_nodes_of_its_own() {
    let two = |member: u16, node: usize| {
        let mut scene = aged(NOW - HOUR);
        scene.keeps("old", &[(0, 8)], Borrowed);
        scene.waits("too", member, gang(1, 8));
        scene.claim("too").submitted_at = TimestampMillis(NOW - HOUR);
        scene.keeps("too", &[(node, 8)], Borrowed);
        scene.broken()
    };
    assert!(two(1, 1).is_empty());
    assert_eq!(two(0, 1), ["KeptForBorrower"]);
    assert_eq!(two(1, 0), ["KeptTwice"]);
}

#[test]
fn a_node_that_shrank_or_closed_is_kept_no_more() {
    let mut small = aged(NOW - HOUR);
    small.snapshot.nodes[0].gpus = 7;
    small.keeps("old", &[(0, 8)], Borrowed);
    assert_eq!(small.broken(), ["KeptTwice"]);
    let mut closed = aged(NOW - HOUR);
    closed.snapshot.nodes[0].schedulable = false;
    closed.keeps("old", &[(0, 8)], Borrowed);
    assert_eq!(closed.broken(), ["UnschedulableNode", "KeptTwice"]);
}

/// An aged claim has node 0 kept, of whose 8 GPUs `held` run for another hour by what their owner states.
fn kept(held: u32, asked: u32) -> Scene {
    let mut scene = Scene::new();
    scene.document = aging(scene.document, 1);
    if held > 0 {
        scene.runs("r", 1, &[(0, held)], Guaranteed).since = TimestampMillis(NOW);
        scene.claim("r").expected_runtime = Some(DurationMillis(HOUR));
    }
    scene.has_kept("old", 0, &[(0, asked)], Borrowed);
    scene.claim("old").submitted_at = TimestampMillis(NOW - HOUR);
    scene
}

#[test]
fn borrowers_leave_what_is_kept_or_end_in_time() {
    for (runtime, lawful) in [(Some(HOUR), true), (Some(HOUR + 1), false), (None, false)] {
        let mut scene = kept(4, 8);
        scene.starts("s", 2, &[(0, 4)], Borrowed);
        scene.claim("s").expected_runtime = runtime.map(DurationMillis);
        scene.keeps_or_breaks("TakenFromAged", lawful);
    }
}

#[test]
fn who_ends_at_one_time_is_counted_together() {
    let mut scene = kept(2, 8);
    scene.runs("q", 1, &[(0, 2)], Guaranteed).since = TimestampMillis(NOW);
    scene.claim("q").expected_runtime = Some(DurationMillis(HOUR));
    scene.starts("s", 2, &[(0, 4)], Borrowed);
    scene.claim("s").expected_runtime = Some(DurationMillis(HOUR));
    assert!(scene.broken().is_empty());
}

/// An aged claim has node 0 kept; r has 4 of its GPUs with no word of when it ends, and s starts on the others for so long.
fn beside(runtime: i64) -> Scene {
    let mut scene = kept(4, 8);
    scene.claim("r").expected_runtime = None;
    if let Some(holding) = scene.holding_mut("r") {
        holding.basis = Borrowed;
    }
    scene.starts("s", 2, &[(0, 4)], Borrowed);
    scene.claim("s").expected_runtime = Some(DurationMillis(runtime));
    scene
}

fn takes_from_aged(scene: &Scene) -> bool {
    scene.broken().contains(&"TakenFromAged")
}

#[test]
fn the_claim_can_start_when_the_last_holder_is_gone() {
    for (runtime, lawful) in [(2 * HOUR, true), (2 * HOUR + 1, false)] {
        let mut scene = Scene::new();
        scene.document = aging(scene.document, 1);
        for (id, gpus, hours) in [("r", 4, 1), ("q", 2, 2)] {
            scene.runs(id, 1, &[(0, gpus)], Guaranteed).since = TimestampMillis(NOW);
            scene.claim(id).expected_runtime = Some(DurationMillis(hours * HOUR));
        }
        scene.has_kept("old", 0, &[(0, 8)], Borrowed);
        scene.claim("old").submitted_at = TimestampMillis(NOW - HOUR);
        scene.starts("s", 2, &[(0, 2)], Borrowed);
        scene.claim("s").expected_runtime = Some(DurationMillis(runtime));
        scene.keeps_or_breaks("TakenFromAged", lawful);
    }
}

#[test]
fn who_is_told_to_leave_is_gone_by_then() {
    for (runtime, lawful) in [(NOTICE, true), (NOTICE + 1, false)] {
        let mut anew = beside(runtime);
        anew.waits("w", 0, gang(1, 8));
        anew.tells("r", NOTICE, for_guarantee(0, "w"));
        assert_eq!(takes_from_aged(&anew), !lawful);
        // By its own account it should be gone already, so that only the notice counts.
        for runs_since in [None, Some(NOW)] {
            let mut before = beside(runtime);
            before.claim("r").expected_runtime = runs_since.map(DurationMillis);
            let holding = before.holding_mut("r").unwrap();
            (holding.since, holding.phase) = (TimestampMillis(0), noticed());
            assert_eq!(takes_from_aged(&before), !lawful, "{runs_since:?}");
        }
        let mut withdrawn = beside(runtime);
        withdrawn.holding_mut("r").unwrap().phase = noticed();
        withdrawn.plan.withdrawals.push("r".into());
        assert!(takes_from_aged(&withdrawn));
    }
}

fn noticed() -> Phase {
    Phase::Noticed { deadline: TimestampMillis(NOW + NOTICE) }
}

#[test]
fn who_is_stopped_is_gone_now_and_nobody_else_is() {
    for stopped in ["r", "elsewhere"] {
        let mut scene = beside(HOUR);
        scene.claim("r").expected_runtime = Some(DurationMillis(HOUR));
        scene.runs("elsewhere", 1, &[(1, 8)], Borrowed);
        scene.waits("w", 0, gang(1, 8));
        scene.stops(stopped, for_guarantee(0, "w"));
        assert_eq!(takes_from_aged(&scene), stopped == "r", "{stopped}");
    }
}

#[test]
fn the_size_of_its_own_node_counts() {
    let mut scene = kept(0, 6);
    scene.snapshot.nodes[1].gpus = 4;
    scene.snapshot.nodes[2].gpus = 4;
    scene.starts("s", 2, &[(0, 2)], Borrowed);
    assert!(scene.broken().is_empty());
}

#[test]
fn borrowers_may_have_what_the_aged_does_not_need() {
    for (gpus, lawful) in [(2, true), (3, false)] {
        let mut scene = kept(0, 6);
        scene.starts("s", 2, &[(0, gpus)], Borrowed);
        scene.keeps_or_breaks("TakenFromAged", lawful);
    }
    let mut guaranteed = kept(0, 6);
    guaranteed.starts("s", 2, &[(0, 8)], Guaranteed);
    assert!(guaranteed.broken().is_empty());
}

#[test]
fn a_place_that_lost_a_node_is_no_longer_kept() {
    let two_nodes = || {
        let mut scene = Scene::new();
        scene.document = aging(scene.document, 1);
        scene.has_kept("old", 0, &[(0, 8), (1, 8)], Borrowed);
        scene.claim("old").submitted_at = TimestampMillis(NOW - HOUR);
        scene.starts("s", 2, &[(0, 1)], Borrowed);
        scene
    };
    assert_eq!(two_nodes().broken(), ["TakenFromAged"]);
    let mut closed = two_nodes();
    closed.snapshot.nodes[1].schedulable = false;
    assert!(!closed.broken().contains(&"TakenFromAged"));
}

/// A window opens at the end of the first hour; whoever is not done by then may not start.
#[test]
fn a_place_that_a_window_takes_is_no_longer_kept() {
    let until_it_opens = HOUR - NOW;
    for (runtime, kept_still) in
        [(Some(until_it_opens), true), (Some(until_it_opens + 1), false), (None, false)]
    {
        let mut scene = kept(0, 8);
        scene.document.windows.push(announced(maintenance("w", 60, 10), 1));
        scene.claim("old").expected_runtime = runtime.map(DurationMillis);
        scene.starts("s", 2, &[(0, 1)], Borrowed);
        scene.claim("s").expected_runtime = Some(DurationMillis(1));
        assert_eq!(scene.broken(), if kept_still { vec!["TakenFromAged"] } else { vec![] }, "{runtime:?}");
    }
}

/// A borrower that stated that it ends at `ends_at` runs where GPUs are kept.
fn overrun(ends_at: i64, submitted_at: i64, on: usize) -> Scene {
    let mut scene = Scene::new();
    scene.document = aging(scene.document, 1);
    scene.runs("r", 1, &[(on, 8)], Borrowed).since = TimestampMillis(NOW - HOUR);
    let claim = scene.claim("r");
    claim.expected_runtime = Some(DurationMillis(HOUR + ends_at));
    claim.submitted_at = TimestampMillis(submitted_at);
    scene.has_kept("old", 0, &[(0, 8)], Borrowed);
    scene.claim("old").submitted_at = TimestampMillis(NOW - 2 * HOUR);
    scene.tells("r", NOTICE, ReclaimReason::Overran { claim: "old".into() });
    scene
}

#[test]
fn only_who_overran_leaves_for_the_aged() {
    let young = NOW - HOUR + 1;
    for (ends_at, lawful) in [(-1, true), (0, true), (1, false)] {
        let broken = overrun(ends_at, young, 0).broken();
        assert_eq!(broken, if lawful { vec![] } else { vec!["SentAwayForAged"] }, "{ends_at}");
    }
    assert_eq!(overrun(0, NOW - HOUR, 0).broken(), ["SentAwayForAged"], "it has aged itself");
    assert_eq!(overrun(0, young, 1).broken(), ["SentAwayForAged"], "it runs elsewhere");
}

#[test]
fn only_for_the_aged_claim_that_has_the_nodes() {
    let mut two = overrun(0, NOW - HOUR + 1, 0);
    two.has_kept("another", 2, &[(1, 8)], Borrowed);
    two.claim("another").submitted_at = TimestampMillis(NOW - 2 * HOUR);
    assert!(two.broken().is_empty());
    let mut guaranteed = overrun(0, NOW - HOUR + 1, 0);
    if let ClaimState::Reserved(kept) = &mut guaranteed.claim("old").state {
        kept.basis = Guaranteed;
    }
    assert!(guaranteed.broken().contains(&"SentAwayForAged"), "its place is not kept by age");
}

#[test]
fn who_is_stopped_for_the_aged_has_overrun() {
    for (ends_at, lawful) in [(0, true), (1, false)] {
        let mut scene = overrun(ends_at, NOW - HOUR + 1, 0);
        let notice = scene.plan.notices.pop().unwrap();
        let deadline = TimestampMillis(NOW);
        if let Some(holding) = scene.holding_mut("r") {
            holding.phase = Phase::Noticed { deadline };
        }
        scene.claim("r").submitted_at = TimestampMillis(NOW - NOTICE - HOUR + 1);
        scene.stops("r", notice.reason);
        scene.keeps_or_breaks("SentAwayForAged", lawful);
    }
}

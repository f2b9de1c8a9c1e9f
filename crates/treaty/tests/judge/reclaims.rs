//! Who may be sent away, and not before which time: exactly then is lawful, a millisecond sooner is not.

use concord_treaty::reason::ReclaimReason;
use concord_treaty::snapshot::Basis::{Borrowed, Due, Guaranteed};
use concord_treaty::snapshot::Phase;
use concord_treaty::units::{MemberId, TimestampMillis};

use crate::scene::{NOTICE, NOW, Scene, for_guarantee};
use crate::support::gang;

/// Member 1 runs on all of node 0 on some account, and member 0's claim waits for it.
fn in_the_way(basis: concord_treaty::snapshot::Basis) -> Scene {
    let mut scene = Scene::new();
    scene.runs("r", 1, &[(0, 8)], basis);
    scene.waits("w", 0, gang(1, 8));
    scene
}

fn noticed(by: i64) -> Phase {
    Phase::Noticed { deadline: TimestampMillis(NOW + by) }
}

#[test]
fn a_notice_is_as_long_as_the_treaty_says() {
    for (by, lawful) in [(NOTICE, true), (NOTICE + 1, true), (NOTICE - 1, false)] {
        let mut scene = in_the_way(Borrowed);
        scene.tells("r", by, for_guarantee(0, "w"));
        scene.keeps_or_breaks("ShortNotice", lawful);
    }
}

#[test]
fn for_who_is_late_already_the_notice_is_shorter() {
    for (ago, by, lawful) in [
        (1000, NOTICE - 1000, true),
        (1000, NOTICE - 1001, false),
        (2 * NOTICE, 0, true),
        (2 * NOTICE, -1, false),
    ] {
        let mut scene = in_the_way(Borrowed);
        scene.is_due("w", ago, &[(0, 8)]);
        scene.tells("r", by, for_guarantee(0, "w"));
        scene.keeps_or_breaks("ShortNotice", lawful);
    }
}

#[test]
fn a_minimum_run_is_waited_for() {
    for (by, lawful) in [(600_000, true), (599_999, false)] {
        let mut scene = in_the_way(Borrowed);
        scene.document.reclaim.minimum_run_seconds = Some(1600);
        scene.tells("r", by, for_guarantee(0, "w"));
        scene.keeps_or_breaks("ShortNotice", lawful);
    }
}

#[test]
fn who_was_told_may_be_told_again_but_not_sooner() {
    for (by, lawful) in [(5000, true), (4999, false)] {
        let mut scene = Scene::new();
        scene.runs("r", 1, &[(0, 8)], Borrowed).phase = noticed(5000);
        scene.waits("w", 0, gang(1, 8));
        scene.tells("r", by, for_guarantee(0, "w"));
        scene.keeps_or_breaks("ShortNotice", lawful);
    }
}

#[test]
fn a_stop_comes_when_the_time_is_up() {
    for (deadline, lawful) in [(-1, true), (0, true), (1, false)] {
        let mut scene = Scene::new();
        scene.runs("r", 1, &[(0, 8)], Borrowed).phase = noticed(deadline);
        scene.waits("w", 0, gang(1, 8));
        scene.stops("r", for_guarantee(0, "w"));
        scene.keeps_or_breaks("ShortNotice", lawful);
    }
    let mut untold = in_the_way(Borrowed);
    untold.stops("r", for_guarantee(0, "w"));
    assert_eq!(untold.broken(), ["ShortNotice"]);
}

#[test]
fn who_is_stopping_is_neither_told_nor_stopped_again() {
    let stopping = || {
        let mut scene = Scene::new();
        scene.runs("r", 1, &[(0, 8)], Borrowed).phase = Phase::Stopping;
        scene.waits("w", 0, gang(1, 8));
        scene
    };
    let mut told = stopping();
    told.tells("r", NOTICE, for_guarantee(0, "w"));
    assert_eq!(told.broken(), ["ShortNotice"]);
    let mut stopped = stopping();
    stopped.is_due("w", 2 * NOTICE, &[(0, 8)]);
    stopped.stops("r", for_guarantee(0, "w"));
    assert_eq!(stopped.broken(), ["ShortNotice"]);
}

#[test]
fn what_is_inside_a_guarantee_leaves_only_for_who_is_due() {
    let mut not_due = in_the_way(Guaranteed);
    not_due.tells("r", NOTICE, for_guarantee(0, "w"));
    assert_eq!(not_due.broken(), ["ReclaimedGuarantee"]);
    not_due.is_due("w", 0, &[(0, 8)]);
    assert!(not_due.broken().is_empty());
    let mut due = in_the_way(Due);
    due.is_due("w", 0, &[(0, 8)]);
    due.tells("r", NOTICE, for_guarantee(0, "w"));
    assert_eq!(due.broken(), ["ReclaimedGuarantee"]);
    let mut stopped = in_the_way(Due);
    stopped.is_due("w", 2 * NOTICE, &[(0, 8)]);
    stopped.stops("r", for_guarantee(0, "w"));
    assert_eq!(stopped.broken(), ["ReclaimedGuarantee"]);
}

#[test]
fn booked_into_the_guarantee_it_is_safe_at_once() {
    let mut scene = in_the_way(Borrowed);
    scene.books("r", Guaranteed);
    scene.tells("r", NOTICE, for_guarantee(0, "w"));
    assert_eq!(scene.broken(), ["ReclaimedGuarantee"]);
}

#[test]
fn above_a_ceiling_only_what_is_borrowed_leaves() {
    for (basis, lawful) in [(Borrowed, true), (Guaranteed, false), (Due, false)] {
        let mut scene = Scene::new();
        scene.runs("r", 1, &[(0, 8)], basis);
        scene.tells("r", NOTICE, ReclaimReason::AboveCeiling(MemberId(1)));
        scene.keeps_or_breaks("ReclaimedGuarantee", lawful);
    }
}

#[test]
fn what_ran_on_a_lost_node_is_stopped_at_once() {
    let mut scene = Scene::new();
    scene.runs("r", 1, &[(0, 8), (9, 8)], Due);
    scene.stops("r", ReclaimReason::NodeLost);
    assert!(scene.broken().is_empty());
    let mut there = Scene::new();
    there.runs("r", 1, &[(0, 8)], Due);
    there.stops("r", ReclaimReason::NodeLost);
    assert_eq!(there.broken(), ["ShortNotice"]);
}

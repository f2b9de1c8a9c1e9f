//! Guarantees, ceilings, limits of borrowing, and lines alone: exactly full is lawful, one more is not.

use concord_treaty::snapshot::Basis::{Borrowed, Due, Guaranteed};
use concord_treaty::snapshot::{Phase, Standing};
use concord_treaty::units::TimestampMillis;

use crate::scene::{NOW, Scene};
use crate::support::{gang, with_ceiling};

#[test]
fn a_guarantee_is_booked_once() {
    for basis in [Guaranteed, Due] {
        for (more, lawful) in [(3, true), (4, false)] {
            let mut scene = Scene::new();
            scene.runs("r", 0, &[(0, 5)], Guaranteed);
            scene.starts("s", 0, &[(1, more)], basis);
            scene.is_due("s", 0, &[(0, more)]);
            scene.keeps_or_breaks("AboveGuarantee", lawful);
        }
    }
}

#[test]
fn what_is_borrowed_or_leaves_is_not_in_the_guarantee() {
    let mut borrowed = Scene::new();
    borrowed.runs("r", 0, &[(0, 8)], Borrowed);
    borrowed.starts("s", 0, &[(1, 8)], Guaranteed);
    assert!(borrowed.broken().is_empty());
    let mut leaving = Scene::new();
    leaving.runs("r", 0, &[(0, 8)], Guaranteed).phase = Phase::Stopping;
    leaving.starts("s", 0, &[(1, 8)], Guaranteed);
    assert!(leaving.broken().is_empty());
    let mut told = Scene::new();
    told.runs("r", 0, &[(0, 8)], Guaranteed).phase = Phase::Noticed { deadline: TimestampMillis(NOW + 5) };
    told.starts("s", 0, &[(1, 8)], Guaranteed);
    assert!(told.broken().is_empty());
    told.plan.withdrawals.push("r".into());
    assert_eq!(told.broken(), ["AboveGuarantee"]);
}

#[test]
fn booking_anew_moves_it_in_and_out_of_the_guarantee() {
    let mut into = Scene::new();
    into.runs("r", 0, &[(0, 8)], Borrowed);
    into.runs("q", 0, &[(1, 1)], Guaranteed);
    into.books("r", Guaranteed);
    assert_eq!(into.broken(), ["AboveGuarantee"]);
    into.books("q", Borrowed);
    assert!(into.broken().is_empty());
}

#[test]
fn what_is_kept_counts_as_used() {
    for (more, lawful) in [(2, true), (3, false)] {
        let mut scene = Scene::new();
        scene.has_kept("k", 0, &[(0, 6)], Guaranteed);
        scene.starts("s", 0, &[(1, more)], Guaranteed);
        scene.keeps_or_breaks("AboveGuarantee", lawful);
        scene.plan.releases.push("k".into());
        assert!(scene.broken().is_empty());
    }
}

#[test]
fn what_is_kept_counts_below_the_ceiling() {
    for (more, lawful) in [(4, true), (5, false)] {
        let mut scene = Scene::new();
        scene.document = with_ceiling(scene.document, 0, 8);
        scene.has_kept("k", 0, &[(0, 4)], Guaranteed);
        scene.starts("s", 0, &[(1, more)], Borrowed);
        scene.keeps_or_breaks("AboveCeiling", lawful);
    }
}

#[test]
fn what_starts_is_no_longer_kept() {
    let mut scene = Scene::new();
    scene.has_kept("k", 0, &[(0, 8)], Guaranteed);
    scene.plan.waits.clear();
    scene.admits("k", &[(1, 8)], Guaranteed);
    assert!(scene.broken().is_empty());
}

#[test]
fn what_is_kept_elsewhere_is_kept_once() {
    let mut scene = Scene::new();
    scene.has_kept("k", 0, &[(0, 8)], Guaranteed);
    scene.keeps("k", &[(1, 8)], Guaranteed);
    scene.starts("s", 1, &[(0, 8)], Guaranteed);
    assert!(scene.broken().is_empty());
}

#[test]
fn a_ceiling_stops_starts_and_nothing_else() {
    for (more, lawful) in [(2, true), (3, false)] {
        let mut scene = Scene::new();
        scene.document = with_ceiling(scene.document, 0, 10);
        scene.runs("r", 0, &[(0, 8)], Guaranteed);
        scene.starts("s", 0, &[(1, more)], Borrowed);
        scene.keeps_or_breaks("AboveCeiling", lawful);
    }
    let mut lowered = Scene::new();
    lowered.document = with_ceiling(lowered.document, 0, 8);
    lowered.runs("r", 0, &[(0, 8)], Guaranteed);
    lowered.runs("q", 0, &[(1, 8)], Borrowed);
    lowered.starts("s", 1, &[(2, 8)], Guaranteed);
    assert!(lowered.broken().is_empty());
}

#[test]
fn over_use_limits_what_is_borrowed_anew() {
    for (more, lawful) in [(2, true), (3, false)] {
        let mut scene = Scene::new();
        let limited = Standing { most_borrowed: Some(6), ..Standing::default() };
        scene.snapshot.standings = vec![limited, Standing::default(), Standing::default()];
        scene.runs("r", 0, &[(0, 4)], Borrowed);
        scene.runs("g", 0, &[(0, 4)], Guaranteed);
        assert!(scene.broken().is_empty());
        scene.starts("s", 0, &[(1, more)], Borrowed);
        scene.keeps_or_breaks("AboveBorrowingLimit", lawful);
    }
    let mut lowered = Scene::new();
    lowered.snapshot.standings = vec![Standing { most_borrowed: Some(2), ..Standing::default() }];
    lowered.runs("r", 0, &[(0, 4)], Borrowed);
    lowered.starts("s", 0, &[(1, 8)], Guaranteed);
    lowered.starts("t", 1, &[(2, 8)], Borrowed);
    assert!(lowered.broken().is_empty());
}

#[test]
fn a_line_alone_stays_on_its_nodes() {
    for (more, lawful) in [(2, true), (3, false)] {
        let mut scene = Scene::new();
        scene.document.members[0].guarantee.gpus = Some(16);
        scene.document.members[1].guarantee.gpus = Some(0);
        scene.runs("r", 0, &[(0, 6)], Due);
        scene.is_due("r", 9, &[(0, 6)]);
        scene.waits("w", 0, gang(1, more));
        scene.makes_due("w", 0, &[(0, more)]);
        scene.keeps_or_breaks("LineOverbooked", lawful);
    }
}

#[test]
fn a_line_alone_is_as_long_as_the_guarantee() {
    for (more, lawful) in [(2, true), (3, false)] {
        let mut scene = Scene::new();
        scene.runs("r", 0, &[(0, 6)], Due);
        scene.is_due("r", 9, &[(0, 6)]);
        scene.waits("w", 0, gang(1, more));
        scene.makes_due("w", 0, &[(1, more)]);
        scene.keeps_or_breaks("LineOverbooked", lawful);
    }
}

#[test]
fn a_run_alone_that_is_over_leaves_the_line() {
    for (ran, over) in [(99, true), (100, true), (101, false)] {
        let mut scene = Scene::new();
        scene.finished("f", 0, gang(1, 8), ran);
        scene.is_due("f", 100, &[(0, 8)]);
        scene.waits("w", 0, gang(1, 1));
        scene.makes_due("w", 0, &[(0, 1)]);
        assert_eq!(scene.broken().is_empty(), over, "ran {ran}");
    }
    let mut taken_back = Scene::new();
    taken_back.waits("q", 0, gang(1, 8));
    taken_back.is_due("q", 9, &[(0, 8)]);
    taken_back.plan.no_longer_due.push("q".into());
    taken_back.waits("w", 0, gang(1, 1));
    taken_back.makes_due("w", 0, &[(0, 1)]);
    assert!(taken_back.broken().is_empty());
}

#[test]
fn a_line_that_became_too_long_is_no_fault_of_a_plan_that_adds_nothing() {
    let mut scene = Scene::new();
    scene.document.members[0].guarantee.gpus = Some(4);
    scene.waits("w", 0, gang(1, 8));
    scene.is_due("w", 9, &[(0, 8)]);
    assert!(scene.broken().is_empty());
}

#[test]
fn members_have_lines_of_their_own() {
    let mut scene = Scene::new();
    for (id, member) in [("v", 0), ("w", 1)] {
        scene.waits(id, member, gang(1, 8));
        scene.makes_due(id, 0, &[(0, 8)]);
    }
    assert!(scene.broken().is_empty());
}

//! Ceilings inside a member: in the pool, in the line alone, and since when.

use std::sync::Arc;

use concord_treaty::quota::{MemberQuota, QuotaInForce};
use concord_treaty::snapshot::Basis::Guaranteed;
use concord_treaty::units::{MemberId, TimestampMillis};

use crate::scene::{NOW, Scene};
use crate::support::gang;

/// Member 0 allows its institution `north` 4 GPUs, since some time before now.
fn allowing_four(millis_ago: i64) -> Scene {
    let text = serde_json::json!({"institutions": [{"name": "north", "ceiling": {"gpus": 4}}]});
    let quota = MemberQuota::validate("m0", &serde_json::from_value(text).unwrap()).unwrap();
    let since = TimestampMillis(NOW - millis_ago);
    let mut scene = Scene::new();
    scene.snapshot.quotas = vec![QuotaInForce { member: MemberId(0), quota: Some(Arc::new(quota)), since }];
    scene
}

fn of_north(scene: &mut Scene, ids: &[&str]) {
    for id in ids {
        scene.claim(id).path = [Arc::from("north"), Arc::from("lab")].into();
    }
}

#[test]
fn an_institution_stays_below_its_ceiling() {
    for (more, lawful) in [(2, true), (3, false)] {
        let mut scene = allowing_four(NOW);
        scene.runs("r", 0, &[(0, 2)], Guaranteed);
        scene.starts("s", 0, &[(1, more)], Guaranteed);
        of_north(&mut scene, &["r", "s"]);
        scene.keeps_or_breaks("AboveShareCeiling", lawful);
    }
    let mut others = allowing_four(NOW);
    others.runs("r", 0, &[(0, 4)], Guaranteed);
    others.starts("s", 0, &[(1, 4)], Guaranteed);
    of_north(&mut others, &["r"]);
    assert!(others.broken().is_empty(), "s is of another institution");
}

#[test]
fn what_is_kept_counts_and_what_was_above_may_stay() {
    for (more, lawful) in [(2, true), (3, false)] {
        let mut scene = allowing_four(NOW);
        scene.has_kept("k", 0, &[(0, 2)], Guaranteed);
        scene.waits("w", 0, gang(1, more));
        scene.keeps("w", &[(1, more)], Guaranteed);
        of_north(&mut scene, &["k", "w"]);
        scene.keeps_or_breaks("AboveShareCeiling", lawful);
    }
    let mut above = allowing_four(NOW);
    above.runs("r", 0, &[(0, 8)], Guaranteed);
    of_north(&mut above, &["r"]);
    assert!(above.broken().is_empty());
}

#[test]
fn the_line_alone_stays_below_the_same_ceiling() {
    for (more, lawful) in [(2, true), (3, false)] {
        let mut scene = allowing_four(NOW);
        scene.waits("v", 0, gang(1, 2));
        scene.is_due("v", 9, &[(0, 2)]);
        scene.waits("w", 0, gang(1, more));
        scene.makes_due("w", 0, &[(0, more)]);
        of_north(&mut scene, &["v", "w"]);
        scene.keeps_or_breaks("LineAboveShareCeiling", lawful);
    }
    for (ran, over) in [(99, true), (100, true), (101, false)] {
        let mut scene = allowing_four(NOW);
        scene.finished("f", 0, gang(1, 4), ran);
        scene.is_due("f", 100, &[(0, 4)]);
        scene.waits("w", 0, gang(1, 1));
        scene.makes_due("w", 0, &[(0, 1)]);
        of_north(&mut scene, &["f", "w"]);
        assert_eq!(scene.broken().is_empty(), over, "ran {ran}");
    }
}

#[test]
fn nobody_is_due_since_before_the_quota() {
    for (ago, lawful) in [(49, true), (50, true), (51, false)] {
        let mut scene = allowing_four(50);
        scene.waits("w", 0, gang(1, 1));
        scene.makes_due("w", ago, &[(0, 1)]);
        scene.keeps_or_breaks("DueBeforeQuota", lawful);
    }
    let mut known = allowing_four(50);
    known.waits("w", 0, gang(1, 1));
    known.is_due("w", 60, &[(0, 1)]);
    known.makes_due("w", 55, &[(0, 1)]);
    assert!(known.broken().is_empty(), "it was due already");
    let mut ahead = allowing_four(-50);
    ahead.waits("w", 0, gang(1, 1));
    ahead.makes_due("w", 0, &[(0, 1)]);
    assert!(ahead.broken().is_empty(), "a clock that runs ahead holds nobody up");
}

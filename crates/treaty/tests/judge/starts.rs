//! What starts is a whole gang on whole nodes that exist, and each claim is spoken of once.

use concord_treaty::snapshot::Basis::{Borrowed, Due, Guaranteed};
use concord_treaty::snapshot::Phase;

use crate::scene::Scene;
use crate::support::gang;

#[test]
fn an_empty_plan_for_an_empty_pool_is_lawful() {
    assert!(Scene::new().broken().is_empty());
}

#[test]
fn a_node_holds_what_it_has_and_no_more() {
    let mut full = Scene::new();
    full.runs("r", 1, &[(0, 6)], Guaranteed);
    full.starts("s", 0, &[(0, 2)], Guaranteed);
    assert!(full.broken().is_empty());
    let mut over = Scene::new();
    over.runs("r", 1, &[(0, 7)], Guaranteed);
    over.starts("s", 0, &[(0, 2)], Guaranteed);
    assert_eq!(over.broken(), ["KeptTwice", "Overbooked"]);
}

#[test]
fn who_leaves_holds_its_gpus_until_it_is_gone() {
    let mut scene = Scene::new();
    scene.runs("r", 1, &[(0, 7)], Borrowed).phase = Phase::Stopping;
    scene.starts("s", 0, &[(0, 2)], Guaranteed);
    assert_eq!(scene.broken(), ["Overbooked"]);
}

#[test]
fn a_node_that_shrank_under_work_is_nobodys_fault() {
    let mut scene = Scene::new();
    scene.runs("r", 1, &[(0, 8)], Borrowed);
    scene.snapshot.nodes[0].gpus = 4;
    assert!(scene.broken().is_empty());
}

#[test]
fn a_gang_is_whole() {
    for (on, whole) in [(4, true), (2, false), (6, false)] {
        let mut scene = Scene::new();
        scene.arrives("s", 0, gang(2, 2));
        scene.admits("s", &[(0, on)], Guaranteed);
        assert_eq!(scene.broken().is_empty(), whole, "{on} GPUs of 4");
        assert!(whole || scene.broken().contains(&"PartialGang"));
    }
}

#[test]
fn a_gang_gets_each_node_once() {
    let mut scene = Scene::new();
    scene.snapshot.nodes[0].gpus = 4;
    scene.arrives("s", 0, gang(2, 4));
    scene.admits("s", &[(0, 4), (0, 4)], Guaranteed);
    assert!(scene.broken().contains(&"PartialGang"));
}

#[test]
fn a_gang_over_nodes_owns_them() {
    for (sizes, lawful) in [([8, 8], true), ([4, 4], false)] {
        let mut scene = Scene::new();
        scene.document.members[0].guarantee.gpus = Some(16);
        scene.document.members[1].guarantee.gpus = Some(0);
        scene.starts("s", 0, &[(0, sizes[0]), (1, sizes[1])], Guaranteed);
        assert_eq!(scene.broken(), if lawful { vec![] } else { vec!["SharedGangNode", "SharedGangNode"] });
    }
}

#[test]
fn a_pod_lies_on_one_node() {
    let mut scene = Scene::new();
    scene.snapshot.nodes[0].gpus = 3;
    scene.snapshot.nodes[1].gpus = 5;
    scene.arrives("s", 0, gang(2, 4));
    scene.admits("s", &[(0, 3), (1, 5)], Guaranteed);
    assert_eq!(scene.broken(), ["SplitPod", "SplitPod"]);
}

#[test]
fn a_claim_without_gpus_breaks_nothing() {
    let mut scene = Scene::new();
    scene.arrives("s", 0, gang(1, 0));
    scene.admits("s", &[(0, 0)], Guaranteed);
    assert!(scene.broken().is_empty());
}

#[test]
fn nodes_exist_and_take_work() {
    let mut gone = Scene::new();
    gone.starts("s", 0, &[(7, 4)], Guaranteed);
    assert_eq!(gone.broken(), ["UnknownNode"]);
    let mut cordoned = Scene::new();
    cordoned.snapshot.nodes[0].schedulable = false;
    cordoned.starts("s", 0, &[(0, 4)], Guaranteed);
    assert_eq!(cordoned.broken(), ["UnschedulableNode"]);
}

#[test]
fn every_waiting_claim_is_spoken_of_once() {
    let mut silent = Scene::new();
    silent.arrives("s", 0, gang(1, 1));
    assert_eq!(silent.broken(), ["Forgotten"]);
    let mut twice = Scene::new();
    twice.waits("s", 0, gang(1, 1));
    twice.admits("s", &[(0, 1)], Guaranteed);
    assert_eq!(twice.broken(), ["ActedTwice"]);
}

#[test]
fn what_is_done_to_a_claim_fits_its_state() {
    let mut again = Scene::new();
    again.runs("r", 0, &[(0, 1)], Guaranteed);
    again.admits("r", &[(1, 1)], Guaranteed);
    assert_eq!(again.broken(), ["WrongState"]);
    let mut nobody = Scene::new();
    nobody.admits("nobody", &[(0, 1)], Guaranteed);
    assert_eq!(nobody.broken(), ["WrongState"]);
    let mut idle = Scene::new();
    idle.arrives("w", 0, gang(1, 1));
    idle.plan.withdrawals.push("w".into());
    assert_eq!(idle.broken(), ["WrongState", "WrongState"]);
}

#[test]
fn only_who_was_told_may_be_let_stay() {
    for (phase, lawful) in [
        (Phase::Noticed { deadline: concord_treaty::units::TimestampMillis(0) }, true),
        (Phase::Running, false),
        (Phase::Stopping, false),
    ] {
        let mut scene = Scene::new();
        scene.runs("r", 0, &[(0, 1)], Borrowed).phase = phase;
        scene.plan.withdrawals.push("r".into());
        scene.keeps_or_breaks("WrongState", lawful);
    }
}

#[test]
fn only_what_runs_is_booked_anew_and_only_what_is_kept_is_released() {
    let mut booked = Scene::new();
    booked.waits("w", 0, gang(1, 1));
    booked.books("w", Borrowed);
    assert_eq!(booked.broken(), ["WrongState"]);
    let mut released = Scene::new();
    released.waits("w", 0, gang(1, 1));
    released.plan.releases.push("w".into());
    assert_eq!(released.broken(), ["WrongState"]);
    let mut kept = Scene::new();
    kept.has_kept("w", 0, &[(0, 1)], Guaranteed);
    kept.plan.releases.push("w".into());
    assert!(kept.broken().is_empty());
}

#[test]
fn only_due_claims_are_booked_as_due() {
    let mut start = Scene::new();
    start.starts("s", 0, &[(0, 4)], Due);
    assert_eq!(start.broken(), ["NotDue"]);
    start.makes_due("s", 0, &[(0, 4)]);
    assert!(start.broken().is_empty());
    let mut before = Scene::new();
    before.starts("s", 0, &[(0, 4)], Due);
    before.is_due("s", 5, &[(0, 4)]);
    assert!(before.broken().is_empty());
    before.plan.no_longer_due.push("s".into());
    assert_eq!(before.broken(), ["NotDue"]);
    let mut booked = Scene::new();
    booked.runs("r", 0, &[(0, 4)], Guaranteed);
    booked.books("r", Due);
    assert_eq!(booked.broken(), ["NotDue"]);
    let mut kept = Scene::new();
    kept.waits("w", 0, gang(1, 4));
    kept.keeps("w", &[(0, 4)], Due);
    assert_eq!(kept.broken(), ["NotDue"]);
}

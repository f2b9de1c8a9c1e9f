//! What is kept for a claim is a place where it can start.

use concord_treaty::snapshot::Basis::{Borrowed, Guaranteed};

use crate::scene::{NOTICE, Scene, for_guarantee};
use crate::support::gang;

#[test]
fn who_stays_and_what_is_kept_fit_on_the_node() {
    for (held, lawful) in [(6, true), (7, false)] {
        let mut scene = Scene::new();
        scene.runs("r", 1, &[(0, held)], Borrowed);
        scene.waits("w", 0, gang(1, 2));
        scene.keeps("w", &[(0, 2)], Guaranteed);
        scene.keeps_or_breaks("KeptTwice", lawful);
        scene.tells("r", NOTICE, for_guarantee(0, "w"));
        assert!(scene.broken().is_empty());
    }
}

#[test]
fn what_was_kept_before_leaves_less_for_who_starts() {
    for (more, lawful) in [(2, true), (3, false)] {
        let mut scene = Scene::new();
        scene.has_kept("k", 0, &[(0, 6)], Guaranteed);
        scene.starts("s", 1, &[(0, more)], Guaranteed);
        scene.keeps_or_breaks("KeptTwice", lawful);
    }
}

#[test]
fn a_node_that_shrank_under_what_is_kept_is_nobodys_fault() {
    let mut scene = Scene::new();
    scene.has_kept("k", 0, &[(0, 6)], Guaranteed);
    scene.snapshot.nodes[0].gpus = 4;
    scene.starts("s", 1, &[(1, 8)], Guaranteed);
    assert!(scene.broken().is_empty());
}

#[test]
fn a_whole_gang_is_kept_on_nodes_that_take_work() {
    let mut part = Scene::new();
    part.waits("w", 0, gang(1, 4));
    part.keeps("w", &[(0, 3)], Guaranteed);
    assert_eq!(part.broken(), ["PartialGang", "SplitPod"]);
    let mut gone = Scene::new();
    gone.waits("w", 0, gang(1, 4));
    gone.keeps("w", &[(7, 4)], Guaranteed);
    assert_eq!(gone.broken(), ["UnknownNode"]);
    let mut cordoned = Scene::new();
    cordoned.snapshot.nodes[0].schedulable = false;
    cordoned.waits("w", 0, gang(1, 4));
    cordoned.keeps("w", &[(0, 4)], Guaranteed);
    assert_eq!(cordoned.broken(), ["UnschedulableNode"]);
    let mut running = Scene::new();
    running.runs("r", 0, &[(0, 4)], Guaranteed);
    running.keeps("r", &[(0, 4)], Guaranteed);
    assert!(running.broken().contains(&"WrongState"));
}

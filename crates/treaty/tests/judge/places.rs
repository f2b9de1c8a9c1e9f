//! Labels, racks and rows: a claim lies where it asks to, and nobody is promised a place that a line alone does not know.

use std::collections::BTreeMap;

use concord_treaty::snapshot::Basis::{Borrowed, Guaranteed};
use concord_treaty::snapshot::{Level, RACK_LABEL, ROW_LABEL};
use concord_treaty::units::Labels;

use crate::scene::{On, Scene};
use crate::support::gang;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    pairs.collect::<BTreeMap<_, _>>().into()
}

/// Nodes 0 and 1 in rack r of row a, node 2 in a rack of the same name in row b.
fn racks() -> Scene {
    let mut scene = Scene::new();
    for (node, row) in [(0, "a"), (1, "a"), (2, "b")] {
        scene.snapshot.nodes[node].labels = labels(&[(ROW_LABEL, row), (RACK_LABEL, "r"), ("data", row)]);
    }
    scene
}

fn placed(mut scene: Scene, on: On, within: Option<Level>, keep: bool) -> Scene {
    if keep {
        scene.waits("s", 0, gang(u32::try_from(on.len()).unwrap(), 8));
        scene.keeps("s", on, Guaranteed);
    } else {
        scene.starts("s", 0, on, Borrowed);
    }
    scene.claim("s").within = within;
    scene
}

#[test]
fn what_asks_to_lie_together_lies_together() {
    for level in [Level::Rack, Level::Row] {
        for (on, lawful) in [([(0, 8), (1, 8)], true), ([(1, 8), (2, 8)], false)] {
            for keep in [false, true] {
                let found = placed(racks(), &on, Some(level), keep).broken();
                assert_eq!(found.contains(&"NotTogether"), !lawful, "{level:?} {on:?} {found:?}");
            }
            assert!(!placed(racks(), &on, None, false).broken().contains(&"NotTogether"));
        }
    }
    // Another rack of the same row is the same row.
    for (level, lawful) in [(Level::Rack, false), (Level::Row, true)] {
        let mut scene = racks();
        scene.snapshot.nodes[1].labels = labels(&[(ROW_LABEL, "a"), (RACK_LABEL, "s")]);
        let found = placed(scene, &[(0, 8), (1, 8)], Some(level), false).broken();
        assert_eq!(found.contains(&"NotTogether"), !lawful);
    }
}

#[test]
fn what_asks_for_labels_gets_nodes_that_have_them() {
    for (node, wanted, lawful) in
        [(0, "a", true), (2, "a", false), (0, "b", false), (2, "b", true), (0, "", true)]
    {
        let mut scene = placed(racks(), &[(node, 8)], None, false);
        if !wanted.is_empty() {
            scene.claim("s").node_labels = labels(&[("data", wanted)]);
        }
        assert_eq!(scene.broken().contains(&"WrongLabels"), !lawful, "{node} {wanted}");
    }
}

/// A claim that becomes due in its member's line alone: of one pod of 8 GPUs, or of two.
fn becomes_due(pods: u32, within: Option<Level>, wanted: Option<(&str, &str)>) -> Vec<&'static str> {
    let mut scene = racks();
    scene.document.members[0].guarantee.gpus = Some(16);
    scene.document.members[1].guarantee.gpus = Some(0);
    scene.waits("s", 0, gang(pods, 8));
    scene.claim("s").within = within;
    scene.claim("s").node_labels = labels(&wanted.into_iter().collect::<Vec<_>>());
    scene.makes_due("s", 0, if pods == 2 { &[(0, 8), (1, 8)] } else { &[(0, 8)] });
    scene.broken()
}

#[test]
fn who_asks_for_a_place_is_never_due() {
    let wish = |pods, within, wanted| becomes_due(pods, within, wanted).contains(&"DueSomewhere");
    assert!(!wish(1, None, None));
    assert!(!wish(2, None, None));
    // One node is always together; several nodes are in two rows.
    assert!(!wish(1, Some(Level::Rack), None));
    assert!(wish(2, Some(Level::Rack), None));
    assert!(wish(2, Some(Level::Row), None));
    // What all nodes have is no wish.
    assert!(!wish(1, None, Some((RACK_LABEL, "r"))));
    assert!(wish(1, None, Some(("data", "a"))));
    assert!(wish(1, Some(Level::Rack), Some(("data", "a"))));
}

#[test]
fn where_all_nodes_stand_together_nothing_is_a_wish() {
    let mut scene = Scene::new();
    scene.document.members[0].guarantee.gpus = Some(16);
    scene.document.members[1].guarantee.gpus = Some(0);
    scene.waits("s", 0, gang(2, 8));
    scene.claim("s").within = Some(Level::Rack);
    scene.makes_due("s", 0, &[(0, 8), (1, 8)]);
    assert!(!scene.broken().contains(&"DueSomewhere"));
}

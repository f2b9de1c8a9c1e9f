//! Windows: nothing starts that would run into one, and whoever is in the way is told, in time, and only then.

use concord_treaty::reason::ReclaimReason;
use concord_treaty::schedule::WindowId;
use concord_treaty::snapshot::Basis::{Borrowed, Due, Guaranteed};
use concord_treaty::snapshot::{Basis, Phase};
use concord_treaty::units::{DurationMillis, TimestampMillis};

use crate::scene::{NOTICE, NOW, Scene, for_guarantee};
use crate::support::gang;
use crate::support::limits::{announced, maintenance, on_rack, reserved_for};

/// Time until the windows of these tests open.
const OPENS_IN: i64 = 3_600_000 - NOW;

/// A window on all nodes opens at the end of the clock's first hour.
fn closing() -> Scene {
    let mut scene = Scene::new();
    scene.document.windows.push(announced(maintenance("w", 60, 10), 1));
    scene
}

fn with_rack(mut scene: Scene, node: usize) -> Scene {
    let labels = [("test/rack".to_owned(), "r".to_owned())];
    scene.snapshot.nodes[node].labels = std::collections::BTreeMap::from(labels).into();
    scene
}

fn window(index: u16) -> ReclaimReason {
    ReclaimReason::Window(WindowId(index))
}

/// The claim runs since the clock's start and states that it is done at `ends_at`.
fn running(mut scene: Scene, basis: Basis, ends_at: Option<i64>) -> Scene {
    scene.runs("r", 1, &[(0, 8)], basis);
    scene.claim("r").expected_runtime = ends_at.map(DurationMillis);
    scene
}

#[test]
fn what_starts_is_done_before_the_window() {
    for (runtime, lawful) in [(Some(OPENS_IN), true), (Some(OPENS_IN + 1), false), (None, false)] {
        for keep in [false, true] {
            let mut scene = closing();
            if keep {
                scene.waits("s", 0, gang(1, 8));
                scene.keeps("s", &[(0, 8)], Due);
                scene.is_due("s", 0, &[(0, 8)]);
            } else {
                scene.starts("s", 0, &[(0, 8)], Guaranteed);
            }
            scene.claim("s").expected_runtime = runtime.map(DurationMillis);
            scene.keeps_or_breaks("StartsIntoWindow", lawful);
        }
    }
}

#[test]
fn nobody_is_kept_out_of_a_window_that_is_his() {
    for (member, lawful) in [(0, true), (1, false)] {
        let mut scene = Scene::new();
        scene.document.windows.push(announced(reserved_for(maintenance("w", 60, 10), "m0"), 1));
        scene.starts("s", member, &[(0, 8)], Guaranteed);
        scene.keeps_or_breaks("StartsIntoWindow", lawful);
    }
}

#[test]
fn a_window_on_other_nodes_is_nobodys_business() {
    for (node, lawful) in [(0, false), (1, true)] {
        let mut scene = with_rack(Scene::new(), 0);
        scene.document.windows.push(announced(on_rack(maintenance("w", 60, 10), "r"), 1));
        scene.starts("s", 0, &[(node, 8)], Guaranteed);
        scene.keeps_or_breaks("StartsIntoWindow", lawful);
    }
}

#[test]
fn who_would_run_into_it_is_told_of_it() {
    for basis in [Guaranteed, Borrowed] {
        for (ends_at, lawful) in
            [(Some(NOW + OPENS_IN), true), (Some(NOW + OPENS_IN + 1), false), (None, false)]
        {
            running(closing(), basis, ends_at).keeps_or_breaks("NotToldOfWindow", lawful);
        }
        // Who should have ended has no account left: he may stay on and on.
        running(closing(), basis, Some(NOW)).keeps_or_breaks("NotToldOfWindow", false);
        running(closing(), basis, Some(NOW + 1)).keeps_or_breaks("NotToldOfWindow", true);
    }
}

#[test]
fn told_now_or_before_is_told_if_the_time_is_right() {
    for (by, lawful) in [(OPENS_IN, true), (OPENS_IN + 1, false)] {
        let mut before = running(closing(), Borrowed, None);
        let deadline = TimestampMillis(NOW + by);
        before.holding_mut("r").unwrap().phase = Phase::Noticed { deadline };
        before.keeps_or_breaks("NotToldOfWindow", lawful);
        let mut anew = running(closing(), Guaranteed, None);
        anew.tells("r", by, window(0));
        anew.keeps_or_breaks("NotToldOfWindow", lawful);
    }
    let mut withdrawn = running(closing(), Borrowed, None);
    let deadline = TimestampMillis(NOW + OPENS_IN);
    withdrawn.holding_mut("r").unwrap().phase = Phase::Noticed { deadline };
    withdrawn.plan.withdrawals.push("r".into());
    assert_eq!(withdrawn.broken(), ["NotToldOfWindow"]);
    let mut leaving = running(closing(), Borrowed, None);
    leaving.holding_mut("r").unwrap().phase = Phase::Stopping;
    assert!(leaving.broken().is_empty());
}

/// A window that opened with the clock and closes at the end of `minutes`.
fn open(minutes: i64) -> Scene {
    let mut scene = Scene::new();
    scene.document.windows.push(announced(maintenance("w", 0, minutes), 1));
    scene
}

#[test]
fn nobody_stays_in_a_window() {
    for (minutes, lawful) in [(16, true), (17, false)] {
        running(open(minutes), Guaranteed, None).keeps_or_breaks("StaysInWindow", lawful);
    }
    let mut sent_away = running(open(17), Guaranteed, None);
    sent_away.stops("r", window(0));
    assert!(sent_away.broken().is_empty());
    let mut leaving = running(open(17), Guaranteed, None);
    leaving.holding_mut("r").unwrap().phase = Phase::Stopping;
    assert!(leaving.broken().is_empty());
}

#[test]
fn a_window_sends_away_when_it_opens_and_not_sooner() {
    for basis in [Guaranteed, Borrowed, Due] {
        for (by, lawful) in [(OPENS_IN, true), (OPENS_IN - 1, false)] {
            let mut scene = running(closing(), basis, None);
            if basis == Due {
                scene.is_due("r", NOW, &[(0, 8)]);
            }
            scene.tells("r", by, window(0));
            scene.keeps_or_breaks("ShortNotice", lawful);
        }
    }
    let mut stopped = running(closing(), Guaranteed, None);
    stopped.stops("r", window(0));
    assert_eq!(stopped.broken(), ["ShortNotice"]);
}

#[test]
fn a_window_that_is_not_in_the_way_sends_nobody_away() {
    let mut done = running(closing(), Guaranteed, Some(NOW + OPENS_IN));
    done.tells("r", OPENS_IN, window(0));
    assert_eq!(done.broken(), ["ShortNotice"]);
    let mut his = Scene::new();
    his.document.windows.push(announced(reserved_for(maintenance("w", 60, 10), "m1"), 1));
    let mut his = running(his, Guaranteed, None);
    his.tells("r", OPENS_IN, window(0));
    assert_eq!(his.broken(), ["ShortNotice"]);
}

/// Two windows on two racks; who lies on both leaves for the one that is named.
#[test]
fn the_window_that_is_named_counts() {
    let two = |by: i64, named: u16| {
        let mut scene = closing();
        scene.document.windows.push(announced(maintenance("x", 100, 10), 2));
        let mut scene = running(scene, Guaranteed, None);
        scene.tells("r", by, window(named));
        scene.broken()
    };
    assert!(two(OPENS_IN, 0).is_empty());
    assert_eq!(two(OPENS_IN, 1), ["ShortNotice"]);
    assert_eq!(two(OPENS_IN + 40 * 60_000, 1), ["NotToldOfWindow"]);
}

/// A guarantee may not send away in less than the notice, unless a window does it first.
#[test]
fn a_window_that_comes_first_shortens_a_notice() {
    for (minute, by, lawful) in
        [(17, 20_000, true), (17, 19_999, false), (18, NOTICE, true), (18, NOTICE - 1, false)]
    {
        let mut scene = Scene::new();
        scene.document.windows.push(announced(maintenance("w", minute, 10), 1));
        let mut scene = running(scene, Borrowed, None);
        scene.waits("w", 0, gang(1, 8));
        scene.tells("r", by, for_guarantee(0, "w"));
        scene.keeps_or_breaks("ShortNotice", lawful);
    }
}

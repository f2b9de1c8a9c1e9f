//! The engine that is kept for a whole trace minds windows and aging as the one that is made anew for every decision:
//! after each of its decisions, deciding from what is to be seen finds nothing to do.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use concord_treaty::decide::decide;
use concord_treaty::document::Document;
use concord_treaty::engine::{NodeWindow, Rules};
use concord_treaty::plan::Plan;
use concord_treaty::schedule::occurrences;
use concord_treaty::simulate::{Replay, TraceJob};
use concord_treaty::snapshot::Gang;
use concord_treaty::terms::Terms;
use concord_treaty::units::{ClaimId, DurationMillis, MemberId, TimestampMillis};
use proptest::prelude::*;
use support::limits::{aging, announced, daily, maintenance, on_rack, put_into_rack, reserved_for};
use support::pool::Pool;
use support::{document, gang};

const NODE_GPUS: u32 = 4;
const MINUTE: i64 = 60_000;

/// Member, gang, minutes until the next, run time in minutes, and the run time that its owner states.
type Arrival = (u16, Gang, i64, i64, Option<i64>);

fn any_arrival() -> impl Strategy<Value = Arrival> {
    let gang = prop_oneof![3 => (1..=4_u32).prop_map(|g| gang(1, g)), 1 => (1..=2_u32).prop_map(|n| gang(n, NODE_GPUS))];
    (0..3_u16, gang, 0..20_i64, 1..150_i64, proptest::option::of(1..200_i64))
}

fn any_treaty() -> impl Strategy<Value = Document> {
    let window = (20..100_i64, 10..60_i64, 0..=1_i64, any::<bool>());
    // Guarantees only where there is no window: a window can stop due work, and what a line alone says of it, an engine
    // that is made anew may work out otherwise (decision 0006, limits).
    let cells = proptest::option::of(proptest::collection::vec(0..=1_i64, 3));
    (cells, any::<bool>(), window, proptest::option::of(0..3_usize)).prop_map(
        |(guaranteed, ages, (start, length, announce, racked), member)| {
            let cells = guaranteed.clone().unwrap_or_else(|| vec![0; 3]);
            let gpus: Vec<i64> = cells.iter().map(|c| c * i64::from(NODE_GPUS)).collect();
            let mut document = document(&gpus, 120);
            document = if ages { aging(document, 1) } else { document };
            let mut window = daily(announced(maintenance("w", start, length), announce));
            window = if racked { on_rack(window, "r0") } else { window };
            window = member.map_or(window.clone(), |m| reserved_for(window, &format!("m{m}")));
            if guaranteed.is_none() {
                document.windows.push(window);
            }
            document
        },
    )
}

/// What a caller would have to do. Booking alone may wait for the next decision; what a line alone says beside windows,
/// which it does not know, may be made anew.
fn work_left(plan: &Plan) -> Vec<String> {
    let lines = support::told(plan);
    lines
        .into_iter()
        .filter(|l| {
            !l.starts_with("wait")
                && !l.starts_with("book")
                && !l.starts_with("due")
                && !l.starts_with("not due")
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_kept_engine_decides_as_a_new_one(document in any_treaty(), node_count in 3..=4_usize, arrivals in proptest::collection::vec(any_arrival(), 1..40)) {
        let mut pool = Pool::new(document, node_count, NODE_GPUS);
        (0..node_count / 2).for_each(|node| put_into_rack(&mut pool, node, "r0"));
        let (treaty, nodes) = (pool.treaty(), pool.snapshot.nodes);
        let mut at = 0;
        let mut jobs = Vec::new();
        for (index, &(member, gang, pause, runtime, _)) in arrivals.iter().enumerate() {
            at += pause * MINUTE;
            let (id, runtime) = (ClaimId::from(format!("c{index:03}").as_str()), DurationMillis(runtime * MINUTE));
            jobs.push(TraceJob { id, member: MemberId(member), gang, submitted_at: TimestampMillis(at), runtime, class: None });
        }
        let stated: Vec<_> = arrivals.iter().map(|a| a.4.map(|minutes| DurationMillis(minutes * MINUTE))).collect();
        let windows = occurrences(&treaty, TimestampMillis(0), TimestampMillis(at + 7 * 1440 * MINUTE));
        let windows = windows.iter().map(|w| NodeWindow::of(w, &nodes)).collect();
        let terms = Terms::of(&treaty, &nodes, TimestampMillis(0));
        let capacities = vec![NODE_GPUS; node_count];
        let mut replay = Replay::new(Rules::of(&terms.pools[0].treaty, &[]), &capacities, &jobs).stating(&stated).with_windows(vec![windows]);
        while let Some(now) = replay.next_instant() {
            while replay.decide() {}
            let anew = decide(&treaty, &replay.observe(&nodes), now);
            prop_assert!(work_left(&anew).is_empty(), "at {now:?}: {:?}", support::told(&anew));
        }
        for (job, outcome) in jobs.iter().zip(&replay.trial().outcomes) {
            prop_assert!(outcome.finished_at.is_some(), "{} never ends", job.id);
        }
    }
}

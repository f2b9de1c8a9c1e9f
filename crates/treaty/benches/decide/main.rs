//! What the engine costs at the size that the aims speak of: 200 members, 12,500 nodes of 8 GPUs, 100,000 claims in
//! line. Prints steps with their memory, the floor of any full pass and percentiles of single events, then lets criterion
//! measure the rest. All times are CPU time of the one thread. With `CONCORD_BENCH_SCALE=10` everything but the members is ten times smaller.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may stop")]

mod clock;
mod events;
mod floor;
mod itp;
mod memory;
mod pool;

use std::hint::black_box;
use std::time::Duration;

use clock::CpuTime;
use concord_treaty::check::check;
use concord_treaty::decide::decide;
use concord_treaty::engine::{Engine, Rules};
use concord_treaty::plan::Plan;
use concord_treaty::snapshot::Snapshot;
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty;
use criterion::{BatchSize, Criterion};
use events::{Durations, Life};
use pool::{LARGE, NOW, Size};

#[global_allocator]
static HEAP: memory::Counting = memory::Counting;

/// Turns of one end and one submission for the table of percentiles.
const TURNS: usize = 20_000;

struct Case {
    size: Size,
    treaty: Treaty,
    empty: Snapshot,
    full: Snapshot,
}

impl Case {
    fn new() -> Self {
        let scale: u32 = std::env::var("CONCORD_BENCH_SCALE").map_or(1, |s| s.parse().unwrap());
        let pending = LARGE.pending / scale as usize;
        let size = Size { nodes: LARGE.nodes / scale, pending, ..LARGE };
        let treaty = pool::treaty(size);
        let full = pool::full_pool(size, |snapshot| decide(&treaty, snapshot, NOW));
        Self { size, empty: pool::empty_pool(size), full, treaty }
    }

    fn engine(&self, snapshot: &Snapshot) -> Engine {
        let terms = Terms::of(&self.treaty, &snapshot.nodes, NOW);
        Engine::restore(Rules::of(&terms.pools[0].treaty, &snapshot.standings), snapshot, NOW)
    }
}

fn main() {
    let case = Case::new();
    describe(&case);
    parts(&case);
    println!("{}", floor::table(&case.full).join("\n"));
    let durations = one_event(&case);
    println!("{}", durations.table().join("\n"));
    println!("decisions, single events: {:016x}\n", durations.decisions);
    let mut criterion = Criterion::default().with_measurement(CpuTime).configure_from_args();
    from_scratch(&mut criterion, &case);
    whole_trace(&mut criterion);
    criterion.final_summary();
}

fn describe(case: &Case) {
    let running = case.full.claims.iter().filter(|c| c.holding().is_some()).count();
    let waiting = case.full.claims.iter().filter(|c| c.is_waiting()).count();
    let due = case.full.claims.iter().filter(|c| c.due.is_some()).count();
    println!("\n{:?}; full pool: {running} run ({due} due), {waiting} wait", case.size);
    let plan = decide(&case.treaty, &case.full, NOW);
    assert!(plan.is_quiet() && plan.waits.len() == waiting, "nothing can start");
    println!("decisions, full pool: {:016x}", digest(&plan));
    let plan = decide(&case.treaty, &case.empty, NOW);
    println!("empty pool: {} start, {} wait", plan.admissions.len(), plan.waits.len());
    println!("decisions, empty pool: {:016x}", digest(&plan));
}

/// The same number as before a change means the same decisions as before it.
fn digest(of: &impl std::fmt::Debug) -> u64 {
    let text = format!("{of:?}");
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Steps of a decision, each with its time and memory, once.
fn parts(case: &Case) {
    for (name, snapshot) in [("full pool", &case.full), ("empty pool", &case.empty)] {
        let claims = snapshot.claims.len();
        println!("{name:<12}{:>10}{:>14}{:>14}{:>14}", "ms", "left, bytes", "per claim", "peak, bytes");
        let row = |step: &str, took: Duration, used: memory::Used| {
            let (left, peak) = (used.left_bytes, used.peak_bytes);
            let per_claim = left / claims;
            println!("{step:<12}{:>10.2}{left:>14}{per_claim:>14}{peak:>14}", took.as_secs_f64() * 1e3);
        };
        let timed = |step: &str, work: &mut dyn FnMut()| {
            let (((), used), took) = clock::timed(|| memory::used(work));
            row(step, took, used);
        };
        let (mut engine, mut plan) = (None, Plan::default());
        timed("restore", &mut || engine = Some(case.engine(snapshot)));
        let mut engine = engine.unwrap();
        timed("settle", &mut || drop(engine.settle(NOW)));
        timed("plan", &mut || plan = engine.plan_since(snapshot));
        timed("check", &mut || assert_eq!(check(&case.treaty, snapshot, NOW, &plan), []));
        timed("drop engine", &mut || engine = Engine::new(Rules::of(&case.treaty, &[]), &[]));
    }
}

fn one_event(case: &Case) -> Durations {
    let mut engine = case.engine(&case.full);
    engine.settle(NOW);
    let mut life = Life::new(engine, &case.full, case.size);
    let mut durations = Durations::default();
    for _ in 0..TURNS {
        life.turn(&mut durations);
    }
    durations
}

fn from_scratch(criterion: &mut Criterion<CpuTime>, case: &Case) {
    let mut group = criterion.benchmark_group("from scratch");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for (name, snapshot) in [("full pool", &case.full), ("empty pool", &case.empty)] {
        group.bench_function(format!("decide, {name}"), |bencher| {
            bencher.iter_with_large_drop(|| decide(&case.treaty, black_box(snapshot), NOW));
        });
        let plan = decide(&case.treaty, snapshot, NOW);
        group.bench_function(format!("check, {name}"), |bencher| {
            bencher.iter(|| check(&case.treaty, snapshot, NOW, black_box(&plan)));
        });
    }
    let mut engine = case.engine(&case.full);
    engine.settle(NOW);
    let life = Life::new(engine, &case.full, case.size);
    group.bench_function("100 ends and submissions", |bencher| {
        let turns = |mut life: Life| {
            (0..100).for_each(|_| life.turn(&mut Durations::default()));
            life
        };
        bencher.iter_batched(|| life.clone(), turns, BatchSize::LargeInput);
    });
}

fn whole_trace(criterion: &mut Criterion<CpuTime>) {
    let jobs = itp::trace();
    let mut group = criterion.benchmark_group("whole trace");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("ITP, 69,351 jobs on 185 nodes", |bencher| {
        bencher.iter(|| assert_eq!(itp::replay(black_box(&jobs)), jobs.len()));
    });
}

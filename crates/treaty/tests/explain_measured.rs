//! How good forecasts are on the whole ITP trace, where work goes on arriving, and how long those of a large pool take:
//! docs/explain.md has the numbers.
//!
//! `cargo test --release -p concord-treaty --test explain_measured -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::io::Read;
use std::path::Path;
use std::time::Instant;

use concord_treaty::document::LineDocument;
use concord_treaty::engine::Rules;
use concord_treaty::explain::{expected_start, expected_starts, explain};
use concord_treaty::simulate::{Replay, TraceJob};
use concord_treaty::snapshot::{Claim, Gang, Node, Snapshot};
use concord_treaty::source;
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, Labels, MemberId, NodeName, TimestampMillis};

const CELL: Gpus = 8;
const NODES: usize = 185;
const SAMPLES: usize = 400;

/// A small generator with a seed, so that every run draws the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

fn file(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn trace() -> Vec<TraceJob> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*file("dev/traces/itp.csv.gz")).read_to_string(&mut text).unwrap();
    let job = |(line, text): (usize, &str)| {
        let fields: Vec<&str> = text.split(',').collect();
        let number = |index: usize| fields[index].parse::<i64>().unwrap();
        let gpus = Gpus::try_from(number(4)).unwrap();
        TraceJob {
            class: None,
            id: ClaimId::from(format!("{line:06}").as_str()),
            member: MemberId(fields[1].strip_prefix("cluster").unwrap().parse::<u16>().unwrap() - 1),
            gang: Gang { pods: gpus.div_ceil(CELL), gpus_per_pod: gpus.min(CELL) },
            submitted_at: TimestampMillis(number(2) * 1000),
            runtime: DurationMillis::from_seconds(number(3)),
        }
    };
    let mut jobs: Vec<TraceJob> = text.lines().skip(1).enumerate().map(job).collect();
    jobs.sort_by_key(|job| job.submitted_at);
    jobs
}

/// The treaty of the local pool at the speed of the trace; the shortest stated run time first.
fn treaty() -> Treaty {
    let mut document =
        source::read(&file("policies/ten-institutes.yaml")).treaties.remove(0).document.unwrap();
    document.reclaim.notice_seconds = 300;
    document.line = Some(LineDocument { alone: None, shortest_first: true, aging_hours: None });
    Treaty::validate(&document).unwrap()
}

fn nodes() -> Vec<Node> {
    let name = |i| NodeName::from(format!("n{i:03}").as_str());
    (0..NODES)
        .map(|i| Node { name: name(i), gpus: CELL, schedulable: true, labels: Labels::default() })
        .collect()
}

fn rules(treaty: &Treaty) -> Rules {
    Rules::of(&Terms::of(treaty, &nodes(), TimestampMillis(0)).pools[0].treaty, &[])
}

/// By job: every start.
fn starts(treaty: &Treaty, jobs: &[TraceJob], stated: &[Option<DurationMillis>]) -> Vec<Vec<i64>> {
    let mut replay = Replay::new(rules(treaty), &[CELL; NODES], jobs).stating(stated);
    while replay.next_instant().is_some() {
        while replay.decide() {}
    }
    let mut starts = vec![Vec::new(); jobs.len()];
    for run in replay.into_trial().runs {
        starts[run.job as usize].push(run.started_at.0);
    }
    starts.iter_mut().for_each(|s| s.sort_unstable());
    starts
}

/// Moments in first waits: any waiting job, any time while it waits.
fn moments(jobs: &[TraceJob], starts: &[Vec<i64>], dice: &mut Dice) -> Vec<(i64, usize)> {
    let wait = |job: usize| starts[job].first().map_or(0, |s| s - jobs[job].submitted_at.0);
    let waiting: Vec<usize> = (0..jobs.len()).filter(|&job| wait(job) > 0).collect();
    println!("{} of {} jobs do not start at once", waiting.len(), jobs.len());
    let moment = |_| {
        let job = waiting[dice.below(waiting.len())];
        let at = dice.below(usize::try_from(wait(job)).unwrap());
        (jobs[job].submitted_at.0 + i64::try_from(at).unwrap(), job)
    };
    let mut moments: Vec<(i64, usize)> = (0..SAMPLES).map(moment).collect();
    moments.sort_unstable();
    moments
}

#[derive(Default)]
struct Tally {
    before: usize,
    inside: usize,
    after: usize,
    no_latest: usize,
    widths_s: Vec<f64>,
    waits_s: Vec<f64>,
    beyond_s: Vec<f64>,
    millis: Vec<f64>,
    explain_millis: Vec<f64>,
}

fn measure(name: &str, stated: &[Option<DurationMillis>], jobs: &[TraceJob]) {
    let treaty = treaty();
    let starts = starts(&treaty, jobs, stated);
    let moments = moments(jobs, &starts, &mut Dice(2027));
    let mut replay = Replay::new(rules(&treaty), &[CELL; NODES], jobs).stating(stated);
    let mut tally = Tally::default();
    for (at, job) in moments {
        while replay.peek().is_some_and(|next| next.0 <= at) {
            replay.next_instant();
            while replay.decide() {}
        }
        let snapshot = replay.observe(&nodes());
        let real = *starts[job].iter().find(|start| **start > at).unwrap();
        let begin = Instant::now();
        let range = expected_start(&treaty, &snapshot, &jobs[job].id, TimestampMillis(at)).unwrap();
        tally.millis.push(begin.elapsed().as_secs_f64() * 1e3);
        let begin = Instant::now();
        assert!(explain(&treaty, &snapshot, &jobs[job].id, TimestampMillis(at)).is_some());
        tally.explain_millis.push(begin.elapsed().as_secs_f64() * 1e3);
        let seconds = |millis: i64| std::time::Duration::from_millis(millis.unsigned_abs()).as_secs_f64();
        tally.waits_s.push(seconds(real - at));
        let [earliest, latest] = [&range.earliest, &range.latest].map(|b| b.time().map(|t| t.0));
        match latest {
            Some(latest) => tally.widths_s.push(seconds(latest - earliest.unwrap())),
            None => tally.no_latest += 1,
        }
        if earliest.is_none_or(|e| real < e) {
            tally.before += 1;
        } else if latest.is_some_and(|l| real > l) {
            tally.after += 1;
            tally.beyond_s.push(seconds(real - latest.unwrap()));
        } else {
            tally.inside += 1;
        }
    }
    let Tally { before, inside, after, no_latest, .. } = tally;
    println!("{name}: inside {inside}, before {before}, after {after}; {no_latest} without a latest start");
    print("real wait s", tally.waits_s);
    print("width s", tally.widths_s);
    print("later than the latest by s", tally.beyond_s);
    print("forecast ms", tally.millis);
    print("explanation ms", tally.explain_millis);
}

fn print(name: &str, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    let part = |percent: usize| values.get(values.len() * percent / 100).copied().unwrap_or(0.0);
    let most = values.last().copied().unwrap_or(0.0);
    println!("    {name}: p50 {:.1}, p90 {:.1}, p99 {:.1}, most {most:.1}", part(50), part(90), part(99));
}

#[test]
#[ignore = "a measurement; takes minutes"]
fn forecasts_of_the_itp_trace() {
    let jobs = trace();
    let mut dice = Dice(1);
    let real = |job: &TraceJob| Some(job.runtime);
    let padded = |job: &TraceJob, percent: usize| {
        let percent = i64::try_from(percent).unwrap();
        Some(DurationMillis(job.runtime.0 * percent / 100))
    };
    let exact: Vec<_> = jobs.iter().map(real).collect();
    let twice: Vec<_> = jobs.iter().map(|j| padded(j, 100 + dice.below(101))).collect();
    let loose: Vec<_> = jobs.iter().map(|j| padded(j, 100 + dice.below(901))).collect();
    let some: Vec<_> =
        jobs.iter().map(|j| padded(j, 100 + dice.below(101)).filter(|_| dice.below(10) > 0)).collect();
    measure("real run times stated", &exact, &jobs);
    measure("1 to 2 times the real run time stated", &twice, &jobs);
    measure("1 to 10 times the real run time stated", &loose, &jobs);
    measure("1 to 2 times, and every tenth states nothing", &some, &jobs);
}

/// 100,000 waiting claims of 200 members on 12,500 full nodes.
#[test]
#[ignore = "a measurement"]
fn forecasts_of_a_large_pool() {
    let members: String =
        (0..200).map(|m| format!("    - {{name: m{m}, guarantee: {{gpus: {}}}}}\n", 62 * CELL)).collect();
    let text = format!(
        "apiVersion: concord.dev/v1alpha1\nkind: Treaty\nmetadata: {{name: large}}\nspec:\n  title: large\n  members:\n{members}  reclaim: {{noticeSeconds: 300}}\n"
    );
    let treaty = source::read(text.as_bytes()).treaties.remove(0).treaty.unwrap();
    let node = |i: usize| Node {
        name: NodeName::from(format!("n{i:05}").as_str()),
        gpus: CELL,
        schedulable: true,
        labels: Labels::default(),
    };
    let nodes: Vec<Node> = (0..12_500).map(node).collect();
    let mut dice = Dice(7);
    let sizes = [1, 1, 1, 2, 4, 8, 8, 16, 32];
    let mut jobs = Vec::new();
    let mut gpus_asked = 0;
    while jobs.len() < 100_000 || gpus_asked < 3 * 12_500 * u64::from(CELL) {
        let gpus: Gpus = sizes[dice.below(sizes.len())];
        gpus_asked += u64::from(gpus);
        jobs.push(TraceJob {
            class: None,
            id: ClaimId::from(format!("c{:06}", jobs.len()).as_str()),
            member: MemberId(u16::try_from(dice.below(200)).unwrap()),
            gang: Gang { pods: gpus.div_ceil(CELL), gpus_per_pod: gpus.min(CELL) },
            submitted_at: TimestampMillis(i64::try_from(jobs.len()).unwrap() / 1_000),
            runtime: DurationMillis::from_seconds(600 + i64::try_from(dice.below(86_400)).unwrap()),
        });
    }
    let pool = Terms::of(&treaty, &nodes, TimestampMillis(0)).pools.remove(0);
    let mut replay = Replay::new(Rules::of(&pool.treaty, &[]), &vec![CELL; nodes.len()], &jobs);
    while replay.peek().is_some_and(|next| next.0 <= 1_000) {
        replay.next_instant();
        while replay.decide() {}
    }
    let now = TimestampMillis(1_000);
    let snapshot: Snapshot = replay.observe(&nodes);
    let waiting: Vec<&Claim> = snapshot.claims.iter().filter(|c| c.is_waiting()).collect();
    println!("{} claims, {} wait", snapshot.claims.len(), waiting.len());
    for most in [1_000, 10_000, usize::MAX] {
        let begin = Instant::now();
        let all = expected_starts(&treaty, &snapshot, now, most);
        let known = all.values().filter(|r| r.latest.time().is_some()).count();
        println!("most {most}: {:.0} ms, {known} with a latest start", begin.elapsed().as_secs_f64() * 1e3);
    }
    for at in [0, waiting.len() / 2, waiting.len() - 1] {
        let begin = Instant::now();
        let told = explain(&treaty, &snapshot, &waiting[at].id, now).unwrap();
        println!("one: {:.0} ms, {} what-ifs", begin.elapsed().as_secs_f64() * 1e3, told.what_ifs.len());
    }
}

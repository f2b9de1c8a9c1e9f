use concord_treaty::engine::*;
use concord_treaty::simulate::*;
use concord_treaty::snapshot::Gang;
use concord_treaty::units::*;
use std::collections::BTreeSet;
fn main() {
    let s = std::fs::read_to_string("/tmp/explore/itp.csv").unwrap();
    let a: Vec<String> = std::env::args().collect();
    let mut rows: Vec<(i64, u32, String, i64, u32)> = s
        .lines()
        .skip(1)
        .map(|l| {
            let f: Vec<&str> = l.split(',').collect();
            (
                f[2].parse().unwrap(),
                f[0].parse().unwrap(),
                f[1].into(),
                f[3].parse().unwrap(),
                f[4].parse().unwrap(),
            )
        })
        .collect();
    rows.sort();
    let names: BTreeSet<String> = rows.iter().map(|r| r.2.clone()).collect();
    let names: Vec<_> = names.into_iter().collect();
    let jobs: Vec<TraceJob> = rows
        .iter()
        .map(|r| TraceJob {
            id: ClaimId(format!("{:06}", r.1).into()),
            member: MemberId(names.iter().position(|n| *n == r.2).unwrap() as u16),
            gang: Gang { pods: (r.4 / 8).max(1), gpus_per_pod: r.4.min(8) },
            submitted_at: TimestampMillis(r.0 * 1000),
            runtime: DurationMillis(r.3 * 1000),
        })
        .collect();
    let nodes = [8u32, 12, 16, 69, 8, 12, 36, 8, 8, 8];
    let rules = Rules {
        members: nodes
            .iter()
            .map(|n| MemberRules { guarantee: n * 8, ceiling: u32::MAX, keep: 0, weight: n * 8 })
            .collect(),
        notice: DurationMillis(a[1].parse::<i64>().unwrap() * 1000),
        minimum_run: DurationMillis(0),
        least_notice: DurationMillis(0),
        alone_order: if a[2] == "fifo" { AloneOrder::Submission } else { AloneOrder::FirstFit },
        shortest_first: a[3] == "sjf",
    };
    let t = std::time::Instant::now();
    // alone: each member alone with same engine rules? use reference: alone start from engine Due events
    let mut r = Replay::new(rules, &vec![8; 185], &jobs);
    let mut n = 0u64;
    let mut lat: Vec<u64> = vec![];
    while r.next_instant().is_some() {
        loop {
            n += 1;
            let x = std::time::Instant::now();
            let b = r.decide();
            lat.push(x.elapsed().as_nanos() as u64);
            if !b {
                break;
            }
        }
    }
    let el = t.elapsed();
    lat.sort();
    let o = r.outcomes();
    let mut w = 0i64;
    let mut rec = 0u64;
    let mut lost = 0u64;
    let mut un = 0;
    for (j, o) in jobs.iter().zip(o) {
        match o.finished_at {
            Some(f) => w += f.0 - j.submitted_at.0 - j.runtime.0,
            None => un += 1,
        }
        rec += o.reclaims as u64;
        lost += o.lost_gpu_millis;
    }
    println!(
        "mean wait {:.1} reclaims {rec} lost {:.0}h unfinished {un} notices {:?} decisions {n} {:?} p50 {} p99 {} max {} ns",
        w as f64 / 1000. / jobs.len() as f64,
        lost as f64 / 3.6e6,
        r.notices(),
        el,
        lat[lat.len() / 2],
        lat[lat.len() * 99 / 100],
        lat[lat.len() - 1]
    );
    let late: Vec<i64> = (0..jobs.len())
        .filter_map(|i| {
            let al = r.engine().alone_end(i as u32)?;
            let f = o[i].finished_at?.0;
            (f > al).then_some(f - al)
        })
        .collect();
    println!(
        "late {} beyond {} worst {}s  none {}",
        late.len(),
        late.iter().filter(|x| **x > a[1].parse::<i64>().unwrap() * 1000).count(),
        late.iter().max().unwrap_or(&0) / 1000,
        (0..jobs.len()).filter(|i| r.engine().alone_end(*i as u32).is_none()).count()
    );
}

//! Golden numbers of the ITP trace, computed by a small simulator in another language from the same rules.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::io::Read;
use std::path::Path;

use concord_treaty::baseline::{Policy, own_nodes, replay, replay_partitioned};
use concord_treaty::engine::{AloneOrder, MemberRules, Rules};
use concord_treaty::simulate::report::{Comparison, Report};
use concord_treaty::simulate::{Replay, TraceJob, Trial};
use concord_treaty::snapshot::Gang;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};

const CELL: Gpus = 8;
const NOTICE: DurationMillis = DurationMillis::from_seconds(300);
/// Nodes of each member, by GPU-hours in the trace, at least 8.
const NODES: [u32; 10] = [8, 12, 16, 69, 8, 12, 36, 8, 8, 8];

fn trace() -> Vec<TraceJob> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dev/traces/itp.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().skip(1).map(job).collect()
}

fn job(line: &str) -> TraceJob {
    let fields: Vec<&str> = line.split(',').collect();
    let number = |index: usize| fields[index].parse::<i64>().unwrap();
    let gpus = Gpus::try_from(number(4)).unwrap();
    let member = fields[1].strip_prefix("cluster").unwrap().parse::<u16>().unwrap() - 1;
    TraceJob {
        id: ClaimId::from(format!("{:06}", number(0)).as_str()),
        member: MemberId(member),
        gang: Gang { pods: gpus.div_ceil(CELL), gpus_per_pod: gpus.min(CELL) },
        submitted_at: TimestampMillis(number(2) * 1000),
        runtime: DurationMillis::from_seconds(number(3)),
    }
}

struct Golden {
    policy: Policy,
    /// Mean and 99th percentile of the wait in seconds.
    alone: (f64, f64),
    pooled: (f64, f64),
    completion: f64,
    slowdown: f64,
    utilisation: f64,
    /// Percent of jobs that are worse off in the pool than alone, and by how many seconds at most.
    worse: (f64, f64),
}

const GOLDEN: [Golden; 4] = [
    Golden {
        policy: Policy::Fifo,
        alone: (161_768.0, 1_252_753.0),
        pooled: (2_194.1, 24_842.0),
        completion: 20_916.4,
        slowdown: 1.52,
        utilisation: 0.761,
        worse: (5.28, 49_087.0),
    },
    Golden {
        policy: Policy::ShortestFirst,
        alone: (22_203.7, 397_510.0),
        pooled: (602.4, 12_173.0),
        completion: 19_324.7,
        slowdown: 1.05,
        utilisation: 0.760,
        worse: (4.62, 79_762.0),
    },
    Golden {
        policy: Policy::FirstFit,
        alone: (59_885.9, 807_885.0),
        pooled: (660.4, 14_652.0),
        completion: 19_382.7,
        slowdown: 1.14,
        utilisation: 0.766,
        worse: (3.22, 81_366.0),
    },
    Golden {
        policy: Policy::Easy,
        alone: (96_376.9, 853_698.0),
        pooled: (812.7, 15_304.0),
        completion: 19_535.0,
        slowdown: 1.15,
        utilisation: 0.766,
        worse: (3.57, 71_821.0),
    },
];

/// The value as the golden number is printed.
fn rounded(value: f64, digits: i32) -> f64 {
    (value * 10_f64.powi(digits)).round() / 10_f64.powi(digits)
}

fn report_of(jobs: &[TraceJob], trial: &Trial, alone: &Trial) -> Report {
    let guarantees = NODES.map(|nodes| nodes * CELL);
    Comparison { jobs, trial, alone, guarantees: &guarantees, capacities: &pool(), notice: NOTICE }.report()
}

fn pool() -> Vec<Gpus> {
    vec![CELL; NODES.iter().sum::<u32>() as usize]
}

#[test]
fn policies_without_a_treaty_give_the_golden_numbers() {
    let jobs = trace();
    assert_eq!(jobs.len(), 69_351);
    let own: Vec<Vec<Gpus>> = NODES.iter().map(|nodes| own_nodes(nodes * CELL, CELL)).collect();
    for golden in &GOLDEN {
        let alone = replay_partitioned(golden.policy, &own, CELL, &jobs);
        let pooled = replay(golden.policy, &pool(), CELL, &jobs);
        let alone_report = report_of(&jobs, &alone, &alone);
        let pooled_report = report_of(&jobs, &pooled, &alone);
        let seen = |r: &Report| (rounded(r.all.wait_s.mean, 1), r.all.wait_s.p99);
        assert_eq!(seen(&alone_report), golden.alone, "{:?} alone", golden.policy);
        assert_eq!(seen(&pooled_report), golden.pooled, "{:?} pooled", golden.policy);
        assert_eq!(rounded(pooled_report.all.jct_s.mean, 1), golden.completion, "{:?}", golden.policy);
        assert_eq!(rounded(pooled_report.all.bounded_slowdown, 2), golden.slowdown, "{:?}", golden.policy);
        assert_eq!(rounded(pooled_report.utilisation, 3), golden.utilisation, "{:?}", golden.policy);
        let worse = pooled_report.all.worse_than_alone;
        assert_eq!((rounded(worse.share * 100.0, 2), worse.worst_s), golden.worse, "{:?}", golden.policy);
        assert_eq!(alone_report.all.worse_than_alone.jobs, 0, "nobody is worse off than itself");
    }
}

/// The promise of the treaty, on a line alone that does not come from the engine.
fn treaty_keeps_its_promise(alone_order: AloneOrder, alone_policy: Policy, notice: DurationMillis) {
    let jobs = trace();
    let own: Vec<Vec<Gpus>> = NODES.iter().map(|nodes| own_nodes(nodes * CELL, CELL)).collect();
    let alone = replay_partitioned(alone_policy, &own, CELL, &jobs);
    let mut replay = Replay::new(rules(alone_order, notice), &pool(), &jobs);
    while replay.next_instant().is_some() {
        while replay.decide() {}
    }
    let report = report_of(&jobs, &replay.into_trial(), &alone);
    println!("{:?} {:?} reclaims {} lost {}", report.all, report.floor, report.reclaims, report.lost_gpu_s);
    assert_eq!(report.all.never_ended, 0);
    if notice.0 == 0 {
        assert_eq!(report.all.worse_than_alone.jobs, 0, "{:?}", report.all.worse_than_alone);
    }
    assert_eq!(report.all.worse_than_alone.beyond_notice_jobs, 0, "{:?}", report.all.worse_than_alone);
}

fn rules(alone_order: AloneOrder, notice: DurationMillis) -> Rules {
    let member = |nodes: u32| MemberRules {
        guarantee: nodes * CELL,
        ceiling: Gpus::MAX,
        keep: 0,
        weight: nodes * CELL,
    };
    Rules {
        members: NODES.map(member).to_vec(),
        notice,
        least_notice: DurationMillis(0),
        minimum_run: DurationMillis(0),
        alone_order,
        shortest_first: true,
    }
}

#[test]
fn nobody_is_worse_off_under_the_treaty_than_in_line_alone() {
    treaty_keeps_its_promise(AloneOrder::Submission, Policy::Fifo, NOTICE);
}

#[test]
fn nobody_is_worse_off_under_the_treaty_than_alone_with_first_fit() {
    treaty_keeps_its_promise(AloneOrder::FirstFit, Policy::FirstFit, NOTICE);
    treaty_keeps_its_promise(AloneOrder::FirstFit, Policy::FirstFit, DurationMillis(0));
}

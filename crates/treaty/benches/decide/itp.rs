//! The ITP trace under a treaty, as `tests/golden_itp.rs` has it.

use std::io::Read;

use concord_treaty::engine::{AloneOrder, MemberRules, Rules};
use concord_treaty::simulate::{Replay, TraceJob};
use concord_treaty::snapshot::{Gang, Standing};
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, TimestampMillis};

const CELL: Gpus = 8;
/// Nodes of each member.
const NODES: [u32; 10] = [8, 12, 16, 69, 8, 12, 36, 8, 8, 8];

pub fn trace() -> Vec<TraceJob> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dev/traces/itp.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().skip(1).map(job).collect()
}

fn job(line: &str) -> TraceJob {
    let fields: Vec<&str> = line.split(',').collect();
    let number = |index: usize| fields[index].parse::<i64>().unwrap();
    let gpus = Gpus::try_from(number(4)).unwrap();
    TraceJob {
        id: ClaimId::from(format!("{:06}", number(0)).as_str()),
        member: MemberId(fields[1].strip_prefix("cluster").unwrap().parse::<u16>().unwrap() - 1),
        class: None,
        gang: Gang { pods: gpus.div_ceil(CELL), gpus_per_pod: gpus.min(CELL) },
        submitted_at: TimestampMillis(number(2) * 1000),
        runtime: DurationMillis::from_seconds(number(3)),
    }
}

fn rules() -> Rules {
    let member = |nodes: u32| MemberRules {
        guarantee: nodes * CELL,
        ceiling: Gpus::MAX,
        keep: 0,
        weight: u64::from(nodes * CELL),
        closed: None,
        standing: Standing::default(),
    };
    Rules {
        inside: Vec::new(),
        aging: None,
        members: NODES.map(member).to_vec(),
        notice: DurationMillis::from_seconds(300),
        least_notice: DurationMillis(0),
        minimum_run: DurationMillis(0),
        alone_order: AloneOrder::Submission,
        shortest_first: true,
    }
}

/// Jobs that ended.
pub fn replay(jobs: &[TraceJob]) -> usize {
    let capacities = vec![CELL; NODES.iter().sum::<u32>() as usize];
    let mut replay = Replay::new(rules(), &capacities, jobs);
    while replay.next_instant().is_some() {
        while replay.decide() {}
    }
    replay.into_trial().outcomes.iter().filter(|o| o.finished_at.is_some()).count()
}

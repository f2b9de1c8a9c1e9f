//! One pod on the 1,213 nodes of openb: choose a node, book it, and let the oldest pod go, at two thirds of the pods placed.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may stop")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::Read;

use concord_treaty::packing::{GPU_MILLI, ModelId, Models, NodeState, Packer, Policy, Shape, Workload};
use criterion::{Criterion, criterion_group, criterion_main};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dev/traces/openb");

fn rows(text: &[u8]) -> Vec<csv::StringRecord> {
    csv::Reader::from_reader(text).records().map(Result::unwrap).collect()
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(row: &csv::StringRecord, field: usize) -> T {
    row[field].parse().unwrap()
}

fn nodes() -> Vec<NodeState> {
    let mut models = Vec::new();
    let text = std::fs::read(format!("{FOLDER}/nodes.csv")).unwrap();
    let node = |row: &csv::StringRecord| {
        let known = models.iter().position(|model| *model == row[4]);
        let model = known.unwrap_or_else(|| {
            models.push(row[4].to_owned());
            models.len() - 1
        });
        let free = vec![GPU_MILLI; number(row, 3)];
        NodeState::new(number(row, 1), number(row, 2), ModelId::new(model).unwrap(), &free).unwrap()
    };
    rows(&text).iter().map(node).collect()
}

fn pods() -> Vec<Shape> {
    let packed = std::fs::File::open(format!("{FOLDER}/pods_default.csv.gz")).unwrap();
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut text).unwrap();
    let pod = |row: &csv::StringRecord| {
        Shape::new(number(row, 1), number(row, 2), number(row, 3), number(row, 4), Models::ANY).unwrap()
    };
    rows(&text).iter().map(pod).collect()
}

fn one_pod(criterion: &mut Criterion) {
    let (nodes, pods) = (nodes(), pods());
    let workload = Workload::new(pods.iter().copied());
    for policy in Policy::ALL {
        let mut packer = Packer::new(policy, &workload, nodes.clone());
        let mut placed = VecDeque::new();
        // A fixed stride visits all pods in a mixed order; 8,152 and 5,003 have no common divisor.
        let mut arriving = (0_usize..).map(|turn| pods[turn * 5_003 % pods.len()]).zip(0_u64..);
        let mut turn = |packer: &mut Packer, placed: &mut VecDeque<_>| {
            let Some((shape, draw)) = arriving.next() else { return };
            if let Some(choice) = packer.choose(&shape, draw.wrapping_mul(0x9e37_79b9)) {
                packer.place(&shape, choice).unwrap();
                placed.push_back((shape, choice));
            }
        };
        for _ in 0..pods.len() * 2 / 3 {
            turn(&mut packer, &mut placed);
        }
        criterion.bench_function(&format!("one pod on 1,213 nodes, {policy}"), |bencher| {
            bencher.iter(|| {
                turn(&mut packer, &mut placed);
                if let Some((shape, choice)) = placed.pop_front() {
                    packer.release(&shape, choice).unwrap();
                }
                black_box(packer.nodes().len())
            });
        });
    }
    criterion.bench_function("prices of openb's shares", |bencher| {
        bencher.iter(|| black_box(Workload::new(pods.iter().copied())));
    });
}

criterion_group!(benches, one_pod);
criterion_main!(benches);

//! One run: pods arrive one after the other, each is placed at once or turned away for good, nobody leaves.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use concord_treaty::packing::{NodeState, Packer, Policy, Shape, Workload};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;

/// What has been asked for when the state is looked at, in percent of all GPUs.
pub const ARRIVALS_PERCENT: [u64; 3] = [95, 100, 130];

/// State of the nodes at one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Look {
    /// GPUs asked for so far, percent of all.
    pub arrival_percent: u64,
    /// GPUs that nobody has, percent of all.
    pub unallocated_percent: f64,
    /// GPUs that a typical pod cannot use, percent of all.
    pub fragmentation_percent: f64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Order of the pods.
    pub seed: u64,
    /// Pods that arrived.
    pub pods: usize,
    /// Pods that found no place.
    pub turned_away: usize,
    /// Time to choose and book, mean over the pods.
    pub microseconds_per_pod: f64,
    /// States at [`ARRIVALS_PERCENT`].
    pub looks: Vec<Look>,
}

/// Fills the nodes.
///
/// # Errors
/// When there are no GPUs, no pod that asks for one, or the packer chose a place that does not fit.
pub fn fill(
    policy: Policy,
    seed: u64,
    nodes: &[NodeState],
    pods: &[Shape],
    workload: &Workload,
) -> Result<Run> {
    let capacity: u64 = nodes.iter().map(NodeState::idle_milli).sum();
    ensure!(capacity > 0, "no node has a GPU; field gpu says how many each has");
    ensure!(
        pods.iter().any(|pod| pod.demand_milli() > 0),
        "no pod asks for a GPU; fields num_gpu, gpu_milli"
    );
    let arriving = arrivals(seed, pods, capacity);
    // A stream of its own: whatever a policy draws, all see the same pods.
    let mut draws = Pcg64::seed_from_u64(!seed);
    let mut packer = Packer::new(policy, workload, nodes.to_vec());
    let (mut asked, mut allocated, mut turned_away) = (0, 0, 0);
    let mut looks = Vec::new();
    let mut busy = std::time::Duration::ZERO;
    for shape in &arriving {
        let draw = draws.next_u64();
        let start = Instant::now();
        match packer.choose(shape, draw) {
            Some(choice) => {
                packer.place(shape, choice).context("the packer chose a place that does not fit")?;
                allocated += shape.demand_milli();
            }
            None => turned_away += 1,
        }
        busy += start.elapsed();
        asked += shape.demand_milli();
        while let Some(percent) = ARRIVALS_PERCENT.get(looks.len()).filter(|p| asked * 100 >= capacity * **p)
        {
            looks.push(look(*percent, allocated, capacity, &packer));
        }
    }
    // The last pod that would pass 130 % is not drawn, so that the end stands for 130 %.
    while let Some(percent) = ARRIVALS_PERCENT.get(looks.len()) {
        looks.push(look(*percent, allocated, capacity, &packer));
    }
    let microseconds_per_pod = busy.as_secs_f64() * 1e6 / arriving.len() as f64;
    Ok(Run { seed, pods: arriving.len(), turned_away, microseconds_per_pod, looks })
}

/// All pods in random order, then pods drawn with replacement until the next would pass the last arrival.
fn arrivals(seed: u64, pods: &[Shape], capacity: u64) -> Vec<Shape> {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut arriving = pods.to_vec();
    arriving.shuffle(&mut random);
    let wanted = capacity * ARRIVALS_PERCENT[ARRIVALS_PERCENT.len() - 1];
    let mut asked: u64 = arriving.iter().map(Shape::demand_milli).sum();
    loop {
        let drawn = pods[random.random_range(0..pods.len())];
        asked += drawn.demand_milli();
        if asked * 100 > wanted {
            return arriving;
        }
        arriving.push(drawn);
    }
}

fn look(arrival_percent: u64, allocated: u64, capacity: u64, packer: &Packer) -> Look {
    let percent = |milli: u64| 100.0 * milli as f64 / capacity as f64;
    Look {
        arrival_percent,
        unallocated_percent: percent(capacity - allocated),
        fragmentation_percent: percent(packer.fragmentation_milli()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_treaty::packing::{ModelId, Models};

    fn pool() -> (Vec<NodeState>, Vec<Shape>) {
        let model = ModelId::new(0).unwrap();
        let nodes = vec![NodeState::new(8_000, 1_000, model, &[1_000, 1_000]).unwrap(); 3];
        let pods = [(1, 1_000), (1, 500), (0, 0), (1, 250)];
        (nodes, pods.map(|(gpus, milli)| Shape::new(100, 1, gpus, milli, Models::ANY).unwrap()).to_vec())
    }

    #[test]
    fn arrivals_begin_with_every_pod_and_stop_before_130_percent() {
        let (_, pods) = pool();
        let arriving = arrivals(5, &pods, 6_000);
        let mut first = arriving[..4].to_vec();
        let mut all = pods.clone();
        first.sort();
        all.sort();
        assert_eq!(first, all);
        let asked: u64 = arriving.iter().map(Shape::demand_milli).sum();
        assert!(asked <= 7_800 && asked + 1_000 > 7_800, "{asked}");
        assert_eq!(arriving, arrivals(5, &pods, 6_000));
        assert_ne!(arriving, arrivals(6, &pods, 6_000));
    }

    #[test]
    fn a_run_books_what_it_says() {
        let (nodes, pods) = pool();
        let workload = Workload::new(pods.iter().copied());
        for policy in Policy::ALL {
            let run = fill(policy, 1, &nodes, &pods, &workload).unwrap();
            assert_eq!(run.looks.len(), 3);
            // Processors and memory are ample, so at 95 % at most what has not arrived and holes are free.
            assert!(run.looks[2].unallocated_percent < 20.0, "{policy}: {run:?}");
            assert!(run.looks[2].unallocated_percent <= run.looks[0].unallocated_percent);
        }
    }

    #[test]
    fn files_without_gpus_are_refused() {
        let (nodes, pods) = pool();
        let none = [Shape::new(1, 1, 0, 0, Models::ANY).unwrap()];
        assert!(fill(Policy::Fgd, 1, &[], &pods, &Workload::new([])).is_err());
        assert!(fill(Policy::Fgd, 1, &nodes, &none, &Workload::new([])).is_err());
    }

    /// The published result and ours on the real trace; the bounds are four standard deviations and more wide.
    #[test]
    fn openb_at_100_percent() {
        use super::super::openb::{ModelNames, read_nodes, read_pods};
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/traces/openb");
        let mut models = ModelNames::default();
        let nodes = read_nodes(&folder.join("nodes.csv"), &mut models).unwrap();
        let pods = read_pods(&folder.join("pods_default.csv.gz"), &mut models).unwrap();
        assert_eq!((nodes.len(), pods.len()), (1_213, 8_152));
        let workload = Workload::new(pods.iter().copied());
        let unallocated =
            |policy| fill(policy, 42, &nodes, &pods, &workload).unwrap().looks[1].unallocated_percent;
        let expected = [
            (Policy::Random, 11.2..14.4),
            (Policy::BestFit, 5.9..8.1),
            (Policy::Fgd, 4.3..5.5),
            (Policy::Concord, 3.7..4.3),
        ];
        for (policy, range) in expected {
            let percent = unallocated(policy);
            assert!(range.contains(&percent), "{policy}: {percent:.2} % unallocated, expected {range:?}");
        }
    }
}

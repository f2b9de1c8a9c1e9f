//! Properties, each against an oracle that is written differently: plain vectors, floating point, no caches.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MODELS: usize = 3;

/// Room and shapes as plain numbers: the oracle shares no arithmetic with the code.
#[derive(Debug, Clone)]
struct PlainNode {
    cpu: i64,
    memory: i64,
    model: usize,
    free: Vec<i64>,
}

#[derive(Debug, Clone, PartialEq)]
struct PlainPod {
    cpu: i64,
    memory: i64,
    gpus: usize,
    milli: i64,
    models: Vec<usize>,
}

fn model(number: usize) -> ModelId {
    ModelId::new(number).unwrap()
}

impl PlainNode {
    fn state(&self) -> NodeState {
        let free: Vec<u32> = self.free.iter().map(|free| *free as u32).collect();
        NodeState::new(self.cpu as u64, self.memory as u64, model(self.model), &free).unwrap()
    }

    fn idle(&self) -> f64 {
        self.free.iter().sum::<i64>() as f64
    }

    /// Tries every set of GPUs.
    fn fits(&self, pod: &PlainPod) -> bool {
        let room = pod.cpu <= self.cpu && pod.memory <= self.memory;
        let sets = (0_u32..1 << self.free.len()).filter(|set| set.count_ones() as usize == pod.gpus);
        let on = |set: u32| (0..self.free.len()).all(|g| set >> g & 1 == 0 || self.free[g] >= pod.milli);
        room && (pod.gpus == 0 || pod.models.contains(&self.model)) && { sets }.any(on)
    }

    fn with(&self, pod: &PlainPod, gpus: &[usize]) -> Self {
        let mut left = self.clone();
        left.cpu -= pod.cpu;
        left.memory -= pod.memory;
        for gpu in gpus {
            left.free[*gpu] -= pod.milli;
        }
        left
    }
}

impl PlainPod {
    fn shape(&self) -> Shape {
        let models: Vec<_> = self.models.iter().map(|number| model(*number)).collect();
        let (cpu, memory) = (self.cpu as u64, self.memory as u64);
        Shape::new(cpu, memory, self.gpus as u32, self.milli as u32, Models::only(&models)).unwrap()
    }
}

fn plain_nodes() -> impl Strategy<Value = Vec<PlainNode>> {
    let node = (1_i64..9, 1_i64..9, 0..MODELS, prop::collection::vec(Just(1_000), 1..5)).prop_map(
        |(cpu, memory, model, free)| PlainNode { cpu: cpu * 4_000, memory: memory * 8, model, free },
    );
    prop::collection::vec(node, 1..7)
}

fn plain_pods() -> impl Strategy<Value = Vec<PlainPod>> {
    let gpus = prop_oneof![
        1 => Just((0, 0)),
        4 => prop::sample::select(vec![160, 320, 470, 500, 650, 810]).prop_map(|milli| (1, milli)),
        3 => Just((1, 1_000)),
        1 => Just((2, 1_000)),
    ];
    let models = prop_oneof![3 => Just(vec![0, 1, 2]), 1 => (0..MODELS).prop_map(|only| vec![only])];
    let pod = (1_i64..9, 1_i64..9, gpus, models).prop_map(|(cpu, memory, (gpus, milli), models)| PlainPod {
        cpu: cpu * 1_000,
        memory,
        gpus,
        milli,
        models,
    });
    prop::collection::vec(pod, 1..40)
}

fn workload(pods: &[PlainPod]) -> Workload {
    Workload::new(pods.iter().map(PlainPod::shape))
}

/// The shapes of the published method with their part of all pods: memory left out, the most frequent 95 %.
fn typical(pods: &[PlainPod]) -> Vec<(PlainPod, f64)> {
    let mut counts = BTreeMap::<Shape, (PlainPod, u32)>::new();
    for pod in pods {
        let pod = PlainPod { memory: 0, ..pod.clone() };
        counts.entry(pod.shape()).or_insert((pod, 0)).1 += 1;
    }
    let mut classes: Vec<_> = counts.into_values().collect();
    classes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut taken = 0;
    classes.retain(|(_, count)| {
        let keep = f64::from(taken) < 0.95 * pods.len() as f64 - 1e-9;
        taken += if keep { *count } else { 0 };
        keep
    });
    classes.into_iter().map(|(pod, count)| (pod, f64::from(count) / f64::from(taken))).collect()
}

/// F of the publication, GPU by GPU.
fn plain_fragmentation(node: &PlainNode, classes: &[(PlainPod, f64)]) -> f64 {
    let useless = |pod: &PlainPod| -> f64 {
        let usable: i64 = node.free.iter().filter(|free| **free >= pod.milli).sum();
        if pod.gpus == 0 || !node.fits(pod) { node.idle() } else { node.idle() - usable as f64 }
    };
    classes.iter().map(|(pod, part)| part * useless(pod)).sum()
}

/// What the published method does: try every node and GPU, score 0 to 100, keep the first best.
fn plain_fgd(
    nodes: &[PlainNode],
    pod: &PlainPod,
    classes: &[(PlainPod, f64)],
) -> Option<(usize, Vec<usize>)> {
    let mut best: Option<(f64, usize, Vec<usize>)> = None;
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.fits(pod)) {
        let mut fitting: Vec<usize> = (0..node.free.len()).filter(|g| node.free[*g] >= pod.milli).collect();
        fitting.sort_by_key(|gpu| (node.free[*gpu], *gpu));
        let shares = pod.gpus == 1 && pod.milli < 1_000;
        let sets: Vec<Vec<usize>> = if shares {
            fitting.iter().map(|g| vec![*g]).collect()
        } else {
            vec![fitting[..pod.gpus].to_vec()]
        };
        let before = plain_fragmentation(node, classes);
        for gpus in sets {
            let gain = (before - plain_fragmentation(&node.with(pod, &gpus), classes)) / 1_000.0;
            // A gain that is zero but for rounding is zero: the border between 49 and 50 lies there.
            let score = (100.0 / (1.0 + (-gain).exp()) + 1e-9).floor();
            if best.as_ref().is_none_or(|(least, _, _)| score > *least) {
                best = Some((score, index, gpus));
            }
        }
    }
    best.map(|(_, index, gpus)| (index, gpus))
}

proptest! {
    #[test]
    fn the_chosen_place_fits_and_no_fitting_pod_is_refused(nodes in plain_nodes(), pods in plain_pods(), draw: u64) {
        for policy in Policy::ALL {
            let mut plain = nodes.clone();
            let mut packer = Packer::new(policy, &workload(&pods), nodes.iter().map(PlainNode::state).collect());
            for pod in &pods {
                let choice = packer.choose(&pod.shape(), draw);
                prop_assert_eq!(choice.is_some(), plain.iter().any(|node| node.fits(pod)), "{}", policy);
                let Some(choice) = choice else { continue };
                let gpus: Vec<_> = choice.gpus.iter().collect();
                prop_assert!(plain[choice.node].fits(pod) && gpus.len() == pod.gpus);
                plain[choice.node] = plain[choice.node].with(pod, &gpus);
                prop_assert!(plain[choice.node].free.iter().all(|free| *free >= 0));
                packer.place(&pod.shape(), choice).unwrap();
                // Work is conserved: what the oracle has left is what the packer has left.
                prop_assert_eq!(packer.nodes()[choice.node], plain[choice.node].state());
            }
        }
    }

    #[test]
    fn fgd_is_the_published_method(nodes in plain_nodes(), pods in plain_pods()) {
        let classes = typical(&pods);
        let mut plain = nodes.clone();
        let mut packer = Packer::new(Policy::Fgd, &workload(&pods), nodes.iter().map(PlainNode::state).collect());
        for pod in &pods {
            let choice = packer.choose(&pod.shape(), 0);
            let expected = plain_fgd(&plain, pod, &classes);
            let got = choice.map(|choice| (choice.node, choice.gpus.iter().collect::<Vec<_>>()));
            prop_assert_eq!(&got, &expected);
            if let (Some(choice), Some((node, gpus))) = (choice, expected) {
                packer.place(&pod.shape(), choice).unwrap();
                plain[node] = plain[node].with(pod, &gpus);
            }
        }
        let fragmentation: f64 = plain.iter().map(|node| plain_fragmentation(node, &classes)).sum();
        prop_assert!((packer.fragmentation_milli() as f64 - fragmentation).abs() < 1.001);
    }

    #[test]
    fn both_looks_are_what_trying_out_says(nodes in plain_nodes(), pods in plain_pods(), taken in 0_i64..1_000) {
        let loads = workload(&pods);
        for node in &nodes {
            let mut node = node.clone();
            node.free[0] -= taken;
            let idle = node.idle() as u64;
            let mut looks = (0, 0);
            for pod in &pods {
                looks.0 += plain_fragmentation(&node, &[(pod.clone(), 1.0)]) as u64;
                // Fill up with this pod, one after the other, until it no longer fits.
                let mut filled = node.state();
                while pod.gpus > 0 && filled.fits(&pod.shape()) {
                    filled = filled.after(&pod.shape(), filled.tightest_gpus(&pod.shape())).unwrap();
                }
                looks.1 += if pod.gpus == 0 { idle } else { filled.idle_milli() };
            }
            prop_assert_eq!((first_look(&node.state(), &loads), last_look(&node.state(), &loads)), looks);
        }
    }

    #[test]
    fn remembered_scores_are_those_of_a_packer_that_knows_nothing(
        nodes in plain_nodes(), pods in plain_pods(), leaves in prop::collection::vec(any::<bool>(), 40), draw: u64,
    ) {
        let loads = workload(&pods);
        for policy in [Policy::Random, Policy::Fgd, Policy::Concord] {
            let mut packer = Packer::new(policy, &loads, nodes.iter().map(PlainNode::state).collect());
            for (pod, leave) in pods.iter().zip(&leaves) {
                let shape = pod.shape();
                let choice = packer.choose(&shape, draw);
                let mut fresh = Packer::new(policy, &loads, packer.nodes().to_vec());
                prop_assert_eq!(choice, fresh.choose(&shape, draw), "{}", policy);
                prop_assert_eq!(packer.fragmentation_milli(), fresh.fragmentation_milli());
                let Some(choice) = choice else { continue };
                let before = packer.nodes().to_vec();
                packer.place(&shape, choice).unwrap();
                if *leave {
                    packer.release(&shape, choice).unwrap();
                    prop_assert_eq!(packer.nodes(), &before[..]);
                }
            }
        }
    }

    #[test]
    fn no_combination_of_shares_costs_more_than_a_gpu(
        sizes in prop::collection::btree_map(1_u32..1_000, 1_usize..30, 1..6),
    ) {
        let share = |milli: u32| Shape::new(1, 1, 1, milli, Models::ANY).unwrap();
        let pods = sizes.iter().flat_map(|(milli, pods)| vec![share(*milli); *pods]);
        let loads = Workload::new(pods);
        let prices = loads.prices();
        // Worth never falls with room, and two parts together are never worth more than the whole: else a GPU could be
        // sold for more than itself.
        for free in 1..=GPU_MILLI {
            prop_assert!(prices.worth(free) >= prices.worth(free - 1));
            prop_assert!(prices.worth(free) + prices.worth(GPU_MILLI - free) <= 1_000_000);
        }
        // First fit, largest first, is a packing; the bound is below every packing and never below the volume.
        let mut bins: Vec<u32> = Vec::new();
        for (milli, pods) in sizes.iter().rev() {
            for _ in 0..*pods {
                match bins.iter_mut().find(|free| **free >= *milli) {
                    Some(free) => *free -= milli,
                    None => bins.push(GPU_MILLI - milli),
                }
            }
        }
        let volume: i64 = sizes.iter().map(|(milli, pods)| i64::from(*milli) * *pods as i64 * 1_000).sum();
        prop_assert!(prices.gpus_at_least_millionths() <= bins.len() as i64 * 1_000_000);
        prop_assert!(prices.gpus_at_least_millionths() >= volume);
    }
}

#[test]
fn shares_that_complete_each_other_meet() {
    let share = |milli: u32| Shape::new(100, 1, 1, milli, Models::ANY).unwrap();
    let pods = [(650, 40), (320, 40), (470, 40)];
    let loads = Workload::new(pods.iter().flat_map(|(milli, count)| vec![share(*milli); *count]));
    let node = |free: [u32; 2]| NodeState::new(64_000, 1_000, model(0), &free).unwrap();
    // 0.32 beside 0.65 leaves 0.03, beside 0.47 it leaves 0.21 and takes the place of a second 0.47.
    let mut packer = Packer::new(Policy::Concord, &loads, vec![node([530, 1_000]), node([350, 1_000])]);
    let choice = packer.choose(&share(320), 0).unwrap();
    assert_eq!((choice.node, choice.gpus.iter().collect::<Vec<_>>()), (1, vec![0]));
    let choice = packer.choose(&share(470), 0).unwrap();
    assert_eq!((choice.node, choice.gpus.iter().collect::<Vec<_>>()), (0, vec![0]));
}

#[test]
fn a_model_that_few_can_use_is_left_to_nobody_but_them() {
    let any = Shape::new(1_000, 1, 1, 1_000, Models::ANY).unwrap();
    let picky = Shape::new(1_000, 1, 1, 1_000, Models::only(&[model(0)])).unwrap();
    let loads = Workload::new(vec![any, any, picky]);
    let node = |number| NodeState::new(8_000, 100, model(number), &[1_000]).unwrap();
    for policy in [Policy::Fgd, Policy::Concord] {
        // The model that a third of the pods insists on stays free for them.
        let mut packer = Packer::new(policy, &loads, vec![node(0), node(1)]);
        assert_eq!(packer.choose(&any, 0).unwrap().node, 1, "{policy}");
        assert_eq!(packer.choose(&picky, 0).unwrap().node, 0, "{policy}");
    }
}

#[test]
fn random_takes_the_drawn_node_among_those_that_fit() {
    let shape = Shape::new(1_000, 1, 1, 1_000, Models::ANY).unwrap();
    let node = |cpu| NodeState::new(cpu, 100, model(0), &[1_000]).unwrap();
    let mut packer = Packer::new(Policy::Random, &Workload::new([]), vec![node(0), node(1_000), node(2_000)]);
    let nodes: Vec<_> = (0..4).map(|draw| packer.choose(&shape, draw).unwrap().node).collect();
    assert_eq!(nodes, [1, 2, 1, 2]);
}

#[test]
fn what_is_not_there_is_not_booked() {
    let shape = Shape::new(1_000, 1, 1, 600, Models::ANY).unwrap();
    let state = NodeState::new(1_500, 100, model(0), &[1_000]).unwrap();
    let mut packer = Packer::new(Policy::Concord, &Workload::new([shape]), vec![state]);
    let choice = packer.choose(&shape, 0).unwrap();
    assert_eq!(packer.release(&shape, choice), Err(PlaceError::NoRoom { node: 0 }));
    assert_eq!(packer.nodes(), [state]);
    packer.place(&shape, choice).unwrap();
    assert_eq!(packer.place(&shape, choice), Err(PlaceError::NoRoom { node: 0 }));
    let elsewhere = Choice { node: 1, ..choice };
    assert_eq!(packer.place(&shape, elsewhere), Err(PlaceError::NoNode { node: 1, nodes: 1 }));
    assert_eq!(packer.choose(&shape, 0), None);
}

#[test]
fn what_is_not_a_shape_or_a_node_is_refused() {
    assert_eq!(Shape::new(1, 1, 17, 1_000, Models::ANY), Err(ShapeError::TooManyGpus { gpus: 17 }));
    for (gpus, gpu_milli) in [(1, 0), (1, 1_001), (0, 1)] {
        assert_eq!(
            Shape::new(1, 1, gpus, gpu_milli, Models::ANY),
            Err(ShapeError::Share { gpus, gpu_milli })
        );
    }
    let several = Err(ShapeError::SharesOfSeveral { gpus: 2, gpu_milli: 500 });
    assert_eq!(Shape::new(1, 1, 2, 500, Models::ANY), several);
    assert!(Shape::new(1, 1, 16, 1_000, Models::ANY).is_ok());
    let bad = Err(NodeStateError::Free { gpu: 1, free_milli: 1_001 });
    assert_eq!(NodeState::new(1, 1, model(0), &[0, 1_001]), bad);
    assert_eq!(NodeState::new(1, 1, model(0), &[0; 17]), Err(NodeStateError::TooManyGpus { gpus: 17 }));
    assert!(ModelId::new(63).is_some() && ModelId::new(64).is_none());
}

#[test]
fn policies_are_known_by_name() {
    for policy in Policy::ALL {
        assert_eq!(policy.name().parse(), Ok(policy));
    }
    assert!("worst".parse::<Policy>().unwrap_err().contains("random, bestfit, fgd, concord"));
}

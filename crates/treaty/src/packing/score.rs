//! The score of one node for one pod, from the node's free room alone. Caching and the choice among nodes are the packer's.

use std::collections::BTreeMap;

use super::{GPU_MILLI, GpuSet, NodeState, Policy, Shape, Workload, first_look, last_look};

/// How much the first look counts for each time that the last look counts once. Alone, the first look leaves 4.57 % of openb
/// unallocated and the last one 4.39 %; together so 3.99 % (seeds 1 to 20, `docs/packing.md`).
const FIRST_LOOK_WEIGHT: u64 = 4;

/// Growth of fragmentation within one such step counts as equal: four hundredths of a GPU, the middle step of [`FGD_STEPS`].
/// Then the node index decides, which fills few nodes first: 3.99 % of openb stays unallocated, 4.35 % with exact scores.
const STEP_MILLI: i64 = 40;

/// Loss of worth within one such step counts as equal, in millionths of a GPU: the prices are approximations. Exact worths leave
/// 4.87 % of openb unallocated, none at all 4.32 %.
const COST_STEP: i64 = 30_000;

/// How good a node is for a pod: the greater the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    /// Negative steps of worth that sharing pods lose on that GPU; 0 for a pod that takes no share.
    worth: i64,
    /// What the policy weighs among equal ones.
    room: i64,
    /// The share goes to a GPU with this much free; meaningless for other pods.
    free_milli: u32,
}

/// A policy with everything that its scores depend on besides the node.
#[derive(Debug, Clone)]
pub(super) struct Scorer {
    policy: Policy,
    /// What the policy looks at: all classes, or the typical ones for the published method.
    workload: Workload,
    largest_cpu_milli: i128,
    largest_gpu_milli: i128,
    /// Fragmentation of free rooms that have been looked at.
    memo: BTreeMap<NodeState, i64>,
}

impl Scorer {
    /// `nodes` in their present state; best fit measures leftovers by the largest of them.
    pub(super) fn new(policy: Policy, workload: &Workload, nodes: &[NodeState]) -> Self {
        let largest = |of: &dyn Fn(&NodeState) -> u64| nodes.iter().map(of).max().unwrap_or(0).max(1).into();
        Self {
            policy,
            workload: if policy == Policy::Fgd { workload.typical(95) } else { workload.clone() },
            largest_cpu_milli: largest(&NodeState::cpu_milli),
            largest_gpu_milli: largest(&|node| node.free_milli().count() as u64 * u64::from(GPU_MILLI)),
            memo: BTreeMap::new(),
        }
    }

    /// Drops what is remembered; scores stay the same.
    pub(super) fn forget(&mut self) {
        self.memo.clear();
    }

    /// Entries that are remembered.
    pub(super) fn remembered(&self) -> usize {
        self.memo.len()
    }

    /// The score of the node for the pod on the best of its GPUs; `None` when the pod does not fit.
    pub(super) fn score(&mut self, node: &NodeState, shape: &Shape) -> Option<Score> {
        if !node.fits(shape) {
            return None;
        }
        match self.policy {
            Policy::Random => self.on_tightest(node, shape, |_, _, _| 0),
            Policy::BestFit => self.on_tightest(node, shape, |scorer, _, left| scorer.fullness(left)),
            Policy::Fgd | Policy::Concord if shape.is_share() => self.on_best_share(node, shape),
            Policy::Fgd | Policy::Concord => self.on_tightest(node, shape, Self::room),
        }
    }

    /// The GPUs that the score was given for.
    pub(super) fn gpus(score: &Score, node: &NodeState, shape: &Shape) -> GpuSet {
        if shape.is_share() { node.gpu_with(score.free_milli) } else { node.tightest_gpus(shape) }
    }

    fn on_tightest(
        &mut self,
        node: &NodeState,
        shape: &Shape,
        room: impl Fn(&mut Self, &NodeState, &NodeState) -> i64,
    ) -> Option<Score> {
        let gpus = node.tightest_gpus(shape);
        let left = node.after(shape, gpus)?;
        let free_milli = gpus.iter().next().and_then(|gpu| node.free_milli().nth(gpu)).unwrap_or(0);
        Some(Score { worth: 0, room: room(self, node, &left), free_milli })
    }

    /// The best GPU for a share; among equal ones the fullest.
    fn on_best_share(&mut self, node: &NodeState, shape: &Shape) -> Option<Score> {
        let mut frees: Vec<_> = node.free_milli().filter(|free| *free >= shape.gpu_milli()).collect();
        frees.sort_unstable();
        frees.dedup();
        let mut best: Option<Score> = None;
        for free_milli in frees {
            let left = node.after(shape, node.gpu_with(free_milli))?;
            let worth = match self.policy {
                Policy::Concord => -self.lost_worth(free_milli, shape).div_euclid(COST_STEP),
                Policy::Random | Policy::BestFit | Policy::Fgd => 0,
            };
            let score = Score { worth, room: self.room(node, &left), free_milli };
            if best.is_none_or(|best| (score.worth, score.room) > (best.worth, best.room)) {
                best = Some(score);
            }
        }
        best
    }

    /// What the free part of the GPU is worth less with the pod on it, in millionths of a GPU.
    fn lost_worth(&self, free_milli: u32, shape: &Shape) -> i64 {
        self.workload.prices().worth(free_milli)
            - self.workload.prices().worth(free_milli - shape.gpu_milli())
    }

    /// How much fragmentation shrinks, in steps; the greater the better.
    fn room(&mut self, node: &NodeState, left: &NodeState) -> i64 {
        let gain = self.fragmentation(node) - self.fragmentation(left);
        let pods = i64::try_from(self.workload.pods().max(1)).unwrap_or(i64::MAX);
        if self.policy == Policy::Fgd {
            let step = |least: &i64| i128::from(*least) * i128::from(pods) <= i128::from(gain) * 1_000;
            return FGD_STEPS.partition_point(step) as i64;
        }
        gain.div_euclid(pods.saturating_mul(STEP_MILLI * (FIRST_LOOK_WEIGHT as i64 + 1)))
    }

    /// What the policy calls fragmentation of a free room, summed over all pods of the workload.
    fn fragmentation(&mut self, node: &NodeState) -> i64 {
        let node = node.canonical();
        if let Some(known) = self.memo.get(&node) {
            return *known;
        }
        let first = first_look(&node, &self.workload);
        let sum = match self.policy {
            Policy::Fgd => first,
            _ => FIRST_LOOK_WEIGHT * first + last_look(&node, &self.workload),
        };
        let sum = i64::try_from(sum).unwrap_or(i64::MAX);
        self.memo.insert(node, sum);
        sum
    }

    /// 0 to 100: 100 less the mean of the processor and GPU parts that are left, as parts of the largest node's.
    fn fullness(&self, left: &NodeState) -> i64 {
        let (cpu, gpu) = (i128::from(left.cpu_milli()), i128::from(left.idle_milli()));
        let whole = 2 * self.largest_cpu_milli * self.largest_gpu_milli;
        let used = whole - cpu * self.largest_gpu_milli - gpu * self.largest_cpu_milli;
        i64::try_from((100 * used).div_euclid(whole)).unwrap_or(0)
    }
}

impl Score {
    /// What decides between nodes; the GPU inside the node does not.
    pub(super) const fn rank(&self) -> (i64, i64) {
        (self.worth, self.room)
    }
}

/// Score k of 100 of the published method begins where fragmentation shrinks by `1000 ln(k / (100 - k))` thousandths of a GPU;
/// here in millionths. The method gives a node the whole part of 100 times the logistic function of that gain.
#[rustfmt::skip]
const FGD_STEPS: [i64; 99] = [
    -4_595_120, -3_891_820, -3_476_099, -3_178_054, -2_944_439, -2_751_535, -2_586_689, -2_442_347, -2_313_635,
    -2_197_225, -2_090_741, -1_992_430, -1_900_959, -1_815_290, -1_734_601, -1_658_228, -1_585_627, -1_516_347,
    -1_450_010, -1_386_294, -1_324_925, -1_265_666, -1_208_311, -1_152_680, -1_098_612, -1_045_969, -994_623,
    -944_462, -895_384, -847_298, -800_119, -753_772, -708_185, -663_294, -619_039, -575_364,
    -532_217, -489_548, -447_312, -405_465, -363_965, -322_773, -281_851, -241_162, -200_671,
    -160_343, -120_144, -80_043, -40_005, 0, 40_005, 80_043, 120_144, 160_343,
    200_671, 241_162, 281_851, 322_773, 363_965, 405_465, 447_312, 489_548, 532_217,
    575_364, 619_039, 663_294, 708_185, 753_772, 800_119, 847_298, 895_384, 944_462,
    994_623, 1_045_969, 1_098_612, 1_152_680, 1_208_311, 1_265_666, 1_324_925, 1_386_294, 1_450_010,
    1_516_347, 1_585_627, 1_658_228, 1_734_601, 1_815_290, 1_900_959, 1_992_430, 2_090_741, 2_197_225,
    2_313_635, 2_442_347, 2_586_689, 2_751_535, 2_944_439, 3_178_054, 3_476_099, 3_891_820, 4_595_120,
];

//! What use costs, in thousandths of a charge unit, and bills whose lines add up.
//!
//! Charges are kept exactly, as GPU-milliseconds times price; only a bill is rounded, once, and its lines are split by
//! largest remainder. Which class a node has, and who pays, belongs to others.

use super::GpuMillis;
use super::apportion::largest_remainder;
use crate::clauses::GpuClass;
use crate::units::{DurationMillis, Gpus};

/// An exact charge: GPU-milliseconds times thousandths of a charge unit per GPU-hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Charge(u128);

impl Charge {
    /// `used` at the price of `class`.
    #[must_use]
    pub fn of(used: GpuMillis, class: &GpuClass) -> Self {
        Self(u128::from(used.0) * u128::from(class.charge_per_gpu_hour_thousandths))
    }

    /// Sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Whole thousandths of a charge unit, rounded down: nobody pays for what was not used.
    #[must_use]
    pub fn thousandths(self) -> u64 {
        u64::try_from(self.0 / u128::from(GpuMillis::PER_GPU_HOUR)).unwrap_or(u64::MAX)
    }
}

/// What each claim on one node is charged for, in the order of `held_gpus` (GPUs that each claim held there).
///
/// Where whole nodes are charged, the node's `node_gpus` are split over the claims on it in proportion to what they
/// held, once for all of them: two claims on a node do not both pay for it. A node without claims costs nobody.
#[must_use]
pub fn charged(
    class: &GpuClass,
    node_gpus: Gpus,
    held_gpus: &[Gpus],
    held_for: DurationMillis,
) -> Vec<GpuMillis> {
    if !class.charge_whole_nodes {
        return held_gpus.iter().map(|&gpus| GpuMillis::of(gpus, held_for)).collect();
    }
    let weights: Vec<u64> = held_gpus.iter().copied().map(u64::from).collect();
    largest_remainder(GpuMillis::of(node_gpus, held_for).0, &weights).into_iter().map(GpuMillis).collect()
}

/// Lines of a bill in thousandths of a charge unit. They add up to the whole charge rounded down, and each is less
/// than one thousandth from its exact charge; ties for a thousandth go to the earlier line.
#[must_use]
pub fn bill(lines: &[Charge]) -> Vec<u64> {
    let per_hour = u128::from(GpuMillis::PER_GPU_HOUR);
    let whole = lines.iter().fold(Charge::default(), |sum, line| sum.plus(*line)).thousandths();
    let mut bill: Vec<u64> = lines.iter().map(|line| line.thousandths()).collect();
    let left = whole.saturating_sub(bill.iter().sum());
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(lines[i].0 % per_hour), i));
    for &i in order.iter().take(usize::try_from(left).unwrap_or(0)) {
        bill[i] += 1;
    }
    bill
}

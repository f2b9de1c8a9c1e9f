//! Weighted max-min sharing of a divisible amount between floors and ceilings, in whole units.
//!
//! There is one level `λ ≥ 0` with `a_i = clamp(λ·w_i, min(d_i, Q_i), min(d_i, L_i))` and `Σ a_i = min(C, Σ min(d_i, L_i))`.
//! The level is found exactly (rational) by one sweep over the sorted limits; only then members between their limits
//! are rounded by [`largest_remainder`], so that each is less than one unit from its exact share. Where gangs fit, and
//! who is a claimant at all, is the engine's.

use std::cmp::Ordering;

use super::apportion::largest_remainder;

/// One party to a sharing. Amounts in any one unit, the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimant {
    /// `w`: weight; above 2^48 counts as 2^48. With 0 it gets beyond its floor only what all weights leave.
    pub weight: u64,
    /// `Q`: gets this much of its demand before anybody gets more.
    pub floor: u64,
    /// `L`: never gets more.
    pub ceiling: u64,
    /// `d`: never gets more, because it has no use for it.
    pub demand: u64,
}

impl Claimant {
    /// Most that it can get.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.demand.min(self.ceiling)
    }

    fn bounds(&self) -> Bounds {
        let most = self.most();
        Bounds { weight: self.weight.min(WEIGHT_MOST), least: most.min(self.floor), most }
    }
}

/// With at most 2^15 claimants and amounts below 2^63 all products stay below 2^127.
const WEIGHT_MOST: u64 = 1 << 48;

/// Limits of one part, `least <= most`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) weight: u64,
    pub(super) least: u64,
    pub(super) most: u64,
}

/// Shares `capacity` among `claimants`; the parts stand in their order, and the earlier wins a tie for a unit.
///
/// When the floors together exceed the capacity (nodes were lost) each floor is cut in the same proportion, and nobody
/// gets more. Amounts must stay below 2^63. Cost `O(M log M)`.
#[must_use]
pub fn share(capacity: u64, claimants: &[Claimant]) -> Vec<u64> {
    let bounds: Vec<Bounds> = claimants.iter().map(Claimant::bounds).collect();
    fill(capacity, &bounds)
}

/// [`share`] on limits alone.
pub(super) fn fill(capacity: u64, bounds: &[Bounds]) -> Vec<u64> {
    let floors: u128 = bounds.iter().map(|b| u128::from(b.least)).sum();
    if floors > u128::from(capacity) {
        let floors: Vec<u64> = bounds.iter().map(|b| b.least).collect();
        return largest_remainder(capacity, &floors);
    }
    let pinned = |keep: fn(&Bounds) -> bool| {
        bounds.iter().map(|b| if keep(b) { *b } else { Bounds { most: b.least, ..*b } }).collect::<Vec<_>>()
    };
    // First those with a weight, then what they leave to those without, in equal parts.
    let weighted = rise(capacity, &pinned(|b| b.weight > 0));
    if bounds.iter().all(|b| b.weight > 0 || b.least == b.most) {
        return weighted;
    }
    let rest: Vec<Bounds> = bounds
        .iter()
        .zip(&weighted)
        .map(|(b, &got)| match b.weight {
            0 => Bounds { weight: 1, ..*b },
            weight => Bounds { weight, least: got, most: got },
        })
        .collect();
    rise(capacity, &rest)
}

/// Raises the level from zero until the parts fill `capacity` or all are at their most. Floors must fit.
fn rise(capacity: u64, bounds: &[Bounds]) -> Vec<u64> {
    let most: u128 = bounds.iter().map(|b| u128::from(b.most)).sum();
    let total = u128::from(capacity).min(most);
    let mut turns: Vec<Turn> = (0..bounds.len())
        .filter(|&i| bounds[i].weight > 0)
        .flat_map(|i| [(false, bounds[i].least), (true, bounds[i].most)].map(|(stops, at)| (i, stops, at)))
        .map(|(claimant, stops, amount)| Turn { claimant, stops, amount, weight: bounds[claimant].weight })
        .collect();
    turns.sort_by(Turn::compare);
    let mut parts: Vec<u64> = bounds.iter().map(|b| b.least).collect();
    let mut rising = vec![false; bounds.len()];
    let mut fixed: u128 = bounds.iter().map(|b| u128::from(b.least)).sum();
    let mut rising_weight: u128 = 0;
    for turn in turns {
        let (amount, weight) = (u128::from(turn.amount), u128::from(turn.weight));
        if fixed * weight + rising_weight * amount >= total * weight {
            break;
        }
        rising[turn.claimant] = !turn.stops;
        if turn.stops {
            (fixed, rising_weight) = (fixed + amount, rising_weight - weight);
            parts[turn.claimant] = turn.amount;
        } else {
            (fixed, rising_weight) = (fixed - amount, rising_weight + weight);
        }
    }
    let weights: Vec<u64> = (0..bounds.len()).map(|i| if rising[i] { bounds[i].weight } else { 0 }).collect();
    let split = largest_remainder(u64::try_from(total - fixed).unwrap_or(capacity), &weights);
    (0..bounds.len()).map(|i| if rising[i] { split[i] } else { parts[i] }).collect()
}

/// The level `amount / weight` at which a part leaves its floor or reaches its most.
struct Turn {
    claimant: usize,
    stops: bool,
    amount: u64,
    weight: u64,
}

impl Turn {
    /// By level; at the same level a part starts before it stops.
    fn compare(&self, other: &Self) -> Ordering {
        let cross = |a: &Self, b: &Self| u128::from(a.amount) * u128::from(b.weight);
        cross(self, other).cmp(&cross(other, self)).then(self.stops.cmp(&other.stops))
    }
}

//! Arithmetic of proportional shares: exact fractions with floors and caps, then whole units by the rounding rule.
//! Knows neither treaties nor classes, only integers: amounts are in ten-thousandths of a GPU, because caps are in
//! hundredths of a percent of a whole number of GPUs.
//!
//! Largest number: 10^7 GPUs x 10^4 x contributions of 5 x 10^16 = 5 x 10^27; `u128` holds 3 x 10^38.

use crate::clauses::Rounding;

/// Parts of a GPU in which amounts are given.
pub const PARTS_OF_GPU: u128 = 10_000;

/// A claim on an amount, in ten-thousandths of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Weight; with 0 it gets its floor alone.
    pub weight: u128,
    /// Not less than this; a floor above the cap yields to it.
    pub floor: u128,
    /// Not more than this.
    pub cap: u128,
}

/// Exact shares: each of `over`, divided by `under`, is an amount in ten-thousandths of a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exact {
    /// Numerators, one for each part.
    pub over: Vec<u128>,
    /// Denominator of all, not 0.
    pub under: u128,
}

/// Shares of `amount` at one level for all: each part gets level times weight, but not less than its floor and not
/// more than its cap. What caps leave goes to the others; when all are capped, something stays over. When the
/// floors alone are more than there is, they shrink in proportion.
pub fn fill(amount: u128, parts: &[Part]) -> Exact {
    let floors: u128 = parts.iter().map(floor).sum();
    if floors > amount {
        return Exact { over: parts.iter().map(|p| amount * floor(p)).collect(), under: floors };
    }
    let mut settled: Vec<Option<u128>> = vec![None; parts.len()];
    // Each round settles at least one part, so there are at most as many rounds as parts.
    loop {
        let rest = amount - settled.iter().flatten().sum::<u128>();
        let open: Vec<usize> = (0..parts.len()).filter(|i| settled[*i].is_none()).collect();
        let under = open.iter().map(|i| parts[*i].weight).sum::<u128>().max(1);
        let level = |i: usize| rest * parts[i].weight;
        let low: Vec<usize> =
            open.iter().copied().filter(|i| level(*i) < floor(&parts[*i]) * under).collect();
        let high: Vec<usize> = open.iter().copied().filter(|i| level(*i) > parts[*i].cap * under).collect();
        if low.is_empty() && high.is_empty() {
            let over = |i: usize| settled[i].map_or_else(|| level(i), |s| s * under);
            return Exact { over: (0..parts.len()).map(over).collect(), under };
        }
        // Floors that lack more than caps spare will only lack more at the final level; and the other way round.
        let lacking: u128 = low.iter().map(|i| floor(&parts[*i]) * under - level(*i)).sum();
        let spare: u128 = high.iter().map(|i| level(*i) - parts[*i].cap * under).sum();
        if lacking >= spare {
            low.iter().for_each(|i| settled[*i] = Some(floor(&parts[*i])));
        }
        if spare >= lacking {
            high.iter().for_each(|i| settled[*i] = Some(parts[*i].cap));
        }
    }
}

/// Shares at the level at which all weights, those of `others` too, would share the amount; what caps leave is not
/// given to the other parts. Floors that make this more than there is lower the level, as in [`fill`].
pub fn fill_beside(amount: u128, parts: &[Part], others: u128) -> Exact {
    let under = (parts.iter().map(|p| p.weight).sum::<u128>() + others).max(1);
    let share = |p: &Part| (amount * p.weight).max(floor(p) * under).min(p.cap * under);
    let over: Vec<u128> = parts.iter().map(share).collect();
    if over.iter().sum::<u128>() > amount * under { fill(amount, parts) } else { Exact { over, under } }
}

fn floor(part: &Part) -> u128 {
    part.floor.min(part.cap)
}

impl Exact {
    /// The same shares with more in front, given in ten-thousandths of a GPU.
    pub fn after(self, first: &[u128]) -> Self {
        let over = first.iter().map(|f| f * self.under).chain(self.over).collect();
        Self { over, under: self.under }
    }

    /// Whole GPUs in units of `unit_gpus`; no part is rounded up above its cap.
    pub fn round(&self, unit_gpus: u128, rule: Rounding, caps: &[u128]) -> Vec<u128> {
        let unit = self.under * PARTS_OF_GPU * unit_gpus.max(1);
        let mut units: Vec<u128> = self.over.iter().map(|o| o / unit).collect();
        if rule == Rounding::LargestRemainder {
            let left = self.over.iter().sum::<u128>() / unit - units.iter().sum::<u128>();
            let fits = |i: &usize| (self.over[*i] / unit + 1) * unit <= caps[*i] * self.under;
            let mut order: Vec<usize> = (0..units.len()).filter(fits).collect();
            // Stable: ties to the earlier.
            order.sort_by_key(|i| std::cmp::Reverse(self.over[*i] % unit));
            let remainder = |i: &&usize| !self.over[**i].is_multiple_of(unit);
            let winners = order.iter().filter(remainder).take(usize::try_from(left).unwrap_or(usize::MAX));
            winners.for_each(|i| units[*i] += 1);
        }
        units.into_iter().map(|u| u * unit_gpus.max(1)).collect()
    }
}

#[cfg(test)]
mod tests;

//! Lending credit: who lends idle guaranteed GPUs now comes first when it borrows later (Karma, OSDI'23).
//!
//! Every lent GPU-millisecond is +1 for a lender and -1 for a borrower, so that balances always add up to zero; nothing
//! is minted. Unlike in Karma all of a guarantee counts as the member's own, and lenders earn in proportion to what
//! they left idle; on a real trace that serves everybody as Karma does (test `karma_itp`). Credit orders borrowers and
//! nothing else: it never touches work inside a guarantee.

use super::GpuMillis;
use super::shares::{Bounds, fill};
use crate::units::{DurationMillis, GpuHours, Gpus, MemberId};

/// What one member did in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exchange {
    /// Guaranteed, lendable and not used by the member itself.
    pub idle: GpuMillis,
    /// Used by the member above its guarantee.
    pub borrowed: GpuMillis,
}

impl Exchange {
    /// So many GPUs idle and borrowed during the whole of an interval.
    #[must_use]
    pub fn during(interval: DurationMillis, idle: Gpus, borrowed: Gpus) -> Self {
        Self { idle: GpuMillis::of(idle, interval), borrowed: GpuMillis::of(borrowed, interval) }
    }
}

/// Credit of all members, in GPU-milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    balances: Vec<i64>,
    cap: u64,
}

impl Credit {
    /// Nobody has lent or borrowed. Balances stay between `-cap` and `cap` GPU-hours (at most 2^50 GPU-milliseconds).
    #[must_use]
    pub fn new(members: usize, cap: GpuHours) -> Self {
        Self { balances: vec![0; members], cap: GpuMillis::from_hours(cap).0.min(1 << 50) }
    }

    /// With balances from before. One that is beyond the cap, because the cap was lowered, only moves towards zero.
    #[must_use]
    pub fn with_balances(balances: Vec<i64>, cap: GpuHours) -> Self {
        Self { balances, ..Self::new(0, cap) }
    }

    /// Balances in the order of the members; above zero is a lender's.
    #[must_use]
    pub fn balances(&self) -> &[i64] {
        &self.balances
    }

    /// Books an interval in which every member did what `exchanges` says, in the order of the members.
    ///
    /// As much moves as was both idle and borrowed, less what the cap holds back. Lenders earn in proportion to what
    /// they left idle, borrowers pay in proportion to what they borrowed, nobody more than that; remainders by largest
    /// remainder. Borrowing from capacity that is nobody's guarantee costs nothing.
    pub fn settle(&mut self, exchanges: &[Exchange]) {
        let bounds = |amount: fn(&Exchange) -> GpuMillis, sign: i64| -> Vec<Bounds> {
            let each = self.balances.iter().zip(exchanges);
            each.map(|(balance, exchange)| {
                let weight = amount(exchange).0.min(1 << 48);
                let room = u64::try_from(self.cap.cast_signed() - sign * balance).unwrap_or(0);
                Bounds { weight, least: 0, most: weight.min(room) }
            })
            .collect()
        };
        let (earned, paid) = (bounds(|e| e.idle, 1), bounds(|e| e.borrowed, -1));
        let possible = |bounds: &[Bounds]| bounds.iter().map(|b| b.most).fold(0, u64::saturating_add);
        let moved = possible(&earned).min(possible(&paid));
        let (earned, paid) = (fill(moved, &earned), fill(moved, &paid));
        for ((balance, earned), paid) in self.balances.iter_mut().zip(earned).zip(paid) {
            *balance += earned.cast_signed() - paid.cast_signed();
        }
    }

    /// Members by credit, the richest first; ties in the order of the members.
    #[must_use]
    pub fn richest_first(&self) -> Vec<MemberId> {
        let mut members: Vec<u16> = (0..u16::try_from(self.balances.len()).unwrap_or(u16::MAX)).collect();
        members.sort_by_key(|&member| (std::cmp::Reverse(self.balances[usize::from(member)]), member));
        members.into_iter().map(MemberId).collect()
    }

    /// Shares `surplus` GPUs, to be borrowed for `quantum`, among members who want `wanted` each: the richest gets a
    /// GPU until it is no richer than the next, and so on, so that credit after the loan is as even as can be.
    #[must_use]
    pub fn share(&self, surplus: Gpus, wanted: &[Gpus], quantum: DurationMillis) -> Vec<Gpus> {
        // One GPU for one quantum is the unit. Poverty counts from the richest; filling all from below to one level is
        // the same as taking from the richest first.
        let unit = quantum.0.max(1);
        let units = |balance: i64| balance.div_euclid(unit);
        let richest = self.balances.iter().copied().map(units).max().unwrap_or(0);
        let poverty: Vec<u64> = self.balances.iter().map(|&b| richest.abs_diff(units(b))).collect();
        let wants = poverty.iter().zip(wanted);
        let bounds: Vec<Bounds> =
            wants.map(|(&least, &want)| Bounds { weight: 1, least, most: least + u64::from(want) }).collect();
        let total = poverty.iter().sum::<u64>() + u64::from(surplus);
        let levels = fill(total, &bounds);
        levels
            .iter()
            .zip(&poverty)
            .map(|(level, least)| Gpus::try_from(level - least).unwrap_or(surplus))
            .collect()
    }
}

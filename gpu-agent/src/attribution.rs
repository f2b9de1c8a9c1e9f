//! Who used the energy of one GPU between two samples. Pure; integers throughout, so that the parts add up exactly.
//!
//! Only who alone holds a whole GPU for the whole interval has measured energy. Everything else is an estimate, and says
//! by which rule:
//!
//! - Where holders come or go within the interval, its energy is split by time, as if power were constant in it.
//! - Where several share, the GPU's idle power is charged by the part that each holds, used or not; what nobody holds is
//!   unallocated. The rest, the active energy, is split by activity (utilisation times multiprocessors), or by the parts
//!   held where activity is not known.
//! - Where the idle power is not known, everything is charged by the part that each holds.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::energy::Interval;
use crate::split::split;

/// By which rule energy was charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// It alone held the whole GPU all the time.
    Exclusive,
    /// It alone held the whole GPU for a part of the interval.
    TimeShare,
    /// By utilisation of the processes.
    SmShare,
    /// By performance counters (GPM) of MIG instances, weighted by multiprocessors.
    GpmShare,
    /// By the part that it holds.
    AllocShare,
}

impl Basis {
    /// Every basis.
    pub const ALL: [Self; 5] =
        [Self::Exclusive, Self::TimeShare, Self::SmShare, Self::GpmShare, Self::AllocShare];

    /// Label of the metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::TimeShare => "time_share",
            Self::SmShare => "sm_share",
            Self::GpmShare => "gpm_share",
            Self::AllocShare => "alloc_share",
        }
    }

    /// `measured` for exclusive GPUs, else `estimated`.
    #[must_use]
    pub const fn method(self) -> &'static str {
        if matches!(self, Self::Exclusive) { "measured" } else { "estimated" }
    }
}

/// A GPU as it is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// Parts into which it is divided: 1 when it is not, its replicas, or its MIG slices.
    pub parts: u64,
    /// Its power when nothing runs.
    pub idle_milliwatts: Option<u64>,
    /// Basis of activity, where activity is known.
    pub activity: Basis,
    /// Activity of what belongs to no holder, in the unit of the holders' activity.
    pub foreign_activity: u64,
}

/// One holder's part of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Who; an index of the caller's.
    pub owner: usize,
    /// Parts that it holds.
    pub parts: u64,
    /// Since when; by the clock on the wall, in microseconds.
    pub from_microseconds: i64,
    /// Until when; `i64::MAX` while it lasts.
    pub to_microseconds: i64,
    /// How much it did; `None` when that is not known.
    pub activity: Option<u64>,
}

/// What one holding is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Who.
    pub owner: usize,
    /// By which rule.
    pub basis: Basis,
    /// Energy, with its share of the idle power.
    pub allocated_microjoules: u64,
    /// The same without the idle power; `None` when that is not known. Never add it to the other.
    pub active_microjoules: Option<u64>,
    /// Part of the GPU times time.
    pub gpu_microseconds: u64,
}

/// Who used an interval. Charges and what is unallocated add up to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attribution {
    /// What holders are charged; an owner may be there several times.
    pub charges: Vec<Charge>,
    /// What nobody held.
    pub unallocated_microjoules: u64,
    /// GPU time that nobody held.
    pub unallocated_gpu_microseconds: u64,
}

/// Charges an interval to those who held the GPU in it.
#[must_use]
pub fn attribute(interval: &Interval, shared: &Shared, holdings: &[Holding]) -> Attribution {
    let edges = edges(interval, holdings);
    let durations: Vec<u64> =
        edges.windows(2).map(|pair| u64::try_from(pair[1] - pair[0]).unwrap_or(0)).collect();
    let mut attribution = Attribution::default();
    if durations.is_empty() {
        // An interval without time: a clock that was set back. Its energy is real, its holder is not known.
        attribution.unallocated_microjoules = interval.microjoules;
        return attribution;
    }
    let whole = durations.len() == 1;
    let energies = split(interval.microjoules, &durations);
    for ((pair, microseconds), microjoules) in edges.windows(2).zip(durations).zip(energies) {
        let present: Vec<&Holding> = holdings
            .iter()
            .filter(|h| h.parts > 0 && h.from_microseconds <= pair[0] && h.to_microseconds >= pair[1])
            .collect();
        Piece { microseconds, microjoules, whole }.charge(shared, &present, &mut attribution);
    }
    attribution
}

/// Begin, end, and every change of holders between them; strictly ascending.
fn edges(interval: &Interval, holdings: &[Holding]) -> Vec<i64> {
    let (from, to) = (interval.from_microseconds, interval.to_microseconds);
    let changes = holdings.iter().flat_map(|h| [h.from_microseconds, h.to_microseconds]);
    let mut edges: Vec<i64> = changes.filter(|edge| (from..to).contains(edge)).collect();
    edges.extend([from, to]);
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// A part of an interval in which holders do not change.
struct Piece {
    microseconds: u64,
    microjoules: u64,
    /// It is the whole interval, so that its energy was measured and not split by time.
    whole: bool,
}

impl Piece {
    fn charge(&self, shared: &Shared, present: &[&Holding], attribution: &mut Attribution) {
        let held: u64 = present.iter().map(|h| h.parts).sum();
        // More than there is: a mapping that is late. The holders then share all of it.
        let free = shared.parts.saturating_sub(held);
        let mut weights: Vec<u64> = present.iter().map(|h| h.parts).collect();
        weights.push(free.max(u64::from(held == 0)));
        let times = split(self.microseconds, &weights);
        let [charged @ .., free_time] = &times[..] else { return };
        attribution.unallocated_gpu_microseconds += free_time;
        let alone = held >= shared.parts && present.windows(2).all(|pair| pair[0].owner == pair[1].owner);
        let idle = self.idle_microjoules(shared);
        let (basis, allocated, active) = if alone {
            let basis = if self.whole { Basis::Exclusive } else { Basis::TimeShare };
            let active = idle.map(|idle| split(self.microjoules - idle, &weights));
            (basis, split(self.microjoules, &weights), active)
        } else {
            self.among_several(shared, present, &weights, idle)
        };
        attribution.unallocated_microjoules += allocated.last().copied().unwrap_or(0);
        let charges = present.iter().zip(charged).enumerate().map(|(n, (holding, time))| Charge {
            owner: holding.owner,
            basis,
            allocated_microjoules: allocated[n],
            active_microjoules: active.as_ref().map(|active| active[n]),
            gpu_microseconds: *time,
        });
        attribution.charges.extend(charges);
    }

    /// Energy of each holding, and last of nobody: with the idle power, and without it where that is known.
    fn among_several(
        &self,
        shared: &Shared,
        present: &[&Holding],
        weights: &[u64],
        idle: Option<u64>,
    ) -> (Basis, Vec<u64>, Option<Vec<u64>>) {
        let Some(idle) = idle else {
            return (Basis::AllocShare, split(self.microjoules, weights), None);
        };
        let activities: Option<Vec<u64>> = present.iter().map(|h| h.activity).collect();
        let activities = activities.map(|mut all| {
            all.push(shared.foreign_activity);
            all
        });
        let (basis, activities) = match activities {
            Some(known) if known.iter().any(|activity| *activity > 0) => (shared.activity, known),
            _ => (Basis::AllocShare, weights.to_vec()),
        };
        let active = split(self.microjoules - idle, &activities);
        let idle = split(idle, weights);
        let allocated = idle.iter().zip(&active).map(|(idle, active)| idle + active).collect();
        (basis, allocated, Some(active))
    }

    /// At most what was used.
    fn idle_microjoules(&self, shared: &Shared) -> Option<u64> {
        // Milliwatts times microseconds are nanojoules.
        let idle = u128::from(shared.idle_milliwatts?) * u128::from(self.microseconds) / 1_000;
        Some(u64::try_from(idle).unwrap_or(u64::MAX).min(self.microjoules))
    }
}

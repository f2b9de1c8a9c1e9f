//! Means, percentiles and peaks.

use serde::Serialize;

/// Summary of a set of figures.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

impl Summary {
    /// Summary of the figures; zeros if there are none.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let Some(&max) = figures.last() else { return Self::default() };
        let count = figures.len();
        Self {
            count,
            mean: figures.iter().sum::<f64>() / count as f64,
            p50: percentile(&figures, 50),
            p99: percentile(&figures, 99),
            max,
        }
    }
}

/// Nearest rank: the smallest figure that at least so many per cent do not exceed. `sorted` is not empty.
fn percentile(sorted: &[f64], per_cent: usize) -> f64 {
    let rank = (sorted.len() * per_cent).div_ceil(100).max(1);
    sorted[rank - 1]
}

/// Most events in any span of `window_ms`, per second.
pub fn peak_per_second(mut events_ms: Vec<i64>, window_ms: i64) -> f64 {
    events_ms.sort_unstable();
    let (mut first, mut most) = (0, 0);
    for (last, at) in events_ms.iter().enumerate() {
        while at - events_ms[first] >= window_ms {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most as f64 * 1_000.0 / window_ms as f64
}

/// Random numbers that a seed repeats (`SplitMix64`); for moments of a test, never for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`, which is above zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, Summary, peak_per_second};

    #[test]
    fn summaries_use_the_nearest_rank() {
        let summary = Summary::of((1..=200).rev().map(f64::from).collect());
        let expected = Summary { count: 200, mean: 100.5, p50: 100.0, p99: 198.0, max: 200.0 };
        assert_eq!(summary, expected);
        assert_eq!(Summary::of(vec![3.0]).p99, 3.0);
        assert_eq!(Summary::of(Vec::new()), Summary::default());
    }

    #[test]
    fn a_peak_slides_over_the_events() {
        assert_eq!(peak_per_second(vec![0, 9_999, 10_000, 10_001], 10_000), 0.3);
        assert_eq!(peak_per_second(Vec::new(), 10_000), 0.0);
    }

    #[test]
    fn a_seed_repeats_itself() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.below(1_000), random.below(1_000), random.below(1_000)]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}

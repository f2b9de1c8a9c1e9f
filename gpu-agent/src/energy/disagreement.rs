//! How far the counter and integrated power are apart, over the last minutes. Pure.

use std::collections::VecDeque;

/// Time over which the two are compared: long enough for the counter's steps of 0.1 s not to matter.
pub const WINDOW_MICROSECONDS: u64 = 300 * 1_000_000;
/// Below this time nothing is said.
const WINDOW_MICROSECONDS_MIN: u64 = 60 * 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    counted: u64,
    integrated: u64,
    microseconds: u64,
}

/// Sums of both over a window that moves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disagreement {
    pairs: VecDeque<Pair>,
    counted: u64,
    integrated: u64,
    microseconds: u64,
}

impl Disagreement {
    /// Takes in an interval for which both are known.
    pub fn add(&mut self, counted: u64, integrated: u64, microseconds: u64) {
        self.pairs.push_back(Pair { counted, integrated, microseconds });
        self.counted += counted;
        self.integrated += integrated;
        self.microseconds += microseconds;
        while self.microseconds > WINDOW_MICROSECONDS {
            let Some(old) = self.pairs.pop_front() else { break };
            self.counted -= old.counted;
            self.integrated -= old.integrated;
            self.microseconds -= old.microseconds;
        }
    }

    /// Counter divided by integrated power; 1 when they agree. `None` below a minute, or without power.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio of sums over minutes")]
    pub fn ratio(&self) -> Option<f64> {
        let known = self.microseconds >= WINDOW_MICROSECONDS_MIN && self.integrated > 0;
        known.then(|| self.counted as f64 / self.integrated as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_minute_is_needed_and_only_the_window_counts() {
        let mut both = Disagreement::default();
        for _ in 0..59 {
            both.add(43, 100, SECOND);
        }
        assert_eq!(both.ratio(), None);
        both.add(43, 100, SECOND);
        assert_eq!(both.ratio(), Some(0.43));
        for _ in 0..300 {
            both.add(100, 100, SECOND);
        }
        assert_eq!(both.ratio(), Some(1.0));
        assert_eq!(both.pairs.len(), 300);
    }

    #[test]
    fn no_power_is_no_agreement() {
        let mut both = Disagreement::default();
        both.add(0, 0, 120 * SECOND);
        assert_eq!(both.ratio(), None);
    }
}

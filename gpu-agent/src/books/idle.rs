//! Power of a GPU on which nothing runs: as configured, or the lowest that was seen while nobody held it and nothing ran.
//! Pure.

use serde::{Deserialize, Serialize};

use crate::energy::Interval;

/// So long nothing must run before the average counts: after work, power falls over some seconds.
const QUIET_MICROSECONDS: u64 = 30 * 1_000_000;

/// What is known of a GPU's idle power.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IdlePower {
    /// As the operator of the pool gives it.
    #[serde(skip)]
    pub configured_milliwatts: Option<u64>,
    learned_milliwatts: Option<u64>,
    #[serde(skip)]
    microjoules: u64,
    #[serde(skip)]
    microseconds: u64,
}

impl IdlePower {
    /// The idle power; `None` while nobody said it and it was not seen.
    #[must_use]
    pub fn milliwatts(&self) -> Option<u64> {
        self.configured_milliwatts.or(self.learned_milliwatts)
    }

    /// Takes in an interval; `quiet` when nobody held the GPU and nothing ran in it.
    pub fn see(&mut self, interval: &Interval, quiet: bool) {
        let length = u64::try_from(interval.to_microseconds - interval.from_microseconds).unwrap_or(0);
        if !quiet {
            (self.microjoules, self.microseconds) = (0, 0);
            return;
        }
        self.microjoules += interval.microjoules;
        self.microseconds += length;
        if self.microseconds >= QUIET_MICROSECONDS {
            let nanojoules = u128::from(self.microjoules) * 1_000;
            let average = u64::try_from(nanojoules / u128::from(self.microseconds)).unwrap_or(u64::MAX);
            self.learned_milliwatts =
                Some(self.learned_milliwatts.map_or(average, |known| known.min(average)));
            (self.microjoules, self.microseconds) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::Source;

    fn second(watts: u64) -> Interval {
        Interval {
            from_microseconds: 0,
            to_microseconds: 1_000_000,
            microjoules: watts * 1_000_000,
            source: Source::Counter,
        }
    }

    #[test]
    fn thirty_quiet_seconds_are_needed_and_the_lowest_counts() {
        let mut idle = IdlePower::default();
        for _ in 0..29 {
            idle.see(&second(70), true);
        }
        idle.see(&second(70), false);
        assert_eq!(idle.milliwatts(), None, "work came before half a minute was over");
        for watts in [70, 60, 90] {
            (0..30).for_each(|_| idle.see(&second(watts), true));
        }
        assert_eq!(idle.milliwatts(), Some(60_000));
        idle.configured_milliwatts = Some(75_000);
        assert_eq!(idle.milliwatts(), Some(75_000));
    }
}

//! When a running claim last saved its work, as far as its owner's word can be believed.
//!
//! Nobody checks the word, and nobody has to: who claims to have just saved is cheaper to reclaim, so a lie only costs
//! the liar. To say nothing counts as never having saved.

use crate::units::{DurationMillis, TimestampMillis};

/// What the owner of a claim says of its saves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saves {
    /// It saves every so often, counted from its admission. Not above zero: nothing is said.
    pub every: Option<DurationMillis>,
    /// It told of a save at this time.
    pub told_at: Option<TimestampMillis>,
}

impl Saves {
    /// Of one save, or of none.
    #[must_use]
    pub const fn told(told_at: Option<TimestampMillis>) -> Self {
        Self { every: None, told_at }
    }

    /// The last save at `now` of a run since `since`; `None`: none that can be believed. A save outside of the run does not
    /// count: work of an earlier run is no work of this one, and nobody saves in the future.
    #[must_use]
    pub fn last(self, since: TimestampMillis, now: TimestampMillis) -> Option<TimestampMillis> {
        let told = self.told_at.filter(|at| since <= *at && *at <= now);
        told.max(self.by_clock(since, now))
    }

    fn by_clock(self, since: TimestampMillis, now: TimestampMillis) -> Option<TimestampMillis> {
        let every = self.every.filter(|every| every.0 > 0)?.0;
        let ran = now.0.saturating_sub(since.0);
        (ran >= every).then(|| TimestampMillis(now.0 - ran % every))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(every: Option<i64>, told: Option<i64>, since: i64, now: i64) -> Option<i64> {
        let saves = Saves { every: every.map(DurationMillis), told_at: told.map(TimestampMillis) };
        saves.last(TimestampMillis(since), TimestampMillis(now)).map(|at| at.0)
    }

    #[test]
    fn by_the_clock_the_last_save_is_less_than_one_interval_ago() {
        assert_eq!(last(Some(600), None, 1_000, 1_599), None);
        assert_eq!(last(Some(600), None, 1_000, 1_600), Some(1_600));
        assert_eq!(last(Some(600), None, 1_000, 2_799), Some(2_200));
        assert_eq!(last(Some(0), None, 1_000, 2_799), None, "an interval of nothing says nothing");
        assert_eq!(last(Some(-5), None, 1_000, 2_799), None);
    }

    #[test]
    fn a_told_save_counts_inside_the_run_only_and_the_later_word_wins() {
        assert_eq!(last(None, Some(999), 1_000, 2_000), None, "before the admission");
        assert_eq!(last(None, Some(2_001), 1_000, 2_000), None, "in the future");
        assert_eq!(last(None, Some(1_000), 1_000, 2_000), Some(1_000));
        assert_eq!(last(Some(600), Some(1_700), 1_000, 2_000), Some(1_700));
        assert_eq!(last(Some(600), Some(1_200), 1_000, 2_000), Some(1_600));
        assert_eq!(last(None, None, 1_000, 2_000), None);
    }
}

//! Occurrences of a calendar window: when nodes are out of service or reserved, and what would run into it.
//!
//! An occurrence starts at its civil time in the window's zone, by the rule of [`super::calendar`] for clock changes,
//! and lasts its length in real time. A month without the day has no occurrence. Which nodes, and what happens to work
//! on them, is the engine's.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::calendar::{Interval, UnknownTimeZone, civil, instant, time_zone};
use crate::clauses::{Repeat, WindowRule};
use crate::units::{DurationMillis, TimestampMillis};

/// A window clause with its time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    rule: WindowRule,
    zone: TimeZone,
}

impl Window {
    /// Looks the time zone up.
    ///
    /// # Errors
    /// When the database has no such zone; a validated treaty has only known ones.
    pub fn new(rule: &WindowRule) -> Result<Self, UnknownTimeZone> {
        Ok(Self { zone: time_zone(&rule.time_zone)?, rule: rule.clone() })
    }

    /// The clause.
    #[must_use]
    pub const fn rule(&self) -> &WindowRule {
        &self.rule
    }

    /// Occurrences that end after `from`, in order. Endless for a repetition without `until`.
    pub fn occurrences(&self, from: TimestampMillis) -> impl Iterator<Item = Interval> {
        let first = self.index_before(TimestampMillis(from.0.saturating_sub(self.rule.length.0)));
        (first..)
            .map(|index| self.civil_start(index))
            .take_while(|start| *start != Start::Ended)
            .filter_map(|start| match start {
                Start::At(start) => Some(self.interval(start)),
                Start::Skipped | Start::Ended => None,
            })
            .filter(move |interval| interval.end > from)
    }

    /// The occurrence that is open at `at`.
    #[must_use]
    pub fn open_at(&self, at: TimestampMillis) -> Option<Interval> {
        self.next_open(at).filter(|interval| interval.contains(at))
    }

    /// The occurrence that is open at `after`, else the next to come; `None` when there is none any more.
    #[must_use]
    pub fn next_open(&self, after: TimestampMillis) -> Option<Interval> {
        self.occurrences(after).next()
    }

    /// The next occurrence that starts after `after`.
    #[must_use]
    pub fn next_start(&self, after: TimestampMillis) -> Option<Interval> {
        self.occurrences(after).find(|interval| interval.start > after)
    }

    /// The first occurrence that work from `start` for at most `longest_runtime` would meet. Work that ends in the
    /// instant in which the window opens does not meet it.
    #[must_use]
    pub fn would_collide(&self, start: TimestampMillis, longest_runtime: DurationMillis) -> Option<Interval> {
        let end = start.after(DurationMillis(longest_runtime.0.max(1)));
        self.next_open(start).filter(|interval| interval.start < end)
    }

    /// The coming occurrence that must be told of at `now`: it starts within `announce`.
    #[must_use]
    pub fn announced(&self, now: TimestampMillis) -> Option<Interval> {
        self.next_start(now).filter(|interval| interval.start <= now.after(self.rule.announce))
    }

    /// First time from `after` on at which work of `longest_runtime` meets no occurrence; `None` when it is longer
    /// than every pause.
    #[must_use]
    pub fn first_clear(
        &self,
        after: TimestampMillis,
        longest_runtime: DurationMillis,
    ) -> Option<TimestampMillis> {
        let mut start = after;
        for _ in 0..PAUSES_MOST {
            match self.would_collide(start, longest_runtime) {
                None => return Some(start),
                Some(interval) => start = interval.end,
            }
        }
        // No pause is long enough, but after the last occurrence there is time.
        let last_starts = instant(&self.zone, self.rule.until?.to_datetime(self.rule.first_start.time()));
        let month_before = TimestampMillis(last_starts.0.saturating_sub(LONGEST_DISTANCE_MILLIS));
        self.occurrences(month_before).last().map(|interval| interval.end)
    }

    fn interval(&self, start: DateTime) -> Interval {
        let start = instant(&self.zone, start);
        Interval { start, end: start.after(self.rule.length) }
    }

    /// An index at or below that of every occurrence that starts at or after `at`; occurrence 0 is the first.
    fn index_before(&self, at: TimestampMillis) -> i64 {
        let (first, then) = (self.rule.first_start.date(), civil(&self.zone, at).date());
        // Two days allow for any change of offset.
        let days = i64::from((then - first).get_days()) - 2;
        let index = match self.rule.repeats {
            Repeat::Never => 0,
            Repeat::Daily => days,
            Repeat::Weekly => days.div_euclid(7),
            Repeat::Monthly => months(then) - months(first) - 1,
        };
        index.max(0)
    }

    fn civil_start(&self, index: i64) -> Start {
        let first = self.rule.first_start;
        let date = match self.rule.repeats {
            Repeat::Never if index == 0 => Some(first.date()),
            Repeat::Never => None,
            Repeat::Daily => first.date().checked_add(jiff::SignedDuration::from_hours(24 * index)).ok(),
            Repeat::Weekly => first.date().checked_add(jiff::SignedDuration::from_hours(7 * 24 * index)).ok(),
            Repeat::Monthly => {
                let month = months(first.date()) + index;
                let year = i16::try_from(month.div_euclid(12)).unwrap_or(i16::MAX);
                let within = i8::try_from(month.rem_euclid(12) + 1).unwrap_or(1);
                match Date::new(year, within, first.day()) {
                    Err(_) if year < YEAR_AFTER_LAST => return Start::Skipped,
                    date => date.ok(),
                }
            }
        };
        match date {
            Some(date)
                if self.rule.until.is_none_or(|until| date <= until) && date.year() < YEAR_AFTER_LAST =>
            {
                Start::At(date.to_datetime(first.time()))
            }
            _ => Start::Ended,
        }
    }
}

/// Civil start of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    At(DateTime),
    /// The month has no such day.
    Skipped,
    Ended,
}

/// 62 days: two months, of which one may lack the day.
const LONGEST_DISTANCE_MILLIS: i64 = 62 * 86_400_000;
/// Most pauses that [`Window::first_clear`] tries. Pauses differ only by clock changes and the length of months, so
/// that a year of days shows them all, and decades of months do.
const PAUSES_MOST: usize = 400;
/// As the calendar's last instant.
const YEAR_AFTER_LAST: i16 = 9000;

/// Months since the year 0.
fn months(date: Date) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

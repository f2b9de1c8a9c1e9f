//! Months, quarters and years of a treaty in its time zone, as instants.
//!
//! Zones come from the copy of the IANA database inside the program, never from the machine, so that two machines
//! agree. A civil time that a clock change skips stands for the instant of its reading by the old offset (later by the
//! gap); one that happens twice is the first. That is the rule of RFC 5545. Recurrence belongs to [`super::window`].

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clauses::Period;
use crate::units::{DurationMillis, TimestampMillis};

/// From `start` to just before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// First instant.
    #[serde(rename = "startMillis")]
    pub start: TimestampMillis,
    /// First instant after it.
    #[serde(rename = "endMillis")]
    pub end: TimestampMillis,
}

impl Interval {
    /// Whether `at` lies in it.
    #[must_use]
    pub fn contains(&self, at: TimestampMillis) -> bool {
        self.start <= at && at < self.end
    }

    /// Its length.
    #[must_use]
    pub fn duration(&self) -> DurationMillis {
        self.end.since(self.start)
    }
}

/// A time zone that the database does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("time zone {name:?} is not in the IANA database; write for example \"Europe/Brussels\" or \"UTC\"")]
pub struct UnknownTimeZone {
    /// Name as written.
    pub name: String,
}

/// One for the whole program, because it remembers the zones that it has read.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone from the database inside the program.
///
/// # Errors
/// When the database has no zone of that name.
pub fn time_zone(name: &str) -> Result<TimeZone, UnknownTimeZone> {
    DATABASE.get(name).map_err(|_| UnknownTimeZone { name: name.to_owned() })
}

/// The calendar of one treaty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    zone: TimeZone,
    /// 0 for January.
    year_starts_after_months: i32,
}

impl Calendar {
    /// A calendar in `zone` whose years start on the first of a month, 1 to 12 (others count as the nearest).
    #[must_use]
    pub fn new(zone: TimeZone, year_starts_in_month: i8) -> Self {
        Self { zone, year_starts_after_months: i32::from(year_starts_in_month.clamp(1, 12)) - 1 }
    }

    /// Number of the period that contains `at`; consecutive periods have consecutive numbers.
    #[must_use]
    pub fn number(&self, period: Period, at: TimestampMillis) -> i32 {
        let date = civil(&self.zone, at).date();
        let months =
            i32::from(date.year()) * 12 + i32::from(date.month()) - 1 - self.year_starts_after_months;
        let number = months.div_euclid(months_of(period));
        // A clock change at midnight can put the civil date on the other side of the boundary.
        if at < self.start(period, number) {
            number - 1
        } else if at >= self.start(period, number + 1) {
            number + 1
        } else {
            number
        }
    }

    /// First instant of the period of that number.
    #[must_use]
    pub fn start(&self, period: Period, number: i32) -> TimestampMillis {
        let months = number * months_of(period) + self.year_starts_after_months;
        self.date_start(months.div_euclid(12), months.rem_euclid(12) + 1, 1)
    }

    /// The period that contains `at`; its `end` is the next boundary.
    #[must_use]
    pub fn period(&self, period: Period, at: TimestampMillis) -> Interval {
        let number = self.number(period, at);
        Interval { start: self.start(period, number), end: self.start(period, number + 1) }
    }

    /// First time after `after` at which a yearly date (month 1 to 12, day 1 to 28) begins.
    #[must_use]
    pub fn next_yearly(&self, month: i8, day: i8, after: TimestampMillis) -> TimestampMillis {
        let year = i32::from(civil(&self.zone, after).year());
        let starts = (year - 1..=year + 1).map(|y| self.date_start(y, i32::from(month), i32::from(day)));
        starts.filter(|start| *start > after).min().unwrap_or(TimestampMillis(LATEST_MILLIS))
    }

    /// A time as people of the treaty read it: `2026-04-01 00:00 Europe/Brussels`.
    #[must_use]
    pub fn written(&self, at: TimestampMillis) -> String {
        written_in(&self.zone, at)
    }

    fn date_start(&self, year: i32, month: i32, day: i32) -> TimestampMillis {
        let narrow = |value: i32| i8::try_from(value).unwrap_or(1);
        let date = Date::new(i16::try_from(year).unwrap_or(9000), narrow(month), narrow(day));
        date.map_or(TimestampMillis(LATEST_MILLIS), |d| {
            instant(&self.zone, d.to_datetime(jiff::civil::Time::midnight()))
        })
    }
}

/// A time as people of a time zone read it: `2026-04-01 00:00 Europe/Brussels`; in UTC if there is no such zone.
#[must_use]
pub fn written(zone: &str, at: TimestampMillis) -> String {
    written_in(&time_zone(zone).unwrap_or(TimeZone::UTC), at)
}

fn written_in(zone: &TimeZone, at: TimestampMillis) -> String {
    let name = zone.iana_name().unwrap_or("(time of the treaty)");
    format!("{} {name}", civil(zone, at).strftime("%Y-%m-%d %H:%M"))
}

/// Civil time at an instant; instants outside the years 1 to 9000 count as the nearest inside.
pub(crate) fn civil(zone: &TimeZone, at: TimestampMillis) -> DateTime {
    let at = jiff::Timestamp::from_millisecond(at.0.clamp(EARLIEST_MILLIS, LATEST_MILLIS));
    zone.to_datetime(at.unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

/// Instant of a civil time, by the rule of this module.
pub(super) fn instant(zone: &TimeZone, civil: DateTime) -> TimestampMillis {
    TimestampMillis(zone.to_timestamp(civil).map_or(LATEST_MILLIS, jiff::Timestamp::as_millisecond))
}

/// 0001-01-01 and 9000-01-01 UTC: far inside what the calendar library can say.
const EARLIEST_MILLIS: i64 = -62_135_596_800_000;
/// See [`EARLIEST_MILLIS`].
const LATEST_MILLIS: i64 = 221_845_392_000_000;

const fn months_of(period: Period) -> i32 {
    match period {
        Period::Month => 1,
        Period::Quarter => 3,
        Period::Year => 12,
    }
}

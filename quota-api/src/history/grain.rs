//! How finely history is kept, and for how long. Pure.

use jiff::Timestamp;

/// Seconds between two samples.
pub const SAMPLE_SECONDS: i64 = 60;

const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

/// Length of the periods over which samples are added up. With 50 names each (members, classes, purposes, countries) the
/// whole of it is at most (360 + 768 + 1,488 + 3,660) × 50 = 314,000 rows of about 150 bytes: 47 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// One minute, kept for six hours.
    Minute,
    /// A quarter of an hour, kept for eight days.
    Quarter,
    /// An hour, kept for 62 days.
    Hour,
    /// A day in UTC, kept for ten years.
    Day,
}

impl Grain {
    /// All.
    pub const ALL: [Self; 4] = [Self::Minute, Self::Quarter, Self::Hour, Self::Day];

    /// As in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Quarter => "quarter",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Length.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Quarter => 900,
            Self::Hour => HOUR_SECONDS,
            Self::Day => DAY_SECONDS,
        }
    }

    /// Samples of a period without gaps.
    #[must_use]
    pub const fn samples(self) -> i64 {
        self.seconds() / SAMPLE_SECONDS
    }

    /// How long periods are kept.
    #[must_use]
    pub const fn kept_seconds(self) -> i64 {
        match self {
            Self::Minute => 6 * HOUR_SECONDS,
            Self::Quarter => 8 * DAY_SECONDS,
            Self::Hour => 62 * DAY_SECONDS,
            Self::Day => 3_660 * DAY_SECONDS,
        }
    }

    /// Start of the period in which that time lies, in milliseconds.
    #[must_use]
    pub fn start_ms(self, time: Timestamp) -> i64 {
        let ms = time.as_millisecond();
        ms - ms.rem_euclid(self.seconds() * 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_start_at_whole_units_of_utc_also_before_1970() {
        let start = |grain: Grain, time: &str| {
            Timestamp::from_millisecond(grain.start_ms(time.parse().unwrap())).unwrap().to_string()
        };
        assert_eq!(start(Grain::Quarter, "2026-03-04T05:44:59Z"), "2026-03-04T05:30:00Z");
        assert_eq!(start(Grain::Day, "2026-03-04T00:00:00Z"), "2026-03-04T00:00:00Z");
        assert_eq!(start(Grain::Hour, "1969-12-31T23:59:59Z"), "1969-12-31T23:00:00Z");
    }
}

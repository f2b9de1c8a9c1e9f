//! The time that a page or an export shows. Pure.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Grain;

/// Lengths that can be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// 60 minutes.
    Hour,
    /// 24 hours, in quarters of an hour.
    #[default]
    Day,
    /// Seven days, in hours.
    Week,
    /// 31 days.
    Month,
    /// 366 days.
    Year,
}

impl Span {
    /// All, shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// As in addresses.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Key of its name for people.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Hour => "span-hour",
            Self::Day => "span-day",
            Self::Week => "span-week",
            Self::Month => "span-month",
            Self::Year => "span-year",
        }
    }

    /// Length of one period in it.
    #[must_use]
    pub const fn grain(self) -> Grain {
        match self {
            Self::Hour => Grain::Minute,
            Self::Day => Grain::Quarter,
            Self::Week => Grain::Hour,
            Self::Month | Self::Year => Grain::Day,
        }
    }

    /// Number of periods in it.
    #[must_use]
    pub const fn periods(self) -> i64 {
        match self {
            Self::Hour => 60,
            Self::Day => 96,
            Self::Week => 168,
            Self::Month => 31,
            Self::Year => 366,
        }
    }

    const fn seconds(self) -> i64 {
        self.periods() * self.grain().seconds()
    }
}

/// A time with its periods; `from` is the start of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Length.
    pub span: Span,
    /// Start of the first period.
    pub from: Timestamp,
    /// Whether it ends now, and so moves.
    pub latest: bool,
}

impl Window {
    /// From that time, or up to now.
    #[must_use]
    pub fn of(span: Span, from: Option<Timestamp>, now: Timestamp) -> Self {
        let grain = span.grain();
        let length = span.seconds() * 1_000;
        let end = grain.start_ms(now) + grain.seconds() * 1_000;
        let start = from.map_or(end - length, |from| grain.start_ms(from));
        Self { span, from: Timestamp::from_millisecond(start).unwrap_or(now), latest: from.is_none() }
    }

    /// End, exclusive.
    #[must_use]
    pub fn until(self) -> Timestamp {
        self.shifted(1)
    }

    /// Start of the same span so many lengths later.
    #[must_use]
    pub fn shifted(self, lengths: i64) -> Timestamp {
        let by = SignedDuration::from_secs(self.span.seconds() * lengths);
        self.from.checked_add(by).unwrap_or(self.from)
    }

    /// Starts of its periods.
    pub fn starts(self) -> impl Iterator<Item = Timestamp> {
        let step = self.span.grain().seconds();
        (0..self.span.periods())
            .filter_map(move |place| self.from.checked_add(SignedDuration::from_secs(step * place)).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_start_the_window_ends_with_the_period_that_runs() {
        let now: Timestamp = "2026-03-04T05:44:59Z".parse().unwrap();
        let window = Window::of(Span::Day, None, now);
        assert_eq!(window.from.to_string(), "2026-03-03T05:45:00Z");
        assert_eq!(window.until().to_string(), "2026-03-04T05:45:00Z");
        assert_eq!(window.starts().count(), 96);
    }

    #[test]
    fn a_stated_start_is_moved_to_the_start_of_its_period_and_stays() {
        let now: Timestamp = "2026-03-04T05:44:59Z".parse().unwrap();
        let from = "2026-01-02T10:11:12Z".parse().unwrap();
        let window = Window::of(Span::Month, Some(from), now);
        assert_eq!((window.from.to_string().as_str(), window.latest), ("2026-01-02T00:00:00Z", false));
        assert_eq!(window.shifted(-1).to_string(), "2025-12-02T00:00:00Z");
    }
}

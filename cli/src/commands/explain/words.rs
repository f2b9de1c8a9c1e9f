//! Times and lengths of time as people say them.

use concord_treaty::units::{DurationMillis, TimestampMillis};

/// By which clock times are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Seconds of a trace, which begins at this time.
    Seconds {
        /// Second 0.
        zero: TimestampMillis,
    },
    /// The clock on the wall, in UTC.
    Utc,
}

impl Clock {
    /// A time.
    pub fn time(self, at: TimestampMillis) -> String {
        match self {
            Self::Seconds { zero } => format!("second {}", (at.0 - zero.0).div_euclid(1000)),
            Self::Utc => {
                let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::MAX);
                at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
            }
        }
    }

    /// A time with how far it is away.
    pub fn time_from(self, at: TimestampMillis, now: TimestampMillis) -> String {
        let away = match at.0.cmp(&now.0) {
            std::cmp::Ordering::Equal => "now".to_owned(),
            std::cmp::Ordering::Less => format!("{} ago", length(now.since(at))),
            std::cmp::Ordering::Greater if at.since(now).0 < 1000 => "at any moment".to_owned(),
            std::cmp::Ordering::Greater => format!("in {}", length(at.since(now))),
        };
        format!("{} ({away})", self.time(at))
    }
}

/// A length of time in its two largest units.
pub fn length(length: DurationMillis) -> String {
    let seconds = length.0 / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds % 60, "s")];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown =
        parts.iter().skip(first).take(2).filter(|(count, unit)| *count > 0 || (*unit == "s" && seconds == 0));
    shown.map(|(count, unit)| format!("{count}{unit}")).collect()
}

/// A number of things, in the plural where there are several.
pub fn count(number: impl Into<u64>, what: &str) -> String {
    match number.into() {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units() {
        let length = |seconds| length(DurationMillis::from_seconds(seconds));
        let shown = [0, 59, 60, 61, 3600, 3661, 90_000, 864_000].map(length);
        assert_eq!(shown, ["0s", "59s", "1m", "1m1s", "1h", "1h1m", "1d1h", "10d"]);
    }

    #[test]
    fn times_say_how_far_they_are() {
        let clock = Clock::Seconds { zero: TimestampMillis(5000) };
        let from = |at| clock.time_from(TimestampMillis(at), TimestampMillis(65_000));
        let shown = [5_000, 65_000, 65_001, 125_000].map(from);
        let expected =
            ["second 0 (1m ago)", "second 60 (now)", "second 60 (at any moment)", "second 120 (in 1m)"];
        assert_eq!(shown, expected);
        assert_eq!(Clock::Utc.time(TimestampMillis(0)), "1970-01-01 00:00:00Z");
    }
}

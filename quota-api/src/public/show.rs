//! How figures and times are written for people. Pure.

use jiff::Timestamp;

use crate::language::Words;

/// What stands where a figure is not known or a share is of nothing.
pub const UNKNOWN: &str = "–";

/// A time for `<time>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// For machines.
    pub machine: String,
    /// For people, in UTC.
    pub shown: String,
}

/// To the minute.
#[must_use]
pub fn minute(time: Timestamp) -> Time {
    Time {
        machine: time.strftime("%Y-%m-%dT%H:%MZ").to_string(),
        shown: time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    }
}

/// To the second.
#[must_use]
pub fn second(time: Timestamp) -> Time {
    Time { machine: time.to_string(), shown: time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string() }
}

/// A time of the database.
#[must_use]
pub fn of_ms(ms: i64) -> Time {
    minute(Timestamp::from_millisecond(ms).unwrap_or_default())
}

/// A share in percent; of nothing there is no share.
#[must_use]
pub fn percent(part: f64, whole: f64) -> String {
    let share = part / whole * 100.0;
    if whole > 0.0 && share.is_finite() { format!("{share:.1} %") } else { UNKNOWN.to_owned() }
}

/// A number with one decimal below a hundred, else whole.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        UNKNOWN.to_owned()
    } else if value.abs() >= 100.0 || value.fract() == 0.0 {
        grouped(&format!("{value:.0}"))
    } else {
        format!("{value:.1}")
    }
}

/// A whole number.
#[must_use]
pub fn whole(value: i64) -> String {
    grouped(&value.to_string())
}

/// Groups of three by a narrow space that does not break: read the same way in every language.
fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 && digits.len() > 4 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A length of time in the two largest units, such as `2 h 5 min`; the units' signs are those of the page's language.
#[must_use]
pub fn duration(seconds: i64, words: &Words) -> String {
    let units = [("unit-day", 86_400), ("unit-hour", 3_600), ("unit-minute", 60), ("unit-second", 1)];
    let mut rest = seconds.max(0);
    let mut parts = Vec::new();
    for (unit, length) in units {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            parts.push(format!("{count}\u{a0}{}", words.get(unit)));
        }
        // Two units that follow each other: after days come hours, or nothing.
        if !parts.is_empty() && (parts.len() == 2 || count == 0) {
            break;
        }
    }
    if parts.is_empty() { format!("0\u{a0}{}", words.get("unit-second")) } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_is_a_dash_and_never_nan() {
        assert_eq!(percent(1.0, 0.0), UNKNOWN);
        assert_eq!(percent(0.0, 0.0), UNKNOWN);
        assert_eq!(percent(f64::NAN, 4.0), UNKNOWN);
        assert_eq!(percent(1.0, 3.0), "33.3 %");
        assert_eq!(number(f64::INFINITY), UNKNOWN);
    }

    #[test]
    fn long_numbers_are_grouped() {
        assert_eq!(
            (whole(1_234), whole(12_345), whole(-1_234_567)),
            ("1234".into(), "12\u{202f}345".into(), "-1\u{202f}234\u{202f}567".into())
        );
        assert_eq!(
            (number(99.94), number(99_999.5), number(7.0)),
            ("99.9".into(), "100\u{202f}000".into(), "7".into())
        );
    }

    #[test]
    fn durations_show_two_units() {
        let words = Words::default();
        let shown = |seconds| duration(seconds, &words).replace('\u{a0}', " ");
        assert_eq!(shown(0), "0 s");
        assert_eq!(shown(59), "59 s");
        assert_eq!(shown(3_600), "1 h");
        assert_eq!(shown(7_512), "2 h 5 min");
        assert_eq!(shown(90_061), "1 d 1 h");
        assert_eq!(shown(86_405), "1 d");
    }
}

//! A span of time for which numbers are wanted.

use jiff::Timestamp;
use serde::Serialize;

/// From, and until just before; open where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Span {
    /// First instant.
    pub since: Option<Timestamp>,
    /// First instant after it.
    pub until: Option<Timestamp>,
}

impl Span {
    /// Whether an instant is in it.
    #[must_use]
    pub fn has(&self, millis: i64) -> bool {
        let (since, until) = self.millis();
        since <= millis && millis < until
    }

    /// Both ends in milliseconds since 1970.
    #[must_use]
    pub fn millis(&self) -> (i64, i64) {
        let of = |end: Option<Timestamp>, open| end.map_or(open, Timestamp::as_millisecond);
        (of(self.since, i64::MIN), of(self.until, i64::MAX))
    }

    /// How much of an interval is in it, in milliseconds.
    #[must_use]
    pub fn overlap(&self, from: i64, until: i64) -> u64 {
        let (since, end) = self.millis();
        u64::try_from(until.min(end).saturating_sub(from.max(since))).unwrap_or(0)
    }
}

/// An instant as people read it, to the second; out of range: the number.
pub(crate) fn written(millis: i64) -> String {
    let second = Timestamp::from_second(millis.div_euclid(1_000));
    second.map_or_else(|_| format!("{millis} ms"), |time| time.to_string())
}

/// A number with commas.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length as people read it.
pub(crate) fn long(millis: i64) -> String {
    let seconds = millis / 1_000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_counted_once() {
        let at = |millis| Timestamp::from_millisecond(millis).ok();
        let span = Span { since: at(10), until: at(20) };
        assert_eq!([9, 10, 19, 20].map(|millis| span.has(millis)), [false, true, true, false]);
        assert_eq!(
            [(0, 10), (0, 15), (12, 15), (15, 30), (20, 30)].map(|(a, b)| span.overlap(a, b)),
            [0, 5, 3, 5, 0]
        );
        assert_eq!(Span::default().overlap(3, 9), 6);
        assert_eq!(
            [900, 61_000, 3_660_000, 90_000_000].map(long),
            ["900 ms", "1 min 1 s", "1 h 1 min", "1 d 1 h"]
        );
    }
}

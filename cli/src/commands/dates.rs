//! Days and times as arguments: a day is one of universal time.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The first instant of a day, or the time itself.
///
/// # Errors
/// When it is neither.
pub fn start(text: &str) -> Result<Timestamp, String> {
    instant(text, 0)
}

/// The first instant after a day, or the time itself.
///
/// # Errors
/// When it is neither.
pub fn end(text: &str) -> Result<Timestamp, String> {
    instant(text, 1)
}

fn instant(text: &str, days_later: i32) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let wrong = |_| "write a day such as 2026-11-28, or a time such as 2026-11-28T12:00:00Z".to_owned();
    let day: Date = text.parse().map_err(wrong)?;
    let day = day.checked_add(days_later.days()).map_err(wrong)?;
    day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_and_ends() {
        let texts = |time: Result<Timestamp, String>| time.unwrap().to_string();
        assert_eq!(texts(start("2026-11-28")), "2026-11-28T00:00:00Z");
        assert_eq!(texts(end("2026-11-28")), "2026-11-29T00:00:00Z");
        assert_eq!(texts(end("2026-11-28T12:00:00Z")), "2026-11-28T12:00:00Z");
        assert!(start("28.11.2026").unwrap_err().contains("2026-11-28"));
    }
}

//! Dates as a file that calendar programs take (RFC 5545). Pure.

use icalendar::{Calendar, Component, Event};
use jiff::Timestamp;

/// One date.
pub struct Entry {
    /// The same date has the same id in every file, so that a calendar does not show it twice.
    pub id: String,
    /// First instant.
    pub start: Timestamp,
    /// First instant after it, of what lasts.
    pub end: Option<Timestamp>,
    /// What is read first.
    pub title: String,
    /// Address of the page that says more, where it is known.
    pub page: Option<String>,
    /// When it was said, so that the same dates make the same file.
    pub said_at: Timestamp,
}

/// The file.
#[must_use]
pub fn file(name: &str, entries: &[Entry]) -> String {
    let event = |entry: &Entry| {
        let mut event = Event::new();
        event.uid(&entry.id).summary(&entry.title);
        event.add_property("DTSTAMP", written(entry.said_at)).add_property("DTSTART", written(entry.start));
        if let Some(page) = &entry.page {
            event.url(page);
        }
        if let Some(end) = entry.end {
            event.add_property("DTEND", written(end));
        }
        event.done()
    };
    let mut calendar = Calendar::new();
    calendar.name(name).extend(entries.iter().map(event));
    calendar.to_string()
}

fn written(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_ends_no_line_and_the_same_dates_make_the_same_file() {
        let at: Timestamp = "2026-03-02T07:00:00Z".parse().unwrap();
        let entry = Entry {
            id: "app-1/promised@pool.example".to_owned(),
            start: at,
            end: None,
            title: "Answer to: floods, and\r\nATTENDEE:mailto:a@b.example".to_owned(),
            page: Some("https://pool.example/apply/app-1".to_owned()),
            said_at: at,
        };
        let text = file("Concord", std::slice::from_ref(&entry));
        assert_eq!(text, file("Concord", &[entry]));
        assert!(text.contains("DTSTART:20260302T070000Z\r\n"), "{text}");
        assert!(!text.contains("\nATTENDEE") && text.contains("floods\\, and"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 75), "lines are folded: {text}");
    }
}

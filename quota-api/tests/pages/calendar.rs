//! The dates of the treaty: page, JSON and a file for calendar programs say the same.

use http::StatusCode;
use icalendar::{Calendar, CalendarComponent, Component};

use crate::common::{get, server};

#[tokio::test]
async fn the_dates_of_the_treaty_are_the_same_for_people_programs_and_calendars() {
    let server = server().await;
    let (status, _, text) = get(&server, "/api/v1/treaty/calendar", &[]).await;
    assert_eq!(status, StatusCode::OK);
    let events: serde_json::Value = serde_json::from_str(&text).unwrap();
    let events = events.as_array().unwrap();
    // One monthly maintenance of four hours, a year ahead.
    assert!((12..=13).contains(&events.len()), "{text}");
    let first = &events[0];
    assert_eq!((&first["what"], &first["of"]), (&"maintenance".into(), &"service".into()));
    let (start, end) = (first["start"].as_str().unwrap(), first["end"].as_str().unwrap());
    let length = end.parse::<jiff::Timestamp>().unwrap() - start.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(length.get_seconds(), 4 * 3600);

    let (_, _, html) = get(&server, "/treaty/calendar", &[]).await;
    assert_eq!(html.matches(">Maintenance<").count(), events.len(), "{html}");
    assert!(html.contains("href=\"/treaty#windows\""), "{html}");

    let (_, headers, file) = get(&server, "/api/v1/treaty/calendar.ics", &[("accept-language", "fr")]).await;
    assert_eq!(headers["content-type"], "text/calendar; charset=utf-8");
    let calendar: Calendar = file.parse().unwrap();
    assert_eq!(calendar.get_name(), Some("Dates du traité"));
    let starts: Vec<String> = calendar
        .components
        .iter()
        .filter_map(|component| match component {
            CalendarComponent::Event(event) => Some(event.property_value("DTSTART")?.to_owned()),
            _ => None,
        })
        .collect();
    let told: Vec<String> =
        events.iter().map(|event| event["start"].as_str().unwrap().replace(['-', ':'], "")).collect();
    assert_eq!(starts, told);
    let (_, again, _) = get(&server, "/api/v1/treaty/calendar.ics", &[("accept-language", "fr")]).await;
    assert_eq!(headers["etag"], again["etag"], "a calendar that did not change is not sent again");
}

//! Windows, racks and aging for a pool under test. Its clock starts with 1970, in UTC.

use std::collections::BTreeMap;

use concord_treaty::document::{Document, LineDocument, RepeatName, WindowDocument, WindowPurposeName};
use concord_treaty::units::Labels;

use super::pool::Pool;

const RACK: &str = "test/rack";

/// A window on all nodes, for nobody.
pub fn maintenance(name: &str, start_minute: i64, length_minutes: i64) -> WindowDocument {
    let (day, minute) = (1 + start_minute / 1440, start_minute % 1440);
    WindowDocument {
        name: name.to_owned(),
        purpose: WindowPurposeName::Maintenance,
        member: None,
        start: format!("1970-01-{day:02}T{:02}:{:02}", minute / 60, minute % 60),
        length_minutes,
        time_zone: None,
        repeats: None,
        until: None,
        node_labels: BTreeMap::new(),
        announce_hours: None,
    }
}

pub fn reserved_for(window: WindowDocument, member: &str) -> WindowDocument {
    WindowDocument { purpose: WindowPurposeName::Reserved, member: Some(member.to_owned()), ..window }
}

pub fn on_rack(window: WindowDocument, rack: &str) -> WindowDocument {
    WindowDocument { node_labels: rack_labels(rack), ..window }
}

pub fn announced(window: WindowDocument, hours: i64) -> WindowDocument {
    WindowDocument { announce_hours: Some(hours), ..window }
}

pub fn daily(window: WindowDocument) -> WindowDocument {
    WindowDocument { repeats: Some(RepeatName::Daily), ..window }
}

pub fn aging(document: Document, hours: i64) -> Document {
    let line =
        document.line.unwrap_or(LineDocument { alone: None, shortest_first: false, aging_hours: None });
    Document { line: Some(LineDocument { aging_hours: Some(hours), ..line }), ..document }
}

/// `at MINUTE for MINUTES [member=M] [rack=R] [announce=HOURS] [daily]`, as scripts write it.
pub fn window(name: &str, words: &[&str]) -> WindowDocument {
    let ["at", start, "for", length, options @ ..] = words else { panic!("unknown window {words:?}") };
    let first = maintenance(name, start.parse().unwrap(), length.parse().unwrap());
    options.iter().fold(first, |window, option| match option.split_once('=') {
        Some(("member", member)) => reserved_for(window, member),
        Some(("rack", rack)) => on_rack(window, rack),
        Some(("announce", hours)) => announced(window, hours.parse().unwrap()),
        None if *option == "daily" => daily(window),
        _ => panic!("unknown option {option:?}"),
    })
}

pub fn put_into_rack(pool: &mut Pool, node: usize, rack: &str) {
    pool.snapshot.nodes[node].labels = Labels::from(rack_labels(rack));
}

fn rack_labels(rack: &str) -> BTreeMap<String, String> {
    [(RACK.to_owned(), rack.to_owned())].into()
}

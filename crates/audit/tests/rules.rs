//! Promises and changes of treaties on records written by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use concord_audit::audit::audit;
use concord_audit::finding::Kind;
use concord_audit::history::History;
use concord_audit::report::Report;
use concord_audit::span::Span;
use concord_audit::texts::Texts;
use concord_ledger::entry::{Capacity, End, EndKind, Entry, Event, NodeKind, TreatyInForce, Usage};
use concord_ledger::text::sha256;
use jiff::Timestamp;

fn at(clock: &str) -> Timestamp {
    format!("2026-03-01T{clock}:00Z").parse().unwrap()
}

/// Its notice tells the texts apart.
fn text(notice_seconds: i64) -> Vec<u8> {
    let spec = serde_json::json!({
        "title": "Two",
        "members": [{"name": "north", "guarantee": {"gpus": 8}}, {"name": "south", "guarantee": {"gpus": 8}}],
        "reclaim": {"noticeSeconds": notice_seconds},
    });
    spec.to_string().into_bytes()
}

fn ruled(generation: i64, clock: &str, notice_seconds: i64) -> Entry {
    let text = sha256(&text(notice_seconds));
    let ruled = TreatyInForce { treaty: "t".to_owned(), generation, text, amendment: None };
    Entry::new(format!("treaty/u/{generation}/{}", at(clock).as_second()), at(clock), Event::Treaty(ruled))
}

fn capacity(clock: &str, nodes: u32) -> Entry {
    let since = at(clock);
    let nodes = vec![NodeKind { class: None, gpus_per_node: 8, nodes }];
    Entry::new(
        format!("capacity/{}", since.as_millisecond()),
        since,
        Event::Capacity(Capacity { nodes, since }),
    )
}

fn run(number: u64, due: Option<&str>, from: &str, until: &str) -> Entry {
    let usage = Usage {
        claim: "a".to_owned(),
        run: number,
        project: "p".to_owned(),
        party: "north".to_owned(),
        class: None,
        clause: "guarantee/north".to_owned(),
        borrowed: false,
        gpus: 8,
        submitted_at: at("00:00"),
        due_since: due.map(at),
        from: at(from),
        until: at(until),
        gpu_milliseconds: 0,
        lost_gpu_milliseconds: 0,
        end: End { kind: EndKind::Finished, reason: "x".to_owned(), clause: None, party: None },
    };
    Entry::new(format!("usage/a/{number}"), usage.until, Event::Usage(usage))
}

fn report_in(span: Span, entries: Vec<Entry>) -> Report {
    let mut history = History::new(span);
    entries.into_iter().for_each(|entry| history.take(entry));
    let mut texts = Texts::default();
    for notice in [60, 600] {
        texts.take(&sha256(&text(notice)), Ok(&text(notice)));
    }
    audit(&mut history, &texts)
}

fn report(entries: Vec<Entry>) -> Report {
    report_in(Span::default(), entries)
}

/// Floors that were due and that were missed.
fn floors(runs: Vec<Entry>) -> (u64, u64) {
    let report = report([vec![ruled(1, "00:00", 60), capacity("00:00", 2)], runs].concat());
    report.parties.get("north").map_or((0, 0), |north| (north.due_starts, north.missed_floors))
}

#[test]
fn a_start_is_late_beyond_the_notice_and_judged_once() {
    assert_eq!(floors(vec![run(1, Some("01:00"), "01:01", "02:00")]), (1, 0), "just in time");
    assert_eq!(floors(vec![run(1, Some("01:00"), "01:02", "02:00")]), (1, 1));
    assert_eq!(floors(vec![run(1, None, "01:02", "02:00")]), (0, 0), "never due");
    // It ran when it became due, on borrowed GPUs, and was booked anew then.
    assert_eq!(floors(vec![run(1, None, "00:30", "01:00"), run(2, Some("00:45"), "01:00", "02:00")]), (1, 0));
    // Taken back before it was due, and started in time.
    assert_eq!(floors(vec![run(1, None, "00:30", "00:40"), run(2, Some("01:00"), "01:01", "02:00")]), (1, 0));
    // A node failed afterwards: the second start is not judged by the same time.
    assert_eq!(
        floors(vec![run(1, Some("01:00"), "01:01", "02:00"), run(2, Some("01:00"), "03:00", "04:00")]),
        (1, 0)
    );
    // A new due time is a new promise.
    assert_eq!(
        floors(vec![run(1, Some("01:00"), "01:01", "02:00"), run(2, Some("02:30"), "03:00", "04:00")]),
        (2, 1)
    );
}

#[test]
fn the_notice_is_that_of_the_treaty_at_the_due_time() {
    let longer = |change: &str| {
        let treaties = vec![ruled(1, "00:00", 60), ruled(2, change, 600)];
        report([treaties, vec![run(1, Some("01:00"), "01:05", "02:00")]].concat()).missed_floors.len()
    };
    assert_eq!([longer("00:59"), longer("01:01")], [0, 1]);
    let unknown = report(vec![ruled(1, "01:30", 60), run(1, Some("01:00"), "01:05", "02:00")]);
    assert!(unknown.missed_floors.is_empty());
    assert!(
        unknown.notes.iter().any(|note| note.contains("of which the treaty is not known")),
        "{:?}",
        unknown.notes
    );
}

#[test]
fn a_span_has_its_own_promises_and_sums_and_all_findings_of_the_record() {
    let entries = || {
        vec![
            ruled(1, "00:00", 60),
            capacity("00:00", 2),
            run(1, Some("01:00"), "01:05", "03:00"),
            run(3, None, "03:00", "04:00"),
        ]
    };
    let span = |since: &str, until: &str| Span { since: Some(at(since)), until: Some(at(until)) };
    let whole = report(entries());
    assert_eq!((whole.missed_floors.len(), whole.finding_counts[&Kind::Gap]), (1, 1));
    let later = report_in(span("02:00", "03:30"), entries());
    assert_eq!((later.missed_floors.len(), later.finding_counts[&Kind::Gap]), (0, 1));
    assert_eq!(later.parties["north"].used_gpu_millis, 8 * 90 * 60_000);
}

#[test]
fn a_treaty_follows_the_one_before() {
    let kinds = |entries: Vec<Entry>| report(entries).finding_counts.into_keys().collect::<Vec<_>>();
    // A text that rules again is no step back; an older one is.
    assert_eq!(kinds(vec![ruled(2, "00:00", 60), ruled(2, "01:00", 60)]), []);
    assert_eq!(kinds(vec![ruled(2, "00:00", 60), ruled(1, "01:00", 60)]), [Kind::Succession]);
    let unvoted = report(vec![ruled(1, "00:00", 60), ruled(2, "01:00", 600)]);
    assert!(unvoted.notes.iter().any(|note| note.contains("name no amendment")), "{:?}", unvoted.notes);
}

#[test]
fn a_record_that_claims_all_of_time_is_not_booked() {
    let mut old = ruled(1, "00:00", 60);
    old.at = "-009000-01-01T00:00:00Z".parse().unwrap();
    let mut nodes = capacity("00:00", 2);
    if let Event::Capacity(capacity) = &mut nodes.event {
        capacity.since = "-009000-01-01T00:00:00Z".parse().unwrap();
    }
    let report = report(vec![old, nodes, run(1, None, "01:00", "02:00")]);
    assert!(report.loans.is_none());
    assert!(report.notes.iter().any(|note| note.contains("forty years")), "{:?}", report.notes);
}

//! Entries for tests of this crate; what is done to records in `tests/record/tampering.rs`.

use jiff::{SignedDuration, Timestamp};

use crate::entry::{End, EndKind, Entry, Event, Usage};

/// Runs of as many claims.
pub(crate) fn entries(numbers: std::ops::Range<u64>) -> Vec<Entry> {
    let from: Timestamp = "2026-11-28T20:00:00Z".parse().unwrap();
    let until = from + SignedDuration::from_secs(1);
    let entry = |number| {
        let usage = Usage {
            claim: format!("claim-{number}"),
            run: 1,
            project: "lab".to_owned(),
            party: "north".to_owned(),
            class: None,
            clause: "guarantee/north".to_owned(),
            borrowed: false,
            gpus: 8,
            submitted_at: from,
            due_since: None,
            from,
            until,
            gpu_milliseconds: 8_000,
            lost_gpu_milliseconds: 0,
            end: End {
                kind: EndKind::Finished,
                reason: "JobSucceeded".to_owned(),
                clause: None,
                party: None,
            },
        };
        Entry::new(format!("usage/claim-{number}/1"), until, Event::Usage(usage))
    };
    numbers.map(entry).collect()
}

//! Random honest records: they have no finding, their sums are those of counting minute by minute, and one change makes the one
//! finding that it must make.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use concord_audit::audit::audit;
use concord_audit::finding::Kind;
use concord_audit::history::History;
use concord_audit::report::Report;
use concord_audit::span::Span;
use concord_audit::texts::Texts;
use concord_ledger::entry::{Capacity, End, EndKind, Entry, Event, NodeKind, TreatyInForce, Usage};
use concord_ledger::text::sha256;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const PARTIES: [&str; 3] = ["east", "north", "south"];
const GUARANTEES: [u32; 3] = [8, 12, 4];
const KEPT: [u32; 3] = [0, 4, 4];
/// Three nodes of eight; 24 GPUs, all of them guaranteed to somebody.
const GPUS: u32 = 24;
const MINUTES: usize = 200;
const NOTICE_SECONDS: i64 = 60;

fn treaty() -> Vec<u8> {
    let member = |index: usize| serde_json::json!({"name": PARTIES[index], "guarantee": {"gpus": GUARANTEES[index]}, "lending": {"keepGpus": KEPT[index]}});
    let spec = serde_json::json!({
        "title": "Three",
        "members": (0..3).map(member).collect::<Vec<_>>(),
        "surplus": {"creditCapGpuHours": 100},
        "reclaim": {"noticeSeconds": NOTICE_SECONDS},
    });
    spec.to_string().into_bytes()
}

/// A minute of the record, which begins at a full hour.
fn minute(minute: usize) -> Timestamp {
    let begin: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    begin + SignedDuration::from_mins(i64::try_from(minute).unwrap())
}

#[derive(Debug, Clone)]
struct Part {
    party: usize,
    claim: usize,
    number: u64,
    gpus: u32,
    from: usize,
    until: usize,
}

impl Part {
    fn usage(&self) -> Usage {
        let end =
            End { kind: EndKind::Finished, reason: "JobSucceeded".to_owned(), clause: None, party: None };
        Usage {
            claim: format!("{:08x}-0000-4000-8000-000000000000", self.claim),
            run: self.number,
            project: "p".to_owned(),
            party: PARTIES[self.party].to_owned(),
            class: None,
            clause: "guarantee".to_owned(),
            borrowed: false,
            gpus: self.gpus,
            submitted_at: minute(0),
            due_since: None,
            from: minute(self.from),
            until: minute(self.until),
            gpu_milliseconds: u64::from(self.gpus) * 60_000 * (self.until - self.from) as u64,
            lost_gpu_milliseconds: 0,
            end,
        }
    }
}

/// Parts that fit beside each other; some follow the one before as the next part of its claim.
fn parts() -> impl Strategy<Value = Vec<Part>> {
    let wish = (0..3_usize, 1..=8_u32, 0..MINUTES - 60, 1..60_usize, any::<bool>());
    prop::collection::vec(wish, 1..60).prop_map(|wishes| {
        let mut held = [0_u32; MINUTES];
        let mut parts: Vec<Part> = Vec::new();
        for (claim, (party, gpus, from, length, goes_on)) in wishes.into_iter().enumerate() {
            let until = from + length;
            if held[from..until].iter().any(|held| held + gpus > GPUS) {
                continue;
            }
            held[from..until].iter_mut().for_each(|held| *held += gpus);
            let part = match parts.last().filter(|last| goes_on && last.until <= from) {
                Some(last) => {
                    Part { party: last.party, claim: last.claim, number: last.number + 1, gpus, from, until }
                }
                None => Part { party, claim, number: 1, gpus, from, until },
            };
            parts.push(part);
        }
        parts
    })
}

fn report(usages: Vec<Usage>) -> Report {
    let mut entries: Vec<Entry> = usages
        .into_iter()
        .map(|usage| {
            Entry::new(format!("usage/{}/{}", usage.claim, usage.run), usage.until, Event::Usage(usage))
        })
        .collect();
    entries.sort_by_key(|entry| entry.at);
    let since = minute(0);
    let ruled =
        TreatyInForce { treaty: "t".to_owned(), generation: 1, text: sha256(&treaty()), amendment: None };
    let nodes = vec![NodeKind { class: None, gpus_per_node: 8, nodes: GPUS / 8 }];
    let mut history = History::new(Span::default());
    history.take(Entry::new("treaty/u/1".to_owned(), since, Event::Treaty(ruled)));
    history.take(Entry::new("capacity/0".to_owned(), since, Event::Capacity(Capacity { nodes, since })));
    entries.into_iter().for_each(|entry| history.take(entry));
    let mut texts = Texts::default();
    texts.take(&sha256(&treaty()), Ok(&treaty()));
    audit(&mut history, &texts)
}

/// Used above the guarantee and lent by all, minute by minute, in GPU-milliseconds.
fn counted(parts: &[Part]) -> ([u64; 3], u64) {
    let (mut above, mut lent) = ([0; 3], 0);
    for now in 0..MINUTES {
        let used = |party: usize| -> u32 {
            parts.iter().filter(|p| p.party == party && p.from <= now && now < p.until).map(|p| p.gpus).sum()
        };
        let borrowed: Vec<u32> = (0..3).map(|party| used(party).saturating_sub(GUARANTEES[party])).collect();
        let idle = |party: usize| GUARANTEES[party].saturating_sub(used(party)).saturating_sub(KEPT[party]);
        let idle: u32 = (0..3).map(idle).sum();
        for (above, borrowed) in above.iter_mut().zip(&borrowed) {
            *above += u64::from(*borrowed) * 60_000;
        }
        lent += u64::from(idle.min(borrowed.iter().sum())) * 60_000;
    }
    (above, lent)
}

proptest! {
    #[test]
    fn an_honest_record_has_no_finding_and_the_sums_of_counting(parts in parts()) {
        let report = report(parts.iter().map(Part::usage).collect());
        prop_assert_eq!(&report.findings, &[]);
        let (above, lent) = counted(&parts);
        let loans = report.loans.unwrap();
        prop_assert_eq!(loans.lent_gpu_millis, lent);
        prop_assert_eq!(loans.borrowed_gpu_millis, above.iter().sum::<u64>());
        prop_assert_eq!(loans.of_nobody_gpu_millis, loans.borrowed_gpu_millis - lent);
        let mut credit = 0;
        for (index, name) in PARTIES.iter().enumerate() {
            let party = &report.parties[*name];
            let used: u64 = parts.iter().filter(|p| p.party == index).map(|p| p.usage().gpu_milliseconds).sum();
            prop_assert_eq!(party.used_gpu_millis, used);
            prop_assert_eq!(party.above_guarantee_gpu_millis, Some(above[index]));
            credit += party.credit_gpu_millis.unwrap();
        }
        prop_assert_eq!(credit, 0);
    }

    #[test]
    fn one_change_makes_one_kind_of_finding(parts in parts(), chosen in any::<prop::sample::Index>(), how in 0..5_usize) {
        let mut usages: Vec<Usage> = parts.iter().map(Part::usage).collect();
        let chosen = chosen.index(usages.len());
        let part = &parts[chosen];
        let is_last = !parts.iter().any(|other| other.claim == part.claim && other.number > part.number);
        let kind = match how {
            // The same time once more.
            0 => {
                prop_assume!(is_last);
                let again = Usage { run: part.number + 1, gpus: 0, gpu_milliseconds: 0, ..usages[chosen].clone() };
                usages.push(again);
                Kind::Overlap
            }
            1 => {
                prop_assume!(is_last);
                usages[chosen].run += 1;
                Kind::Gap
            }
            2 => {
                usages[chosen].gpus = GPUS + 1;
                Kind::BeyondCapacity
            }
            3 => {
                usages[chosen].party = "west".to_owned();
                Kind::Stranger
            }
            // One second more than the notice.
            _ => {
                let due = usages[chosen].from - SignedDuration::from_secs(NOTICE_SECONDS + 1);
                let ran = parts.iter().any(|other| other.claim == part.claim && other.number < part.number && minute(other.until) > due);
                prop_assume!(!ran);
                usages[chosen].due_since = Some(due);
                Kind::MissedFloor
            }
        };
        if kind == Kind::MissedFloor {
            // The treaty rules from the first minute on.
            prop_assume!(usages[chosen].due_since.unwrap() >= minute(0));
        }
        let report = report(usages);
        prop_assert_eq!(report.finding_counts.keys().collect::<Vec<_>>(), vec![&kind]);
    }
}

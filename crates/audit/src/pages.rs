//! The public pages of a pool, held against its record. Pure: the answers of `/api/v1/…` go in.
//!
//! Pages and record are different measurements. The treaty in force and the awards must be the same. GPUs by member are sampled
//! by the portal once a minute, so that each run may count for up to a minute more or less; and the record has a run only when it
//! ends, so that pages may show more. Less than the record, beyond what sampling explains, is a finding.

use std::collections::BTreeMap;

use concord_ledger::entry::Outcome;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::finding::{Findings, Kind};
use crate::history::{History, Run};
use crate::span::{Span, written};

/// Time between two samples of the portal.
const SAMPLE_MILLIS: u64 = 60_000;

/// What the pages say.
#[derive(Debug, Default)]
pub struct Pages {
    /// `/api/v1/treaty`; `None`: no treaty is in force.
    pub treaty: Option<TreatyPage>,
    /// `/api/v1/use`.
    pub now: UsePage,
    /// `/api/v1/use/promises` of a span.
    pub promises: PromisesPage,
    /// `/api/v1/awards`.
    pub awards: AwardsPage,
}

/// The treaty in force.
#[derive(Debug, Default, Deserialize)]
pub struct TreatyPage {
    name: String,
    generation: Option<i64>,
    spec: Value,
}

/// Use at one moment.
#[derive(Debug, Default, Deserialize)]
pub struct UsePage {
    capacity_gpus: Option<i64>,
}

/// Use over a span.
#[derive(Debug, Default, Deserialize)]
pub struct PromisesPage {
    from: Timestamp,
    until: Timestamp,
    samples: i64,
    expected_samples: i64,
    members: Vec<MemberAccount>,
}

#[derive(Debug, Default, Deserialize)]
struct MemberAccount {
    member: String,
    guaranteed_gpu_hours: f64,
    borrowed_gpu_hours: f64,
}

/// Awards.
#[derive(Debug, Default, Deserialize)]
pub struct AwardsPage {
    awards: Vec<Award>,
}

#[derive(Debug, Deserialize)]
struct Award {
    application: String,
    party: String,
    decided_at: Timestamp,
    gpu_hours: u64,
    most_gpus: u32,
    until: Timestamp,
}

/// Compares; what was compared and came out right is told as well.
pub fn compare(history: &History, pages: &Pages, findings: &mut Findings) -> Vec<String> {
    let mut told = Vec::new();
    treaty(history, pages.treaty.as_ref(), findings, &mut told);
    capacity(history, &pages.now, findings, &mut told);
    awards(history, &pages.awards, findings, &mut told);
    members(history, &pages.promises, findings, &mut told);
    told
}

fn treaty(history: &History, page: Option<&TreatyPage>, findings: &mut Findings, told: &mut Vec<String>) {
    let newest = history.treaties.iter().max_by_key(|treaty| treaty.at);
    let (Some(page), Some(newest)) = (page, newest) else {
        told.push("pages and record do not both have a treaty: nothing to compare".to_owned());
        return;
    };
    let sha256 = serde_json_canonicalizer::to_vec(&page.spec).map(|text| concord_ledger::text::sha256(&text));
    let (name, generation) = (&newest.what.treaty, newest.what.generation);
    if page.generation.is_some_and(|shown| shown > generation) && page.name == *name {
        told.push(format!(
            "the pages show generation {:?} of treaty {name}, which the record does not have yet",
            page.generation
        ));
    } else if sha256.ok().as_ref() == Some(&newest.what.text) {
        told.push(format!(
            "the treaty on the pages is the one of the record: {name}, generation {generation}"
        ));
    } else {
        findings.add(Kind::Pages, || {
            format!(
                "the pages show another text of treaty {} than generation {generation} of the record",
                page.name
            )
        });
    }
}

/// The pages count nodes that take work, the record all.
fn capacity(history: &History, page: &UsePage, findings: &mut Findings, told: &mut Vec<String>) {
    let newest = history.capacities.iter().max_by_key(|capacity| capacity.since);
    let (Some(shown), Some(newest)) = (page.capacity_gpus, newest) else { return };
    let recorded: i64 =
        newest.nodes.iter().map(|kind| i64::from(kind.gpus_per_node) * i64::from(kind.nodes)).sum();
    if shown > recorded {
        findings.add(Kind::Pages, || format!("the pages show {shown} GPUs, and the record has {recorded}"));
    } else {
        told.push(format!(
            "{shown} GPUs of nodes that take work are on the pages now, of {recorded} in the record"
        ));
    }
}

/// Every award that is shown was decided in the record; what the pages name a person or an organisation the record does not.
fn awards(history: &History, page: &AwardsPage, findings: &mut Findings, told: &mut Vec<String>) {
    let begin = history.time.map_or(Timestamp::MAX, |(first, _)| first);
    let shown: Vec<&Award> = page.awards.iter().filter(|award| award.decided_at >= begin).collect();
    let mut granted: Vec<_> = history
        .decisions
        .iter()
        .filter(|decided| decided.what.outcome == Outcome::Approved)
        .filter_map(|decided| Some((decided.what.party.as_str(), decided.what.granted.as_ref()?)))
        .collect();
    let mut same = 0;
    for award in shown {
        let is_it = |(party, grant): &(&str, &concord_ledger::entry::GrantedAccess)| {
            *party == award.party
                && (grant.gpu_hours, grant.most_gpus) == (award.gpu_hours, award.most_gpus)
                && grant.until.as_second() == award.until.as_second()
        };
        match granted.iter().position(is_it) {
            Some(index) => {
                granted.swap_remove(index);
                same += 1;
            }
            None => findings.add(Kind::Pages, || {
                format!(
                    "the pages show award {} of {} GPU-hours, and the record has no such decision",
                    award.application, award.gpu_hours
                )
            }),
        }
    }
    told.push(format!("{same} awards on the pages are decisions of the record"));
}

/// GPU-milliseconds of a party: what the record has, and how much of it sampling may miss.
#[derive(Debug, Clone, Copy, Default)]
struct Recorded {
    used: u64,
    missed_at_most: u64,
}

fn members(history: &History, page: &PromisesPage, findings: &mut Findings, told: &mut Vec<String>) {
    let span = Span { since: Some(page.from), until: Some(page.until) };
    let mut recorded: BTreeMap<(&str, bool), Recorded> = BTreeMap::new();
    for run in &history.runs {
        let used = span.overlap(run.from, run.until).saturating_mul(u64::from(run.gpus));
        if used > 0 {
            let sum = recorded.entry((history.names.text(run.party), run.is_borrowed)).or_default();
            sum.used = sum.used.saturating_add(used);
            sum.missed_at_most = sum.missed_at_most.saturating_add(u64::from(run.gpus) * SAMPLE_MILLIS);
        }
    }
    let missing = u64::try_from(page.expected_samples.saturating_sub(page.samples)).unwrap_or(0);
    let mut same = 0;
    for account in &page.members {
        let shown = [
            (false, account.guaranteed_gpu_hours, "of its own"),
            (true, account.borrowed_gpu_hours, "borrowed"),
        ];
        for (is_borrowed, hours, what) in shown {
            let Some(recorded) = recorded.get(&(account.member.as_str(), is_borrowed)) else { continue };
            let held = most_held(history, &account.member, is_borrowed, &span);
            let unseen = missing.saturating_mul(SAMPLE_MILLIS).saturating_mul(held);
            let shown = gpu_millis(hours);
            if shown.saturating_add(recorded.missed_at_most).saturating_add(unseen) < recorded.used {
                findings.add(Kind::Pages, || {
                    let (shown, used) = (shown / 3_600_000, recorded.used / 3_600_000);
                    let (from, until) = (written(page.from.as_millisecond()), written(page.until.as_millisecond()));
                    format!(
                        "from {from} until {until} the pages show {shown} GPU-hours {what} for {}, and the record has {used}; sampling does not explain it",
                        account.member
                    )
                });
            } else {
                same += 1;
            }
        }
    }
    let (from, until) = (written(page.from.as_millisecond()), written(page.until.as_millisecond()));
    told.push(format!(
        "{same} sums of GPU-hours by member from {from} until {until} are not below the record's by more than samples of a minute explain; \
         {missing} minutes were not sampled"
    ));
}

/// Most GPUs that a party held at once.
fn most_held(history: &History, party: &str, is_borrowed: bool, span: &Span) -> u64 {
    let Some(party) = history.names.find(party) else { return 0 };
    let is_wanted = |run: &&Run| {
        run.party == party && run.is_borrowed == is_borrowed && span.overlap(run.from, run.until) > 0
    };
    let mut changes: Vec<(i64, i64)> = Vec::new();
    for run in history.runs.iter().filter(is_wanted) {
        changes.push((run.from, i64::from(run.gpus)));
        changes.push((run.until, -i64::from(run.gpus)));
    }
    changes.sort_unstable();
    let held = changes.iter().scan(0_i64, |held, (_, change)| {
        *held += change;
        Some(*held)
    });
    u64::try_from(held.max().unwrap_or(0)).unwrap_or(0)
}

/// What a page shows in hours; nonsense is nothing.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and nonsense becomes nothing"
)]
fn gpu_millis(hours: f64) -> u64 {
    (hours * 3_600_000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use concord_ledger::entry::{End, EndKind, Entry, Event, Usage};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// An hour of eight GPUs.
    fn history() -> History {
        let mut history = History::new(Span::default());
        let usage = Usage {
            claim: "a".to_owned(),
            run: 1,
            project: "p".to_owned(),
            party: "north".to_owned(),
            class: None,
            clause: "guarantee/north".to_owned(),
            borrowed: false,
            gpus: 8,
            submitted_at: at("2026-11-28T20:00:00Z"),
            due_since: None,
            from: at("2026-11-28T20:00:00Z"),
            until: at("2026-11-28T21:00:00Z"),
            gpu_milliseconds: 8 * 3_600_000,
            lost_gpu_milliseconds: 0,
            end: End {
                kind: EndKind::Finished,
                reason: "JobSucceeded".to_owned(),
                clause: None,
                party: None,
            },
        };
        history.take(Entry::new("usage/a/1".to_owned(), usage.until, Event::Usage(usage)));
        history
    }

    fn found(hours: f64, samples: i64) -> Vec<String> {
        let promises = serde_json::json!({
            "from": "2026-11-28T20:00:00Z", "until": "2026-11-28T22:00:00Z", "samples": samples, "expected_samples": 120,
            "members": [{"member": "north", "guaranteed_gpu_hours": hours, "borrowed_gpu_hours": 0.0, "kept": null}],
        });
        let pages = Pages { promises: serde_json::from_value(promises).unwrap(), ..Pages::default() };
        let mut findings = Findings::default();
        compare(&history(), &pages, &mut findings);
        findings.listed.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn pages_may_show_more_and_less_only_as_samples_explain() {
        // 8 GPU-hours; of one run a sample may be missed: 8 GPUs for a minute.
        assert_eq!(found(8.0, 120), [""; 0]);
        assert_eq!(found(20.0, 120), [""; 0], "what still runs");
        assert_eq!(found(7.87, 120), [""; 0]);
        let told = found(7.86, 120);
        assert!(told[0].contains("show 7 GPU-hours of its own for north, and the record has 8"), "{told:?}");
        assert_eq!(found(7.0, 112), [""; 0], "eight minutes of eight GPUs");
        assert_eq!(found(-1.0, 120).len(), 1);
    }

    #[test]
    fn an_award_that_nobody_decided_is_found() {
        let award = serde_json::json!({"awards": [{
            "application": "lake", "party": "north", "decided_at": "2026-11-28T21:30:00Z", "gpu_hours": 100, "most_gpus": 2,
            "until": "2027-01-01T00:00:00Z", "title": "more than this is shown",
        }]});
        let pages = Pages { awards: serde_json::from_value(award).unwrap(), ..Pages::default() };
        let mut findings = Findings::default();
        compare(&history(), &pages, &mut findings);
        assert_eq!(findings.counts[&Kind::Pages], 1);
    }
}

//! Whether members got what was theirs in time, and applicants their answer.
//!
//! A run says since when its claim would have run had its member stayed alone (`dueSince`). Judged is the first run of the claim
//! that reaches past that time, once: a claim that ran then was not late, and one that was put back afterwards, because a node
//! failed or a window came, was not late either. A claim that never ran leaves no run, and nothing here can see it.

use jiff::Timestamp;
use serde::Serialize;

use crate::finding::Kind;
use crate::history::{History, Run};
use crate::names::Names;
use crate::rules::Rules;
use crate::span::{long, written};

/// A floor that was missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MissedFloor {
    /// Member or reserve.
    pub party: String,
    /// UID of the claim.
    pub claim: String,
    /// GPUs.
    pub gpus: u32,
    /// Since when it would have run.
    pub due_since: Timestamp,
    /// When it ran.
    pub started: Timestamp,
    /// Notice of the treaty, in milliseconds.
    pub notice_millis: i64,
    /// How much later than notice and due time together.
    pub late_millis: i64,
}

/// What became of the promises.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// By party: how many starts were due.
    pub(crate) due: std::collections::BTreeMap<String, u64>,
    /// All of them.
    pub(crate) missed: Vec<MissedFloor>,
    /// Due at a time of which the treaty is not known.
    pub(crate) unjudged: u64,
    /// Decisions with a promised day, and those that came after it.
    pub(crate) decisions: (u64, u64),
}

/// Judges the runs, which must be in the order of claim and number, and the decisions.
pub(crate) fn judge(history: &mut History, rules: &Rules<'_>) -> Promises {
    let mut promises = Promises::default();
    let History { runs, names, findings, decisions, span, .. } = history;
    for claim in runs.chunk_by(|one, other| one.claim == other.claim) {
        let mut judged = None;
        for run in claim {
            let Some(due) = run.due_since.filter(|due| judged != Some(*due) && span.has(*due)) else {
                continue;
            };
            judged = Some(due);
            let Some(first) = claim.iter().find(|run| run.until > due || run.from >= due) else { continue };
            let Some(treaty) = rules.at(due) else {
                promises.unjudged += 1;
                continue;
            };
            *promises.due.entry(names.text(run.party).to_owned()).or_default() += 1;
            let notice = treaty.reclaim_notice().0;
            let late = first.from.saturating_sub(due).saturating_sub(notice);
            if late > 0 {
                let missed = missed(names, first, due, notice);
                findings.add(Kind::MissedFloor, || missed.sentence());
                promises.missed.push(missed);
            }
        }
    }
    for decided in decisions.iter().filter(|decided| span.has(decided.at.as_millisecond())) {
        let Some(promised) = decided.what.promised_by else { continue };
        promises.decisions.0 += 1;
        if decided.at > promised {
            promises.decisions.1 += 1;
            findings.add(Kind::LateDecision, || {
                let late =
                    long(decided.at.duration_since(promised).as_millis().try_into().unwrap_or(i64::MAX));
                let party = &decided.what.party;
                format!(
                    "{} ({party}) was answered at {}, {late} after the promised {promised}",
                    decided.id, decided.at
                )
            });
        }
    }
    promises
}

fn missed(names: &Names, run: &Run, due: i64, notice_millis: i64) -> MissedFloor {
    let time = |millis| Timestamp::from_millisecond(millis).unwrap_or_default();
    MissedFloor {
        party: names.text(run.party).to_owned(),
        claim: names.claim_text(run.claim),
        gpus: run.gpus,
        due_since: time(due),
        started: time(run.from),
        notice_millis,
        late_millis: run.from - due - notice_millis,
    }
}

impl MissedFloor {
    fn sentence(&self) -> String {
        let Self { party, claim, gpus, due_since, started, notice_millis, late_millis } = self;
        let (due, started) = (written(due_since.as_millisecond()), written(started.as_millisecond()));
        let (notice, late) = (long(*notice_millis), long(*late_millis));
        format!(
            "{party}: claim {claim} ({gpus} GPUs) was due at {due} and ran at {started}: {late} later than the notice of {notice}"
        )
    }
}

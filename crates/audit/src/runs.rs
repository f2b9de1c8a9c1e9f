//! The runs of one claim: one after the other, numbered without gaps, each charged to a party of the treaty.

use concord_ledger::entry::EndKind;

use crate::finding::Kind;
use crate::history::{History, Run};
use crate::rules::Rules;
use crate::span::{Span, written};

/// What is not wrong, and yet to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Open {
    /// Claims.
    pub(crate) claims: u64,
    /// Claims whose last part says that they go on.
    pub(crate) under_way: u64,
    /// Claims that were submitted before the record begins and whose first parts are not in it.
    pub(crate) begun_before: u64,
}

/// Checks all runs, which must be in the order of claim and number.
pub(crate) fn check(history: &mut History, rules: &Rules<'_>) -> Open {
    let mut open = Open::default();
    let begin = begin(history);
    let History { runs, names, findings, .. } = history;
    for claim in runs.chunk_by(|one, other| one.claim == other.claim) {
        open.claims += 1;
        let (Some(first), Some(last)) = (claim.first(), claim.last()) else { continue };
        open.under_way += u64::from(last.end != EndKind::Finished);
        if first.number != 1 && first.submitted_at < begin {
            open.begun_before += 1;
        } else if first.number != 1 {
            findings.add(Kind::Gap, || {
                format!(
                    "claim {}: its first run in the record is number {}",
                    names.claim_text(first.claim),
                    first.number
                )
            });
        }
        for pair in claim.windows(2) {
            let [before, run] = pair else { continue };
            if run.number > before.number.saturating_add(1) {
                findings.add(Kind::Gap, || {
                    let uid = names.claim_text(run.claim);
                    format!("claim {uid}: run {} follows run {}", run.number, before.number)
                });
            }
            if run.from < before.until {
                findings.add(Kind::Overlap, || {
                    let uid = names.claim_text(run.claim);
                    let (one, other) = (before.number, run.number);
                    let (from, until) = (written(run.from), written(before.until));
                    format!("claim {uid}: run {other} begins at {from}, and run {one} lasts until {until}")
                });
            }
        }
        let mut ran = 0_u64;
        for run in claim {
            ran = ran.saturating_add(run.in_span(&Span::default()));
            if run.lost_gpu_millis > ran && first.number == 1 {
                findings.add(Kind::FalseSum, || {
                    let uid = names.claim_text(run.claim);
                    format!(
                        "run {} of claim {uid} lost {} GPU-ms of the {ran} that it had run since its start",
                        run.number, run.lost_gpu_millis
                    )
                });
            }
            // It goes on, on another account.
            ran = if run.end == EndKind::Rebooked { ran } else { 0 };
            let party = names.text(run.party);
            if !rules.knew(party, run.from) {
                findings.add(Kind::Stranger, || {
                    let uid = names.claim_text(run.claim);
                    format!(
                        "run {} of claim {uid} is charged to {party}, which is in no treaty until then",
                        run.number
                    )
                });
            }
        }
    }
    open
}

/// When the record begins: a treaty may be older than it, so that the nodes tell.
fn begin(history: &History) -> i64 {
    let nodes = history.capacities.iter().map(|capacity| capacity.since.as_millisecond()).min();
    nodes.or_else(|| history.runs.iter().map(|run| run.until).min()).unwrap_or(i64::MAX)
}

/// The order in which [`check`] wants them.
pub(crate) fn in_order(runs: &mut [Run]) {
    runs.sort_unstable_by_key(|run| (run.claim, run.number, run.from));
}

//! What became of an amendment: counted anew from its recorded signatures, and held against what is recorded of it.

use concord_ledger::entry::Step;
use concord_treaty::accounts::amendments::State;
use concord_treaty::ratify::{Signature, Standing, Way};
use concord_treaty::units::TimestampMillis;
use jiff::Timestamp;

use super::case::Placed;
use super::{CLOCKS_DIFFER_MOST_MILLIS, Case};
use crate::finding::{Findings, Kind};
use crate::history::History;
use crate::span::written;

/// Checks each recorded outcome against the signatures that were recorded before it.
pub(super) fn check(case: &Case<'_>, way: &Way, findings: &mut Findings) {
    for placed in &case.turns {
        let before = case.signatures_before(placed);
        let standing = way.standing(case.published(), &before, placed.at());
        if let Some(said) = contradicted(placed, &standing) {
            let title = case.title();
            findings.add(Kind::Count, || {
                let (at, why) = (placed.step.at, &standing.why);
                format!("{title} is recorded {said} at {at}; by the recorded signatures and the text before: {why}")
            });
        }
    }
}

/// How the record says that it is, if that is not so.
fn contradicted(placed: &Placed<'_>, standing: &Standing) -> Option<String> {
    let at = placed.at();
    let (said, is_so) = match &placed.step.what.step {
        Step::Proposed { .. } | Step::Signed { .. } => return None,
        Step::Decided { passed, .. } => {
            let is_so = standing.verdict.as_ref().is_some_and(|v| (v.at, v.passed) == (at, *passed));
            (if *passed { "as passed" } else { "as lost" }.to_owned(), is_so)
        }
        Step::InForce { sunset, provisional } => {
            let acts = match standing.state {
                State::Provisional { since, .. } => *provisional && since == at,
                State::InForce { from, .. } => !*provisional && from == at,
                _ => false,
            };
            let is_so = acts && standing.sunset == sunset.map(millis);
            let until = sunset.map_or(String::new(), |end| format!(" until {end}"));
            (format!("as {}{until}", if *provisional { "acting" } else { "in force" }), is_so)
        }
        Step::Expired => ("as expired".to_owned(), matches!(standing.state, State::Expired { .. })),
    };
    (!is_so).then_some(said)
}

/// Outcomes of what cannot have had any.
pub(super) fn impossible(case: &Case<'_>, why: &str, findings: &mut Findings, notes: &mut Vec<String>) {
    let mut outcomes =
        case.turns.iter().filter(|placed| !matches!(placed.step.what.step, Step::Proposed { .. })).peekable();
    if outcomes.peek().is_none() {
        notes.push(format!("{} cannot be decided on: {why}", case.title()));
    }
    for placed in outcomes {
        findings
            .add(Kind::Count, || format!("{}: {} cannot be decided on: {why}", placed.step.id, case.title()));
    }
}

/// What the rules say of it at the end of the record, and the record does not.
pub(super) fn untold(case: &Case<'_>, way: &Way, history: &History) -> Option<String> {
    let (_, last) = history.time?;
    // What has happened just now may not be recorded yet.
    let end = TimestampMillis(last.as_millisecond().saturating_sub(CLOCKS_DIFFER_MOST_MILLIS));
    let all: Vec<Signature<'_>> = case.signatures.iter().map(|(_, signature)| *signature).collect();
    let standing = way.standing(case.published(), &all, end);
    let has = |is: fn(&Step) -> bool| case.turns.iter().any(|placed| is(&placed.step.what.step));
    let decided = standing.verdict.as_ref().map(|verdict| verdict.at);
    let decided = decided.filter(|_| !has(|step| matches!(step, Step::Decided { .. })));
    let acts =
        standing.acts_from.filter(|from| *from <= end && !has(|step| matches!(step, Step::InForce { .. })));
    let since = decided.or(acts)?;
    let is_overtaken = case.proposed.as_ref().is_some_and(|proposed| {
        history.treaties.iter().any(|ruled| {
            let at = ruled.at.as_millisecond();
            ruled.what.treaty == case.treaty
                && ruled.what.text != proposed.proposal.replaces
                && ruled.what.amendment.as_deref() != Some(case.name)
                && at >= case.published().0
                && at <= since.0.saturating_add(CLOCKS_DIFFER_MOST_MILLIS)
        })
    });
    (!is_overtaken).then(|| {
        format!(
            "{}: by the recorded signatures something was decided or in force since {}, of which the record says nothing, because \
             the amendment was withdrawn or overtaken, or because it leaves that out: {}",
            case.title(),
            written(since.0),
            standing.why.trim_end_matches('.')
        )
    })
}

fn millis(at: Timestamp) -> TimestampMillis {
    TimestampMillis(at.as_millisecond())
}

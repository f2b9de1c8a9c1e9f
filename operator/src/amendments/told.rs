//! The rules' answer in the words of the object.

use concord_api::amendment::{Amendment, AmendmentDecision, AmendmentState, AmendmentStatus, VoteCounts};
use concord_api::conditions::set;
use concord_treaty::accounts::amendments::State;
use concord_treaty::accounts::votes::{Counts, Side};
use concord_treaty::ratify::Verdict;
use concord_treaty::units::TimestampMillis;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;

/// Condition: it can be decided on.
const ADMISSIBLE: &str = "Admissible";
/// Condition: its text rules.
pub const ACTS: &str = "Acts";

/// Sets both conditions from the rest of the status.
pub fn conditions(status: &mut AmendmentStatus, amendment: &Amendment, now: Timestamp) {
    let generation = amendment.metadata.generation;
    let Some(state) = status.state else { return };
    let admissible = state != AmendmentState::Refused;
    let why = if admissible { "it can be decided on" } else { status.why.as_str() }.to_owned();
    let reason = if admissible { "Admissible" } else { "Refused" };
    set(&mut status.conditions, ADMISSIBLE, admissible, reason, &why, &Time(now), generation);
    let acts =
        matches!(state, AmendmentState::Provisional | AmendmentState::InForce) && status.applied_at.is_some();
    let why = status.why.clone();
    set(&mut status.conditions, ACTS, acts, word(state), &why, &Time(now), generation);
}

/// The state as a condition's reason.
const fn word(state: AmendmentState) -> &'static str {
    match state {
        AmendmentState::Refused => "Refused",
        AmendmentState::NoticeRunning => "NoticeRunning",
        AmendmentState::Voting => "Voting",
        AmendmentState::Rejected => "Rejected",
        AmendmentState::WaitingForSignatures => "WaitingForSignatures",
        AmendmentState::Provisional => "Provisional",
        AmendmentState::Adopted => "Adopted",
        AmendmentState::InForce => "InForce",
        AmendmentState::Expired => "Expired",
        AmendmentState::Overtaken => "Overtaken",
    }
}

/// The step.
pub const fn state(state: &State) -> AmendmentState {
    match state {
        // The clock of the API server may be ahead.
        State::Unpublished | State::NoticeRunning { .. } => AmendmentState::NoticeRunning,
        State::Voting => AmendmentState::Voting,
        State::Rejected { .. } => AmendmentState::Rejected,
        State::WaitingForSignatures { .. } => AmendmentState::WaitingForSignatures,
        State::Provisional { .. } => AmendmentState::Provisional,
        State::Adopted { .. } => AmendmentState::Adopted,
        State::InForce { .. } => AmendmentState::InForce,
        State::Expired { .. } => AmendmentState::Expired,
    }
}

/// Heads.
pub fn counts(counts: &Counts) -> VoteCounts {
    let heads = |side: &Side| i64::try_from(side.heads).unwrap_or(i64::MAX);
    let Counts { yes, no, abstained, absent, recused } = counts;
    VoteCounts {
        approving: heads(yes),
        rejecting: heads(no),
        abstained: heads(abstained),
        absent: heads(absent),
        recused: heads(recused),
    }
}

/// The end of the vote; a time beyond the calendar is none.
pub fn decision(verdict: Verdict) -> AmendmentDecision {
    let at = micro_time(verdict.at).unwrap_or(MicroTime(Timestamp::UNIX_EPOCH));
    AmendmentDecision { at, passed: verdict.passed, why: verdict.why }
}

/// A time; `None` beyond the calendar.
pub fn micro_time(at: TimestampMillis) -> Option<MicroTime> {
    Timestamp::from_millisecond(at.0).ok().map(MicroTime)
}

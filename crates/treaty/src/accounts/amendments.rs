//! How far a proposed change is on its way to law at a time: notice, vote, signatures, provisional, in force, expired.
//!
//! The state follows from dated facts alone, so that anybody who has them finds the same. Facts dated after `now` are
//! not known yet. Counting the vote is [`super::votes`]'; who must sign is the caller's.

use std::collections::{BTreeMap, BTreeSet};

use crate::clauses::AmendmentRule;
use crate::units::{MemberId, TimestampMillis};

/// A proposal and what has happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// When it was made public.
    pub published: TimestampMillis,
    /// Result of the vote; one from before the end of the notice does not count.
    pub decided: Option<Decision>,
    /// Members whose signature is needed; none when the vote alone decides.
    pub needed: BTreeSet<MemberId>,
    /// Signatures with their dates.
    pub signed: BTreeMap<MemberId, TimestampMillis>,
}

/// End of a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// When the vote ended.
    pub at: TimestampMillis,
    /// Whether it passed.
    pub passed: bool,
}

/// State of a proposal at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not public yet.
    Unpublished,
    /// Nobody can decide before this time.
    NoticeRunning {
        /// End of the notice.
        until: TimestampMillis,
    },
    /// The notice is over; the result of the vote is awaited.
    Voting,
    /// The vote was lost.
    Rejected {
        /// When.
        at: TimestampMillis,
    },
    /// Decided, but not signed by all who must; it does not act.
    WaitingForSignatures {
        /// Who must still sign.
        missing: BTreeSet<MemberId>,
    },
    /// Decided and acting, before it is in force.
    Provisional {
        /// Acts since the vote.
        since: TimestampMillis,
        /// Who must still sign.
        missing: BTreeSet<MemberId>,
        /// When it comes into force, once all have signed.
        in_force_from: Option<TimestampMillis>,
    },
    /// Signed by all; comes into force by itself. It does not act yet.
    Adopted {
        /// When it comes into force.
        in_force_from: TimestampMillis,
    },
    /// It is law.
    InForce {
        /// Since when.
        from: TimestampMillis,
        /// When it ends by itself.
        sunset: Option<TimestampMillis>,
    },
    /// Its time is over.
    Expired {
        /// Since when.
        at: TimestampMillis,
    },
}

impl State {
    /// Whether the changed text rules.
    #[must_use]
    pub const fn acts(&self) -> bool {
        matches!(self, Self::Provisional { .. } | Self::InForce { .. })
    }
}

/// State of `proposal` at `now`. A sunset counts from the time at which the change begins to act.
#[must_use]
pub fn state(rule: &AmendmentRule, proposal: &Proposal, now: TimestampMillis) -> State {
    let voting = proposal.published.after(rule.notice);
    if now < proposal.published {
        return State::Unpublished;
    }
    if now < voting {
        return State::NoticeRunning { until: voting };
    }
    let Some(decision) = proposal.decided.filter(|d| voting <= d.at && d.at <= now) else {
        return State::Voting;
    };
    if !decision.passed {
        return State::Rejected { at: decision.at };
    }
    let signed_at = |member| proposal.signed.get(member).copied().filter(|at| *at <= now);
    let missing: BTreeSet<MemberId> =
        proposal.needed.iter().filter(|member| signed_at(member).is_none()).copied().collect();
    let complete =
        missing.is_empty().then(|| proposal.needed.iter().filter_map(signed_at).fold(decision.at, Ord::max));
    let in_force_from = complete.map(|at| at.after(rule.entry_into_force));
    let acts_from = if rule.provisional { Some(decision.at) } else { in_force_from };
    let sunset = rule.sunset.zip(acts_from).map(|(length, from)| from.after(length));
    match in_force_from {
        _ if sunset.is_some_and(|end| end <= now) => State::Expired { at: sunset.unwrap_or(now) },
        Some(from) if from <= now => State::InForce { from, sunset },
        _ if rule.provisional => State::Provisional { since: decision.at, missing, in_force_from },
        Some(in_force_from) => State::Adopted { in_force_from },
        None => State::WaitingForSignatures { missing },
    }
}

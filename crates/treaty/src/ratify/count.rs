//! Who has a vote at a time, with what weight, and when the vote is over.

use std::collections::{BTreeMap, BTreeSet};

use super::Way;
use crate::accounts::votes::{Ballot, Outcome, tally};
use crate::clauses::{VoteRule, WeightBy};
use crate::units::{MemberId, TimestampMillis};

/// The valid ballots, each with its time.
pub(super) type Ballots = BTreeMap<MemberId, (Ballot, TimestampMillis)>;

/// End of a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub at: TimestampMillis,
    pub outcome: Outcome,
}

impl Way {
    /// Whether the member's rights rest at a time.
    pub(super) fn rests(&self, member: MemberId, at: TimestampMillis) -> bool {
        self.treaty.member(member).is_suspended(self.treaty.day(at))
    }

    /// Members that may vote, or did while they might, with their weights.
    fn weights(&self, rule: &VoteRule, ballots: &Ballots, at: TimestampMillis) -> BTreeMap<MemberId, u64> {
        let day = self.treaty.day(at);
        let weight = |id: MemberId| {
            let member = self.treaty.member(id);
            match rule.weights {
                WeightBy::Equal => 1,
                WeightBy::Contribution => member.contributed(day),
                WeightBy::Stated => u64::from(member.weight.unwrap_or(1)),
                WeightBy::Guarantee => u64::from(member.guarantee),
            }
        };
        let has_voice =
            |id: &MemberId| !self.rests(*id, at) || ballots.get(id).is_some_and(|(_, cast)| *cast <= at);
        self.treaty.member_ids().filter(has_voice).map(|id| (id, weight(id))).collect()
    }

    /// The count at a time.
    pub(super) fn outcome(&self, rule: &VoteRule, ballots: &Ballots, at: TimestampMillis) -> Outcome {
        self.count(rule, ballots, at, None)
    }

    /// The count at a time; who has not voted is taken as `absent` says.
    fn count(
        &self,
        rule: &VoteRule,
        ballots: &Ballots,
        at: TimestampMillis,
        absent: Option<Ballot>,
    ) -> Outcome {
        let weights = self.weights(rule, ballots, at);
        let cast = |id: &MemberId| {
            let ballot = ballots.get(id).filter(|(_, cast)| *cast <= at).map(|(ballot, _)| *ballot);
            Some((*id, ballot.or(absent)?))
        };
        let cast: BTreeMap<MemberId, Ballot> = weights.keys().filter_map(cast).collect();
        tally(rule, &weights, &cast, &self.concerned).unwrap_or_else(|fault| Outcome {
            // Nobody without a weight is among them.
            passed: false,
            why: format!("Not counted: {fault}."),
            counts: Default::default(),
        })
    }

    /// When the vote was over, if it is at `now`: at the first time from the end of the notice at which yes has what it needs, or
    /// at which it could not get it any more from those who have not voted.
    pub(super) fn ended(
        &self,
        rule: &VoteRule,
        ballots: &Ballots,
        notice_ends: TimestampMillis,
        now: TimestampMillis,
    ) -> Option<Ended> {
        let cast = ballots.values().map(|(_, at)| *at);
        let turns: BTreeSet<TimestampMillis> = cast
            .chain(self.turns())
            .filter(|at| *at > notice_ends)
            .chain([notice_ends])
            .filter(|at| *at <= now)
            .collect();
        turns.into_iter().find_map(|at| {
            let outcome = self.outcome(rule, ballots, at);
            let open = !outcome.passed && self.count(rule, ballots, at, Some(Ballot::Yes)).passed;
            (!open).then_some(Ended { at, outcome })
        })
    }

    /// Times at which weights and rights change by the text alone.
    pub(super) fn turns(&self) -> impl Iterator<Item = TimestampMillis> {
        self.treaty.days_of_change().filter_map(|(day, ..)| self.treaty.day_begins(day))
    }
}

//! Counting a vote: weights, heads, quorum, who is absent, abstains or may not vote, and why it passed or not.
//!
//! Each member casts one ballot with all its weight: votes are indivisible. Who has a vote, and with what weight,
//! comes from the caller (a suspended member is left out); what a decision leads to stands in
//! [`super::amendments`].

use std::collections::{BTreeMap, BTreeSet};

use crate::clauses::{BasisPoints, VoteRule};
use crate::units::MemberId;

/// One member's ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ballot {
    /// For it.
    Yes,
    /// Against it.
    No,
    /// Present, but neither.
    Abstain,
}

/// Heads and weights of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Side {
    /// Members.
    pub heads: u64,
    /// Sum of their weights.
    pub weight: u128,
}

/// All members by what they did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// For it.
    pub yes: Side,
    /// Against it.
    pub no: Side,
    /// Present, but neither.
    pub abstained: Side,
    /// Without a ballot.
    pub absent: Side,
    /// Concerned and therefore not asked, whatever they cast.
    pub recused: Side,
}

/// Result of a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it is decided.
    pub passed: bool,
    /// Why, in one sentence.
    pub why: String,
    /// The count.
    pub counts: Counts,
}

/// A ballot of somebody who has no vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ballot of member {}, which has no vote here; leave it out or add its weight", .member.0)]
pub struct NoVote {
    /// Who cast it.
    pub member: MemberId,
}

/// Counts `ballots` of the members in `weights`. `concerned` are those whom the decision is about; they do not vote
/// when the rule says so.
///
/// It passes when enough heads took part, somebody voted yes, and yes has its share of the weights and of the heads
/// that count: yes and no, and by the rule those who abstained or were absent. A share of exactly the threshold is
/// enough. 66.67 % and 33.33 % mean exactly two thirds and one third, which hundredths of a percent cannot say.
///
/// # Errors
/// When somebody voted who has no weight entry.
pub fn tally(
    rule: &VoteRule,
    weights: &BTreeMap<MemberId, u64>,
    ballots: &BTreeMap<MemberId, Ballot>,
    concerned: &BTreeSet<MemberId>,
) -> Result<Outcome, NoVote> {
    if let Some(&member) = ballots.keys().find(|member| !weights.contains_key(member)) {
        return Err(NoVote { member });
    }
    let counts = count(rule, weights, ballots, concerned);
    let (passed, why) = judge(rule, &counts);
    Ok(Outcome { passed, why, counts })
}

fn count(
    rule: &VoteRule,
    weights: &BTreeMap<MemberId, u64>,
    ballots: &BTreeMap<MemberId, Ballot>,
    concerned: &BTreeSet<MemberId>,
) -> Counts {
    let mut counts = Counts::default();
    for (member, &weight) in weights {
        let recused = rule.concerned_recused && concerned.contains(member);
        let side = match ballots.get(member) {
            _ if recused => &mut counts.recused,
            Some(Ballot::Yes) => &mut counts.yes,
            Some(Ballot::No) => &mut counts.no,
            Some(Ballot::Abstain) => &mut counts.abstained,
            None => &mut counts.absent,
        };
        side.heads += 1;
        side.weight += u128::from(weight);
    }
    counts
}

fn judge(rule: &VoteRule, counts: &Counts) -> (bool, String) {
    let Counts { yes, no, abstained, absent, recused: _ } = counts;
    let present = yes.heads + no.heads + abstained.heads;
    let asked = present + absent.heads;
    if !has_share(present.into(), asked.into(), rule.quorum) {
        let needed = percent(rule.quorum);
        return (
            false,
            format!("Not passed: {present} of {asked} members took part, the quorum is {needed}."),
        );
    }
    if yes.heads == 0 {
        return (false, "Not passed: nobody voted yes.".to_owned());
    }
    let whole = |of: fn(&Side) -> u128| {
        let abstained = if rule.abstentions_counted { of(abstained) } else { 0 };
        let absent = if rule.absent_counted { of(absent) } else { 0 };
        of(yes) + of(no) + abstained + absent
    };
    let (weight, heads) = (whole(|side| side.weight), whole(|side| side.heads.into()));
    let enough_weight = has_share(yes.weight, weight, rule.weight_threshold);
    let enough_heads = has_share(yes.heads.into(), heads, rule.heads_threshold);
    let passed = enough_weight && enough_heads;
    let head = if passed { "Passed" } else { "Not passed" };
    let by_weight =
        format!("{} of {weight} by weight, {} needed", yes.weight, percent(rule.weight_threshold));
    let by_heads = format!("{} of {heads} by heads, {} needed", yes.heads, percent(rule.heads_threshold));
    let counted = match (rule.weight_threshold.0, rule.heads_threshold.0) {
        (_, 0) => by_weight,
        (0, _) => by_heads,
        _ => format!("{by_weight}; {by_heads}"),
    };
    (passed, format!("{head}: yes has {counted}."))
}

/// Whether `part` is at least that share of `whole`; nothing is every share of nothing.
fn has_share(part: u128, whole: u128, share: BasisPoints) -> bool {
    let (numerator, denominator) = match share.0 {
        3_333 => (1, 3),
        6_667 => (2, 3),
        basis_points => (u128::from(basis_points), 10_000),
    };
    part * denominator >= whole * numerator
}

fn percent(share: BasisPoints) -> String {
    match share.0 {
        3_333 => "one third".to_owned(),
        6_667 => "two thirds".to_owned(),
        other if other % 100 == 0 => format!("{} %", other / 100),
        other => format!("{}.{:02} %", other / 100, other % 100),
    }
}

//! Votes: precedents by name, and every rule against a count of its own.

use std::collections::{BTreeMap, BTreeSet};

use concord_treaty::accounts::votes::{Ballot, Outcome, tally};
use concord_treaty::clauses::{BasisPoints, Matter, VoteRule, WeightBy};
use concord_treaty::units::MemberId;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::property;

const SIMPLE: VoteRule = VoteRule {
    on: Matter::Annex,
    weights: WeightBy::Contribution,
    weight_threshold: BasisPoints(5_000),
    heads_threshold: BasisPoints(0),
    quorum: BasisPoints(0),
    absent_counted: false,
    abstentions_counted: false,
    concerned_recused: false,
};

/// One letter a member: `y`es, `n`o, `a`bstains, `-` absent.
fn vote(rule: &VoteRule, weights: &[u64], cast: &str, concerned: &[u16]) -> Outcome {
    let ids = (0..).map(MemberId);
    let ballots: BTreeMap<MemberId, Ballot> = ids
        .clone()
        .zip(cast.chars())
        .filter_map(|(member, letter)| match letter {
            'y' => Some((member, Ballot::Yes)),
            'n' => Some((member, Ballot::No)),
            'a' => Some((member, Ballot::Abstain)),
            _ => None,
        })
        .collect();
    let weights: BTreeMap<MemberId, u64> = ids.zip(weights.iter().copied()).collect();
    tally(rule, &weights, &ballots, &concerned.iter().copied().map(MemberId).collect()).unwrap()
}

/// EUMETSAT's budget: two thirds of the contributions and half of the member states, present and voting.
#[test]
fn eumetsat_budget_needs_two_thirds_of_contributions_and_half_of_states() {
    let rule =
        VoteRule { weight_threshold: BasisPoints(6_667), heads_threshold: BasisPoints(5_000), ..SIMPLE };
    let scale = [200, 180, 150, 130, 100, 80, 60, 50, 30, 20];
    // Exactly two thirds of 900 by weight, six of ten by heads.
    let passed = vote(&rule, &[200, 180, 100, 60, 40, 20, 100, 100, 50, 50], "yyyyyynnnn", &[]);
    assert_eq!(
        passed.why,
        "Passed: yes has 600 of 900 by weight, two thirds needed; 6 of 10 by heads, 50 % needed."
    );
    // Four large states carry two thirds, but not half of the states.
    let few = vote(&rule, &scale, "yyyyynnnn-", &[]);
    assert!(few.passed, "five of nine present and voting: {}", few.why);
    let few = vote(&rule, &scale, "yyyy-nnnnn", &[]);
    assert!(!few.passed);
    assert_eq!(
        few.why,
        "Not passed: yes has 660 of 900 by weight, two thirds needed; 4 of 9 by heads, 50 % needed."
    );
    // Many small states are half of them, but not two thirds of the contributions.
    assert!(!vote(&rule, &scale, "nnnyyyyyyy", &[]).passed);
}

/// EUMETSAT Art. 14: the state that is to lose its membership does not vote, and counts for nothing.
#[test]
fn eumetsat_exclusion_goes_without_the_state_concerned() {
    let rule = VoteRule {
        on: Matter::Suspension,
        weight_threshold: BasisPoints(0),
        heads_threshold: BasisPoints(6_667),
        absent_counted: true,
        concerned_recused: true,
        ..SIMPLE
    };
    let outcome = vote(&rule, &[1, 1, 1, 1], "nyyn", &[0]);
    assert!(outcome.passed, "two of three: {}", outcome.why);
    assert_eq!((outcome.counts.recused.heads, outcome.counts.no.heads), (1, 1));
    assert!(!vote(&VoteRule { concerned_recused: false, ..rule }, &[1, 1, 1, 1], "nyyn", &[0]).passed);
}

/// Regulation (EU) 2021/2085 Art. 16: 75 % of all votes including the absent, without abstentions; the Union holds an
/// indivisible half.
#[test]
fn regulation_2021_2085_counts_the_absent() {
    let rule = VoteRule {
        weight_threshold: BasisPoints(7_500),
        absent_counted: true,
        quorum: BasisPoints(5_000),
        ..SIMPLE
    };
    // The Union 50, private members 25, five states 5 each.
    let weights = [50, 25, 5, 5, 5, 5, 5];
    assert!(vote(&rule, &weights, "yynnnnn", &[]).passed, "exactly 75 of 100");
    assert!(!vote(&rule, &weights, "yn-----", &[]).passed, "2 of 7 are no quorum");
    let absent = vote(&rule, &weights, "y-yyyy-", &[]);
    assert_eq!(absent.why, "Not passed: yes has 70 of 100 by weight, 75 % needed.");
    let abstained = vote(&rule, &weights, "yayyyy-", &[]);
    assert_eq!(abstained.why, "Passed: yes has 70 of 75 by weight, 75 % needed.");
    // Nobody can pass anything against the Union, and the Union alone passes nothing.
    assert!(!vote(&rule, &weights, "nyyyyyy", &[]).passed);
    assert!(!vote(&rule, &weights, "ynnnnnn", &[]).passed);
}

/// ITER: in force only after all of N.
#[test]
fn iter_needs_all() {
    let rule = VoteRule {
        weight_threshold: BasisPoints(0),
        heads_threshold: BasisPoints(10_000),
        absent_counted: true,
        abstentions_counted: true,
        ..SIMPLE
    };
    let weights = [1; 7];
    assert!(vote(&rule, &weights, "yyyyyyy", &[]).passed);
    for cast in ["yyyyyy-", "yyyyyya", "yyyyyyn", "-------"] {
        assert!(!vote(&rule, &weights, cast, &[]).passed, "{cast}");
    }
}

#[test]
fn a_quorum_counts_who_takes_part() {
    let rule = VoteRule { quorum: BasisPoints(5_000), ..SIMPLE };
    let outcome = vote(&rule, &[1; 8], "yy-----a", &[]);
    assert_eq!(outcome.why, "Not passed: 3 of 8 members took part, the quorum is 50 %.");
    assert!(vote(&rule, &[1; 8], "yy----aa", &[]).passed);
}

#[test]
fn without_a_yes_nothing_passes() {
    let nothing = VoteRule { weight_threshold: BasisPoints(0), ..SIMPLE };
    assert_eq!(vote(&nothing, &[1; 3], "aa-", &[]).why, "Not passed: nobody voted yes.");
    assert_eq!(vote(&nothing, &[], "", &[]).why, "Not passed: nobody voted yes.");
}

#[test]
fn a_ballot_without_a_vote_is_refused() {
    let ballots = [(MemberId(3), Ballot::Yes)].into();
    let fault = tally(&SIMPLE, &BTreeMap::new(), &ballots, &BTreeSet::new()).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "ballot of member 3, which has no vote here; leave it out or add its weight"
    );
}

fn any_rule() -> impl Strategy<Value = VoteRule> {
    let share = select(vec![0_u32, 1, 3_333, 5_000, 5_001, 6_667, 7_500, 10_000]).prop_map(BasisPoints);
    (share.clone(), share.clone(), share, any::<[bool; 3]>()).prop_map(
        |(
            weight_threshold,
            heads_threshold,
            quorum,
            [absent_counted, abstentions_counted, concerned_recused],
        )| {
            VoteRule {
                weight_threshold,
                heads_threshold,
                quorum,
                absent_counted,
                abstentions_counted,
                concerned_recused,
                ..SIMPLE
            }
        },
    )
}

/// Weight, letter of the ballot, concerned or not.
fn any_voters() -> impl Strategy<Value = Vec<(u64, char, bool)>> {
    vec((prop_oneof![0..=9_u64, any::<u64>()], select(vec!['y', 'n', 'a', '-']), any::<bool>()), 1..=9)
}

fn outcome(rule: &VoteRule, voters: &[(u64, char, bool)]) -> Outcome {
    let weights: Vec<u64> = voters.iter().map(|v| v.0).collect();
    let cast: String = voters.iter().map(|v| v.1).collect();
    let concerned: Vec<u16> = (0..).zip(voters).filter_map(|(i, v)| v.2.then_some(i)).collect();
    vote(rule, &weights, &cast, &concerned)
}

/// Oracle: members struck off one list after the other, shares by multiplication of the threshold as a fraction.
#[test]
fn passes_exactly_when_every_share_is_reached() {
    property("votes", 10_000, (any_rule(), any_voters()), |(rule, mut voters)| {
        let found = outcome(&rule, &voters);
        voters.retain(|v| !(rule.concerned_recused && v.2));
        let enough = |part: u128, whole: u128, share: BasisPoints| match share.0 {
            3_333 => 3 * part >= whole,
            6_667 => 3 * part >= 2 * whole,
            other => 10_000 * part >= u128::from(other) * whole,
        };
        let present = voters.iter().filter(|v| v.1 != '-').count() as u128;
        let mut passes = enough(present, voters.len() as u128, rule.quorum);
        voters.retain(|v| rule.absent_counted || v.1 != '-');
        voters.retain(|v| rule.abstentions_counted || v.1 != 'a');
        let yes: Vec<u128> = voters.iter().filter(|v| v.1 == 'y').map(|v| v.0.into()).collect();
        passes &= !yes.is_empty();
        passes &=
            enough(yes.iter().sum(), voters.iter().map(|v| u128::from(v.0)).sum(), rule.weight_threshold);
        passes &= enough(yes.len() as u128, voters.len() as u128, rule.heads_threshold);
        prop_assert_eq!(found.passed, passes, "{}", found.why);
        prop_assert_eq!(found.why.starts_with("Passed"), passes);
        Ok(())
    });
}

#[test]
fn a_change_to_yes_never_defeats() {
    property("votes monotone", 5_000, (any_rule(), any_voters(), 0..9_usize), |(rule, voters, who)| {
        let who = who % voters.len();
        let mut changed = voters.clone();
        changed[who].1 = 'y';
        prop_assert!(!outcome(&rule, &voters).passed || outcome(&rule, &changed).passed);
        Ok(())
    });
}

#[test]
fn everybody_is_counted_once() {
    property("votes counted", 2_000, (any_rule(), any_voters()), |(rule, voters)| {
        let counts = outcome(&rule, &voters).counts;
        let sides = [counts.yes, counts.no, counts.abstained, counts.absent, counts.recused];
        prop_assert_eq!(sides.iter().map(|s| s.heads).sum::<u64>(), voters.len() as u64);
        let weight: u128 = voters.iter().map(|v| u128::from(v.0)).sum();
        prop_assert_eq!(sides.iter().map(|s| s.weight).sum::<u128>(), weight);
        Ok(())
    });
}

//! The way of a proposal to law: precedents with their dates, and that time only moves it forward.

use std::collections::{BTreeMap, BTreeSet};

use concord_treaty::accounts::amendments::{Decision, Proposal, State, state};
use concord_treaty::clauses::{AmendmentRule, Matter};
use concord_treaty::units::{DurationMillis, MemberId, TimestampMillis};
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;

use crate::calendar::at;
use crate::property;

const DAY: i64 = 86_400_000;

fn rule(notice_days: i64, entry_days: i64, provisional: bool, sunset_days: Option<i64>) -> AmendmentRule {
    AmendmentRule {
        of: Matter::Body,
        notice: DurationMillis(notice_days * DAY),
        entry_into_force: DurationMillis(entry_days * DAY),
        ratified_by_all: false,
        provisional,
        sunset: sunset_days.map(|days| DurationMillis(days * DAY)),
    }
}

fn members(ids: &[u16]) -> BTreeSet<MemberId> {
    ids.iter().copied().map(MemberId).collect()
}

/// ITER: signed 21 November 2006, applied provisionally, in force 24 October 2007, thirty days after the last deposit.
#[test]
fn iter_acts_provisionally_until_all_have_ratified() {
    let signed = ["2006-12-01T00:00:00Z", "2007-03-01T00:00:00Z", "2007-09-24T00:00:00Z"].map(at);
    let proposal = Proposal {
        published: at("2006-05-24T00:00:00Z"),
        decided: Some(Decision { at: at("2006-11-21T00:00:00Z"), passed: true }),
        needed: members(&[0, 1, 2]),
        signed: (0..).map(MemberId).zip(signed).collect(),
    };
    let rule = rule(30, 30, true, None);
    let seen = |time: &str| state(&rule, &proposal, at(time));
    assert_eq!(seen("2006-05-23T00:00:00Z"), State::Unpublished);
    assert_eq!(seen("2006-06-01T00:00:00Z"), State::NoticeRunning { until: at("2006-06-23T00:00:00Z") });
    assert_eq!(seen("2006-07-01T00:00:00Z"), State::Voting);
    let since = at("2006-11-21T00:00:00Z");
    let missing = members(&[1, 2]);
    assert_eq!(seen("2007-01-01T00:00:00Z"), State::Provisional { since, missing, in_force_from: None });
    let from = at("2007-10-24T00:00:00Z");
    let missing = members(&[]);
    assert_eq!(
        seen("2007-10-23T23:59:59Z"),
        State::Provisional { since, missing, in_force_from: Some(from) }
    );
    assert_eq!(seen("2007-10-24T00:00:00Z"), State::InForce { from, sunset: None });
}

/// CERN and EUMETSAT: the Council recommends, and nothing acts before the members have accepted, nine years later.
#[test]
fn eumetsat_waits_for_the_last_acceptance() {
    let proposal = Proposal {
        published: at("1991-01-01T00:00:00Z"),
        decided: Some(Decision { at: at("1991-06-05T00:00:00Z"), passed: true }),
        needed: members(&[0, 1]),
        signed: [(MemberId(0), at("1992-01-01T00:00:00Z")), (MemberId(1), at("2000-11-19T00:00:00Z"))].into(),
    };
    let rule = rule(60, 0, false, None);
    let waiting = state(&rule, &proposal, at("2000-11-18T23:59:59Z"));
    assert_eq!(waiting, State::WaitingForSignatures { missing: members(&[1]) });
    assert!(!waiting.acts());
    assert!(state(&rule, &proposal, at("2000-11-19T00:00:00Z")).acts());
}

#[test]
fn an_emergency_ends_by_itself() {
    let proposal = Proposal {
        published: TimestampMillis(0),
        decided: Some(Decision { at: TimestampMillis(DAY), passed: true }),
        needed: BTreeSet::new(),
        signed: BTreeMap::new(),
    };
    let seen = |rule: &AmendmentRule, day: i64| state(rule, &proposal, TimestampMillis(day * DAY));
    let direct = rule(0, 2, false, Some(10));
    assert_eq!(seen(&direct, 1), State::Adopted { in_force_from: TimestampMillis(3 * DAY) });
    assert_eq!(
        seen(&direct, 12),
        State::InForce { from: TimestampMillis(3 * DAY), sunset: Some(TimestampMillis(13 * DAY)) }
    );
    assert_eq!(seen(&direct, 13), State::Expired { at: TimestampMillis(13 * DAY) });
    // Provisional action uses up the time.
    assert_eq!(seen(&rule(0, 2, true, Some(10)), 11), State::Expired { at: TimestampMillis(11 * DAY) });
}

#[test]
fn a_vote_before_the_end_of_the_notice_does_not_count() {
    let mut proposal = Proposal {
        published: TimestampMillis(0),
        decided: Some(Decision { at: TimestampMillis(9 * DAY), passed: true }),
        needed: BTreeSet::new(),
        signed: BTreeMap::new(),
    };
    let rule = rule(10, 0, false, None);
    assert_eq!(state(&rule, &proposal, TimestampMillis(20 * DAY)), State::Voting);
    proposal.decided = Some(Decision { at: TimestampMillis(10 * DAY), passed: false });
    let rejected = state(&rule, &proposal, TimestampMillis(20 * DAY));
    assert_eq!(rejected, State::Rejected { at: TimestampMillis(10 * DAY) });
}

fn any_rule() -> impl Strategy<Value = AmendmentRule> {
    (0..20_i64, 0..20_i64, any::<bool>(), proptest::option::of(1..60_i64))
        .prop_map(|(notice, entry, provisional, sunset)| rule(notice, entry, provisional, sunset))
}

fn any_proposal() -> impl Strategy<Value = Proposal> {
    let member = || (0..4_u16).prop_map(MemberId);
    let day = || (0..80_i64).prop_map(|day| TimestampMillis(day * DAY));
    let decided =
        proptest::option::of((day(), any::<bool>()).prop_map(|(at, passed)| Decision { at, passed }));
    let signed = btree_map(member(), day(), 0..=4);
    (day(), decided, btree_set(member(), 0..=3), signed)
        .prop_map(|(published, decided, needed, signed)| Proposal { published, decided, needed, signed })
}

fn rank(state: &State) -> u8 {
    match state {
        State::Unpublished => 0,
        State::NoticeRunning { .. } => 1,
        State::Voting => 2,
        State::WaitingForSignatures { .. } => 3,
        State::Adopted { .. } | State::Provisional { .. } => 4,
        State::InForce { .. } => 5,
        State::Expired { .. } | State::Rejected { .. } => 6,
    }
}

#[test]
fn time_only_moves_it_forward() {
    property("amendments", 3_000, (any_rule(), any_proposal()), |(rule, proposal)| {
        let days: Vec<State> =
            (0..250).map(|day| state(&rule, &proposal, TimestampMillis(day * DAY))).collect();
        prop_assert!(days.windows(2).all(|pair| rank(&pair[0]) <= rank(&pair[1])));
        // What acts was voted for; without provisional action it was signed by all, so long before.
        for (day, state) in (0..250).zip(&days).filter(|(_, state)| state.acts()) {
            let decision = proposal.decided.unwrap();
            let day = TimestampMillis(day * DAY);
            prop_assert!(decision.passed && decision.at <= day);
            prop_assert!(decision.at >= proposal.published.after(rule.notice));
            let mut signed = proposal.needed.iter().map(|m| proposal.signed.get(m).copied());
            let all_signed = signed.all(|at| at.is_some_and(|at| at.after(rule.entry_into_force) <= day));
            prop_assert!(rule.provisional || all_signed, "{:?}", state);
        }
        // With a sunset it acts for exactly that long, unless it never begins.
        let acted = days.iter().filter(|state| state.acts()).count();
        if let Some(sunset) = rule.sunset {
            prop_assert!(acted == 0 || acted as i64 * DAY == sunset.0, "{} days", acted);
        }
        // Once all facts are known and have taken effect, the state is final.
        prop_assert_eq!(&days[248], &days[249]);
        Ok(())
    });
}

/// A fact with a later date changes nothing earlier.
#[test]
fn later_facts_do_not_rewrite_the_past() {
    property("amendments past", 3_000, (any_rule(), any_proposal(), 0..250_i64), |(rule, proposal, day)| {
        let now = TimestampMillis(day * DAY);
        let mut known = proposal.clone();
        known.decided = known.decided.filter(|decision| decision.at <= now);
        known.signed.retain(|_, at| *at <= now);
        prop_assert_eq!(state(&rule, &proposal, now), state(&rule, &known, now));
        Ok(())
    });
}

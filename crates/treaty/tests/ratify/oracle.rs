//! The rules against a reader who walks from day to day with the signatures in hand and knows no formula.

use concord_treaty::accounts::amendments::State;
use concord_treaty::clauses::Matter;
use concord_treaty::ratify::{Act, Signature, Standing, Way};
use concord_treaty::units::TimestampMillis;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::scene::{text, way, with};

const MEMBERS: [&str; 4] = ["alder", "birch", "cedar", "elm"];
const DAY: i64 = 86_400_000;
/// Days of a case.
const DAYS: i64 = 40;

#[derive(Debug, Clone)]
struct Case {
    notice: i64,
    entry: i64,
    all: bool,
    provisional: bool,
    sunset: Option<i64>,
    absent: bool,
    abstentions: bool,
    threshold: u32,
    heads: u32,
    quorum: u32,
    by_contribution: bool,
    contributions: [i64; 4],
    /// Member, and day from which it is suspended.
    suspended: Option<(usize, i64)>,
    /// Day, member, act.
    signed: Vec<(i64, usize, Act)>,
}

/// Day 0 of all cases.
fn epoch() -> i64 {
    super::scene::at("2027-01-01").0
}

fn date(day: i64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(epoch() + day * DAY).unwrap();
    stamp.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

fn any_case() -> impl Strategy<Value = Case> {
    let percent = || select(vec![0_u32, 25, 50, 51, 75, 100]);
    let rule = (0..12_i64, 0..8_i64, any::<[bool; 5]>(), prop::option::of(1..10_i64));
    let signed = vec((0..DAYS, 0..4_usize, select(Act::ALL.to_vec())), 0..14);
    let suspended = prop::option::of((0..4_usize, 0..DAYS));
    let numbers = (percent(), percent(), percent(), prop::array::uniform4(1..9_i64));
    (rule, numbers, suspended, signed).prop_map(|(rule, numbers, suspended, mut signed)| {
        let (notice, entry, [all, provisional, absent, abstentions, by_contribution], sunset) = rule;
        let (threshold, heads, quorum, contributions) = numbers;
        signed.sort_by_key(|(day, ..)| *day);
        Case {
            notice,
            entry,
            all,
            provisional,
            sunset,
            absent,
            abstentions,
            threshold,
            heads,
            quorum,
            by_contribution,
            contributions,
            suspended,
            signed,
        }
    })
}

impl Case {
    fn way(&self) -> Way {
        let members: Vec<(&str, i64)> = MEMBERS.into_iter().zip(self.contributions).collect();
        let matter = if self.sunset.is_some() { "emergency" } else { "annex" };
        let vote = json!([{"matter": matter, "weightBy": if self.by_contribution { "contribution" } else { "equal" },
            "weightPercent": self.threshold.to_string(), "headsPercent": self.heads.to_string(),
            "quorumPercent": self.quorum.to_string(), "absentCounted": self.absent,
            "abstentionsCounted": self.abstentions}]);
        let mut rule = json!({"of": matter, "noticeDays": self.notice, "entryIntoForceDays": self.entry,
            "ratifiedByAll": self.all, "provisional": self.provisional});
        if let Some(days) = self.sunset {
            rule["sunsetDays"] = json!(days);
        }
        let mut before: Value = text(&members, &vote, &json!([rule]));
        if let Some((member, day)) = self.suspended {
            let clause = json!({"from": date(day), "reason": "dues not paid"});
            before = with(&before, &format!("/members/{member}/suspended"), clause);
        }
        let matter = if self.sunset.is_some() { Matter::Emergency } else { Matter::Annex };
        way(&before, &with(&before, "/members/0/guarantee/gpus", json!(9)), matter)
    }

    fn standing(&self, way: &Way, day: i64) -> Standing {
        let at = |day: i64| TimestampMillis(epoch() + day * DAY);
        let signatures: Vec<Signature<'_>> = self
            .signed
            .iter()
            .map(|(day, member, act)| Signature { member: MEMBERS[*member], act: *act, at: at(*day) })
            .collect();
        way.standing(at(0), &signatures, at(day))
    }

    fn rests(&self, member: usize, day: i64) -> bool {
        self.suspended.is_some_and(|(who, from)| who == member && from <= day)
    }

    /// What somebody with the papers finds on a day: letter of the state, and the day from which it acts.
    fn by_hand(&self, today: i64) -> (char, Option<i64>) {
        let mut voted: [Option<Act>; 4] = [None; 4];
        let mut ratified = [false; 4];
        let mut decided: Option<(i64, bool)> = None;
        let mut needed: Vec<usize> = Vec::new();
        let mut complete: Option<i64> = None;
        for day in 0..=today {
            for (_, member, act) in self.signed.iter().filter(|(signed, ..)| *signed == day) {
                if self.rests(*member, day) {
                    continue;
                }
                match act {
                    Act::Ratify => ratified[*member] = true,
                    vote => voted[*member] = voted[*member].or(Some(*vote)),
                }
            }
            if decided.is_none() && day >= self.notice {
                let members: Vec<usize> =
                    (0..4).filter(|m| !self.rests(*m, day) || voted[*m].is_some()).collect();
                let hopeful: [Option<Act>; 4] = voted.map(|v| v.or(Some(Act::Yes)));
                if self.passes(&members, &voted) {
                    decided = Some((day, true));
                } else if !self.passes(&members, &hopeful) {
                    decided = Some((day, false));
                }
                needed = (0..4).filter(|m| self.all && !self.rests(*m, day)).collect();
            }
            if let (Some((_, true)), None) = (decided, complete) {
                let done = needed.iter().all(|m| ratified[*m] || self.rests(*m, day));
                complete = done.then_some(day);
            }
        }
        let Some((decided_on, passed)) = decided else {
            return (if today < self.notice { 'n' } else { 'v' }, None);
        };
        if !passed {
            return ('r', None);
        }
        let force = complete.map(|day| day + self.entry);
        let acts = if self.provisional { Some(decided_on) } else { force };
        match (acts.zip(self.sunset), force) {
            (Some((acts, length)), _) if acts + length <= today => ('x', None),
            (_, Some(force)) if force <= today => ('f', acts),
            _ if self.provisional => ('p', acts),
            (_, Some(_)) => ('a', acts),
            _ => ('w', None),
        }
    }

    fn passes(&self, members: &[usize], voted: &[Option<Act>; 4]) -> bool {
        let reaches = |part: i64, whole: i64, percent: u32| part * 100 >= whole * i64::from(percent);
        let of =
            |act: Option<Act>| members.iter().copied().filter(move |m| voted[*m] == act).collect::<Vec<_>>();
        let (yes, no, abstained, absent) =
            (of(Some(Act::Yes)), of(Some(Act::No)), of(Some(Act::Abstain)), of(None));
        let all = members.len() as i64;
        if !reaches(all - absent.len() as i64, all, self.quorum) || yes.is_empty() {
            return false;
        }
        let mut whole = [yes.clone(), no].concat();
        whole.extend(abstained.iter().filter(|_| self.abstentions));
        whole.extend(absent.iter().filter(|_| self.absent));
        let weight = |list: &[usize]| -> i64 {
            list.iter().map(|m| if self.by_contribution { self.contributions[*m] } else { 1 }).sum()
        };
        reaches(weight(&yes), weight(&whole), self.threshold)
            && reaches(yes.len() as i64, whole.len() as i64, self.heads)
    }
}

fn letter(state: &State) -> char {
    match state {
        State::Unpublished => 'u',
        State::NoticeRunning { .. } => 'n',
        State::Voting => 'v',
        State::Rejected { .. } => 'r',
        State::WaitingForSignatures { .. } => 'w',
        State::Provisional { .. } => 'p',
        State::Adopted { .. } => 'a',
        State::InForce { .. } => 'f',
        State::Expired { .. } => 'x',
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn every_day_stands_as_somebody_with_the_papers_finds(case in any_case()) {
        let way = case.way();
        for day in 0..DAYS + 10 {
            let seen = case.standing(&way, day);
            let found = (letter(&seen.state), seen.acts_from.map(|at| (at.0 - epoch()) / DAY));
            prop_assert_eq!(found, case.by_hand(day), "day {}: {}", day, seen.why);
        }
    }

    /// Nothing happens before the date that is told, as long as nobody signs.
    #[test]
    fn the_next_date_is_never_missed(case in any_case()) {
        let way = case.way();
        let last = case.signed.last().map_or(0, |(day, ..)| *day);
        let mut before = case.standing(&way, last);
        for day in last + 1..DAYS + 30 {
            let seen = case.standing(&way, day);
            if letter(&seen.state) != letter(&before.state) {
                let told = before.next.map(|at| (at.0 - epoch()) / DAY);
                prop_assert!(told.is_some_and(|told| told <= day), "{:?} on day {day}, {:?} told", seen.state, told);
            }
            before = seen;
        }
    }

    /// What was decided is not undone by what is signed later.
    #[test]
    fn later_signatures_do_not_change_a_decision(case in any_case(), day in 0..DAYS) {
        let way = case.way();
        let verdict = case.standing(&way, day).verdict;
        if verdict.is_some() {
            prop_assert_eq!(case.standing(&way, DAYS).verdict, verdict);
        }
    }
}

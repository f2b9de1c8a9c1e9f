//! How far a proposal has come at a time, in dates and in a sentence.

use std::collections::{BTreeMap, BTreeSet};

use super::count::{Ballots, Ended};
use super::words::{listed, time};
use super::{Act, Signature, Subject, Way};
use crate::accounts::amendments::{Decision, Proposal, State, state};
use crate::accounts::votes::{Ballot, Counts};
use crate::units::{MemberId, TimestampMillis};

/// How a proposal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The step.
    pub state: State,
    /// The vote that is over.
    pub verdict: Option<Verdict>,
    /// The count as it is now, or as it was when the vote ended; nothing where nobody votes.
    pub counts: Counts,
    /// Signatures that do not count, by their place in what was given.
    pub ignored: Vec<Ignored>,
    /// Names of members whose signature is still needed, in the order of the treaty.
    pub missing: Vec<String>,
    /// From when on the new text rules, provisionally or not; known once all that it needs is there.
    pub acts_from: Option<TimestampMillis>,
    /// When it comes into force for good.
    pub in_force_from: Option<TimestampMillis>,
    /// When it ends by itself.
    pub sunset: Option<TimestampMillis>,
    /// When the state may change without anybody doing anything.
    pub next: Option<TimestampMillis>,
    /// Why it stands so, for people.
    pub why: String,
}

/// A vote that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Since when.
    pub at: TimestampMillis,
    /// Whether it passed.
    pub passed: bool,
    /// How it was counted.
    pub why: String,
}

/// A signature that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its place in what was given.
    pub index: usize,
    /// Why, and what would.
    pub why: String,
}

/// The signatures that count.
#[derive(Default)]
struct Counted {
    ballots: Ballots,
    ratified: BTreeMap<MemberId, TimestampMillis>,
}

impl Way {
    /// How the proposal stands at `now`. Signatures are in the order in which they were received; later ones than `now` are not
    /// known yet.
    #[must_use]
    pub fn standing(
        &self,
        published: TimestampMillis,
        signatures: &[Signature<'_>],
        now: TimestampMillis,
    ) -> Standing {
        let mut counted = Counted::default();
        let mut ignored = Vec::new();
        for (index, signature) in signatures.iter().enumerate().filter(|(_, s)| s.at <= now) {
            if let Err(why) = self.take(&mut counted, published, signature) {
                ignored.push(Ignored { index, why });
            }
        }
        let notice_ends = published.after(self.rule.notice);
        let ended = self.vote.as_ref().and_then(|rule| self.ended(rule, &counted.ballots, notice_ends, now));
        if let Some(ended) = &ended {
            // Who came after the end did not change it.
            let late = |(index, s): (usize, &Signature<'_>)| {
                let counts = !ignored.iter().any(|other| other.index == index);
                let is_late = s.act != Act::Ratify && s.at > ended.at && s.at <= now && counts;
                let why = || format!("the vote was over at {}", time(ended.at));
                is_late.then(|| Ignored { index, why: why() })
            };
            let late: Vec<Ignored> = signatures.iter().enumerate().filter_map(late).collect();
            ignored.extend(late);
            ignored.sort_by_key(|i| i.index);
        }
        self.conclude(published, &counted, ended, ignored, now)
    }

    /// Counts one signature, or says why not.
    fn take(
        &self,
        counted: &mut Counted,
        published: TimestampMillis,
        signature: &Signature<'_>,
    ) -> Result<(), String> {
        let Signature { member: name, act, at } = *signature;
        let Some(member) = self.treaty.member_id(name) else {
            return Err(format!("{name} is no member by the text that is changed"));
        };
        if at < published {
            return Err("given before the proposal was published".to_owned());
        }
        if self.subject != Subject::Withdrawal && self.rests(member, at) {
            let since = self.treaty.member(member).suspended.as_ref().map(|s| s.from.to_string());
            let since = since.unwrap_or_default();
            return Err(format!(
                "{name}'s rights rest since {since}; a signature given while they do does not count"
            ));
        }
        let ballot = match act {
            Act::Yes => Ballot::Yes,
            Act::No => Ballot::No,
            Act::Abstain => Ballot::Abstain,
            Act::Ratify => return self.take_ratification(counted, member, at),
        };
        let Some(rule) = &self.vote else {
            return Err("a withdrawal is not voted on; the member that leaves signs `ratify`".to_owned());
        };
        if rule.concerned_recused && self.concerned.contains(&member) {
            return Err(format!("{name} is concerned and does not vote"));
        }
        if let Some((_, first)) = counted.ballots.get(&member) {
            return Err(format!("{name} has voted already, at {}", time(*first)));
        }
        counted.ballots.insert(member, (ballot, at));
        Ok(())
    }

    fn take_ratification(
        &self,
        counted: &mut Counted,
        member: MemberId,
        at: TimestampMillis,
    ) -> Result<(), String> {
        if !self.rule.ratified_by_all {
            return Err("the vote alone decides; sign `yes`, `no` or `abstain`".to_owned());
        }
        if self.subject == Subject::Withdrawal {
            if !self.concerned.contains(&member) {
                return Err("only the member that leaves signs its withdrawal".to_owned());
            }
            if let Some(day) = self.not_before.filter(|day| at < *day) {
                return Err(format!("no notice of withdrawal counts before {}", time(day)));
            }
        }
        if let Some(first) = counted.ratified.get(&member) {
            return Err(format!("signed already, at {}", time(*first)));
        }
        counted.ratified.insert(member, at);
        Ok(())
    }

    fn conclude(
        &self,
        published: TimestampMillis,
        counted: &Counted,
        ended: Option<Ended>,
        ignored: Vec<Ignored>,
        now: TimestampMillis,
    ) -> Standing {
        let decided = match (&self.vote, &ended) {
            (None, _) => Some(Decision { at: published, passed: true }),
            (Some(_), ended) => ended.as_ref().map(|e| Decision { at: e.at, passed: e.outcome.passed }),
        };
        let needed = decided.map(|d| self.needed(d.at)).unwrap_or_default();
        let signed = decided.map(|d| self.signed(&needed, counted, d.at)).unwrap_or_default();
        let proposal = Proposal { published, decided, needed, signed };
        let state = state(&self.rule, &proposal, now);
        let counts = match (&ended, &self.vote) {
            (Some(ended), _) => ended.outcome.counts,
            (None, Some(rule)) => self.outcome(rule, &counted.ballots, now).counts,
            (None, None) => Counts::default(),
        };
        let in_force_from = match &state {
            State::Provisional { in_force_from, .. } => *in_force_from,
            State::Adopted { in_force_from } => Some(*in_force_from),
            State::InForce { from, .. } => Some(*from),
            _ => None,
        };
        let acts_from = match &state {
            State::Provisional { since, .. } => Some(*since),
            State::InForce { .. } if self.rule.provisional => decided.map(|d| d.at),
            _ => in_force_from,
        };
        let sunset = match &state {
            State::Expired { at } => Some(*at),
            _ => self.rule.sunset.zip(acts_from).map(|(length, from)| from.after(length)),
        };
        let missing = match &state {
            State::WaitingForSignatures { missing } | State::Provisional { missing, .. } => {
                missing.iter().map(|id| self.treaty.member(*id).name.clone()).collect()
            }
            _ => Vec::new(),
        };
        let next = self.next(&state, sunset, now);
        let verdict = ended.map(|e| Verdict { at: e.at, passed: e.outcome.passed, why: e.outcome.why });
        let so_far = self.vote.as_ref().map(|rule| self.outcome(rule, &counted.ballots, now).why);
        let so_far = so_far.map_or_else(String::new, |why| so_far_of(&why));
        let why = why(&state, verdict.as_ref(), &so_far, &missing, self.subject);
        Standing { state, verdict, counts, ignored, missing, acts_from, in_force_from, sunset, next, why }
    }

    /// Whose signature is needed after a vote that ended then: all whose rights do not rest, without those who were recused.
    fn needed(&self, at: TimestampMillis) -> BTreeSet<MemberId> {
        if self.subject == Subject::Withdrawal {
            return self.concerned.clone();
        }
        if !self.rule.ratified_by_all {
            return BTreeSet::new();
        }
        let recused = |id: &MemberId| {
            self.vote.is_some_and(|rule| rule.concerned_recused) && self.concerned.contains(id)
        };
        self.treaty.member_ids().filter(|id| !self.rests(*id, at) && !recused(id)).collect()
    }

    /// When each of them signed, or was not needed any more because its rights came to rest.
    fn signed(
        &self,
        needed: &BTreeSet<MemberId>,
        counted: &Counted,
        decided_at: TimestampMillis,
    ) -> BTreeMap<MemberId, TimestampMillis> {
        let excused = |id: MemberId| {
            let since = self.treaty.member(id).suspended.as_ref().map(|s| s.from)?;
            let since = self.treaty.day_begins(since).filter(|at| *at > decided_at);
            since.filter(|_| self.subject != Subject::Withdrawal)
        };
        let first = |id: &MemberId| {
            let signed = counted.ratified.get(id).copied();
            Some((*id, signed.into_iter().chain(excused(*id)).min()?))
        };
        needed.iter().filter_map(first).collect()
    }

    fn next(
        &self,
        state: &State,
        sunset: Option<TimestampMillis>,
        now: TimestampMillis,
    ) -> Option<TimestampMillis> {
        let turn = || self.turns().filter(|at| *at > now).min();
        match state {
            State::Unpublished | State::Rejected { .. } | State::Expired { .. } => None,
            State::NoticeRunning { until } => Some(*until),
            State::Voting | State::WaitingForSignatures { .. } => turn(),
            State::Provisional { in_force_from, .. } => {
                [*in_force_from, sunset, turn()].into_iter().flatten().min()
            }
            State::Adopted { in_force_from } => Some(*in_force_from),
            State::InForce { .. } => sunset,
        }
    }
}

/// The count of a vote that is not over, without its result.
fn so_far_of(why: &str) -> String {
    let counted = why.strip_prefix("Not passed: ").or_else(|| why.strip_prefix("Passed: "));
    counted.unwrap_or(why).to_owned()
}

/// The sentence.
fn why(
    state: &State,
    verdict: Option<&Verdict>,
    so_far: &str,
    missing: &[String],
    subject: Subject,
) -> String {
    let decided = verdict.map_or_else(
        || "The member that leaves decides alone.".to_owned(),
        |v| format!("{} Decided at {}.", v.why, time(v.at)),
    );
    let missing = listed(missing.iter().map(String::as_str));
    match state {
        State::Unpublished => "It is not published yet.".to_owned(),
        State::NoticeRunning { until } => {
            format!("Nothing is decided before {}. So far: {}", time(*until), so_far)
        }
        State::Voting => format!("The vote is open. So far: {so_far}"),
        State::Rejected { .. } => format!("{decided} No further vote can change it."),
        State::WaitingForSignatures { .. } if subject == Subject::Withdrawal => {
            format!("{decided} {missing} has not signed yet.")
        }
        State::WaitingForSignatures { .. } => format!("{decided} It waits for the signatures of {missing}."),
        State::Provisional { since, in_force_from: Some(from), .. } => {
            format!(
                "{decided} It acts provisionally since {}, and is in force from {}.",
                time(*since),
                time(*from)
            )
        }
        State::Provisional { since, in_force_from: None, .. } => format!(
            "{decided} It acts provisionally since {}; the signatures of {missing} are missing.",
            time(*since)
        ),
        State::Adopted { in_force_from } => {
            format!("{decided} It is in force from {}.", time(*in_force_from))
        }
        State::InForce { from, sunset: None } => format!("{decided} In force since {}.", time(*from)),
        State::InForce { from, sunset: Some(end) } => {
            format!(
                "{decided} In force since {}, until {}; then the text before rules again.",
                time(*from),
                time(*end)
            )
        }
        State::Expired { at } => format!("{decided} It ended at {}; the text before rules again.", time(*at)),
    }
}

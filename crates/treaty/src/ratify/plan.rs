//! The way in words, for who is asked to go it.

use super::words::{listed, matter_word};
use super::{Subject, Way};
use crate::clauses::{BasisPoints, VoteRule, WeightBy};
use crate::units::DurationMillis;

const DAY: i64 = 86_400_000;

impl Way {
    /// What has to happen until the text is law, in sentences.
    #[must_use]
    pub fn in_words(&self) -> String {
        let names = self.concerned.iter().map(|id| self.treaty.member(*id).name.as_str());
        let concerned = listed(names);
        let force = days(self.rule.entry_into_force);
        let Some(vote) = &self.vote else {
            return format!(
                "It is not voted on: {concerned} signs it with `ratify`, and has left {force} later."
            );
        };
        let matter = match self.subject {
            Subject::Change(matter) => matter_word(matter),
            Subject::Withdrawal => "withdrawal",
        };
        let mut told = format!(
            "As a change of {matter}: nothing is decided before {} have passed. {}",
            days(self.rule.notice),
            vote_in_words(vote)
        );
        if vote.concerned_recused && !self.concerned.is_empty() {
            told += &format!(" {concerned} is concerned and does not vote.");
        }
        if self.rule.ratified_by_all {
            told += " After the vote every member must ratify it.";
        }
        told += &match (self.rule.provisional, self.rule.ratified_by_all) {
            (true, true) => {
                format!(" It acts from the vote on, and is in force {force} after the last signature.")
            }
            (true, false) => format!(" It acts from the vote on, and is in force {force} later."),
            (false, true) => format!(" It is in force {force} after the last signature."),
            (false, false) => format!(" It is in force {force} after the vote."),
        };
        if let Some(sunset) = self.rule.sunset {
            told += &format!(" It ends by itself after {}; then the text before rules again.", days(sunset));
        }
        told
    }
}

fn vote_in_words(vote: &VoteRule) -> String {
    let weights = match vote.weights {
        WeightBy::Equal => "members, one vote each",
        WeightBy::Contribution => "votes by contribution",
        WeightBy::Stated => "votes by stated weight",
        WeightBy::Guarantee => "votes by guarantee",
    };
    let mut needs = Vec::new();
    if vote.weight_threshold.0 > 0 {
        needs.push(format!("{} of the {weights}", percent(vote.weight_threshold)));
    }
    if vote.heads_threshold.0 > 0 {
        needs.push(format!("{} of the members by heads", percent(vote.heads_threshold)));
    }
    if needs.is_empty() {
        needs.push("one vote".to_owned());
    }
    let mut of = Vec::new();
    of.push(if vote.absent_counted { "absent members count" } else { "absent members do not count" });
    of.push(if vote.abstentions_counted { "abstentions count" } else { "abstentions do not count" });
    let quorum = if vote.quorum.0 > 0 {
        format!(", if {} of the members take part", percent(vote.quorum))
    } else {
        String::new()
    };
    format!("Yes needs {}{quorum}; {}.", needs.join(" and "), of.join(", "))
}

fn percent(share: BasisPoints) -> String {
    match (share.0 / 100, share.0 % 100) {
        (whole, 0) => format!("{whole} %"),
        (whole, part) => format!("{whole}.{part:02} %"),
    }
}

fn days(length: DurationMillis) -> String {
    match length.0 / DAY {
        0 => "no days".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

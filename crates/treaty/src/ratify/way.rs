//! The way that a new text has to go: by which rules of the text before it is decided, or why it cannot go any.

use std::collections::BTreeSet;

use super::matter::{needed_matters, suspended_member, whole_member};
use super::words::{listed, matter_word};
use super::{Change, Subject, changes};
use crate::clauses::{AmendmentRule, Matter, VoteRule};
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::treaty::Treaty;
use crate::units::{DurationMillis, MemberId, TimestampMillis};

/// Why a text cannot be decided on as it was proposed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The text that it changes does not hold; nothing can be decided by it.
    #[error("the text that it changes has faults, so that nothing can be decided by it: {}", told(.0))]
    Before(Vec<Diagnostic>),
    /// The new text does not hold.
    #[error("the new text has faults: {}", told(.0))]
    After(Vec<Diagnostic>),
    /// Nothing changes.
    #[error("the new text says the same as the one in force; change something, or leave it")]
    Same,
    /// It claims to be less than it is.
    #[error("it is proposed as {claimed}, and changes {}; propose it as {}", fields(.needed), .least)]
    Lesser {
        /// As what it was proposed.
        claimed: &'static str,
        /// What must be decided otherwise: matter and field.
        needed: Vec<(Matter, String)>,
        /// The matter by which all that it changes can be decided.
        least: &'static str,
    },
    /// The text before has no such procedure.
    #[error(
        "the treaty does not say how a change of {0} becomes law (`amendments`, `votes`), so that it has none; propose it as another matter"
    )]
    NoRule(&'static str),
    /// A reserve is opened, not written.
    #[error("a reserve is opened by those who may, not by a new text; propose a change of its size as annex")]
    OpenReserve,
    /// Somebody else is said to be concerned.
    #[error("`concerns` names {}, and the text suspends, admits again or excludes {}; write these", listed(.found.iter().map(String::as_str)), listed(.expected.iter().map(String::as_str)))]
    Concerns {
        /// Who is.
        expected: BTreeSet<String>,
        /// Who was named.
        found: BTreeSet<String>,
    },
    /// The text before knows no withdrawal.
    #[error(
        "the treaty does not say how a member leaves (`withdrawal`); propose its leaving as admission, which the members decide"
    )]
    NoWithdrawal,
    /// More than that one member leaves.
    #[error(
        "a withdrawal is the text before without one member, and nothing else; make it with `concord propose --withdraw MEMBER`"
    )]
    MoreThanLeaving,
    /// A text that cannot be written as JSON; never for one that was read.
    #[error("the texts cannot be compared")]
    Incomparable,
}

/// By which rules a text is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The text before, which rules over its own change.
    pub(super) treaty: Treaty,
    /// As what it was proposed.
    pub(super) subject: Subject,
    /// Notice, ratification, dates.
    pub(super) rule: AmendmentRule,
    /// How it is voted on; a withdrawal is not.
    pub(super) vote: Option<VoteRule>,
    /// Whom it is about.
    pub(super) concerned: BTreeSet<MemberId>,
    /// No notice of withdrawal counts before.
    pub(super) not_before: Option<TimestampMillis>,
}

impl Way {
    /// The way of `after`, proposed as `subject` and as concerning these members, from `before`.
    ///
    /// # Errors
    /// When it cannot be decided on as it is; every reason names what to change.
    pub fn of(
        before: &Document,
        after: &Document,
        subject: Subject,
        concerns: &BTreeSet<String>,
    ) -> Result<Self, Refusal> {
        let treaty = Treaty::validate_for_cluster(before).map_err(Refusal::Before)?;
        let found = changes(before, after).map_err(|_| Refusal::Incomparable)?;
        if found.is_empty() {
            return Err(Refusal::Same);
        }
        Treaty::validate_for_cluster(after).map_err(Refusal::After)?;
        let expected = concerned(&found);
        if expected != *concerns {
            return Err(Refusal::Concerns { expected, found: concerns.clone() });
        }
        let concerned = expected.iter().filter_map(|name| treaty.member_id(name)).collect();
        let Subject::Change(matter) = subject else {
            return Self::out(treaty, before, after, concerned);
        };
        if matter == Matter::OpenReserve {
            return Err(Refusal::OpenReserve);
        }
        let mut needed = needed_matters(&found);
        let least = least(&needed);
        needed.retain(|(needed, _)| !covers(matter, *needed));
        if !needed.is_empty() {
            return Err(Refusal::Lesser { claimed: matter_word(matter), needed, least });
        }
        let rule = treaty.amendments().iter().find(|rule| rule.of == matter).copied();
        let vote = treaty.votes().iter().find(|vote| vote.on == matter).copied();
        let (Some(rule), Some(vote)) = (rule, vote) else {
            return Err(Refusal::NoRule(matter_word(matter)));
        };
        Ok(Self { treaty, subject, rule, vote: Some(vote), concerned, not_before: None })
    }

    fn out(
        treaty: Treaty,
        before: &Document,
        after: &Document,
        concerned: BTreeSet<MemberId>,
    ) -> Result<Self, Refusal> {
        let withdrawal = treaty.withdrawal().ok_or(Refusal::NoWithdrawal)?;
        let leaves = concerned.first().filter(|_| concerned.len() == 1);
        let rest = leaves.map(|id| without(before, &treaty.member(*id).name));
        if rest.as_ref() != Some(after) {
            return Err(Refusal::MoreThanLeaving);
        }
        let rule = AmendmentRule {
            of: Matter::Admission,
            notice: DurationMillis(0),
            entry_into_force: withdrawal.notice,
            ratified_by_all: true,
            provisional: false,
            sunset: None,
        };
        let not_before = withdrawal.not_before;
        Ok(Self { treaty, subject: Subject::Withdrawal, rule, vote: None, concerned, not_before })
    }

    /// Whether members vote on it; a member that leaves is not asked to be let go.
    #[must_use]
    pub const fn is_voted_on(&self) -> bool {
        self.vote.is_some()
    }

    /// The text that rules over the change.
    #[must_use]
    pub const fn treaty(&self) -> &Treaty {
        &self.treaty
    }
}

/// Whom changes are about: members that they suspend, admit again or exclude. These and no others are recused, so that nobody
/// can be shut out of a vote by being named.
#[must_use]
pub fn concerned(changes: &[Change]) -> BTreeSet<String> {
    let excluded =
        |change: &Change| whole_member(&change.path).filter(|_| change.after.is_none()).map(str::to_owned);
    let suspended = |change: &Change| suspended_member(&change.path).map(str::to_owned);
    changes.iter().filter_map(|change| excluded(change).or_else(|| suspended(change))).collect()
}

/// The text without a member and without what only names it: its budget, its windows, its part in opening a reserve.
#[must_use]
pub fn without(document: &Document, member: &str) -> Document {
    let mut rest = document.clone();
    rest.members.retain(|m| m.name != member);
    rest.windows.retain(|w| w.member.as_deref() != Some(member));
    if let Some(budget) = &mut rest.budget {
        budget.gpu_hours.remove(member);
    }
    for opening in rest.reserves.iter_mut().filter_map(|reserve| reserve.opening.as_mut()) {
        opening.decided_by.retain(|by| by != member);
    }
    rest
}

/// Whether a change that needs `needed` may be made as `claimed`. The whole text can be changed by its body's rule; what cannot
/// wait is in numbers and rights, and never in who decides.
const fn covers(claimed: Matter, needed: Matter) -> bool {
    match claimed {
        Matter::Body => true,
        Matter::Emergency => matches!(needed, Matter::Annex | Matter::Suspension),
        Matter::Annex => matches!(needed, Matter::Annex),
        Matter::Admission => matches!(needed, Matter::Admission),
        Matter::Suspension => matches!(needed, Matter::Suspension),
        Matter::OpenReserve => false,
    }
}

/// Most fields that a refusal names.
const FIELDS_MOST: usize = 10;

fn fields(needed: &[(Matter, String)]) -> String {
    let mut told: Vec<String> = needed
        .iter()
        .take(FIELDS_MOST)
        .map(|(matter, field)| format!("{field} ({})", matter_word(*matter)))
        .collect();
    if needed.len() > FIELDS_MOST {
        told.push(format!("{} more", needed.len() - FIELDS_MOST));
    }
    told.join(", ")
}

/// The matter by which all fields together can be decided.
fn least(needed: &[(Matter, String)]) -> &'static str {
    let alone = needed.first().map_or(Matter::Body, |(matter, _)| *matter);
    let all_alike = needed.iter().all(|(matter, _)| *matter == alone);
    matter_word(if all_alike { alone } else { Matter::Body })
}

fn told(faults: &[Diagnostic]) -> String {
    faults.iter().take(FIELDS_MOST).map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

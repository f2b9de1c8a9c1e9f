//! What a member's use leads to at a time: the steps of the over-use ladder that are reached, until when, in a sentence.
//!
//! A step never touches work inside the guarantee; the engine applies it to borrowing alone.

use super::{Account, Balance, Terms, Use, overdraft, reaches, replay};
use crate::accounts::GpuMillis;
use crate::clauses::{BasisPoints, OveruseEffect, OveruseStep};
use crate::units::{MemberId, TimestampMillis};

/// Where a member stands with its budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Every step that is reached, from the lowest on: all of them hold. Empty within the budget.
    pub steps: Vec<OveruseStep>,
    /// End of the period; a step ends then at the latest.
    pub until: TimestampMillis,
    /// The account in numbers.
    pub balance: Balance,
    /// For people: what was used of what, what applies, when it ends.
    pub sentence: String,
}

impl Standing {
    /// What applies to borrowing, from the lowest step on; of several limits the lowest counts.
    #[must_use]
    pub fn effects(&self) -> Vec<OveruseEffect> {
        self.steps.iter().map(|step| step.effect).collect()
    }
}

/// Where `member` stands at `now`, after `history` of its own use since `opened`; `None` when the clause gives it no
/// budget. History is in order of time, see [`Use`]; what lies after `now` is left out.
#[must_use]
pub fn effect_at(
    terms: Terms<'_>,
    member: MemberId,
    opened: TimestampMillis,
    history: &[Use],
    now: TimestampMillis,
) -> Option<Standing> {
    let hours = *terms.rule.gpu_hours_by_member.get(&member)?;
    let known = history.partition_point(|entry| entry.until <= now);
    let mut account = replay(terms, hours, opened, &history[..known]);
    account.advance(terms, now);
    Some(standing(terms, &account))
}

/// Where an account stands at its own time.
#[must_use]
pub fn standing(terms: Terms<'_>, account: &Account) -> Standing {
    let balance = account.balance();
    let whole = balance.allowed.plus(overdraft(terms.rule, account.per_period));
    let steps: Vec<OveruseStep> = steps_reached(terms, account).copied().collect();
    let until = balance.period.end;
    let sentence = sentence(&balance, whole, &steps, &terms.calendar.written(until));
    Standing { steps, until, balance, sentence }
}

/// The steps of the ladder that an account has reached at its own time, from the lowest on. Any use of nothing
/// reaches every step.
pub fn steps_reached<'a>(terms: Terms<'a>, account: &Account) -> impl Iterator<Item = &'a OveruseStep> {
    let (used, allowed) = (account.used, account.balance().allowed);
    let whole = allowed.plus(overdraft(terms.rule, account.per_period));
    terms.rule.overuse.iter().filter(move |step| used.0 > 0 && reaches(used, whole, step.above))
}

fn sentence(balance: &Balance, whole: GpuMillis, steps: &[OveruseStep], until: &str) -> String {
    let (used, of) = (balance.used.whole_hours(), whole.whole_hours());
    let advance = whole.minus(balance.allowed).whole_hours();
    let with = if advance > 0 {
        format!(", {advance} of them in advance of the next period")
    } else {
        String::new()
    };
    if steps.is_empty() {
        return format!(
            "{used} of {of} GPU-hours used{with}; within the budget of the period that ends at {until}."
        );
    }
    let reached: Vec<String> = steps.iter().map(|step| percent(step.above)).collect();
    let reached = match reached.as_slice() {
        [one] => format!("the step at {one} is reached"),
        several => format!("the steps at {} are reached", listed(several)),
    };
    format!(
        "{used} of {of} GPU-hours used{with}, {reached}: {} until {until}; work inside the guarantee is not touched.",
        listed(&applies(steps))
    )
}

/// What holds together: the order, and the lowest limit.
fn applies(steps: &[OveruseStep]) -> Vec<String> {
    let limit = |step: &OveruseStep| match step.effect {
        OveruseEffect::LowPriority => None,
        OveruseEffect::MostBorrowed(gpus) => Some(gpus),
        OveruseEffect::NoBorrowing => Some(0),
    };
    let most = steps.iter().filter_map(limit).min();
    let is_last = steps.iter().any(|step| step.effect == OveruseEffect::LowPriority);
    match (is_last, most) {
        // Who borrows nothing stands in no order.
        (_, Some(0)) => vec!["borrows nothing".to_owned()],
        (true, Some(most)) => vec![
            "borrows only after members within their budget".to_owned(),
            format!("at most {most} GPUs at once"),
        ],
        (false, Some(most)) => vec![format!("borrows at most {most} GPUs at once")],
        (_, None) => vec!["borrows only after members within their budget".to_owned()],
    }
}

fn percent(share: BasisPoints) -> String {
    format!("{}.{:02} %", share.0 / 100, share.0 % 100)
}

/// As people list things: `a, b and c`.
fn listed(all: &[String]) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

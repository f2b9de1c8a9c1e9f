//! What a member's use leads to at a time: the step of the over-use ladder, until when, in a sentence.
//!
//! A step never touches work inside the guarantee; the engine applies it to borrowing alone.

use super::{Account, Balance, Terms, Use, overdraft, reaches, replay};
use crate::accounts::GpuMillis;
use crate::clauses::{OveruseEffect, OveruseStep};
use crate::units::{MemberId, TimestampMillis};

/// Where a member stands with its budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The step that applies; `None` within the budget.
    pub step: Option<OveruseStep>,
    /// End of the period; a step ends then at the latest.
    pub until: TimestampMillis,
    /// The account in numbers.
    pub balance: Balance,
    /// For people: what was used of what, what applies, when it ends.
    pub sentence: String,
}

impl Standing {
    /// What applies to borrowing.
    #[must_use]
    pub fn effect(&self) -> Option<OveruseEffect> {
        self.step.map(|step| step.effect)
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
    let step = steps_reached(terms, account).max_by_key(|step| step.above).copied();
    let until = balance.period.end;
    let sentence = sentence(&balance, whole, step, &terms.calendar.written(until));
    Standing { step, until, balance, sentence }
}

/// The steps of the ladder that an account has reached at its own time, from the lowest on. Any use of nothing
/// reaches every step.
pub fn steps_reached<'a>(terms: Terms<'a>, account: &Account) -> impl Iterator<Item = &'a OveruseStep> {
    let (used, allowed) = (account.used, account.balance().allowed);
    let whole = allowed.plus(overdraft(terms.rule, account.per_period));
    terms.rule.overuse.iter().filter(move |step| used.0 > 0 && reaches(used, whole, step.above))
}

fn sentence(balance: &Balance, whole: GpuMillis, step: Option<OveruseStep>, until: &str) -> String {
    let (used, of) = (balance.used.whole_hours(), whole.whole_hours());
    let advance = whole.minus(balance.allowed).whole_hours();
    let with = if advance > 0 {
        format!(", {advance} of them in advance of the next period")
    } else {
        String::new()
    };
    let Some(step) = step else {
        return format!(
            "{used} of {of} GPU-hours used{with}; within the budget of the period that ends at {until}."
        );
    };
    let (whole_percent, rest) = (step.above.0 / 100, step.above.0 % 100);
    let applies = match step.effect {
        OveruseEffect::LowPriority => "borrows only after members within their budget".to_owned(),
        OveruseEffect::MostBorrowed(gpus) => format!("borrows at most {gpus} GPUs at once"),
        OveruseEffect::NoBorrowing => "borrows nothing".to_owned(),
    };
    format!(
        "{used} of {of} GPU-hours used{with}, the step at {whole_percent}.{rest:02} % is reached: {applies} until \
         {until}; work inside the guarantee is not touched."
    )
}

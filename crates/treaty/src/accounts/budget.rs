//! One member's account of GPU-hours under a budget clause: periods, carry-over, overdraft and pull-back.
//!
//! Use is never refused here: it draws carried hours first (they expire first), then the period's own, then hours of
//! the next period as far as the overdraft goes; the rest is over-use and ends with the period. What over-use leads to
//! stands in [`standing`]. The account is a plain value that only moves forward; the same bookings always give the
//! same account.

pub mod standing;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::GpuMillis;
use super::calendar::{Calendar, Interval};
use crate::clauses::{BasisPoints, BudgetRule, PullBackStep};
use crate::units::{GpuHours, Gpus, TimestampMillis};

/// A budget clause with the calendar that its periods follow.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The clause.
    pub rule: &'a BudgetRule,
    /// The treaty's calendar.
    pub calendar: &'a Calendar,
}

impl Terms<'_> {
    /// The next instant after `after` at which an account changes by itself: a period's end or a pull-back date. A
    /// summary of use must not reach across one.
    #[must_use]
    pub fn next_cut(&self, after: TimestampMillis) -> TimestampMillis {
        let end = self.calendar.period(self.rule.period, after).end;
        self.rule
            .pull_back
            .iter()
            .map(|step| self.calendar.next_yearly(step.month, step.day, after))
            .fold(end, Ord::min)
    }

    /// Pull-back steps whose date begins in the instant `at`.
    fn pull_backs(&self, at: TimestampMillis) -> impl Iterator<Item = &PullBackStep> {
        let before = TimestampMillis(at.0.saturating_sub(1));
        self.rule
            .pull_back
            .iter()
            .filter(move |step| self.calendar.next_yearly(step.month, step.day, before) == at)
    }
}

/// A member's account as of a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    #[serde(rename = "perPeriodGpuMillis")]
    per_period: GpuMillis,
    #[serde(rename = "atMillis")]
    at: TimestampMillis,
    period: Interval,
    /// Unused hours by how often they have moved: `[0]` are the period's own.
    #[serde(rename = "unusedGpuMillis")]
    unused: Vec<GpuMillis>,
    #[serde(rename = "allowedGpuMillis")]
    allowed: GpuMillis,
    #[serde(rename = "repaidGpuMillis")]
    repaid: GpuMillis,
    #[serde(rename = "usedGpuMillis")]
    used: GpuMillis,
    #[serde(rename = "beyondGpuMillis")]
    beyond: GpuMillis,
    #[serde(rename = "pulledBackGpuMillis")]
    pulled_back: GpuMillis,
}

/// What an account says of its present period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The period.
    pub period: Interval,
    /// Hours of the period and carried ones, less what the period before used in advance and what was pulled back.
    pub allowed: GpuMillis,
    /// Part of the period's hours that the period before used in advance.
    pub repaid: GpuMillis,
    /// Used in the period.
    pub used: GpuMillis,
    /// Left of what is allowed.
    pub unused: GpuMillis,
    /// Used above what is allowed; as far as the overdraft goes the next period repays it.
    pub beyond: GpuMillis,
    /// Unused hours taken back in the period.
    pub pulled_back: GpuMillis,
}

impl Account {
    /// A new account with the whole hours of the period that contains `at`, nothing carried, nothing used.
    #[must_use]
    pub fn open(terms: Terms<'_>, hours_per_period: GpuHours, at: TimestampMillis) -> Self {
        let per_period = GpuMillis::from_hours(hours_per_period);
        Self {
            per_period,
            at,
            period: terms.calendar.period(terms.rule.period, at),
            unused: vec![per_period],
            allowed: per_period,
            repaid: GpuMillis(0),
            used: GpuMillis(0),
            beyond: GpuMillis(0),
            pulled_back: GpuMillis(0),
        }
    }

    /// The treaty was amended: from the next period on the member has so many hours. The present one keeps its own.
    #[must_use]
    pub fn with_hours(self, hours_per_period: GpuHours) -> Self {
        Self { per_period: GpuMillis::from_hours(hours_per_period), ..self }
    }

    /// Time up to which everything is booked.
    #[must_use]
    pub const fn at(&self) -> TimestampMillis {
        self.at
    }

    /// The present period in numbers.
    #[must_use]
    pub fn balance(&self) -> Balance {
        Balance {
            period: self.period,
            allowed: self.allowed,
            repaid: self.repaid,
            used: self.used,
            unused: self.total_unused(),
            beyond: self.beyond,
            pulled_back: self.pulled_back,
        }
    }

    /// Moves to `now`: closes periods and takes back hours on the way. A time before [`Self::at`] changes nothing.
    pub fn advance(&mut self, terms: Terms<'_>, now: TimestampMillis) {
        self.held(terms, 0, now);
    }

    /// Books `gpus` held from [`Self::at`] to `until`, each part in the period in which it was used.
    pub fn held(&mut self, terms: Terms<'_>, gpus: Gpus, until: TimestampMillis) {
        while self.at < until {
            let cut = terms.next_cut(self.at);
            // After the calendar's end nothing is cut any more.
            let end = if cut > self.at { cut.min(until) } else { until };
            self.book(GpuMillis::of(gpus, end.since(self.at)));
            self.at = end;
            if end == cut {
                self.cut(terms);
            }
        }
    }

    /// Books `used` in the present period, at the present time.
    pub fn book(&mut self, used: GpuMillis) {
        self.used = self.used.plus(used);
        self.beyond = self.beyond.plus(self.take(used));
    }

    /// Takes from the hours that have moved most often; says what was missing.
    fn take(&mut self, mut amount: GpuMillis) -> GpuMillis {
        for unused in self.unused.iter_mut().rev() {
            let taken = amount.min(*unused);
            *unused = unused.minus(taken);
            amount = amount.minus(taken);
        }
        amount
    }

    fn total_unused(&self) -> GpuMillis {
        self.unused.iter().fold(GpuMillis(0), |sum, part| sum.plus(*part))
    }

    /// What happens in the instant [`Self::at`].
    fn cut(&mut self, terms: Terms<'_>) {
        if self.at >= self.period.end {
            self.close(terms);
        }
        // Used share of what was allowed; several steps of one date are a ladder of which the lowest rung that holds
        // counts. On a period's first day nothing can be used yet, so that a step there would take new hours.
        let holds = |step: &&PullBackStep| {
            self.at > self.period.start
                && !reaches(self.used, self.allowed.plus(self.pulled_back), step.used_below)
        };
        if let Some(step) = terms.pull_backs(self.at).filter(holds).min_by_key(|step| step.used_below) {
            let taken = part(self.total_unused(), step.remove_of_unused);
            self.take(taken);
            self.allowed = self.allowed.minus(taken);
            self.pulled_back = self.pulled_back.plus(taken);
        }
    }

    fn close(&mut self, terms: Terms<'_>) {
        let repaid = self.beyond.min(overdraft(terms.rule, self.per_period));
        let moves = usize::try_from(terms.rule.carry_over_periods).unwrap_or(usize::MAX);
        let carried = self.unused.iter().take(moves).map(|&unused| part(unused, terms.rule.carry_over));
        let mut unused = vec![self.per_period.minus(repaid)];
        unused.extend(carried);
        // Ends of nothing would make the list grow with every period.
        while unused.len() > 1 && unused.last() == Some(&GpuMillis(0)) {
            unused.pop();
        }
        let allowed = unused.iter().fold(GpuMillis(0), |sum, part| sum.plus(*part));
        *self = Self {
            per_period: self.per_period,
            at: self.at,
            period: terms.calendar.period(terms.rule.period, self.at),
            unused,
            allowed,
            repaid,
            used: GpuMillis(0),
            beyond: GpuMillis(0),
            pulled_back: GpuMillis(0),
        };
    }
}

/// Most hours of the next period that may be used in advance; never more than it has.
fn overdraft(rule: &BudgetRule, per_period: GpuMillis) -> GpuMillis {
    part(per_period, rule.overdraft).min(per_period)
}

/// That share of an amount, rounded down, at most all of it.
fn part(amount: GpuMillis, share: BasisPoints) -> GpuMillis {
    let part = u128::from(amount.0) * u128::from(share.0) / u128::from(WHOLE.0);
    GpuMillis(u64::try_from(part).unwrap_or(u64::MAX)).min(amount)
}

/// Whether `used` is at least `share` of `whole`. Any use is above every share of nothing; no use reaches nothing.
fn reaches(used: GpuMillis, whole: GpuMillis, share: BasisPoints) -> bool {
    let above = u128::from(used.0) * u128::from(WHOLE.0) >= u128::from(whole.0) * u128::from(share.0);
    above && (used.0 > 0 || share.0 == 0)
}

const WHOLE: BasisPoints = BasisPoints(10_000);

/// Use of one member, summarised: it ended at `until`, and none of it reaches across a [`Terms::next_cut`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// End of the time in which it was used.
    pub until: TimestampMillis,
    /// Amount.
    pub used: GpuMillis,
}

/// The account that `history`, in order of time, makes of a new one. A summary that ends exactly at a cut is booked
/// before it, one that ends before `opened` not at all.
#[must_use]
pub fn replay(
    terms: Terms<'_>,
    hours_per_period: GpuHours,
    opened: TimestampMillis,
    history: &[Use],
) -> Account {
    let mut account = Account::open(terms, hours_per_period, opened);
    for entry in history.iter().filter(|entry| entry.until > opened) {
        account.advance(terms, TimestampMillis(entry.until.0.saturating_sub(1)));
        account.book(entry.used);
        account.advance(terms, entry.until);
    }
    account
}

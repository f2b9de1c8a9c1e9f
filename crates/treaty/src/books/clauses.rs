//! The clauses for which the past counts, with the calendar that they follow.

use crate::accounts::budget;
use crate::accounts::calendar::{Calendar, time_zone};
use crate::clauses::{BudgetRule, SurplusRule};
use crate::terms::Terms;
use crate::treaty::Treaty;
use crate::units::{GpuHours, TimestampMillis};

use super::SETTLED_EVERY;

pub(super) struct Clauses<'t> {
    /// One of the pools' treaties: they differ in numbers of GPUs alone.
    treaty: Option<&'t Treaty>,
    calendar: Calendar,
}

impl<'t> Clauses<'t> {
    pub(super) fn of(terms: &'t Terms) -> Self {
        let treaty = terms.pools.first().map(|pool| &pool.treaty);
        let zone = treaty.and_then(|t| time_zone(t.time_zone()).ok()).unwrap_or(jiff::tz::TimeZone::UTC);
        Self { treaty, calendar: Calendar::new(zone, treaty.map_or(1, Treaty::year_starts_in_month)) }
    }

    pub(super) fn surplus(&self) -> SurplusRule {
        self.treaty.map(Treaty::surplus).unwrap_or_default()
    }

    pub(super) fn budget(&self) -> Option<budget::Terms<'_>> {
        Some(budget::Terms { rule: self.rule()?, calendar: &self.calendar })
    }

    fn rule(&self) -> Option<&'t BudgetRule> {
        self.treaty.and_then(Treaty::budget)
    }

    /// Members with a budget: name, hours, clause. Parties begin with the members, in the treaty's order.
    pub(super) fn budgets(&self) -> impl Iterator<Item = (&'t str, GpuHours, budget::Terms<'_>)> {
        let all = self.treaty.into_iter().flat_map(|treaty| {
            treaty
                .budget()
                .into_iter()
                .flat_map(|rule| &rule.gpu_hours_by_member)
                .map(|(member, hours)| (treaty.member(*member).name.as_str(), *hours))
        });
        all.filter_map(|(name, hours)| Some((name, hours, self.budget()?)))
    }

    /// The next instant after `at` at which something is settled: a full hour, or a change that budgets make by
    /// themselves.
    pub(super) fn next_settling(&self, at: TimestampMillis) -> TimestampMillis {
        let hour = at.0.div_euclid(SETTLED_EVERY.0).saturating_add(1).saturating_mul(SETTLED_EVERY.0);
        let cut = self.budget().map(|budget| budget.next_cut(at)).filter(|cut| *cut > at);
        cut.map_or(TimestampMillis(hour), |cut| cut.min(TimestampMillis(hour)))
    }
}

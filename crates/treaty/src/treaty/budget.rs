//! Validation of the budget clause: hours, carry-over, ladder, pull-back.

use std::collections::BTreeMap;

use crate::clauses::{BudgetRule, OveruseEffect, OveruseStep, Period, PullBackStep};
use crate::diagnostic::{Diagnostic, quoted};
use crate::document::{BudgetDocument, OveruseDocument, OveruseEffectName, PeriodName, PullBackDocument};
use crate::treaty::checker::{Checker, GPU_HOURS_MOST};

/// Ladders may go to ten times the budget.
const LADDER_PERCENT_MOST: u32 = 1_000;

impl Checker<'_> {
    pub fn budget(&mut self) -> Option<BudgetRule> {
        let raw = self.document.budget.as_ref()?;
        if raw.gpu_hours.is_empty() {
            let help = "add the hours of at least one member, for example {north: 100000}";
            self.fault("TR028", "budget.gpuHours", "a budget without hours has no effect", help);
        }
        let mut gpu_hours_by_member = BTreeMap::new();
        for (name, hours) in &raw.gpu_hours {
            let path = format!("budget.gpuHours.{name}");
            let hours = self.number(*hours, 0..=GPU_HOURS_MOST, &path).unsigned_abs();
            gpu_hours_by_member.extend(self.member(name, &path).map(|id| (id, hours)));
        }
        let carry_over = raw.carry_over.as_ref();
        let overdraft = raw.overdraft_percent.as_ref();
        Some(BudgetRule {
            period: match raw.period {
                PeriodName::Month => Period::Month,
                PeriodName::Quarter => Period::Quarter,
                PeriodName::Year => Period::Year,
            },
            gpu_hours_by_member,
            carry_over: carry_over
                .map_or_else(Default::default, |c| self.percent(&c.percent, 100, "budget.carryOver.percent")),
            carry_over_periods: carry_over.map_or(0, |c| {
                u32::try_from(self.number(c.periods, 1..=12, "budget.carryOver.periods")).unwrap_or(1)
            }),
            overdraft: overdraft
                .map_or_else(Default::default, |p| self.percent(p, 100, "budget.overdraftPercent")),
            overuse: self.overuse(raw),
            pull_back: self.pull_back(raw),
        })
    }

    fn overuse(&mut self, raw: &BudgetDocument) -> Vec<OveruseStep> {
        self.at_most(raw.overuse.len(), 8, "budget.overuse");
        let mut steps: Vec<OveruseStep> = Vec::new();
        for (index, step) in raw.overuse.iter().enumerate() {
            let path = format!("budget.overuse[{index}]");
            let above_path = format!("{path}.abovePercent");
            let above = self.percent(&step.above_percent, LADDER_PERCENT_MOST, &above_path);
            if let Some(before) = steps.last().filter(|before| before.above >= above) {
                let message = format!(
                    "step {} does not rise above the step before, {}",
                    show(above.0),
                    show(before.above.0)
                );
                let fault =
                    Diagnostic::new("TR029", &above_path, &message, "order the steps by rising percent");
                self.faults.push(
                    fault.related_to(
                        &format!("budget.overuse[{}].abovePercent", index - 1),
                        "the step before",
                    ),
                );
            }
            steps.push(OveruseStep { above, effect: self.effect(step, &path) });
        }
        steps
    }

    fn effect(&mut self, step: &OveruseDocument, path: &str) -> OveruseEffect {
        let gpus = step.gpus.map(|g| self.gpus(g, &format!("{path}.gpus")));
        match (step.effect, gpus) {
            (OveruseEffectName::MostBorrowed, Some(gpus)) => return OveruseEffect::MostBorrowed(gpus),
            (OveruseEffectName::MostBorrowed, None) => {
                self.fault(
                    "TR028",
                    &format!("{path}.gpus"),
                    "mostBorrowed of how many GPUs?",
                    "add `gpus: 16`",
                );
            }
            (_, Some(_)) => {
                let message = "gpus has no effect here; it belongs to mostBorrowed";
                self.fault(
                    "TR028",
                    &format!("{path}.gpus"),
                    message,
                    "delete it, or write effect: mostBorrowed",
                );
            }
            _ => {}
        }
        match step.effect {
            OveruseEffectName::LowPriority => OveruseEffect::LowPriority,
            OveruseEffectName::MostBorrowed | OveruseEffectName::NoBorrowing => OveruseEffect::NoBorrowing,
        }
    }

    fn pull_back(&mut self, raw: &BudgetDocument) -> Vec<PullBackStep> {
        self.at_most(raw.pull_back.len(), 16, "budget.pullBack");
        let year_starts = self.document.year_starts_in_month.unwrap_or(1);
        // Place in the accounting year.
        let order = |s: &PullBackStep| ((i64::from(s.month) - year_starts).rem_euclid(12), s.day);
        let mut steps: Vec<PullBackStep> = Vec::new();
        for (index, step) in raw.pull_back.iter().enumerate() {
            let path = format!("budget.pullBack[{index}]");
            let Some(step) = self.pull_back_step(step, &path) else { continue };
            if let Some(before) = steps.last().filter(|before| {
                (order(before), std::cmp::Reverse(before.used_below))
                    >= (order(&step), std::cmp::Reverse(step.used_below))
            }) {
                let before =
                    format!("{:02}-{:02} below {}", before.month, before.day, show(before.used_below.0));
                let message = format!("the step does not come after the one before, {before}");
                let help = "order by date in the accounting year; on one date, by falling usedBelowPercent";
                self.fault("TR029", &format!("{path}.date"), &message, help);
            }
            steps.push(step);
        }
        steps
    }

    fn pull_back_step(&mut self, raw: &PullBackDocument, path: &str) -> Option<PullBackStep> {
        let used_below = self.percent(&raw.used_below_percent, 100, &format!("{path}.usedBelowPercent"));
        let remove_of_unused =
            self.percent(&raw.remove_of_unused_percent, 100, &format!("{path}.removeOfUnusedPercent"));
        let parts = raw.date.split_once('-').filter(|(month, day)| month.len() == 2 && day.len() == 2);
        let parts = parts.and_then(|(month, day)| Some((month.parse::<i8>().ok()?, day.parse::<i8>().ok()?)));
        let Some((month, day)) =
            parts.filter(|(month, day)| (1..=12).contains(month) && (1..=28).contains(day))
        else {
            let message = format!("{} is not a day that every year has", quoted(&raw.date));
            self.fault("TR013", &format!("{path}.date"), &message, "write \"MM-DD\", the day at most 28");
            return None;
        };
        Some(PullBackStep { month, day, used_below, remove_of_unused })
    }
}

/// Basis points as people write percent.
fn show(points: u32) -> String {
    let (whole, part) = (points / 100, points % 100);
    if part == 0 { format!("{whole} %") } else { format!("{whole}.{part:02} %") }
}

//! Budgets against an account that remembers for every hour the period it comes from.

use std::collections::BTreeMap;

use concord_treaty::accounts::GpuMillis;
use concord_treaty::accounts::budget::standing::{effect_at, standing};
use concord_treaty::accounts::budget::{Account, Balance, Terms, Use, replay};
use concord_treaty::clauses::{BasisPoints, BudgetRule, OveruseEffect, OveruseStep, Period, PullBackStep};
use concord_treaty::units::{DurationMillis, MemberId, TimestampMillis};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseResult;

use crate::budget_precedents::{rule, utc};
use crate::calendar::at;
use crate::property;

const HOUR: u64 = 3_600_000;
const DAY: i64 = 86_400_000;

fn any_rule() -> impl Strategy<Value = BudgetRule> {
    let share = || select(vec![0_u32, 1, 2_500, 3_333, 5_000, 10_000]).prop_map(BasisPoints);
    let pull_back = (1..=12_i8, select(vec![1_i8, 2, 15, 28]), share(), share()).prop_map(
        |(month, day, used_below, remove_of_unused)| PullBackStep {
            month,
            day,
            used_below,
            remove_of_unused,
        },
    );
    let period = select(vec![Period::Month, Period::Quarter, Period::Year]);
    (period, 0..=100_u64, share(), 0..=3_u32, share(), vec(pull_back, 0..=4)).prop_map(
        |(period, hours, carry_over, carry_over_periods, overdraft, pull_back)| BudgetRule {
            gpu_hours_by_member: [(MemberId(0), hours)].into(),
            carry_over,
            carry_over_periods,
            overdraft,
            pull_back,
            overuse: [(5_000, OveruseEffect::LowPriority), (10_000, OveruseEffect::NoBorrowing)]
                .map(|(above, effect)| OveruseStep { above: BasisPoints(above), effect })
                .to_vec(),
            ..rule(period)
        },
    )
}

/// GPU-milliseconds used during each of the days that follow one another from 2026-01-01 on.
fn any_days() -> impl Strategy<Value = Vec<u64>> {
    let amount = prop_oneof![3 => Just(0), 2 => 0..3 * HOUR, 1 => 0..200 * HOUR];
    // Runs of equal days reach over years with few numbers.
    vec((amount, 1..=60_usize), 1..=20)
        .prop_map(|runs| runs.into_iter().flat_map(|(amount, days)| vec![amount; days]).collect())
}

/// The clause read sentence by sentence, on days, with every hour under the period it was granted for.
struct Ledger<'a> {
    rule: &'a BudgetRule,
    base: u64,
    period: i64,
    by_origin: BTreeMap<i64, u64>,
    allowed: u64,
    allowed_at_start: u64,
    used: u64,
    beyond: u64,
    repaid: u64,
    pulled_back: u64,
    granted: u64,
    expired: u64,
    used_ever: u64,
    forgotten: u64,
}

/// Year, month, day of a day counted from 2026-01-01, by the lengths of months.
fn civil(mut day: i64) -> (i64, i8, i8) {
    let mut year = 2026;
    loop {
        let leap = year % 4 == 0;
        for (month, length) in
            (1..).zip([31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
        {
            if day < length {
                return (year, month, i8::try_from(day + 1).unwrap());
            }
            day -= length;
        }
        year += 1;
    }
}

fn share(amount: u64, share: BasisPoints) -> u64 {
    amount * u64::from(share.0) / 10_000
}

impl<'a> Ledger<'a> {
    fn new(rule: &'a BudgetRule) -> Self {
        let base = rule.gpu_hours_by_member[&MemberId(0)] * HOUR;
        let by_origin = [(0, base)].into();
        Self {
            rule,
            base,
            period: 0,
            by_origin,
            allowed: base,
            allowed_at_start: base,
            used: 0,
            beyond: 0,
            repaid: 0,
            pulled_back: 0,
            granted: base,
            expired: 0,
            used_ever: 0,
            forgotten: 0,
        }
    }

    fn number(&self, day: i64) -> i64 {
        let (year, month, _) = civil(day);
        let months = (year - 2026) * 12 + i64::from(month) - 1;
        months
            / [(Period::Month, 1), (Period::Quarter, 3), (Period::Year, 12)]
                .iter()
                .find(|p| p.0 == self.rule.period)
                .unwrap()
                .1
    }

    fn draw(&mut self, mut amount: u64) -> u64 {
        for left in self.by_origin.values_mut() {
            let drawn = amount.min(*left);
            *left -= drawn;
            amount -= drawn;
        }
        amount
    }

    /// What happens as the day begins.
    fn dawn(&mut self, day: i64) {
        let number = self.number(day);
        if number != self.period {
            assert_eq!(number, self.period + 1);
            self.period = number;
            self.repaid = self.beyond.min(share(self.base, self.rule.overdraft));
            self.forgotten += self.beyond - self.repaid;
            let before: u64 = self.by_origin.values().sum();
            let oldest = number - i64::from(self.rule.carry_over_periods);
            self.by_origin.retain(|origin, _| *origin >= oldest);
            self.by_origin.values_mut().for_each(|left| *left = share(*left, self.rule.carry_over));
            self.expired += before - self.by_origin.values().sum::<u64>();
            self.by_origin.insert(number, self.base - self.repaid);
            self.granted += self.base;
            self.allowed = self.by_origin.values().sum();
            self.allowed_at_start = self.allowed;
            (self.used, self.beyond, self.pulled_back) = (0, 0, 0);
            return;
        }
        let (_, month, of_month) = civil(day);
        let today = self.rule.pull_back.iter().filter(|step| step.month == month && step.day == of_month);
        let below = |limit: BasisPoints| match (self.allowed_at_start, self.used) {
            (0, used) => used == 0 && limit.0 > 0,
            (whole, used) => used * 10_000 < whole * u64::from(limit.0),
        };
        let steps: Vec<_> = today.filter(|step| below(step.used_below)).collect();
        let lowest = steps.iter().map(|step| step.used_below).min();
        if let Some(step) = steps.iter().find(|step| Some(step.used_below) == lowest) {
            let taken = share(self.by_origin.values().sum(), step.remove_of_unused);
            assert_eq!(self.draw(taken), 0);
            self.pulled_back += taken;
            self.allowed -= taken;
            self.expired += taken;
        }
    }

    fn uses(&mut self, amount: u64) {
        self.used += amount;
        self.used_ever += amount;
        let missing = self.draw(amount);
        self.beyond += missing;
    }

    fn agrees(&self, balance: &Balance) -> TestCaseResult {
        let mine = [
            self.allowed,
            self.repaid,
            self.used,
            self.by_origin.values().sum(),
            self.beyond,
            self.pulled_back,
        ];
        let Balance { period: _, allowed, repaid, used, unused, beyond, pulled_back } = *balance;
        prop_assert_eq!([allowed, repaid, used, unused, beyond, pulled_back].map(|amount| amount.0), mine);
        // Every granted hour is used, unused, or lost; use beyond is repaid, awaits it, or was forgiven.
        let unused: u64 = self.by_origin.values().sum();
        prop_assert_eq!(self.granted + self.forgotten + self.beyond, self.used_ever + unused + self.expired);
        Ok(())
    }
}

#[test]
fn agrees_with_an_account_of_single_hours() {
    property("budgets", 1_000, (any_rule(), any_days()), |(rule, days)| {
        let calendar = utc();
        let terms = Terms { rule: &rule, calendar: &calendar };
        let start = at("2026-01-01T00:00:00Z");
        let mut account = Account::open(terms, rule.gpu_hours_by_member[&MemberId(0)], start);
        let mut ledger = Ledger::new(&rule);
        for (day, used) in (0..).zip(days) {
            account.advance(terms, start.after(DurationMillis(day * DAY)));
            if day > 0 {
                ledger.dawn(day);
            }
            ledger.agrees(&account.balance())?;
            account.book(GpuMillis(used));
            ledger.uses(used);
            ledger.agrees(&account.balance())?;
        }
        Ok(())
    });
}

#[test]
fn limits_of_the_clause_hold() {
    property("budget limits", 1_000, (any_rule(), any_days()), |(rule, days)| {
        let calendar = utc();
        let terms = Terms { rule: &rule, calendar: &calendar };
        let start = at("2026-01-01T00:00:00Z");
        let base = rule.gpu_hours_by_member[&MemberId(0)] * HOUR;
        let mut account = Account::open(terms, base / HOUR, start);
        let mut before = account.balance();
        for (day, used) in (1..).zip(days) {
            account.book(GpuMillis(used));
            let booked = account.balance();
            account.advance(terms, start.after(DurationMillis(day * DAY)));
            let now = account.balance();
            // Used hours are never taken back, and what was taken was unused.
            prop_assert!(
                now.period != booked.period || now.used == booked.used && now.beyond == booked.beyond
            );
            let lost = now.pulled_back.minus(booked.pulled_back);
            prop_assert!(now.period != booked.period || booked.unused == now.unused.plus(lost));
            if now.period != before.period {
                // Carried: at most the clause's share of what was unused, and not above what its periods can grant.
                let carried = now.allowed.0 - (base - now.repaid.0);
                prop_assert!(carried <= share(booked.unused.0, rule.carry_over));
                prop_assert!(carried <= base * u64::from(rule.carry_over_periods));
                prop_assert!(now.repaid.0 <= share(base, rule.overdraft) && now.repaid <= booked.beyond);
                prop_assert_eq!((now.used.0, now.beyond.0, now.pulled_back.0), (0, 0, 0));
            }
            prop_assert_eq!(now.allowed.0 + now.beyond.0, now.used.0 + now.unused.0);
            before = now;
        }
        Ok(())
    });
}

/// Holding GPUs over any times, summaries by the stated cuts, and a replay of either are one account.
#[test]
fn summaries_and_replays_give_the_same_account() {
    let held = vec((0..=20_u32, 0..40 * DAY), 1..=20);
    property("budget replay", 1_000, (any_rule(), held), |(rule, held)| {
        let calendar = utc();
        let terms = Terms { rule: &rule, calendar: &calendar };
        let hours = rule.gpu_hours_by_member[&MemberId(0)];
        let opened = at("2026-01-11T10:00:00Z");
        let mut account = Account::open(terms, hours, opened);
        let mut summaries: Vec<Use> = Vec::new();
        for (gpus, millis) in held {
            let end = account.at().after(DurationMillis(millis));
            let mut from = account.at();
            while from < end {
                let until = terms.next_cut(from).min(end);
                summaries.push(Use { until, used: GpuMillis::of(gpus, until.since(from)) });
                from = until;
            }
            account.held(terms, gpus, end);
        }
        prop_assert_eq!(&replay(terms, hours, opened, &summaries), &account);
        // One entry for each time between two cuts.
        let mut merged: Vec<Use> = Vec::new();
        for entry in &summaries {
            match merged.last_mut() {
                Some(last) if terms.next_cut(TimestampMillis(last.until.0 - 1)) >= entry.until => {
                    *last = Use { until: entry.until, used: last.used.plus(entry.used) };
                }
                _ => merged.push(*entry),
            }
        }
        prop_assert_eq!(&replay(terms, hours, opened, &merged), &account);
        let asked = effect_at(terms, MemberId(0), opened, &merged, account.at()).unwrap();
        prop_assert_eq!(asked, standing(terms, &account));
        Ok(())
    });
}

#[test]
fn times_beyond_the_calendar_end() {
    let rule = rule(Period::Year);
    let calendar = utc();
    let terms = Terms { rule: &rule, calendar: &calendar };
    let mut account = Account::open(terms, 1_000, at("8998-06-01T00:00:00Z"));
    account.held(terms, u32::MAX, TimestampMillis(i64::MAX));
    assert_eq!(account.at(), TimestampMillis(i64::MAX));
}

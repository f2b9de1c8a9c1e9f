//! Budgets of real centres with their numbers. Times are UTC; a member has 1,000 GPU-hours a period unless said.

use concord_treaty::accounts::GpuMillis;
use concord_treaty::accounts::budget::standing::{effect_at, standing};
use concord_treaty::accounts::budget::{Account, Terms, Use};
use concord_treaty::accounts::calendar::{Calendar, time_zone};
use concord_treaty::clauses::{BasisPoints, BudgetRule, OveruseEffect, OveruseStep, Period, PullBackStep};
use concord_treaty::units::MemberId;

use crate::calendar::at;

pub fn rule(period: Period) -> BudgetRule {
    BudgetRule {
        period,
        gpu_hours_by_member: [(MemberId(0), 1_000)].into(),
        carry_over: BasisPoints(0),
        carry_over_periods: 0,
        overdraft: BasisPoints(0),
        overuse: Vec::new(),
        pull_back: Vec::new(),
    }
}

pub fn utc() -> Calendar {
    Calendar::new(time_zone("UTC").unwrap(), 1)
}

fn step(percent: u32, effect: OveruseEffect) -> OveruseStep {
    OveruseStep { above: BasisPoints(percent * 100), effect }
}

fn pull_back(month: i8, used_below_percent: u32, remove_percent: u32) -> PullBackStep {
    let (used_below, remove_of_unused) =
        (BasisPoints(used_below_percent * 100), BasisPoints(remove_percent * 100));
    PullBackStep { month, day: 1, used_below, remove_of_unused }
}

/// An account on which one can write "so many hours, then it was that date".
struct Story<'a> {
    terms: Terms<'a>,
    account: Account,
}

impl<'a> Story<'a> {
    fn from(terms: Terms<'a>, start: &str) -> Self {
        Self { terms, account: Account::open(terms, 1_000, at(start)) }
    }

    fn uses(mut self, hours: u64) -> Self {
        self.account.book(GpuMillis::from_hours(hours));
        self
    }

    fn on(mut self, date: &str) -> Self {
        self.account.advance(self.terms, at(&format!("{date}T00:00:00Z")));
        self
    }

    fn unused(&self) -> u64 {
        self.account.balance().unused.whole_hours()
    }

    fn allowed(&self) -> u64 {
        self.account.balance().allowed.whole_hours()
    }

    fn effect(&self) -> Option<OveruseEffect> {
        standing(self.terms, &self.account).effects().last().copied()
    }
}

/// CSCS: quarters start in January, April, July and October; unused hours are lost; above the budget a
/// low-priority partition, at 130 % the end.
#[test]
fn cscs_unused_hours_are_lost_each_quarter() {
    let ladder = vec![step(100, OveruseEffect::LowPriority), step(130, OveruseEffect::NoBorrowing)];
    let rule = BudgetRule { overuse: ladder, ..rule(Period::Quarter) };
    let calendar = utc();
    let story = Story::from(Terms { rule: &rule, calendar: &calendar }, "2026-01-10T00:00:00Z");
    let story = story.uses(400).on("2026-03-31");
    assert_eq!(story.unused(), 600);
    let story = story.on("2026-04-01");
    assert_eq!((story.allowed(), story.unused()), (1_000, 1_000));
    let story = story.uses(999);
    assert_eq!(story.effect(), None);
    let story = story.uses(1);
    assert_eq!(story.effect(), Some(OveruseEffect::LowPriority));
    let story = story.uses(300);
    assert_eq!(story.effect(), Some(OveruseEffect::NoBorrowing));
    let story = story.on("2026-07-01");
    assert_eq!((story.effect(), story.unused()), (None, 1_000));
}

/// NHR: unused hours move to the next quarter, only one time.
#[test]
fn nhr_hours_move_once() {
    let rule = BudgetRule { carry_over: BasisPoints(10_000), carry_over_periods: 1, ..rule(Period::Quarter) };
    let calendar = utc();
    let story = Story::from(Terms { rule: &rule, calendar: &calendar }, "2026-01-01T00:00:00Z");
    let story = story.uses(300).on("2026-04-01");
    assert_eq!(story.allowed(), 1_700);
    // Carried hours are drawn first: 600 of the 700, so that 100 expire and 1,000 move.
    let story = story.uses(600).on("2026-07-01");
    assert_eq!(story.allowed(), 2_000);
    // Of 1,000 carried and 1,000 own nothing is used: the carried expire.
    let story = story.on("2026-10-01");
    assert_eq!(story.allowed(), 2_000);
}

/// JSC: this month's and what is left of last month's quota; all of next month's may be used in advance without
/// consequence, beyond it the lowest priority; hours of the month before last are forfeited.
#[test]
fn jsc_balances_over_three_months() {
    let rule = BudgetRule {
        carry_over: BasisPoints(10_000),
        carry_over_periods: 1,
        overdraft: BasisPoints(10_000),
        overuse: vec![step(100, OveruseEffect::LowPriority)],
        ..rule(Period::Month)
    };
    let calendar = utc();
    let terms = Terms { rule: &rule, calendar: &calendar };
    // Two idle months: two quotas, never three.
    let story = Story::from(terms, "2026-01-01T00:00:00Z").on("2026-03-01");
    assert_eq!(story.unused(), 2_000);
    // Those and all of April in advance: still no consequence one hour before.
    let story = story.uses(2_999);
    assert_eq!(story.effect(), None);
    let story = story.uses(1);
    assert_eq!(story.effect(), Some(OveruseEffect::LowPriority));
    // What goes beyond is forgotten at the reset: the debt is never above one month.
    let story = story.uses(5_000).on("2026-04-01");
    assert_eq!((story.account.balance().repaid.whole_hours(), story.unused()), (1_000, 0));
    let story = story.on("2026-05-01");
    assert_eq!(story.unused(), 1_000);
}

/// ALCF INCITE: 1 May less than 15 % used: 15 % of the unused goes, less than 10 %: 30 %; 1 September less than 50 %:
/// 33 %, less than 33 %: 50 %, less than 10 %: 75 %.
#[test]
fn alcf_takes_unused_hours_back() {
    let ladder = vec![
        pull_back(5, 15, 15),
        pull_back(5, 10, 30),
        pull_back(9, 50, 33),
        pull_back(9, 33, 50),
        pull_back(9, 10, 75),
    ];
    let rule = BudgetRule { pull_back: ladder, ..rule(Period::Year) };
    let calendar = utc();
    let terms = Terms { rule: &rule, calendar: &calendar };
    let left = |by_may: u64, by_september: u64| {
        let story = Story::from(terms, "2026-01-01T00:00:00Z").uses(by_may).on("2026-05-01");
        let may = story.unused();
        (may, story.uses(by_september).on("2026-09-01").unused())
    };
    // Nothing used: 30 % of 1,000, then 75 % of the 700 left.
    assert_eq!(left(0, 0), (700, 175));
    // 100 used is not below 10 %: 15 % of 900. Then 300 of 1,000 used: 50 % of 565.
    assert_eq!(left(100, 200), (765, 282));
    // 150 used is not below 15 %. Then 499 used: 33 % of 501 goes.
    assert_eq!(left(150, 349), (850, 335));
    assert_eq!(left(150, 350), (850, 500));
    // The next year starts whole.
    let next = Story::from(terms, "2026-01-01T00:00:00Z").on("2027-01-01");
    assert_eq!(next.unused(), 1_000);
}

/// OLCF: from 100 % on behind everybody, from 125 % on at most three jobs; here GPUs.
#[test]
fn olcf_steps_rise() {
    let ladder = vec![step(100, OveruseEffect::LowPriority), step(125, OveruseEffect::MostBorrowed(24))];
    let rule = BudgetRule { overuse: ladder, ..rule(Period::Year) };
    let calendar = utc();
    let terms = Terms { rule: &rule, calendar: &calendar };
    let story = Story::from(terms, "2026-01-01T00:00:00Z").uses(1_249);
    assert_eq!(story.effect(), Some(OveruseEffect::LowPriority));
    assert_eq!(story.uses(1).effect(), Some(OveruseEffect::MostBorrowed(24)));
}

#[test]
fn people_are_told_what_applies_and_when_it_ends() {
    let rule = BudgetRule {
        overdraft: BasisPoints(2_000),
        overuse: vec![step(90, OveruseEffect::MostBorrowed(8))],
        ..rule(Period::Quarter)
    };
    let calendar = Calendar::new(time_zone("Europe/Brussels").unwrap(), 1);
    let terms = Terms { rule: &rule, calendar: &calendar };
    let opened = at("2026-01-01T00:00:00Z");
    let history = [Use { until: at("2026-02-01T00:00:00Z"), used: GpuMillis::from_hours(1_100) }];
    let seen = |time: &str| effect_at(terms, MemberId(0), opened, &history, at(time)).unwrap();
    assert_eq!(
        seen("2026-02-01T00:00:00Z").sentence,
        "1100 of 1200 GPU-hours used, 200 of them in advance of the next period, the step at 90.00 % is reached: \
         borrows at most 8 GPUs at once until 2026-04-01 00:00 Europe/Brussels; work inside the guarantee is not touched."
    );
    let before = seen("2026-01-31T23:59:59Z");
    assert_eq!((before.effects(), before.balance.used.0), (vec![], 0));
    let after = seen("2026-04-01T00:00:00Z");
    assert_eq!((after.effects(), after.balance.unused.whole_hours()), (vec![], 900));
    assert_eq!(
        after.sentence,
        "0 of 1100 GPU-hours used, 200 of them in advance of the next period; within the budget of the period that \
         ends at 2026-07-01 00:00 Europe/Brussels."
    );
    assert_eq!(effect_at(terms, MemberId(1), opened, &history, opened), None);
}

/// Every step that is reached holds, so all of them are named; of two limits the lower one counts.
#[test]
fn people_are_told_of_every_step() {
    let ladder = vec![
        step(100, OveruseEffect::LowPriority),
        step(110, OveruseEffect::MostBorrowed(8)),
        step(120, OveruseEffect::MostBorrowed(24)),
        step(150, OveruseEffect::NoBorrowing),
    ];
    let rule = BudgetRule { overuse: ladder, ..rule(Period::Year) };
    let calendar = utc();
    let terms = Terms { rule: &rule, calendar: &calendar };
    let told = |hours: u64| {
        let story = Story::from(terms, "2026-01-01T00:00:00Z").uses(hours);
        let sentence = standing(terms, &story.account).sentence;
        let (_, what) = sentence.split_once(" used, the ").unwrap();
        what.split_once(" until ").unwrap().0.to_owned()
    };
    assert_eq!(told(1_000), "step at 100.00 % is reached: borrows only after members within their budget");
    assert_eq!(
        told(1_100),
        "steps at 100.00 % and 110.00 % are reached: borrows only after members within their budget and at most 8 GPUs at once"
    );
    assert_eq!(
        told(1_200),
        "steps at 100.00 %, 110.00 % and 120.00 % are reached: borrows only after members within their budget and at most \
         8 GPUs at once"
    );
    assert_eq!(
        told(1_500),
        "steps at 100.00 %, 110.00 %, 120.00 % and 150.00 % are reached: borrows nothing"
    );
}

#[test]
fn use_before_the_account_was_opened_is_not_its_use() {
    let rule = rule(Period::Month);
    let calendar = utc();
    let opened = at("2026-01-10T00:00:00Z");
    let used = |until| Use { until: at(until), used: GpuMillis::from_hours(7) };
    let history = [used("2026-01-09T00:00:00Z"), used("2026-01-10T00:00:00Z"), used("2026-01-10T00:00:01Z")];
    let terms = Terms { rule: &rule, calendar: &calendar };
    let standing = effect_at(terms, MemberId(0), opened, &history, at("2026-01-11T00:00:00Z")).unwrap();
    assert_eq!(standing.balance.used.whole_hours(), 7);
}

#[test]
fn a_budget_of_nothing_is_passed_by_any_use() {
    let ladder = vec![step(0, OveruseEffect::LowPriority), step(100, OveruseEffect::NoBorrowing)];
    let rule = BudgetRule { overuse: ladder, ..rule(Period::Month) };
    let calendar = utc();
    let terms = Terms { rule: &rule, calendar: &calendar };
    let mut account = Account::open(terms, 0, at("2026-01-01T00:00:00Z"));
    assert_eq!(standing(terms, &account).effects(), []);
    account.book(GpuMillis(1));
    assert_eq!(standing(terms, &account).effects(), [OveruseEffect::LowPriority, OveruseEffect::NoBorrowing]);
}

//! The accounts of a treaty, held against brute force and against precedents. One file a module.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod amendments;
mod apportion;
mod budget;
mod budget_precedents;
mod calendar;
mod charge;
mod credit;
mod eligibility;
mod hierarchy;
mod karma_itp;
mod shares;
mod usage;
mod votes;
mod window;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

/// Runs a property on so many random cases (more with a larger `PROPTEST_CASES`) and prints how many. proptest's own
/// seed policy: new cases in every run; a failing one is shrunk and its seed kept in `tests/proptest-regressions`.
fn property<S: Strategy>(
    name: &'static str,
    cases: u32,
    strategy: S,
    holds: impl Fn(S::Value) -> TestCaseResult,
) {
    let default = Config::default();
    let cases = cases.max(default.cases);
    let config = Config { cases, test_name: Some(name), source_file: Some(file!()), ..default };
    TestRunner::new(config).run(&strategy, holds).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    println!("{name}: {cases} cases");
}

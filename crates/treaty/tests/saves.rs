//! Who said when its work was saved is told to leave in the order of what would be lost.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use concord_treaty::snapshot::{Claim, ClaimState, Saves};
use concord_treaty::units::{DurationMillis, TimestampMillis};
use proptest::prelude::*;
use support::pool::Pool;
use support::*;

const NODE_GPUS: u32 = 4;
const NOW: i64 = 100_000;

/// What a borrower said; the times are milliseconds before now.
#[derive(Debug, Clone)]
struct Borrower {
    started: i64,
    saved: Option<i64>,
    every: Option<i64>,
}

fn any_borrower() -> impl Strategy<Value = Borrower> {
    let ago = 1..50_000_i64;
    (ago.clone(), proptest::option::of(ago.clone()), proptest::option::of(ago))
        .prop_map(|(started, saved, every)| Borrower { started, saved, every })
}

/// Milliseconds of work that are lost when it stops now: since its start, its last save, or the last save by its habit.
fn lost(borrower: &Borrower) -> i64 {
    let said = borrower.saved.filter(|saved| *saved <= borrower.started);
    let by_habit = borrower.every.map(|every| borrower.started % every);
    [Some(borrower.started), said, by_habit].into_iter().flatten().min().unwrap()
}

fn name(index: usize) -> String {
    format!("borrower-{index:02}")
}

/// A full pool of borrowers of so many GPUs each, and an owner that comes for as many.
fn owner_comes(borrowers: &[Borrower], gpus: u32) -> Result<(Pool, Vec<String>), String> {
    let by_node = (NODE_GPUS / gpus) as usize;
    let nodes = borrowers.len().div_ceil(by_node);
    let mut pool = Pool::new(document(&[i64::from(NODE_GPUS), 0], 60), nodes, NODE_GPUS);
    for index in 0..nodes * by_node {
        pool.submit(&name(index), 1, gang(1, gpus), None);
    }
    pool.settle(|_, _| ())?;
    pool.now = NOW;
    for (index, borrower) in borrowers.iter().enumerate() {
        said(pool.claim(&name(index)).unwrap(), borrower);
    }
    // What fills the last node has run for longer than any other, and saved nothing.
    for index in borrowers.len()..nodes * by_node {
        said(pool.claim(&name(index)).unwrap(), &Borrower { started: NOW, saved: None, every: None });
    }
    pool.submit("owner", 0, gang(1, gpus), None);
    let plan = pool.decide()?;
    Ok((pool, plan.notices.iter().map(|notice| notice.claim.to_string()).collect()))
}

fn said(claim: &mut Claim, borrower: &Borrower) {
    let ClaimState::Holding(holding) = &mut claim.state else { return };
    holding.since = TimestampMillis(NOW - borrower.started);
    holding.saves = Saves {
        every: borrower.every.map(DurationMillis),
        told_at: borrower.saved.map(|saved| TimestampMillis(NOW - saved)),
    };
}

proptest! {
    #![proptest_config(cases(256))]

    /// Against a look at every borrower: the one that loses least is told to leave, and no other.
    #[test]
    fn who_loses_least_is_told_to_leave(
        borrowers in proptest::collection::vec(any_borrower(), 1..=12),
        gpus in prop_oneof![Just(2_u32), Just(4)],
    ) {
        let (_, told) = owner_comes(&borrowers, gpus).map_err(TestCaseError::fail)?;
        prop_assert_eq!(told.len(), 1);
        let least = borrowers.iter().map(lost).min().unwrap();
        let chosen = (0..borrowers.len()).find(|&index| name(index) == told[0]);
        let chosen = chosen.map(|index| lost(&borrowers[index]));
        prop_assert_eq!(chosen, Some(least), "{:?}", told);
    }
}

#[test]
fn a_long_run_that_has_just_saved_leaves_before_a_short_one_that_has_not() {
    let long = Borrower { started: 50_000, saved: Some(100), every: None };
    let short = Borrower { started: 5_000, saved: None, every: None };
    let (_, told) = owner_comes(&[short.clone(), long], 4).unwrap();
    assert_eq!(told, [name(1)]);
    let (_, told) = owner_comes(&[short, Borrower { started: 50_000, saved: None, every: None }], 4).unwrap();
    assert_eq!(told, [name(0)], "without a save the short run loses less");
}

//! Lending credit: the laws of its ledger, and richest-first against one GPU at a time.

use concord_treaty::accounts::GpuMillis;
use concord_treaty::accounts::credit::{Credit, Exchange};
use concord_treaty::units::{DurationMillis, MemberId};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::property;

const HOUR: i64 = 3_600_000;

fn any_exchange() -> impl Strategy<Value = Exchange> {
    let amount = prop_oneof![Just(0_u64), 0..=20_u64, 0..1_u64 << 39];
    (amount.clone(), amount)
        .prop_map(|(idle, borrowed)| Exchange { idle: GpuMillis(idle), borrowed: GpuMillis(borrowed) })
}

fn any_history(members: usize) -> impl Strategy<Value = Vec<Vec<Exchange>>> {
    vec(vec(any_exchange(), members), 1..=20)
}

#[test]
fn the_ledger_keeps_its_laws() {
    property(
        "credit laws",
        3_000,
        (any_history(5), prop_oneof![0..=10_u64, 0..=200_000_u64]),
        |(history, cap)| {
            let mut credit = Credit::new(5, cap);
            let cap = (cap * 3_600_000).cast_signed();
            for exchanges in &history {
                let before = credit.balances().to_vec();
                credit.settle(exchanges);
                prop_assert_eq!(credit.balances().iter().sum::<i64>(), 0, "zero sum");
                let idle: u64 = exchanges.iter().map(|e| e.idle.0).sum();
                let borrowed: u64 = exchanges.iter().map(|e| e.borrowed.0).sum();
                let mut moved = 0;
                for ((exchange, after), before) in exchanges.iter().zip(credit.balances()).zip(&before) {
                    let change = after - before;
                    moved += change.max(0).unsigned_abs();
                    prop_assert!(after.abs() <= cap, "within the cap");
                    prop_assert!(exchange.borrowed.0 > 0 || change >= 0, "lending never costs");
                    prop_assert!(exchange.idle.0 > 0 || change <= 0, "borrowing never pays");
                    prop_assert!(
                        change <= exchange.idle.0.cast_signed()
                            && -change <= exchange.borrowed.0.cast_signed()
                    );
                }
                prop_assert!(moved <= idle.min(borrowed), "only what was both idle and borrowed");
            }
            let mut again = Credit::new(5, cap.unsigned_abs() / 3_600_000);
            history.iter().for_each(|exchanges| again.settle(exchanges));
            prop_assert_eq!(again, credit, "replay");
            Ok(())
        },
    );
}

/// Far from the cap each earns by what it left idle and pays by what it borrowed, to less than a GPU-millisecond.
#[test]
fn far_from_the_cap_parts_are_in_proportion() {
    property("credit proportion", 3_000, vec(any_exchange(), 5), |exchanges| {
        let mut credit = Credit::new(5, 300_000_000);
        credit.settle(&exchanges);
        let sum = |of: fn(&Exchange) -> u64| exchanges.iter().map(of).map(u128::from).sum::<u128>();
        let (idle, borrowed) = (sum(|e| e.idle.0), sum(|e| e.borrowed.0));
        prop_assume!(idle > 0 && borrowed > 0);
        let moved = idle.min(borrowed).cast_signed();
        for (exchange, balance) in exchanges.iter().zip(credit.balances()) {
            let (mine_idle, mine_borrowed) = (i128::from(exchange.idle.0), i128::from(exchange.borrowed.0));
            // Both sides as fractions over one denominator.
            let (i, b) = (idle.cast_signed(), borrowed.cast_signed());
            let exact = moved * (mine_idle * b - mine_borrowed * i);
            prop_assert!((i128::from(*balance) * i * b - exact).abs() < 2 * i * b);
        }
        Ok(())
    });
}

/// Karma as written down: give one GPU at a time to the richest member that still wants one.
#[test]
fn shares_as_if_one_gpu_at_a_time_to_the_richest() {
    let case = (vec(vec(0..=20_u64, 2), 4), vec(0..=12_u32, 4), 0..=40_u32);
    property("richest first", 5_000, case, |(past, wanted, surplus)| {
        let mut credit = Credit::new(4, 1_000);
        let quantum = DurationMillis(HOUR);
        let hours = |h: u64| GpuMillis::from_hours(h);
        let exchanges: Vec<Exchange> =
            past.iter().map(|p| Exchange { idle: hours(p[0]), borrowed: hours(p[1]) }).collect();
        credit.settle(&exchanges);
        // Balances in whole GPUs for one quantum, as a quantum of Karma counts.
        let mut balances: Vec<i64> = credit.balances().iter().map(|b| b.div_euclid(HOUR)).collect();
        let mut given = vec![0_u32; 4];
        for _ in 0..surplus {
            let willing = (0..4).filter(|&i| given[i] < wanted[i]);
            let Some(richest) = willing.max_by_key(|&i| (balances[i], std::cmp::Reverse(i))) else { break };
            given[richest] += 1;
            balances[richest] -= 1;
        }
        prop_assert_eq!(credit.share(surplus, &wanted, quantum), given);
        Ok(())
    });
}

#[test]
fn an_hour_lent_is_an_hour_earned() {
    let mut credit = Credit::new(3, 100);
    let hour = DurationMillis(HOUR);
    credit.settle(&[
        Exchange::during(hour, 8, 0),
        Exchange::during(hour, 0, 6),
        Exchange::during(hour, 4, 0),
    ]);
    assert_eq!(credit.balances(), [4 * HOUR, -6 * HOUR, 2 * HOUR]);
    assert_eq!(credit.richest_first(), [MemberId(0), MemberId(2), MemberId(1)]);
}

#[test]
fn at_the_cap_lending_earns_no_more_and_nobody_pays_for_it() {
    let mut credit = Credit::new(2, 10);
    let hour = DurationMillis(HOUR);
    for _ in 0..3 {
        credit.settle(&[Exchange::during(hour, 8, 0), Exchange::during(hour, 0, 8)]);
    }
    assert_eq!(credit.balances(), [10 * HOUR, -10 * HOUR]);
}

#[test]
fn ties_follow_the_order_of_the_members() {
    let credit = Credit::new(3, 10);
    assert_eq!(credit.share(4, &[3, 3, 3], DurationMillis(HOUR)), [2, 1, 1]);
    assert_eq!(credit.richest_first(), [MemberId(0), MemberId(1), MemberId(2)]);
}

//! Charges and bills: nothing is paid twice, nothing is lost.

use std::collections::BTreeMap;

use concord_treaty::accounts::GpuMillis;
use concord_treaty::accounts::charge::{Charge, bill, charged};
use concord_treaty::clauses::GpuClass;
use concord_treaty::units::DurationMillis;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::property;

fn class(thousandths: u32, charge_whole_nodes: bool) -> GpuClass {
    GpuClass {
        name: "h100".to_owned(),
        node_labels: BTreeMap::new(),
        charge_per_gpu_hour_thousandths: thousandths,
        charge_whole_nodes,
    }
}

const HOUR: DurationMillis = DurationMillis(3_600_000);

#[test]
fn an_hour_on_a_gpu_costs_its_price() {
    let used = GpuMillis::from_hours(3);
    assert_eq!(Charge::of(used, &class(1_500, false)).thousandths(), 4_500);
}

/// CSCS: a node is charged whole even when one of its four GPUs is used.
#[test]
fn a_whole_node_is_charged_for_a_part_of_it() {
    assert_eq!(charged(&class(1_000, true), 4, &[1], HOUR), [GpuMillis::from_hours(4)]);
    assert_eq!(charged(&class(1_000, false), 4, &[1], HOUR), [GpuMillis::from_hours(1)]);
    assert_eq!(charged(&class(1_000, true), 4, &[], HOUR), []);
}

#[test]
fn two_claims_on_a_node_pay_for_it_once() {
    let shared = charged(&class(1_000, true), 8, &[1, 3], HOUR);
    assert_eq!(shared, [GpuMillis::from_hours(2), GpuMillis::from_hours(6)]);
    property("whole nodes", 2_000, (vec(1..=8_u32, 1..=8), 0..10_000_000_i64), |(held, millis)| {
        let node: u32 = held.iter().sum::<u32>() + 1;
        let duration = DurationMillis(millis);
        let parts = charged(&class(1, true), node, &held, duration);
        let sum = parts.iter().fold(GpuMillis(0), |sum, part| sum.plus(*part));
        prop_assert_eq!(sum, GpuMillis::of(node, duration));
        // Nobody pays less than without the rule.
        let own = charged(&class(1, false), node, &held, duration);
        prop_assert!(parts.iter().zip(&own).all(|(whole, own)| whole >= own));
        Ok(())
    });
}

#[test]
fn lines_of_a_bill_add_up() {
    let line = (0..1_u64 << 50, 0..=100_000_u32);
    property("bills", 5_000, vec(line, 0..=30), |lines| {
        let charges: Vec<Charge> =
            lines.iter().map(|(used, price)| Charge::of(GpuMillis(*used), &class(*price, false))).collect();
        let billed = bill(&charges);
        let exact: u128 = lines.iter().map(|(used, price)| u128::from(*used) * u128::from(*price)).sum();
        prop_assert_eq!(billed.iter().copied().map(u128::from).sum::<u128>(), exact / 3_600_000);
        for ((used, price), billed) in lines.iter().zip(&billed) {
            let line = u128::from(*used) * u128::from(*price);
            prop_assert!((u128::from(*billed) * 3_600_000).abs_diff(line) < 3_600_000);
        }
        Ok(())
    });
}

/// Booked by the millisecond or by the day, a charge is the same: it is rounded only on the bill.
#[test]
fn how_often_use_is_booked_does_not_matter() {
    property("charge splits", 2_000, (vec(0..1_000_u64, 1..=50), 1..=9_999_u32), |(parts, price)| {
        let price = class(price, false);
        let split =
            parts.iter().fold(Charge::default(), |sum, part| sum.plus(Charge::of(GpuMillis(*part), &price)));
        prop_assert_eq!(split, Charge::of(GpuMillis(parts.iter().sum()), &price));
        Ok(())
    });
}

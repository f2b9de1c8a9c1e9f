//! Largest remainders against all ways to split an amount.

use concord_treaty::accounts::apportion::largest_remainder;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::property;

/// All vectors of `len` parts that add up to `total`, later parts counting up first.
fn splits(total: u64, len: usize) -> Vec<Vec<u64>> {
    if len == 1 {
        return vec![vec![total]];
    }
    let with_first =
        |first: u64| splits(total - first, len - 1).into_iter().map(move |rest| [vec![first], rest].concat());
    (0..=total).flat_map(with_first).collect()
}

/// Hamilton's rule is the split with the least sum of squared distances from the quotas; among equals the earlier
/// party has more.
#[test]
fn is_the_split_nearest_to_the_quotas() {
    property("nearest split", 1_000, (0..=9_u64, vec(0..=6_u64, 1..=4)), |(total, weights)| {
        let whole: u64 = weights.iter().sum();
        prop_assume!(whole > 0);
        let distance = |split: &Vec<u64>| -> i64 {
            let each = split.iter().zip(&weights);
            each.map(|(part, weight)| ((part * whole).cast_signed() - (total * weight).cast_signed()).pow(2))
                .sum()
        };
        let nearest = splits(total, weights.len()).into_iter().rev().min_by_key(distance).unwrap();
        prop_assert_eq!(largest_remainder(total, &weights), nearest);
        Ok(())
    });
}

#[test]
fn large_amounts_neither_overflow_nor_lose_a_unit() {
    property("large amounts", 2_000, (any::<u64>(), vec(any::<u64>(), 1..=50)), |(total, weights)| {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let parts = largest_remainder(total, &weights);
        prop_assert_eq!(parts.iter().copied().map(u128::from).sum::<u128>(), u128::from(total));
        let whole: u128 = weights.iter().copied().map(u128::from).sum();
        for (part, weight) in parts.iter().zip(&weights) {
            let floor = u128::from(total) * u128::from(*weight) / whole;
            prop_assert!(u128::from(*part) == floor || u128::from(*part) == floor + 1);
        }
        Ok(())
    });
}

#[test]
fn no_weight_gets_nothing() {
    assert_eq!(largest_remainder(7, &[0, 0]), [0, 0]);
    assert_eq!(largest_remainder(7, &[]), [0; 0]);
    assert_eq!(largest_remainder(7, &[0, 3]), [0, 7]);
}

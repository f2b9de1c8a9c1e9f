//! An amount, split into whole units by weight, so that the parts add up to it exactly. Pure.

/// Parts of `total` in proportion to `weights`; they add up to `total`. What rounding leaves over goes to the largest
/// remainders, the first of equal ones. Without any weight everything is in no part: an empty or all-zero `weights`
/// gives zeros, and the caller decides who has the rest.
#[must_use]
pub fn split(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    // Both factors are below 2^64, so the product is below 2^128.
    let scaled = weights.iter().map(|weight| u128::from(total) * u128::from(*weight));
    let quotients: Vec<(u64, u128)> =
        scaled.map(|product| (u64::try_from(product / sum).unwrap_or(u64::MAX), product % sum)).collect();
    let mut parts: Vec<u64> = quotients.iter().map(|(part, _)| *part).collect();
    let left = total - parts.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(quotients[*index].1));
    // Fewer units are left than there are parts with a remainder.
    for index in order.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        parts[index] += 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_goes_to_the_largest_remainders() {
        assert_eq!(split(10, &[1, 1, 1]), [4, 3, 3]);
        assert_eq!(split(100, &[60, 32, 16]), [55, 30, 15]);
        assert_eq!(split(5, &[0, 0]), [0, 0]);
        assert_eq!(split(u64::MAX, &[u64::MAX, 1]), [u64::MAX - 1, 1]);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_none_is_a_unit_or_more_away_from_its_share(
            total: u64,
            weights in prop::collection::vec(0_u64..1_000_000, 1..20),
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let parts = split(total, &weights);
            prop_assert_eq!(parts.iter().map(|part| u128::from(*part)).sum::<u128>(), u128::from(total));
            let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let (part, share) = (u128::from(*part) * sum, u128::from(total) * u128::from(*weight));
                prop_assert!(part.abs_diff(share) < sum, "{part} and {share} of {sum}");
                prop_assert!(*weight > 0 || part == 0);
            }
        }
    }
}

//! One amount split in proportion to weights, in whole units, nothing lost: the largest remainders (Hamilton).
//!
//! Stays within one unit of the exact quota. By Balinski and Young (1982) no such rule also never takes a unit from
//! anybody when the amount grows; limits on the parts belong to [`super::shares`].

/// Splits `total` in proportion to `weights`; the parts stand in the order of the weights.
///
/// Each part is its exact quota rounded down; what is left goes one unit each to the largest remainders, ties to the
/// earlier. The parts add up to `total`, or are all zero when every weight is zero.
#[must_use]
pub fn largest_remainder(total: u64, weights: &[u64]) -> Vec<u64> {
    let whole: u128 = weights.iter().copied().map(u128::from).sum();
    if whole == 0 {
        return vec![0; weights.len()];
    }
    let product = |weight: u64| u128::from(total) * u128::from(weight);
    // A quota is at most `total`, so that it fits again.
    let mut parts: Vec<u64> =
        weights.iter().map(|&w| u64::try_from(product(w) / whole).unwrap_or(total)).collect();
    let left = total - parts.iter().sum::<u64>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(product(weights[i]) % whole), i));
    // Fewer units are left than there are remainders above zero.
    for &i in order.iter().take(usize::try_from(left).unwrap_or(0)) {
        parts[i] += 1;
    }
    parts
}

//! Held against oracles that work otherwise: the level is found by trying every breakpoint instead of by settling
//! parts, and largest remainders by giving out one unit after the other.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use proptest::prelude::*;

use super::*;

fn part() -> impl Strategy<Value = Part> {
    let floor = prop_oneof![2 => Just(0_u128), 1 => 0..=20_u128];
    let cap = prop_oneof![2 => Just(u128::MAX), 1 => 0..=30_u128];
    (0..=7_u128, floor, cap, 1..=100_u128).prop_map(|(weight, floor, cap, cap_points)| Part {
        weight,
        floor: floor * PARTS_OF_GPU,
        // A cap in percent of some capacity is no whole number of GPUs.
        cap: if cap == u128::MAX { 1_000 * PARTS_OF_GPU } else { cap * 100 * cap_points },
    })
}

/// Sum of the clamped shares at level `over / under`, times `under`.
fn sum_at(parts: &[Part], over: u128, under: u128) -> u128 {
    parts.iter().map(|p| clamped(p, over, under)).sum()
}

fn clamped(part: &Part, over: u128, under: u128) -> u128 {
    (over * part.weight).max(part.floor.min(part.cap) * under).min(part.cap * under)
}

/// The highest level of all breakpoints at which the parts take no more than the amount, and the next one above it;
/// between the two, the shares that still grow split what is left by weight.
fn oracle(amount: u128, parts: &[Part]) -> Exact {
    let floors: u128 = parts.iter().map(floor).sum();
    if floors > amount {
        return Exact { over: parts.iter().map(|p| amount * floor(p)).collect(), under: floors };
    }
    let mut levels = vec![(0, 1)];
    for p in parts.iter().filter(|p| p.weight > 0) {
        levels.push((floor(p), p.weight));
        levels.push((p.cap, p.weight));
    }
    let fits = |l: &&(u128, u128)| sum_at(parts, l.0, l.1) <= amount * l.1;
    let (over, under) = *levels.iter().filter(fits).max_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1))).unwrap();
    // A part grows above this level if it is neither held by its floor nor stopped by its cap just above it.
    let grows =
        |p: &Part| p.weight > 0 && over * p.weight >= floor(p) * under && over * p.weight < p.cap * under;
    let growing: u128 = parts.iter().filter(|p| grows(p)).map(|p| p.weight).sum();
    let left = amount * under - sum_at(parts, over, under);
    let share =
        |p: &Part| clamped(p, over, under) * growing.max(1) + if grows(p) { left * p.weight } else { 0 };
    Exact { over: parts.iter().map(share).collect(), under: under * growing.max(1) }
}

fn same(a: &Exact, b: &Exact) -> bool {
    a.over.iter().zip(&b.over).all(|(x, y)| x * b.under == y * a.under)
}

fn largest_remainder_oracle(exact: &Exact, unit_gpus: u128, caps: &[u128]) -> Vec<u128> {
    let unit = exact.under * PARTS_OF_GPU * unit_gpus;
    let mut given: Vec<u128> = exact.over.iter().map(|o| o / unit).collect();
    let total = exact.over.iter().sum::<u128>() / unit;
    let mut served = vec![false; given.len()];
    while given.iter().sum::<u128>() < total {
        let mut best: Option<usize> = None;
        for i in 0..given.len() {
            let fits = (given[i] + 1) * unit <= caps[i] * exact.under;
            let more = |b: usize| exact.over[i] % unit > exact.over[b] % unit;
            if !served[i] && fits && !exact.over[i].is_multiple_of(unit) && best.is_none_or(more) {
                best = Some(i);
            }
        }
        let Some(i) = best else { break };
        given[i] += 1;
        served[i] = true;
    }
    given.into_iter().map(|g| g * unit_gpus).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_level_is_that_of_the_oracle(amount in 0..=200_u128, parts in prop::collection::vec(part(), 0..6)) {
        let amount = amount * PARTS_OF_GPU;
        let exact = fill(amount, &parts);
        prop_assert!(same(&exact, &oracle(amount, &parts)), "{exact:?} is not {:?}", oracle(amount, &parts));
        prop_assert!(exact.over.iter().sum::<u128>() <= amount * exact.under);
    }

    #[test]
    fn floors_and_caps_hold_and_nothing_is_left_that_somebody_could_have(
        amount in 0..=200_u128, parts in prop::collection::vec(part(), 1..6),
    ) {
        let amount = amount * PARTS_OF_GPU;
        let exact = fill(amount, &parts);
        let floors: u128 = parts.iter().map(floor).sum();
        for (p, over) in parts.iter().zip(&exact.over) {
            prop_assert!(*over <= p.cap * exact.under);
            prop_assert!(floors > amount || *over >= floor(p) * exact.under);
        }
        let left = amount * exact.under - exact.over.iter().sum::<u128>();
        let could_have_more = parts.iter().zip(&exact.over).any(|(p, o)| p.weight > 0 && *o < p.cap * exact.under);
        prop_assert!(left == 0 || !could_have_more);
    }

    #[test]
    fn order_matters_only_for_ties(amount in 0..=200_u128, parts in prop::collection::vec(part(), 1..6)) {
        let amount = amount * PARTS_OF_GPU;
        let (exact, mut backwards) = (fill(amount, &parts), parts.clone());
        backwards.reverse();
        let mut turned = fill(amount, &backwards);
        turned.over.reverse();
        prop_assert!(same(&exact, &turned));
        let remainder = |o: &u128| o % (exact.under * PARTS_OF_GPU);
        let mut remainders: Vec<u128> = exact.over.iter().map(remainder).collect();
        remainders.sort_unstable();
        remainders.dedup();
        if remainders.len() == parts.len() {
            let caps = |parts: &[Part]| parts.iter().map(|p| p.cap).collect::<Vec<_>>();
            let mut rounded = turned.clone();
            rounded.over.reverse();
            let mut rounded = rounded.round(1, Rounding::LargestRemainder, &caps(&backwards));
            rounded.reverse();
            prop_assert_eq!(exact.round(1, Rounding::LargestRemainder, &caps(&parts)), rounded);
        }
    }

    #[test]
    fn whole_numbers_are_those_of_the_oracle(
        amount in 0..=200_u128, parts in prop::collection::vec(part(), 1..6), unit in 1..=9_u128,
    ) {
        let amount = amount * PARTS_OF_GPU;
        let exact = fill(amount, &parts);
        let caps: Vec<u128> = parts.iter().map(|p| p.cap).collect();
        let rounded = exact.round(unit, Rounding::LargestRemainder, &caps);
        prop_assert_eq!(&rounded, &largest_remainder_oracle(&exact, unit, &caps));
        prop_assert!(rounded.iter().sum::<u128>() * PARTS_OF_GPU <= amount);
        let down = exact.round(unit, Rounding::Down, &caps);
        for ((down, up), cap) in down.iter().zip(&rounded).zip(&caps) {
            prop_assert!(down % unit == 0 && (up == down || *up == down + unit));
            prop_assert!(up * PARTS_OF_GPU <= *cap);
        }
    }

    #[test]
    fn a_residual_weight_takes_its_part_first(
        amount in 0..=200_u128, parts in prop::collection::vec(part(), 1..6), others in 0..=9_u128,
    ) {
        let amount = amount * PARTS_OF_GPU;
        let exact = fill_beside(amount, &parts, others);
        let given: u128 = exact.over.iter().sum();
        prop_assert!(given <= amount * exact.under);
        // Without floors the residual gets at least its part by weight.
        if parts.iter().all(|p| p.floor == 0) {
            let weights: u128 = parts.iter().map(|p| p.weight).sum::<u128>() + others;
            prop_assert!((amount * exact.under - given) * weights >= amount * others * exact.under);
        }
    }
}

#[test]
fn largest_numbers_do_not_overflow() {
    let weight = 100 * 1_000_000_000_000_u128;
    let gpus = 10_000_000 * PARTS_OF_GPU;
    let parts = vec![Part { weight, floor: 0, cap: gpus / 3 }; 500];
    let exact = fill(gpus, &parts);
    assert_eq!(exact.round(8, Rounding::LargestRemainder, &vec![gpus; 500]).iter().sum::<u128>(), 10_000_000);
}

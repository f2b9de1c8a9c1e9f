//! Water-filling against a search over all ways in which members can be at a limit, and the laws of max-min.

use concord_treaty::accounts::shares::{Claimant, share};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::property;

pub fn any_claimant(most: u64, least_weight: u64) -> impl Strategy<Value = Claimant> {
    (least_weight..=6, 0..=most, 0..=most, 0..=most).prop_map(|(weight, floor, above, demand)| Claimant {
        weight,
        floor,
        ceiling: floor + above,
        demand,
    })
}

/// Capacity and claimants whose floors fit into it.
fn any_case(members: usize) -> impl Strategy<Value = (u64, Vec<Claimant>)> {
    (vec(any_claimant(12, 1), 1..=members), 0..=30_u64).prop_map(|(claimants, more)| {
        let floors: u64 = claimants.iter().map(|c| c.floor.min(c.demand)).sum();
        (floors + more, claimants)
    })
}

fn least(claimant: &Claimant) -> u64 {
    claimant.demand.min(claimant.floor)
}

/// Exact parts as fractions over one denominator: every choice of who is at its least, rises, or is at its most is
/// tried until one has a level that agrees with it.
fn oracle(capacity: u64, claimants: &[Claimant]) -> (Vec<u64>, u64) {
    let total = capacity.min(claimants.iter().map(Claimant::most).sum());
    let choices = 3_usize.pow(u32::try_from(claimants.len()).unwrap());
    for choice in 0..choices {
        let place = |i: usize| choice / 3_usize.pow(u32::try_from(i).unwrap()) % 3;
        let fixed: u64 = (0..claimants.len())
            .map(|i| match place(i) {
                0 => least(&claimants[i]),
                1 => 0,
                _ => claimants[i].most(),
            })
            .sum();
        let weight: u64 = (0..claimants.len()).filter(|i| place(*i) == 1).map(|i| claimants[i].weight).sum();
        if fixed > total || (weight == 0 && fixed != total) {
            continue;
        }
        // The level is (total - fixed) / weight; without anybody who rises any level that fits the others will do.
        let (level, scale) = (total - fixed, weight.max(1));
        let level_fits = |i: usize, level: u64, scale: u64| {
            let (low, high) = (least(&claimants[i]) * scale, claimants[i].most() * scale);
            let at = level * claimants[i].weight;
            match place(i) {
                0 => at <= low,
                1 => low <= at && at <= high,
                _ => at >= high,
            }
        };
        let fits = |level: u64, scale: u64| (0..claimants.len()).all(|i| level_fits(i, level, scale));
        // All levels at which anything changes are multiples of 1/60 for weights up to 6.
        let agrees =
            if weight > 0 { fits(level, scale) } else { (0..=60 * 40).any(|sixtieth| fits(sixtieth, 60)) };
        if agrees {
            let exact = (0..claimants.len()).map(|i| match place(i) {
                0 => least(&claimants[i]) * scale,
                1 => level * claimants[i].weight,
                _ => claimants[i].most() * scale,
            });
            return (exact.collect(), scale);
        }
    }
    panic!("no level for {capacity} {claimants:?}");
}

#[test]
fn is_the_clamped_level_of_the_formula() {
    property("shares against all choices", 3_000, any_case(5), |(capacity, claimants)| {
        let parts = share(capacity, &claimants);
        let (exact, scale) = oracle(capacity, &claimants);
        prop_assert_eq!(parts.iter().sum::<u64>() * scale, exact.iter().sum::<u64>());
        for (part, exact) in parts.iter().zip(&exact) {
            prop_assert!((part * scale).abs_diff(*exact) < scale, "{:?} {:?}/{}", parts, exact, scale);
        }
        // Largest remainders: who was rounded up had no smaller remainder than who was rounded down.
        for (i, j) in (0..parts.len()).flat_map(|i| (0..parts.len()).map(move |j| (i, j))) {
            let (up, down) =
                (parts[i] * scale > exact[i], exact[j] % scale > 0 && parts[j] * scale < exact[j]);
            prop_assert!(!(up && down) || (exact[i] % scale, j) >= (exact[j] % scale, i));
        }
        Ok(())
    });
}

#[test]
fn limits_hold_and_nothing_is_left_over() {
    let case = (0..=60_u64, vec(any_claimant(12, 0), 0..=8));
    property("limits", 5_000, case, |(capacity, claimants)| {
        let parts = share(capacity, &claimants);
        let most: u64 = claimants.iter().map(Claimant::most).sum();
        prop_assert_eq!(parts.iter().sum::<u64>(), capacity.min(most));
        let floors_fit = claimants.iter().map(least).sum::<u64>() <= capacity;
        for (part, claimant) in parts.iter().zip(&claimants) {
            prop_assert!(*part <= claimant.most());
            prop_assert!(!floors_fit || *part >= least(claimant));
            prop_assert!(floors_fit || *part <= least(claimant));
        }
        Ok(())
    });
}

#[test]
fn asking_for_other_than_the_need_gains_nothing() {
    let case = (any_case(6), 0..6_usize, 0..=24_u64);
    property("strategy-proof", 5_000, case, |((capacity, claimants), who, said)| {
        let who = who % claimants.len();
        let need = claimants[who].demand;
        let mut lied = claimants.clone();
        lied[who].demand = said;
        // With floors that fit; a lie must not make them unfit either, which a treaty's floors never do.
        prop_assume!(lied.iter().map(least).sum::<u64>() <= capacity);
        let (honest, gained) = (share(capacity, &claimants)[who], share(capacity, &lied)[who].min(need));
        prop_assert!(gained <= honest, "said {} got {}, needs {} got {}", said, gained, need, honest);
        Ok(())
    });
}

#[test]
fn more_capacity_takes_at_most_one_unit_from_anybody() {
    property("resource monotonic", 5_000, (any_case(6), 1..=10_u64), |((capacity, claimants), more)| {
        let (before, after) = (share(capacity, &claimants), share(capacity + more, &claimants));
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(after + 1 >= *before);
        }
        // In shares before rounding nobody loses anything.
        let ((before, b), (after, a)) = (oracle(capacity, &claimants), oracle(capacity + more, &claimants));
        prop_assert!(before.iter().zip(&after).all(|(before, after)| after * b >= before * a));
        Ok(())
    });
}

#[test]
fn a_member_less_takes_at_most_one_unit_from_the_others() {
    property("population monotonic", 5_000, (any_case(6), 0..6_usize), |((capacity, claimants), who)| {
        let who = who % claimants.len();
        let mut others = claimants.clone();
        others.remove(who);
        let mut before = share(capacity, &claimants);
        before.remove(who);
        let after = share(capacity, &others);
        prop_assert!(before.iter().zip(&after).all(|(before, after)| after + 1 >= *before));
        Ok(())
    });
}

/// The unit in the two properties above is real (the Alabama paradox): the price of staying next to the exact share.
#[test]
fn one_unit_more_can_move_a_remainder() {
    let claimant = |weight| Claimant { weight, floor: 0, ceiling: 100, demand: 100 };
    let claimants = [claimant(6), claimant(6), claimant(2)];
    assert_eq!(share(10, &claimants), [4, 4, 2]);
    assert_eq!(share(11, &claimants), [5, 5, 1]);
}

#[test]
fn order_of_members_matters_only_for_ties() {
    property("permutation", 2_000, any_case(6), |(capacity, claimants)| {
        let reversed: Vec<Claimant> = claimants.iter().rev().copied().collect();
        let (parts, other) = (share(capacity, &claimants), share(capacity, &reversed));
        prop_assert!(parts.iter().zip(other.iter().rev()).all(|(a, b)| a.abs_diff(*b) <= 1));
        Ok(())
    });
}

#[test]
fn floors_that_do_not_fit_are_cut_in_proportion() {
    let claimant = |floor| Claimant { weight: 1, floor, ceiling: 100, demand: 100 };
    assert_eq!(share(30, &[claimant(40), claimant(20)]), [20, 10]);
}

#[test]
fn without_weight_one_gets_what_the_others_leave() {
    let claimant = |weight, demand| Claimant { weight, floor: 0, ceiling: 100, demand };
    assert_eq!(share(30, &[claimant(2, 20), claimant(0, 50), claimant(0, 3)]), [20, 7, 3]);
    assert_eq!(share(30, &[claimant(2, 40), claimant(0, 50)]), [30, 0]);
}

#[test]
fn large_amounts_do_not_overflow() {
    let most = (1 << 63) - 1;
    let claimant = Claimant { weight: u64::MAX, floor: 0, ceiling: most, demand: most };
    assert_eq!(share(most, &[claimant; 2]), [1 << 62, (1 << 62) - 1]);
}

//! Sharing down a tree: each level is a sharing of its own, and subtrees do not see each other's inside.

use concord_treaty::accounts::hierarchy::{Part, Party, share_down};
use concord_treaty::accounts::shares::{Claimant, share};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use crate::property;
use crate::shares::any_claimant;

fn any_party() -> impl Strategy<Value = Party> {
    let leaf = any_claimant(8, 0).prop_map(|claimant| Party { claimant, inside: Vec::new() });
    leaf.prop_recursive(3, 20, 4, |inner| {
        (any_claimant(16, 0), vec(inner, 1..=4)).prop_map(|(claimant, inside)| Party { claimant, inside })
    })
}

/// What the leaves could use within every ceiling.
fn usable(party: &Party) -> u64 {
    let demand =
        if party.inside.is_empty() { party.claimant.demand } else { party.inside.iter().map(usable).sum() };
    demand.min(party.claimant.ceiling)
}

fn holds(party: &Party, part: &Part) -> TestCaseResult {
    prop_assert!(part.amount <= usable(party));
    if !party.inside.is_empty() {
        prop_assert_eq!(part.inside.iter().map(|p| p.amount).sum::<u64>(), part.amount);
        let claimants: Vec<Claimant> =
            party.inside.iter().map(|p| Claimant { demand: usable(p), ..p.claimant }).collect();
        let amounts: Vec<u64> = part.inside.iter().map(|p| p.amount).collect();
        prop_assert_eq!(share(part.amount, &claimants), amounts);
    }
    party.inside.iter().zip(&part.inside).try_for_each(|(party, part)| holds(party, part))
}

#[test]
fn every_level_is_shared_and_nothing_is_lost_on_the_way() {
    property("tree levels", 2_000, (0..=60_u64, vec(any_party(), 1..=4)), |(capacity, parties)| {
        let parts = share_down(capacity, &parties);
        let usable: u64 = parties.iter().map(usable).sum();
        prop_assert_eq!(parts.iter().map(|p| p.amount).sum::<u64>(), capacity.min(usable));
        parties.iter().zip(&parts).try_for_each(|(party, part)| holds(party, part))
    });
}

#[test]
fn the_inside_of_another_subtree_changes_nothing_here() {
    let case = (0..=60_u64, vec(any_party(), 2..=4), any_party());
    property("tree isolation", 2_000, case, |(capacity, parties, mut other)| {
        // The last party gets another inside that can use as much.
        let mut changed = parties.clone();
        let last = changed.last_mut().unwrap();
        let same = usable(last);
        other.claimant.ceiling = other.claimant.ceiling.min(same);
        let filler = Claimant { weight: 1, floor: 0, ceiling: same, demand: same - usable(&other) };
        last.inside = vec![other, Party { claimant: filler, inside: Vec::new() }];
        prop_assert_eq!(usable(last), same);
        let (before, after) = (share_down(capacity, &parties), share_down(capacity, &changed));
        let last = parties.len() - 1;
        prop_assert_eq!(&before[..last], &after[..last]);
        prop_assert_eq!(before[last].amount, after[last].amount);
        Ok(())
    });
}

#[test]
fn an_idle_project_lends_to_its_sisters_first() {
    let leaf = |weight, demand| Party {
        claimant: Claimant { weight, floor: 0, ceiling: 100, demand },
        inside: Vec::new(),
    };
    let institute =
        |inside| Party { claimant: Claimant { weight: 1, floor: 0, ceiling: 100, demand: 0 }, inside };
    let parts = share_down(
        12,
        &[institute(vec![leaf(1, 0), leaf(1, 50)]), institute(vec![leaf(2, 50), leaf(1, 50)])],
    );
    let amounts: Vec<Vec<u64>> =
        parts.iter().map(|p| p.inside.iter().map(|leaf| leaf.amount).collect()).collect();
    assert_eq!(amounts, [[0, 6], [4, 2]]);
}

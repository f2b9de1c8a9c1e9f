//! Examples with round numbers, and a property: parts add up, and nobody is charged for time without a holding.

use proptest::prelude::*;

use super::*;
use crate::energy::Source;

fn interval(microjoules: u64) -> Interval {
    Interval { from_microseconds: 0, to_microseconds: 1_000_000, microjoules, source: Source::Counter }
}

fn gpu(parts: u64, idle_watts: Option<u64>) -> Shared {
    let idle_milliwatts = idle_watts.map(|watts| watts * 1_000);
    Shared { parts, idle_milliwatts, activity: Basis::GpmShare, foreign_activity: 0 }
}

fn holds(owner: usize, parts: u64, activity: Option<u64>) -> Holding {
    Holding { owner, parts, from_microseconds: -5, to_microseconds: i64::MAX, activity }
}

/// Owner, basis, allocated and active joules of each charge.
fn charged(attribution: &Attribution) -> Vec<(usize, Basis, u64, Option<u64>)> {
    let joules = |microjoules: u64| microjoules / 1_000_000;
    let charge =
        |c: &Charge| (c.owner, c.basis, joules(c.allocated_microjoules), c.active_microjoules.map(joules));
    attribution.charges.iter().map(charge).collect()
}

const JOULE: u64 = 1_000_000;

#[test]
fn who_is_alone_is_measured() {
    let found = attribute(&interval(600 * JOULE), &gpu(1, Some(70)), &[holds(3, 1, None)]);
    assert_eq!(charged(&found), [(3, Basis::Exclusive, 600, Some(530))]);
    assert_eq!((found.unallocated_microjoules, found.unallocated_gpu_microseconds), (0, 0));
    let found = attribute(&interval(600 * JOULE), &gpu(1, None), &[holds(3, 1, None)]);
    assert_eq!(charged(&found), [(3, Basis::Exclusive, 600, None)], "unknown idle power is not zero");
}

#[test]
fn nobody_is_unallocated() {
    let found = attribute(&interval(70 * JOULE), &gpu(7, Some(70)), &[]);
    assert_eq!((found.charges.len(), found.unallocated_microjoules), (0, 70 * JOULE));
    assert_eq!(found.unallocated_gpu_microseconds, 1_000_000);
}

#[test]
fn who_comes_in_the_middle_is_charged_from_then_on_as_an_estimate() {
    let comes = Holding { from_microseconds: 750_000, ..holds(1, 1, None) };
    let found = attribute(&interval(400 * JOULE), &gpu(1, None), &[comes]);
    assert_eq!(charged(&found), [(1, Basis::TimeShare, 100, None)]);
    assert_eq!((found.unallocated_microjoules, found.unallocated_gpu_microseconds), (300 * JOULE, 750_000));
    let follows = Holding { to_microseconds: 750_000, ..holds(0, 1, None) };
    let found = attribute(&interval(400 * JOULE), &gpu(1, None), &[follows, comes]);
    assert_eq!(found.unallocated_microjoules, 0);
    assert_eq!(charged(&found), [(0, Basis::TimeShare, 300, None), (1, Basis::TimeShare, 100, None)]);
}

#[test]
fn instances_share_activity_by_counters_and_idle_by_slices() {
    // 3g, 2g and 1g of seven slices; 60, 32 and 16 multiprocessors at 100, 50 and 0 %.
    let holdings = [holds(0, 3, Some(60 * 100)), holds(1, 2, Some(32 * 50)), holds(2, 1, Some(0))];
    let found = attribute(&interval(450 * JOULE), &gpu(7, Some(70)), &holdings);
    let expected = [
        (0, Basis::GpmShare, 330, Some(300)),
        (1, Basis::GpmShare, 100, Some(80)),
        (2, Basis::GpmShare, 10, Some(0)),
    ];
    assert_eq!(charged(&found), expected);
    assert_eq!(found.unallocated_microjoules, 10 * JOULE, "the seventh slice idles for nobody");
    let times: Vec<u64> = found.charges.iter().map(|c| c.gpu_microseconds).collect();
    assert_eq!(times, [428_572, 285_714, 142_857]);
}

#[test]
fn activity_of_others_is_not_charged_to_holders() {
    let shared = Shared { foreign_activity: 30, activity: Basis::SmShare, ..gpu(4, Some(0)) };
    let found = attribute(&interval(100 * JOULE), &shared, &[holds(0, 1, Some(10)), holds(1, 1, Some(60))]);
    assert_eq!(charged(&found), [(0, Basis::SmShare, 10, Some(10)), (1, Basis::SmShare, 60, Some(60))]);
    assert_eq!(found.unallocated_microjoules, 30 * JOULE);
}

#[test]
fn without_activity_or_idle_power_the_parts_decide() {
    let quarter = [holds(0, 1, None), holds(1, 1, Some(9))];
    let found = attribute(&interval(100 * JOULE), &gpu(4, Some(40)), &quarter);
    assert_eq!(charged(&found), [(0, Basis::AllocShare, 25, Some(15)), (1, Basis::AllocShare, 25, Some(15))]);
    let active = [holds(0, 1, Some(1)), holds(1, 1, Some(9))];
    let found = attribute(&interval(100 * JOULE), &gpu(4, None), &active);
    assert_eq!(charged(&found), [(0, Basis::AllocShare, 25, None), (1, Basis::AllocShare, 25, None)]);
}

#[test]
fn all_replicas_of_one_owner_are_a_whole_gpu() {
    let found = attribute(&interval(10 * JOULE), &gpu(2, None), &[holds(5, 1, None), holds(5, 1, None)]);
    assert_eq!(charged(&found), [(5, Basis::Exclusive, 5, None), (5, Basis::Exclusive, 5, None)]);
}

#[test]
fn a_mapping_that_is_late_charges_no_more_than_there_is() {
    let found = attribute(&interval(10 * JOULE), &gpu(1, None), &[holds(0, 1, None), holds(1, 1, None)]);
    assert_eq!(charged(&found), [(0, Basis::AllocShare, 5, None), (1, Basis::AllocShare, 5, None)]);
    assert_eq!((found.unallocated_microjoules, found.unallocated_gpu_microseconds), (0, 0));
}

#[test]
fn energy_without_time_is_kept() {
    let still = Interval { to_microseconds: 0, ..interval(10 * JOULE) };
    assert_eq!(attribute(&still, &gpu(1, None), &[holds(0, 1, None)]).unallocated_microjoules, 10 * JOULE);
}

fn holdings() -> impl Strategy<Value = Vec<Holding>> {
    let one = (0_usize..5, 0_u64..4, -10_i64..1_200_000, 0_i64..1_200_000, prop::option::of(0_u64..10_000));
    let one = one.prop_map(|(owner, parts, from, length, activity)| Holding {
        owner,
        parts,
        from_microseconds: from,
        to_microseconds: from + length,
        activity,
    });
    prop::collection::vec(one, 0..9)
}

proptest! {
    #[test]
    fn parts_add_up_and_nobody_pays_without_holding(
        microjoules in prop_oneof![Just(0), 1_u64..100, 0_u64..1_000_000_000_000],
        parts in 1_u64..8,
        idle in prop::option::of(0_u64..200),
        foreign_activity in 0_u64..1_000,
        holdings in holdings(),
    ) {
        let shared = Shared { foreign_activity, ..gpu(parts, idle) };
        let found = attribute(&interval(microjoules), &shared, &holdings);
        let charged: u64 = found.charges.iter().map(|c| c.allocated_microjoules).sum();
        prop_assert_eq!(charged + found.unallocated_microjoules, microjoules);
        let time: u64 = found.charges.iter().map(|c| c.gpu_microseconds).sum();
        prop_assert_eq!(time + found.unallocated_gpu_microseconds, 1_000_000);
        for charge in &found.charges {
            prop_assert!(charge.active_microjoules.unwrap_or(0) <= charge.allocated_microjoules);
            prop_assert_eq!(charge.active_microjoules.is_some(), idle.is_some());
            let within = |h: &&Holding| {
                h.owner == charge.owner && h.parts > 0 && h.from_microseconds < 1_000_000 && h.to_microseconds > 0
            };
            prop_assert!(holdings.iter().any(|h| within(&h)), "{charge:?}");
        }
        // The oracle looks at each millisecond: where nobody holds anything, all of its energy is unallocated.
        let empty = (0..1_000_i64).filter(|n| {
            let (from, to) = (n * 1_000, n * 1_000 + 1_000);
            !holdings.iter().any(|h| h.parts > 0 && h.from_microseconds < to && h.to_microseconds > from)
        });
        let least = u128::from(microjoules) * empty.count() as u128 / 1_000;
        prop_assert!(u128::from(found.unallocated_microjoules) + 20 >= least);
    }
}

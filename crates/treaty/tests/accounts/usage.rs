//! Decayed use: the laws of decay within the stated bound, and the formula in floating point.

use concord_treaty::accounts::GpuMillis;
use concord_treaty::accounts::usage::DecayedUsage;
use concord_treaty::units::{DurationMillis, TimestampMillis};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::property;

const START: TimestampMillis = TimestampMillis(0);

/// GPUs held and for how many milliseconds, one after the other; a half-life from a minute to ten years.
fn any_history() -> impl Strategy<Value = (Vec<(u32, i64)>, DurationMillis)> {
    let millis = prop_oneof![0..1_000_i64, 0..10_000_000_i64, 0..10_000_000_000_i64];
    let half_life = prop_oneof![60_000..10_000_000_i64, 3_600_000..315_000_000_000_i64];
    (vec((0..=100_000_u32, millis), 1..=20), half_life.prop_map(DurationMillis))
}

fn book(history: &[(u32, i64)], half_life: DurationMillis) -> DecayedUsage {
    history.iter().fold(DecayedUsage::none(START), |usage, (gpus, millis)| {
        usage.held(*gpus, usage.at().after(DurationMillis(*millis)), half_life)
    })
}

fn counts(usage: &DecayedUsage, half_life: DurationMillis) -> u64 {
    usage.counts(usage.at(), half_life).0
}

/// Twice the stated bound for so many steps, in GPU-milliseconds, for values and equilibria up to `most`.
fn bound(steps: usize, most: f64) -> u64 {
    (steps as f64 * (most * 2_f64.powi(-53) + 2_f64.powi(-12))).ceil() as u64 + 1
}

/// Largest value that use of at most `gpus` can reach.
fn equilibrium(gpus: u32, half_life: DurationMillis) -> f64 {
    f64::from(gpus) * half_life.0 as f64 / std::f64::consts::LN_2
}

#[test]
fn agrees_with_the_formula() {
    property("decay formula", 2_000, any_history(), |(history, half_life)| {
        let mut exact = 0.0;
        for (gpus, millis) in &history {
            let exponent = -(*millis as f64) / half_life.0 as f64 * std::f64::consts::LN_2;
            exact = exact * exponent.exp() - equilibrium(*gpus, half_life) * exponent.exp_m1();
        }
        let found = counts(&book(&history, half_life), half_life) as f64;
        // The oracle's own floating point is the coarser of the two.
        let tolerance = bound(history.len(), equilibrium(100_000, half_life)) as f64 + exact * 1e-12 + 1.0;
        prop_assert!((found - exact).abs() <= tolerance, "{} {}", found, exact);
        Ok(())
    });
}

#[test]
fn cutting_intervals_changes_nothing_beyond_the_bound() {
    let case = (any_history(), vec(1..=1_000_i64, 1..=20));
    property("decay splits", 2_000, case, |((history, half_life), pieces)| {
        let whole = book(&history, half_life);
        let mut cut = DecayedUsage::none(START);
        let mut steps = 0;
        for (gpus, millis) in &history {
            let end = cut.at().after(DurationMillis(*millis));
            for piece in &pieces {
                let until = cut.at().after(DurationMillis(millis * piece / 20_000)).min(end);
                cut = cut.held(*gpus, until, half_life);
                steps += 1;
            }
            cut = cut.held(*gpus, end, half_life);
            steps += 2;
        }
        let (a, b) = (counts(&whole, half_life), counts(&cut, half_life));
        prop_assert!(a.abs_diff(b) <= bound(steps, equilibrium(100_000, half_life)), "{} {}", a, b);
        Ok(())
    });
}

#[test]
fn a_half_life_without_use_halves() {
    property("decay halves", 2_000, (any_history(), 1..=70_i64), |((history, half_life), times)| {
        let usage = book(&history, half_life);
        let later = usage.at().after(DurationMillis(half_life.0 * times));
        let expected = counts(&usage, half_life).checked_shr(u32::try_from(times).unwrap()).unwrap_or(0);
        prop_assert!(usage.counts(later, half_life).0.abs_diff(expected) <= 1);
        Ok(())
    });
}

#[test]
fn more_use_never_counts_less() {
    let case = (any_history(), 0..20_usize, 0..=1_000_u32);
    property("decay monotone", 2_000, case, |((history, half_life), place, more)| {
        let mut larger = history.clone();
        let place = place % history.len();
        larger[place].0 += more;
        let (a, b) = (book(&history, half_life), book(&larger, half_life));
        prop_assert!(counts(&a, half_life) <= counts(&b, half_life));
        let booked = a.plus(GpuMillis(more.into()));
        prop_assert_eq!(counts(&booked, half_life), counts(&a, half_life) + u64::from(more));
        Ok(())
    });
}

#[test]
fn time_alone_never_raises_it() {
    property("decay falls", 2_000, (any_history(), 0..i64::MAX / 2), |((history, half_life), wait)| {
        let usage = book(&history, half_life);
        let later = usage.counts(usage.at().after(DurationMillis(wait)), half_life);
        prop_assert!(later.0 <= counts(&usage, half_life));
        Ok(())
    });
}

/// Counting GPUs in thousands, or time in seconds, orders two parties in the same way.
#[test]
fn order_does_not_depend_on_the_unit() {
    let small = vec((0..=1_000_u32, 0..10_000_000_i64), 1..=10);
    let case = (small.clone(), small, 3_600_000..1_000_000_000_i64, 2..=1_000_u32);
    property("decay units", 2_000, case, |(a, b, half_life, factor)| {
        let half_life = DurationMillis(half_life);
        let scaled = |h: &[(u32, i64)]| h.iter().map(|(g, millis)| (g * factor, *millis)).collect::<Vec<_>>();
        let (x, y) = (counts(&book(&a, half_life), half_life), counts(&book(&b, half_life), half_life));
        let (p, q) = (book(&scaled(&a), half_life), book(&scaled(&b), half_life));
        let (p, q) = (counts(&p, half_life), counts(&q, half_life));
        // Whatever differs by more than rounding keeps its order.
        let rounding = bound(20, equilibrium(1_000, half_life));
        prop_assert!(x.abs_diff(y) <= rounding || (x < y) == (p < q));
        let longer = |h: &[(u32, i64)]| {
            h.iter().map(|(gpus, millis)| (*gpus, millis * i64::from(factor))).collect::<Vec<_>>()
        };
        let stretched = DurationMillis(half_life.0 * i64::from(factor));
        let (p, q) = (book(&longer(&a), stretched), book(&longer(&b), stretched));
        let (p, q) = (counts(&p, stretched), counts(&q, stretched));
        prop_assert!(x.abs_diff(y) <= rounding || (x < y) == (p < q));
        Ok(())
    });
}

/// The bound that the module states: 1,280 GPUs for a day in steps of a second, half-life of 30 days.
#[test]
fn a_day_of_seconds_is_a_day() {
    let half_life = DurationMillis(30 * 86_400_000);
    let day = DurationMillis(86_400_000);
    let at_once = counts(&DecayedUsage::none(START).held(1_280, START.after(day), half_life), half_life);
    let mut usage = DecayedUsage::none(START);
    for _ in 0..86_400 {
        usage = usage.held(1_280, usage.at().after(DurationMillis(1_000)), half_life);
    }
    let difference = counts(&usage, half_life).abs_diff(at_once);
    println!("86,400 steps differ from one by {difference} of {at_once} GPU-milliseconds");
    assert!(difference < at_once / 1_000_000_000);
}

#[test]
fn nonsense_neither_panics_nor_wraps() {
    let extreme = |millis| DurationMillis(millis);
    for half_life in [i64::MIN, -1, 0, 1, i64::MAX] {
        let usage =
            DecayedUsage::none(TimestampMillis(i64::MIN)).plus(GpuMillis(u64::MAX)).plus(GpuMillis(1));
        let usage =
            usage.held(u32::MAX, TimestampMillis(i64::MAX), extreme(half_life)).plus(GpuMillis(u64::MAX));
        assert!(counts(&usage, extreme(half_life)) >= u64::MAX - 1);
    }
}

//! The meter against a GPU whose true energy is known: resets, silences and restarts of the agent at any sample.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000;

fn life(boot: &str, session: u64) -> DriverLife {
    DriverLife { boot_id: boot.to_owned(), driver_version: "590.48.01".to_owned(), session }
}

fn sample(second: u64, counter: Option<u64>, power: Option<u64>) -> Sample {
    Sample {
        wall_microseconds: i64::try_from(second * SECOND).unwrap(),
        monotonic_microseconds: second * SECOND,
        counter_millijoules: counter,
        power_milliwatts: power,
        life: life("b", 0),
    }
}

/// As after a restart: what is not stored is forgotten.
fn restarted(meter: &Meter) -> Meter {
    serde_json::from_str(&serde_json::to_string(meter).unwrap()).unwrap()
}

#[test]
fn the_first_sample_begins_and_the_second_counts() {
    let mut meter = Meter::default();
    assert_eq!(meter.step(&sample(0, Some(5_000), Some(100_000))), Step::default());
    let step = meter.step(&sample(1, Some(5_100), Some(100_000)));
    let interval = Interval {
        from_microseconds: 0,
        to_microseconds: 1_000_000,
        microjoules: 100_000,
        source: Source::Counter,
    };
    assert_eq!(step, Step { interval: Some(interval), began: None });
    assert_eq!((meter.counter_microjoules, meter.integrated_microjoules), (100_000, 100_000_000));
    assert_eq!(meter.gap_microseconds, 0);
}

#[test]
fn a_reset_books_nothing_and_says_why() {
    let mut meter = Meter::default();
    meter.step(&sample(0, Some(5_000), None));
    let step = meter.step(&sample(10, Some(40), None));
    assert_eq!(step, Step { interval: None, began: Some(EpochCause::CounterDecreased) });
    assert_eq!((meter.counter_microjoules, meter.gap_microseconds, meter.epochs), (0, 10 * SECOND, 1));
    meter.step(&sample(11, Some(50), None));
    assert_eq!((meter.counter_microjoules, meter.epochs), (10_000, 1));
}

#[test]
fn boots_sessions_and_jumps_begin_epochs_even_when_the_counter_grew() {
    let cases = [
        (life("c", 0), 5_001, EpochCause::Boot),
        (life("b", 1), 5_001, EpochCause::Session),
        (life("b", 0), 9_000_000, EpochCause::CounterJumped),
    ];
    for (life, counter, cause) in cases {
        let mut meter = Meter::default();
        meter.step(&sample(0, Some(5_000), None));
        let step = meter.step(&Sample { life, ..sample(1, Some(counter), None) });
        assert_eq!(step, Step { interval: None, began: Some(cause) });
        assert_eq!(meter.counter_microjoules, 0);
    }
}

#[test]
fn a_silent_counter_is_waited_for_and_its_next_value_holds_the_silence() {
    let mut meter = Meter::default();
    meter.step(&sample(0, Some(0), Some(1_000)));
    assert_eq!(meter.step(&sample(1, None, Some(1_000))).interval, None);
    let interval = meter.step(&sample(2, Some(2_000), Some(1_000))).interval.unwrap();
    assert_eq!((interval.from_microseconds, interval.microjoules), (0, 2_000_000));
    assert_eq!(meter.counter_covered_microseconds, 2 * SECOND);
}

#[test]
fn without_a_counter_integrated_power_counts_and_long_silences_do_not() {
    let mut meter = Meter::default();
    meter.step(&sample(0, None, Some(100_000)));
    let interval = meter.step(&sample(2, None, Some(200_000))).interval.unwrap();
    assert_eq!((interval.microjoules, interval.source), (300_000_000, Source::IntegratedPower));
    assert_eq!(meter.step(&sample(20, None, Some(200_000))).interval, None);
    assert_eq!(meter.gap_microseconds, 18 * SECOND);
}

#[test]
fn what_passed_while_the_agent_was_away_is_counted_within_an_epoch_alone() {
    let mut meter = Meter::default();
    meter.step(&sample(0, Some(1_000), Some(1_000)));
    let mut same = restarted(&meter);
    let interval = same.step(&sample(600, Some(61_000), Some(1_000))).interval.unwrap();
    assert_eq!((interval.from_microseconds, interval.microjoules), (0, 60_000_000));
    assert_eq!(same.integrated_microjoules, 0, "no power was seen");
    let mut other = restarted(&meter);
    let step = other.step(&Sample { life: life("c", 0), ..sample(600, Some(61_000), None) });
    assert_eq!((step.interval, other.gap_microseconds), (None, 600 * SECOND));
}

#[derive(Debug, Clone)]
enum Happening {
    /// So many millijoules are used.
    Runs(u64),
    /// The same, and the counter does not answer.
    Silent(u64),
    /// The driver is loaded again; so much was used after that.
    Reset(u64),
    /// The agent is started again.
    Restart(u64),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let millijoules = 0_u64..900_000;
    prop::collection::vec(
        prop_oneof![
            6 => millijoules.clone().prop_map(Happening::Runs),
            2 => millijoules.clone().prop_map(Happening::Silent),
            1 => millijoules.clone().prop_map(Happening::Reset),
            1 => millijoules.prop_map(Happening::Restart),
        ],
        1..60,
    )
}

proptest! {
    /// The oracle keeps the energy of each epoch between the first and the last answer of its counter.
    #[test]
    fn booked_is_what_the_counter_saw_within_epochs(happenings in happenings()) {
        let (mut meter, mut counter, mut session) = (Meter::default(), 7_u64, 0_u64);
        let (mut expected, mut seen, mut booked) = (0_u64, None::<u64>, 0_u64);
        for (second, happening) in happenings.into_iter().enumerate() {
            let mut answers = true;
            match happening {
                Happening::Runs(used) => counter += used,
                Happening::Silent(used) => {
                    counter += used;
                    answers = false;
                }
                Happening::Reset(after) => {
                    (counter, session, seen) = (after, session + 1, None);
                }
                Happening::Restart(used) => {
                    counter += used;
                    meter = restarted(&meter);
                }
            }
            if answers {
                expected += seen.map_or(0, |before| counter - before);
                seen = Some(counter);
            }
            let at = sample(u64::try_from(second).unwrap(), answers.then_some(counter), None);
            let step = meter.step(&Sample { life: life("b", session), ..at });
            booked += step.interval.map_or(0, |interval| interval.microjoules);
            prop_assert_eq!(meter.counter_microjoules, expected * 1_000);
            prop_assert_eq!(booked, expected * 1_000);
        }
    }

    /// Every microsecond between samples is either covered or a gap, while the counter answers.
    #[test]
    fn time_is_covered_or_a_gap(resets in prop::collection::vec(any::<bool>(), 1..50)) {
        let (mut meter, mut session) = (Meter::default(), 0);
        for (second, reset) in resets.iter().enumerate() {
            session += u64::from(*reset && second > 0);
            let at = sample(u64::try_from(second).unwrap(), Some(1), Some(1));
            meter.step(&Sample { life: life("b", session), ..at });
        }
        let elapsed = u64::try_from(resets.len() - 1).unwrap() * SECOND;
        prop_assert_eq!(meter.counter_covered_microseconds + meter.gap_microseconds, elapsed);
        prop_assert_eq!(meter.epochs, session);
    }
}

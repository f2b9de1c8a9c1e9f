//! Windows against a walk over all days, and clock changes by name.

use std::collections::BTreeMap;

use concord_treaty::accounts::calendar::{Interval, time_zone};
use concord_treaty::accounts::window::Window;
use concord_treaty::clauses::{Repeat, WindowPurpose, WindowRule};
use concord_treaty::units::{DurationMillis, TimestampMillis};
use jiff::ToSpan;
use jiff::civil::{DateTime, date};
use proptest::prelude::*;
use proptest::sample::select;

use crate::calendar::{at, by_offsets};
use crate::property;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn rule(first_start: DateTime, hours: i64, zone: &str, repeats: Repeat) -> WindowRule {
    WindowRule {
        name: "patching".to_owned(),
        purpose: WindowPurpose::Maintenance,
        first_start,
        length: DurationMillis(hours * HOUR),
        time_zone: zone.to_owned(),
        repeats,
        until: None,
        node_labels: BTreeMap::new(),
        announce: DurationMillis(DAY),
    }
}

fn any_rule() -> impl Strategy<Value = WindowRule> {
    let zones = ["UTC", "Europe/Brussels", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"];
    let repeats = [(Repeat::Never, 600), (Repeat::Daily, 20), (Repeat::Weekly, 150), (Repeat::Monthly, 600)];
    let start = (0..1_000_i64, 0..24_i8, select(vec![0_i8, 15, 30]));
    (select(zones.to_vec()), select(repeats.to_vec()), start, 1..=600_i64, proptest::option::of(0..700_i64))
        .prop_map(|(zone, (repeats, most), (days, hour, minute), hours, until)| {
            let first = date(2010, 12, 1).checked_add(days.days()).unwrap();
            let until = until.map(|days| first.checked_add(days.days()).unwrap());
            WindowRule { until, ..rule(first.at(hour, minute, 0, 0), hours.min(most), zone, repeats) }
        })
}

/// Any time, or a millisecond beside a border: where mistakes live.
#[derive(Debug, Clone)]
enum Moment {
    Anywhere(i64),
    Beside { occurrence: usize, end: bool, announced: bool, millis: i64 },
}

impl Moment {
    fn of(&self, all: &[Interval]) -> TimestampMillis {
        match *self {
            Self::Anywhere(offset) => TimestampMillis(all[0].start.0 + offset),
            Self::Beside { occurrence, end, announced, millis } => {
                let interval = all[occurrence % all.len().min(800)];
                let border = if end { interval.end } else { interval.start };
                TimestampMillis(border.0 + millis - if announced { DAY } else { 0 })
            }
        }
    }
}

fn any_moment() -> impl Strategy<Value = Moment> {
    let beside = (0..800_usize, any::<bool>(), any::<bool>(), -1..=1_i64);
    prop_oneof![
        (-100 * DAY..800 * DAY).prop_map(Moment::Anywhere),
        beside.prop_map(|(occurrence, end, announced, millis)| Moment::Beside {
            occurrence,
            end,
            announced,
            millis
        }),
    ]
}

/// All occurrences of the first 900 days: every day is asked whether it has one.
fn walk(rule: &WindowRule) -> Vec<Interval> {
    let zone = time_zone(&rule.time_zone).unwrap();
    let first = rule.first_start.date();
    let days = (0..900_i64).map(|day| (day, first.checked_add(day.days()).unwrap()));
    let recurs = |(day, date): &(i64, jiff::civil::Date)| match rule.repeats {
        Repeat::Never => *day == 0,
        Repeat::Daily => true,
        Repeat::Weekly => day % 7 == 0,
        Repeat::Monthly => date.day() == first.day(),
    };
    let in_time = |(_, date): &(i64, jiff::civil::Date)| rule.until.is_none_or(|until| *date <= until);
    let starts = days
        .filter(recurs)
        .filter(in_time)
        .map(|(_, d)| by_offsets(&zone, d.to_datetime(rule.first_start.time())));
    starts.map(|start| Interval { start, end: start.after(rule.length) }).collect()
}

#[test]
fn answers_are_those_of_a_walk_over_all_days() {
    let case = (any_rule(), any_moment(), 0..40 * DAY, proptest::option::of(-1..=1_i64));
    property("windows", 5_000, case, |(rule, moment, runtime, at_border)| {
        let window = Window::new(&rule).unwrap();
        let all = walk(&rule);
        let now = moment.of(&all);
        let next_start = all.iter().map(|i| i.start.0 - now.0).find(|wait| *wait > 0);
        let runtime = at_border.zip(next_start).map_or(runtime, |(beside, wait)| wait + beside);
        // Beyond the walk nothing can be compared.
        let horizon = all[0].start.after(DurationMillis(850 * DAY));
        let seen = |interval: Option<Interval>| interval.filter(|i| i.start < horizon);
        let coming = all.iter().copied().find(|i| i.end > now);
        prop_assert_eq!(seen(window.next_open(now)), seen(coming));
        prop_assert_eq!(window.open_at(now), coming.filter(|i| i.start <= now));
        prop_assert_eq!(seen(window.next_start(now)), seen(all.iter().copied().find(|i| i.start > now)));
        let end = now.after(DurationMillis(runtime.max(1)));
        let met = all.iter().copied().find(|i| i.start < end && i.end > now);
        prop_assert_eq!(seen(window.would_collide(now, DurationMillis(runtime))), seen(met));
        let told = all.iter().copied().find(|i| i.start > now).filter(|i| i.start.0 - now.0 <= DAY);
        prop_assert_eq!(seen(window.announced(now)), seen(told));
        let from: Vec<Interval> = window.occurrences(now).take_while(|i| i.start < horizon).collect();
        let expected: Vec<Interval> = all.into_iter().filter(|i| i.end > now && i.start < horizon).collect();
        prop_assert_eq!(from, expected);
        Ok(())
    });
}

#[test]
fn the_first_clear_time_is_clear_and_the_first() {
    property(
        "first clear",
        2_000,
        (any_rule(), -20 * DAY..700 * DAY, 1..40 * DAY),
        |(rule, offset, runtime)| {
            let window = Window::new(&rule).unwrap();
            let now = TimestampMillis(walk(&rule)[0].start.0 + offset);
            let runtime = DurationMillis(runtime);
            let Some(clear) = window.first_clear(now, runtime) else {
                // Only endless repetition can leave no pause that is long enough.
                prop_assert!(rule.until.is_none() && rule.repeats != Repeat::Never);
                let mut starts = window.occurrences(now).take(200);
                let mut end = starts.next().unwrap().end;
                for next in starts {
                    prop_assert!(next.start.since(end) < runtime);
                    end = next.end;
                }
                return Ok(());
            };
            prop_assert!(clear >= now && window.would_collide(clear, runtime).is_none());
            // It is now, or the end of an occurrence; every earlier such time is not clear.
            let ends = window.occurrences(now).map(|i| i.end).take_while(|end| *end < clear);
            let earlier: Vec<_> = [now].into_iter().chain(ends).filter(|time| *time < clear).collect();
            prop_assert!(earlier.iter().all(|time| window.would_collide(*time, runtime).is_some()));
            prop_assert!(
                clear == now
                    || window.occurrences(now).take_while(|i| i.start < clear).any(|i| i.end == clear)
            );
            Ok(())
        },
    );
}

#[test]
fn work_that_ends_as_the_window_opens_does_not_meet_it() {
    let window = Window::new(&rule(date(2026, 6, 1).at(8, 0, 0, 0), 4, "UTC", Repeat::Weekly)).unwrap();
    let start = at("2026-06-01T06:00:00Z");
    assert_eq!(window.would_collide(start, DurationMillis(2 * HOUR)), None);
    let met = window.would_collide(start, DurationMillis(2 * HOUR + 1)).unwrap();
    assert_eq!((met.start, met.end), (at("2026-06-01T08:00:00Z"), at("2026-06-01T12:00:00Z")));
    // As it closes, work may start again, for a week less four hours.
    let pause = DurationMillis(7 * DAY - 4 * HOUR);
    assert_eq!(window.would_collide(met.end, pause), None);
    assert_eq!(window.first_clear(start, pause), Some(met.end));
    assert_eq!(window.first_clear(start, DurationMillis(pause.0 + 1)), None);
}

/// Found by the property above: more occurrences than the search tries, but not endless.
#[test]
fn after_the_last_of_many_occurrences_there_is_time() {
    let daily = rule(date(2010, 12, 1).at(0, 0, 0, 0), 6, "UTC", Repeat::Daily);
    let window = Window::new(&WindowRule { until: Some(date(2012, 4, 20)), ..daily }).unwrap();
    let clear = window.first_clear(at("2010-12-01T00:00:00Z"), DurationMillis(18 * HOUR + 1));
    assert_eq!(clear, Some(at("2012-04-20T06:00:00Z")));
}

/// 2026-03-29 in Brussels: 02:00 becomes 03:00, so that 02:30 is read by winter time and shown as 03:30.
#[test]
fn a_skipped_start_comes_later_by_the_gap() {
    let window =
        Window::new(&rule(date(2026, 3, 28).at(2, 30, 0, 0), 1, "Europe/Brussels", Repeat::Daily)).unwrap();
    let starts: Vec<_> = window.occurrences(at("2026-03-28T00:00:00Z")).take(3).map(|i| i.start).collect();
    assert_eq!(starts, ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"].map(at));
}

/// 2026-10-25 in Brussels: 03:00 becomes 02:00, so that 02:30 happens twice; the first counts, and only once.
#[test]
fn a_repeated_start_is_the_first() {
    let window =
        Window::new(&rule(date(2026, 10, 24).at(2, 30, 0, 0), 1, "Europe/Brussels", Repeat::Daily)).unwrap();
    let starts: Vec<_> = window.occurrences(at("2026-10-24T00:00:00Z")).take(3).map(|i| i.start).collect();
    assert_eq!(starts, ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"].map(at));
}

#[test]
fn a_month_without_the_day_has_no_occurrence() {
    let window = Window::new(&rule(date(2026, 1, 31).at(0, 0, 0, 0), 24, "UTC", Repeat::Monthly)).unwrap();
    let starts: Vec<_> = window.occurrences(at("2026-01-01T00:00:00Z")).take(4).map(|i| i.start).collect();
    let expected =
        ["2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z"];
    assert_eq!(starts, expected.map(at));
}

#[test]
fn times_beyond_the_calendar_do_not_panic() {
    for repeats in [Repeat::Never, Repeat::Daily, Repeat::Weekly, Repeat::Monthly] {
        let window = Window::new(&rule(date(2026, 1, 31).at(0, 0, 0, 0), 1, "UTC", repeats)).unwrap();
        assert!(window.next_open(TimestampMillis(i64::MAX)).is_none());
        assert_eq!(window.next_open(TimestampMillis(i64::MIN)).unwrap().start, at("2026-01-31T00:00:00Z"));
    }
}

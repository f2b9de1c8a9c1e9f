//! Periods: they tile time in every zone of the database, and start where the civil calendar says.

use concord_treaty::accounts::calendar::{Calendar, time_zone};
use concord_treaty::clauses::Period;
use concord_treaty::units::TimestampMillis;
use jiff::civil::{Date, DateTime, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use crate::property;

pub fn at(text: &str) -> TimestampMillis {
    TimestampMillis(text.parse::<Timestamp>().unwrap().as_millisecond())
}

/// First instant whose civil reading is `civil`; where a clock change skips it, its reading by the offset before.
pub fn by_offsets(zone: &TimeZone, civil: DateTime) -> TimestampMillis {
    let as_utc = civil.to_zoned(TimeZone::UTC).unwrap().timestamp();
    let day = SignedDuration::from_hours(26);
    let offsets = [as_utc - day, as_utc + day].map(|around| zone.to_offset(around));
    let readings = offsets.map(|offset| as_utc - SignedDuration::from_secs(offset.seconds().into()));
    let valid = readings.into_iter().filter(|instant| zone.to_datetime(*instant) == civil).min();
    TimestampMillis(valid.unwrap_or(readings[0]).as_millisecond())
}

/// Years 1900 to 2200.
fn any_time() -> impl Strategy<Value = i64> {
    -2_208_988_800_000..7_258_118_400_000_i64
}

fn any_period() -> impl Strategy<Value = Period> {
    select(vec![Period::Month, Period::Quarter, Period::Year])
}

#[test]
fn periods_tile_time_in_every_zone() {
    let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    assert!(names.len() > 400, "{} zones", names.len());
    let case = (select(names), any_period(), 1..=12_i8, any_time());
    property("periods tile", 5_000, case, |(name, period, starts_in, millis)| {
        let calendar = Calendar::new(time_zone(&name).unwrap(), starts_in);
        let now = TimestampMillis(millis);
        let span = calendar.period(period, now);
        prop_assert!(span.contains(now));
        let number = calendar.number(period, now);
        prop_assert_eq!(calendar.number(period, span.start), number);
        prop_assert_eq!(calendar.number(period, TimestampMillis(span.end.0 - 1)), number);
        prop_assert_eq!(calendar.number(period, span.end), number + 1);
        prop_assert_eq!(calendar.period(period, span.end).start, span.end);
        Ok(())
    });
}

/// Oracle: all first days of the periods around a date, by counting months one at a time.
#[test]
fn periods_start_on_the_first_of_their_month() {
    let zones =
        ["UTC", "Europe/Brussels", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "Africa/Cairo"];
    let case = (select(zones.to_vec()), any_period(), 1..=12_i8, any_time());
    property("period starts", 5_000, case, |(name, period, starts_in, millis)| {
        let zone = time_zone(name).unwrap();
        let length = match period {
            Period::Month => 1,
            Period::Quarter => 3,
            Period::Year => 12,
        };
        let year = zone.to_datetime(Timestamp::from_millisecond(millis).unwrap()).year();
        let mut first: Date = date(year - 2, starts_in, 1);
        let mut starts = Vec::new();
        for month in 0..60 {
            if month % length == 0 {
                starts.push(by_offsets(&zone, first.at(0, 0, 0, 0)));
            }
            first = first.last_of_month().tomorrow().unwrap();
        }
        let next = starts.iter().position(|start| start.0 > millis).unwrap();
        let found = Calendar::new(zone, starts_in).period(period, TimestampMillis(millis));
        prop_assert_eq!((found.start, found.end), (starts[next - 1], starts[next]));
        Ok(())
    });
}

#[test]
fn a_quarter_in_brussels_starts_at_its_midnight() {
    let calendar = Calendar::new(time_zone("Europe/Brussels").unwrap(), 1);
    let quarter = calendar.period(Period::Quarter, at("2026-04-15T12:00:00Z"));
    // Summer time since 29 March: midnight is 22:00 UTC. Its hours are one short of 91 days in the winter quarter.
    assert_eq!((quarter.start, quarter.end), (at("2026-03-31T22:00:00Z"), at("2026-06-30T22:00:00Z")));
    let winter = calendar.period(Period::Quarter, at("2026-02-01T00:00:00Z"));
    assert_eq!(winter.duration().0, (90 * 24 - 1) * 3_600_000);
    assert_eq!(calendar.written(quarter.start), "2026-04-01 00:00 Europe/Brussels");
}

#[test]
fn a_year_can_start_in_april() {
    let calendar = Calendar::new(time_zone("UTC").unwrap(), 4);
    let year = calendar.period(Period::Year, at("2026-03-31T23:59:59Z"));
    assert_eq!((year.start, year.end), (at("2025-04-01T00:00:00Z"), at("2026-04-01T00:00:00Z")));
    let quarter = calendar.period(Period::Quarter, at("2026-03-31T00:00:00Z"));
    assert_eq!(quarter.start, at("2026-01-01T00:00:00Z"));
}

/// Clocks in São Paulo went forward at midnight.
#[test]
fn a_skipped_midnight_is_the_first_instant_of_the_day() {
    let calendar = Calendar::new(time_zone("America/Sao_Paulo").unwrap(), 11);
    // On 4 November 2018 00:00 became 01:00.
    let skipped = calendar.next_yearly(11, 4, at("2018-11-01T00:00:00Z"));
    assert_eq!(skipped, at("2018-11-04T03:00:00Z"));
    assert_eq!(calendar.written(skipped), "2018-11-04 01:00 America/Sao_Paulo");
}

/// At 00:01 on 1 November 2009 the clocks of St. John's went back to 23:01: October showed again in November.
#[test]
fn a_month_does_not_come_back_with_the_clock() {
    let calendar = Calendar::new(time_zone("America/St_Johns").unwrap(), 1);
    let november = at("2009-11-01T02:30:00Z");
    let shown_as_october = at("2009-11-01T03:00:00Z");
    assert_eq!(calendar.written(shown_as_october), "2009-10-31 23:30 America/St_Johns");
    assert_eq!(calendar.period(Period::Month, shown_as_october).start, november);
    assert_eq!(calendar.period(Period::Month, TimestampMillis(november.0 - 1)).end, november);
}

/// No zone has done it yet, but could: 23:30 of 31 October becomes 00:30, and November starts at 01:00.
#[test]
fn a_gap_across_the_boundary_leaves_no_time_without_a_period() {
    let zone = TimeZone::posix("AAA0BBB,J304/23:30,J60/2").unwrap();
    let calendar = Calendar::new(zone, 1);
    let (shown_as_november, november) = (at("2026-10-31T23:45:00Z"), at("2026-11-01T00:00:00Z"));
    assert_eq!(calendar.written(shown_as_november), "2026-11-01 00:45 (time of the treaty)");
    assert_eq!(calendar.period(Period::Month, shown_as_november).end, november);
    assert_eq!(calendar.period(Period::Month, november).start, november);
}

#[test]
fn yearly_dates_come_after() {
    property("yearly dates", 2_000, (any_time(), 1..=12_i8, 1..=28_i8), |(millis, month, day)| {
        let zone = time_zone("Europe/Brussels").unwrap();
        let calendar = Calendar::new(zone.clone(), 1);
        let year = zone.to_datetime(Timestamp::from_millisecond(millis).unwrap()).year();
        let all = (year - 1..=year + 1).map(|y| by_offsets(&zone, date(y, month, day).at(0, 0, 0, 0)));
        let expected = all.filter(|start| start.0 > millis).min().unwrap();
        prop_assert_eq!(calendar.next_yearly(month, day, TimestampMillis(millis)), expected);
        prop_assert_eq!(calendar.next_yearly(month, day, TimestampMillis(expected.0 - 1)), expected);
        prop_assert!(calendar.next_yearly(month, day, expected) > expected);
        Ok(())
    });
}

#[test]
fn unknown_zones_are_named_with_a_way_out() {
    let message = time_zone("Europe/Atlantis").unwrap_err().to_string();
    assert_eq!(
        message,
        "time zone \"Europe/Atlantis\" is not in the IANA database; write for example \"Europe/Brussels\" or \"UTC\""
    );
}

#[test]
fn times_beyond_the_calendar_do_not_panic() {
    let calendar = Calendar::new(time_zone("Pacific/Kiritimati").unwrap(), 7);
    for millis in [i64::MIN, i64::MAX] {
        for period in [Period::Month, Period::Quarter, Period::Year] {
            let span = calendar.period(period, TimestampMillis(millis));
            assert!(span.start < span.end);
        }
        assert!(calendar.next_yearly(2, 28, TimestampMillis(millis)) > TimestampMillis(-62_200_000_000_000));
    }
}

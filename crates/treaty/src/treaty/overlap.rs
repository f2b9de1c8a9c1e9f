//! Do two windows meet on the same nodes? Occurrences repeat without end, so one is walked for a stretch that shows
//! every pattern, and the other is asked for occurrences near each of them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::clauses::{Repeat, WindowRule};
use crate::treaty::pool::could_share_a_node;

/// Occurrences looked at: daily ones for a year, weekly for seven, monthly for thirty.
const OCCURRENCES_MOST: usize = 366;

/// A window with its zone at hand.
pub struct Span {
    pub window: WindowRule,
    pub zone: TimeZone,
}

/// The day on which the two first meet.
pub fn first_meeting(some: &Span, other: &Span) -> Option<Date> {
    if !could_share_a_node(&some.window.node_labels, &other.window.node_labels) {
        return None;
    }
    let rank = |s: &Span| match s.window.repeats {
        Repeat::Never => 0,
        Repeat::Monthly => 1,
        Repeat::Weekly => 2,
        Repeat::Daily => 3,
    };
    let (rare, frequent) = if rank(some) <= rank(other) { (some, other) } else { (other, some) };
    let later_start = rare.window.first_start.date().max(frequent.window.first_start.date());
    let days_before = rare.window.length.0 / 86_400_000 + frequent.window.length.0 / 86_400_000 + 2;
    let begin = later_start.checked_sub(days_before.days()).ok()?;
    occurrences_from(rare, begin).take(OCCURRENCES_MOST).find_map(|day| {
        let (start, end) = rare.at(day)?;
        let earliest = day.checked_sub((frequent.window.length.0 / 86_400_000 + 2).days()).ok()?;
        let latest = day.checked_add((rare.window.length.0 / 86_400_000 + 2).days()).ok()?;
        let near = occurrences_from(frequent, earliest).take_while(|d| *d <= latest);
        let mut meeting = near.filter_map(|d| frequent.at(d)).filter(|(s, e)| *s < end && start < *e);
        meeting.next().map(|(other_start, _)| rare.zone.to_datetime(start.max(other_start)).date())
    })
}

impl Span {
    /// Start and end of the occurrence on that day.
    fn at(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        let start =
            day.to_datetime(self.window.first_start.time()).to_zoned(self.zone.clone()).ok()?.timestamp();
        let end = start.as_millisecond().checked_add(self.window.length.0)?;
        Some((start, Timestamp::from_millisecond(end).ok()?))
    }
}

/// Days on which occurrences start, from that day on.
fn occurrences_from(span: &Span, begin: Date) -> impl Iterator<Item = Date> + '_ {
    let window = &span.window;
    let first = window.first_start.date();
    let behind = first.until(begin).map_or(0, |s| i64::from(s.get_days())).max(0);
    let skipped = match window.repeats {
        Repeat::Never => 0,
        Repeat::Daily => behind,
        Repeat::Weekly => behind.div_euclid(7),
        Repeat::Monthly => behind.div_euclid(31),
    };
    let most = if window.repeats == Repeat::Never { 1 } else { i64::MAX };
    let day = move |n: i64| match window.repeats {
        Repeat::Never => Some(first),
        Repeat::Daily => first.checked_add(n.days()).ok(),
        Repeat::Weekly => first.checked_add(n.checked_mul(7)?.days()).ok(),
        Repeat::Monthly => first.checked_add(n.months()).ok(),
    };
    (skipped..most)
        .map_while(day)
        .take_while(move |d| window.until.is_none_or(|until| *d <= until))
        // Months without the day are skipped; jiff would take their last day.
        .filter(move |d| *d >= begin && (window.repeats != Repeat::Monthly || d.day() == first.day()))
}

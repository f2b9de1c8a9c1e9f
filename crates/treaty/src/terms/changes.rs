//! When the same text says something else by itself: the days on which it begins and ends to hold, contributions begin
//! to count and suspensions begin, and the times at which reserves open and close.
//!
//! Windows and what the past counts for have calendars of their own ([`crate::schedule`], [`crate::books`]).

use jiff::civil::{Date, Time};

use crate::accounts::calendar;
use crate::agenda::Happening;
use crate::clauses::Opening;
use crate::snapshot::Opened;
use crate::treaty::Treaty;
use crate::units::{MemberId, TimestampMillis};

impl Treaty {
    /// The first instant after `after` at which the numbers of [`super::Terms`] may differ from those before it, with
    /// these decisions to open reserves; `None`: they stay as they are for ever.
    #[must_use]
    pub fn next_change(&self, openings: &[Opened], after: TimestampMillis) -> Option<TimestampMillis> {
        let days = self.days_of_change().filter_map(|(day, ..)| self.day_begins(day));
        let of_reserves = openings.iter().flat_map(|opened| self.opens_and_closes(opened));
        days.chain(of_reserves).filter(|at| *at > after).min()
    }

    /// First instant of a day of the treaty's time zone, which is the first whose [`Treaty::day`] is that day; `None` at
    /// the end of the calendar.
    pub(crate) fn day_begins(&self, day: Date) -> Option<TimestampMillis> {
        let zone = calendar::time_zone(self.time_zone()).unwrap_or(jiff::tz::TimeZone::UTC);
        let midnight = zone.to_timestamp(day.to_datetime(Time::midnight())).ok()?;
        Some(TimestampMillis(midnight.as_millisecond()))
    }

    /// What happens on which day, and to whom, if not to all.
    pub(crate) fn days_of_change(&self) -> impl Iterator<Item = (Date, Happening, Option<MemberId>)> {
        let held = self.effective();
        let begins = held.map(|e| (e.from, Happening::Begins, None));
        let ended = held.and_then(|e| e.until).and_then(|last| last.tomorrow().ok());
        let ended = ended.map(|day| (day, Happening::Ends, None));
        let of_members = self.member_ids().flat_map(|id| {
            let member = self.member(id);
            let paid = member.contributions.iter().filter_map(|c| c.paid_on);
            let paid = paid.map(move |day| (day, Happening::Contribution, Some(id)));
            paid.chain(member.suspended.iter().map(move |s| (s.from, Happening::Suspension, Some(id))))
        });
        begins.into_iter().chain(ended).chain(of_members)
    }

    fn opens_and_closes(&self, opened: &Opened) -> Vec<TimestampMillis> {
        match self.reserve(opened.reserve).map(|rule| &rule.opening) {
            Some(Opening::OnDecision { sunset, .. }) => vec![opened.at, opened.at.after(*sunset)],
            _ => Vec::new(),
        }
    }
}

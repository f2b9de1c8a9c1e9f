//! The dates to come of a treaty: what its parties and its users may put into their calendars. Pure.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::accounts::calendar::{Calendar, time_zone};
use crate::accounts::window::Window;
use crate::clauses::WindowPurpose;
use crate::treaty::{Clause, Treaty};
use crate::units::{MemberId, TimestampMillis};

/// Most dates of one clause: a daily window must not fill the calendar of a year alone.
const DATES_OF_ONE_MOST: usize = 400;

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Happening {
    /// The treaty begins to hold.
    Begins,
    /// It holds no longer.
    Ends,
    /// A contribution begins to count.
    Contribution,
    /// A member's rights rest from then on.
    Suspension,
    /// Nodes are out of service.
    Maintenance,
    /// Nodes belong to one member.
    Reserved,
    /// A budget's period begins; what was left of the one before moves or is lost.
    BudgetPeriod,
    /// Unused hours are taken back.
    PullBack,
}

/// A date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// First instant.
    pub start: TimestampMillis,
    /// First instant after it, of what lasts.
    pub end: Option<TimestampMillis>,
    /// What happens.
    pub what: Happening,
    /// Member or window that it concerns; empty: all.
    pub of: String,
    /// Id of the clause.
    pub clause: String,
}

impl Treaty {
    /// What happens by the text alone from `from` until just before `until`, what is under way at `from` included; in order of
    /// time.
    #[must_use]
    pub fn agenda(&self, from: TimestampMillis, until: TimestampMillis) -> Vec<Dated> {
        let mut dates = self.days();
        dates.extend(self.budget_dates(from, until));
        dates.extend(self.occurrences(from, until));
        dates.retain(|date| date.start < until && date.end.map_or(date.start >= from, |end| end > from));
        dates.sort_by(|a, b| (a.start, a.what, &a.of).cmp(&(b.start, b.what, &b.of)));
        // Several contributions of one day are one date.
        dates.dedup();
        dates
    }

    fn days(&self) -> Vec<Dated> {
        let dated = |(day, what, id): (Date, Happening, Option<MemberId>)| {
            let clause = match (what, id) {
                (Happening::Suspension, Some(id)) => Clause::Suspension(id),
                (_, Some(id)) => Clause::Guarantee(id),
                (_, None) => Clause::Effective,
            };
            Some(Dated {
                start: self.day_begins(day)?,
                end: None,
                what,
                of: id.map(|id| self.member(id).name.clone()).unwrap_or_default(),
                clause: self.clause_id(clause),
            })
        };
        self.days_of_change().filter_map(dated).collect()
    }

    fn budget_dates(&self, from: TimestampMillis, until: TimestampMillis) -> Vec<Dated> {
        let Some(budget) = self.budget() else { return Vec::new() };
        let zone = time_zone(self.time_zone()).unwrap_or(jiff::tz::TimeZone::UTC);
        let calendar = Calendar::new(zone, self.year_starts_in_month());
        let date = |start, what| Dated {
            start,
            end: None,
            what,
            of: String::new(),
            clause: self.clause_id(Clause::Budget),
        };
        let first = calendar.number(budget.period, from);
        let periods = (first..).map(|number| calendar.start(budget.period, number));
        let mut dates: Vec<Dated> = periods
            .take_while(|start| *start < until)
            .take(DATES_OF_ONE_MOST)
            .map(|start| date(start, Happening::BudgetPeriod))
            .collect();
        for step in &budget.pull_back {
            let mut next =
                calendar.next_yearly(step.month, step.day, TimestampMillis(from.0.saturating_sub(1)));
            while next < until {
                dates.push(date(next, Happening::PullBack));
                next = calendar.next_yearly(step.month, step.day, next);
            }
        }
        dates
    }

    fn occurrences(&self, from: TimestampMillis, until: TimestampMillis) -> Vec<Dated> {
        let windows = self.windows().iter().filter_map(|rule| Window::new(rule).ok());
        let mut dates = Vec::new();
        for window in windows {
            let rule = window.rule();
            let (what, of) = match rule.purpose {
                WindowPurpose::Maintenance => (Happening::Maintenance, rule.name.clone()),
                WindowPurpose::ReservedFor(member) => {
                    (Happening::Reserved, format!("{} ({})", rule.name, self.member(member).name))
                }
            };
            let open = window.occurrences(from).take_while(|open| open.start < until);
            dates.extend(open.take(DATES_OF_ONE_MOST).map(|open| Dated {
                start: open.start,
                end: Some(open.end),
                what,
                of: of.clone(),
                clause: self.clause_id(Clause::Windows),
            }));
        }
        dates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    const TEXT: &str = "
apiVersion: concord.dev/v1alpha1
kind: Treaty
metadata: {name: dated}
spec:
  title: Dated
  timeZone: Europe/Brussels
  effective: {from: 2026-01-01, until: 2026-12-31}
  members:
    - {name: north, guarantee: {gpus: 8}, suspended: {from: 2026-06-01, reason: unpaid}}
    - {name: south, guarantee: {gpus: 8}}
  reclaim: {noticeSeconds: 60}
  budget: {period: quarter, gpuHours: {north: 100}, pullBack: [{date: '05-01', usedBelowPercent: '15', removeOfUnusedPercent: '30'}]}
  windows:
    - {name: service, purpose: maintenance, start: 2026-03-02T08:00, lengthMinutes: 240, repeats: monthly, until: 2026-05-31}
    - {name: campaign, purpose: reserved, member: south, start: 2026-04-10T00:00, lengthMinutes: 1440}
";

    fn at(text: &str) -> TimestampMillis {
        TimestampMillis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn a_year_has_each_date_once_in_order_and_what_is_under_way_counts() {
        let document: serde_json::Value = serde_yaml::from_str(TEXT).unwrap();
        let document: Document = serde_json::from_value(document["spec"].clone()).unwrap();
        let treaty = Treaty::validate(&document).unwrap();
        let agenda = treaty.agenda(at("2026-03-02T08:00:00Z"), at("2027-02-01T00:00:00Z"));
        let told: Vec<String> = agenda
            .iter()
            .map(|d| {
                format!(
                    "{} {:?} {} {}",
                    jiff::Timestamp::from_millisecond(d.start.0).unwrap(),
                    d.what,
                    d.of,
                    d.clause
                )
            })
            .collect();
        // Brussels is one hour before UTC until 29 March and from 25 October on, two between.
        assert_eq!(
            told,
            [
                "2026-03-02T07:00:00Z Maintenance service windows",
                "2026-03-31T22:00:00Z BudgetPeriod  budget",
                "2026-04-02T06:00:00Z Maintenance service windows",
                "2026-04-09T22:00:00Z Reserved campaign (south) windows",
                "2026-04-30T22:00:00Z PullBack  budget",
                "2026-05-02T06:00:00Z Maintenance service windows",
                "2026-05-31T22:00:00Z Suspension north suspended/north",
                "2026-06-30T22:00:00Z BudgetPeriod  budget",
                "2026-09-30T22:00:00Z BudgetPeriod  budget",
                "2026-12-31T23:00:00Z Ends  effective",
                "2026-12-31T23:00:00Z BudgetPeriod  budget",
            ]
        );
    }
}

//! Validation of dates, the accounting year and windows.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::clauses::{Effective, Repeat, WindowPurpose, WindowRule};
use crate::diagnostic::{Diagnostic, quoted};
use crate::document::{RepeatName, WindowDocument, WindowPurposeName};
use crate::treaty::checker::Checker;
use crate::treaty::overlap::{self, Span};
use crate::units::DurationMillis;

/// 28 days.
const WINDOW_MINUTES_MOST: i64 = 40_320;
/// Three months.
const ANNOUNCE_HOURS_MOST: i64 = 2_160;
/// Same limit as the CRD's schema.
const WINDOWS_MOST: usize = 64;

impl Checker<'_> {
    pub fn effective(&mut self) -> Option<Effective> {
        let raw = self.document.effective.as_ref()?;
        let from = self.date(&raw.from, "effective.from");
        let until = raw.until.as_ref().and_then(|d| self.date(d, "effective.until"));
        if let (Some(from), Some(until)) = (from, until) {
            self.in_order(from, until, "effective.until", "effective.from");
        }
        Some(Effective { from: from?, until })
    }

    fn in_order(&mut self, from: Date, until: Date, path: &str, from_path: &str) {
        if until < from {
            let message = format!("{until} lies before {from}");
            let fault = Diagnostic::new("TR014", path, &message, "write a later day, or delete it");
            self.faults.push(fault.related_to(from_path, "the start"));
        }
    }

    pub fn year_starts_in_month(&mut self) -> i8 {
        let month = self.document.year_starts_in_month.unwrap_or(1);
        i8::try_from(self.number(month, 1..=12, "yearStartsInMonth")).unwrap_or(1)
    }

    pub fn windows(&mut self) -> Vec<WindowRule> {
        let document = self.document;
        self.at_most(document.windows.len(), WINDOWS_MOST, "windows");
        let mut taken = BTreeMap::new();
        let mut windows = Vec::new();
        let mut spans = Vec::new();
        for (index, raw) in document.windows.iter().enumerate().take(WINDOWS_MOST) {
            let path = format!("windows[{index}]");
            self.name(&raw.name, &format!("{path}.name"), &mut taken);
            let Some((window, zone)) = self.window(raw, &path) else { continue };
            spans.push((index, Span { window: window.clone(), zone }));
            windows.push(window);
        }
        for (later, (index, span)) in spans.iter().enumerate() {
            let earlier = spans.iter().take(later);
            for (other, meeting) in earlier.filter_map(|(i, s)| Some((i, overlap::first_meeting(s, span)?))) {
                let message = format!(
                    "windows {} and {} overlap on the same nodes on {meeting}",
                    quoted(&document.windows[*other].name),
                    quoted(&span.window.name)
                );
                let help = "move one, or give them labels of different nodes";
                let fault = Diagnostic::new("TR030", &format!("windows[{index}].start"), &message, help);
                self.faults.push(fault.related_to(&format!("windows[{other}].start"), "the other window"));
            }
        }
        windows
    }

    fn window(&mut self, raw: &WindowDocument, path: &str) -> Option<(WindowRule, TimeZone)> {
        let purpose = self.purpose(raw, path);
        self.labels(&raw.node_labels, &format!("{path}.nodeLabels"));
        let name = raw.time_zone.as_deref().or(self.document.time_zone.as_deref()).unwrap_or("UTC");
        let zone = match &raw.time_zone {
            Some(own) => self.time_zone(own, &format!("{path}.timeZone")),
            None => self.zone.clone(),
        };
        let minutes =
            self.number(raw.length_minutes, 1..=WINDOW_MINUTES_MOST, &format!("{path}.lengthMinutes"));
        let repeats = match raw.repeats.unwrap_or(RepeatName::Never) {
            RepeatName::Never => Repeat::Never,
            RepeatName::Daily => Repeat::Daily,
            RepeatName::Weekly => Repeat::Weekly,
            RepeatName::Monthly => Repeat::Monthly,
        };
        self.distance(minutes, repeats, path);
        let hours = self.number(
            raw.announce_hours.unwrap_or(0),
            0..=ANNOUNCE_HOURS_MOST,
            &format!("{path}.announceHours"),
        );
        let until = raw.until.as_ref().and_then(|d| self.date(d, &format!("{path}.until")));
        if until.is_some() && repeats == Repeat::Never {
            let help = "delete it, or add `repeats:`";
            self.fault(
                "TR028",
                &format!("{path}.until"),
                "until has no effect on a window that does not repeat",
                help,
            );
        }
        let first_start = self.civil_time(&raw.start, &format!("{path}.start"))?;
        if let Some(until) = until {
            self.in_order(first_start.date(), until, &format!("{path}.until"), &format!("{path}.start"));
        }
        self.start_exists(first_start, &zone, name, &format!("{path}.start"));
        if repeats == Repeat::Monthly && first_start.day() > 28 {
            let message = format!("months without day {} have no such window", first_start.day());
            self.fault(
                "TR034",
                &format!("{path}.start"),
                &message,
                "start on day 28 or before, if every month is meant",
            );
        }
        let window = WindowRule {
            name: raw.name.clone(),
            purpose: purpose?,
            first_start,
            length: DurationMillis::from_seconds(minutes * 60),
            time_zone: name.to_owned(),
            repeats,
            until,
            node_labels: raw.node_labels.clone(),
            announce: DurationMillis::from_seconds(hours * 3_600),
        };
        Some((window, zone))
    }

    fn purpose(&mut self, raw: &WindowDocument, path: &str) -> Option<WindowPurpose> {
        let path = format!("{path}.member");
        match (raw.purpose, &raw.member) {
            (WindowPurposeName::Reserved, Some(name)) => {
                return self.member(name, &path).map(WindowPurpose::ReservedFor);
            }
            (WindowPurposeName::Reserved, None) => {
                self.fault("TR028", &path, "reserved for whom?", "add `member:` with a member's name");
                return None;
            }
            (WindowPurposeName::Maintenance, Some(_)) => {
                let message = "member has no effect on a maintenance window";
                self.fault("TR028", &path, message, "delete it, or write purpose: reserved");
            }
            (WindowPurposeName::Maintenance, None) => {}
        }
        Some(WindowPurpose::Maintenance)
    }

    fn distance(&mut self, minutes: i64, repeats: Repeat, path: &str) {
        let (distance, words) = match repeats {
            Repeat::Never => return,
            Repeat::Daily => (1_440, "a day"),
            Repeat::Weekly => (10_080, "a week"),
            Repeat::Monthly => (40_320, "the shortest month"),
        };
        if minutes >= distance {
            let message = format!("{minutes} minutes is not shorter than {words}, {distance} minutes");
            self.fault(
                "TR031",
                &format!("{path}.lengthMinutes"),
                &message,
                "shorten the window, or repeat it less often",
            );
        }
    }

    fn start_exists(&mut self, start: DateTime, zone: &TimeZone, name: &str, path: &str) {
        let shown = start.strftime("%Y-%m-%dT%H:%M");
        match zone.to_ambiguous_timestamp(start).offset() {
            AmbiguousOffset::Unambiguous { .. } => {}
            AmbiguousOffset::Gap { .. } => {
                let message = format!("{shown} does not exist in {name}: clocks go forward over it");
                self.fault("TR032", path, &message, "start an hour earlier or later");
            }
            AmbiguousOffset::Fold { .. } => {
                let message = format!("{shown} occurs twice in {name}: clocks go back; the first one counts");
                self.fault("TR033", path, &message, "start an hour earlier or later to be clear");
            }
        }
    }
}

//! An explanation as people read it: one thing a line, the most certain first.

use std::fmt::Write as _;

use concord_treaty::explain::{Bound, Held, Holders};
use concord_treaty::explain::{By, Explanation, Line, Place, Promise, Range, State, WhatIf};
use concord_treaty::units::TimestampMillis;

use super::words::{Clock, count, length};

/// Width of the words on the left.
const LABEL: usize = 10;

/// The text of one explanation.
pub fn render(explanation: &Explanation, clock: Clock) -> String {
    let mut page = Page { text: String::new(), clock, now: explanation.now };
    page.claim(explanation);
    page.state(explanation);
    if let Some(reason) = &explanation.reason {
        page.line("why", &format!("{} [{}; clause {}]", reason.sentence, reason.code, reason.clause));
    }
    page.due(explanation);
    let refused = explanation.state == State::Refused;
    if let Some(start) = explanation.start.as_ref().filter(|_| !refused) {
        page.line("expected", &format!("{}; a forecast, not a promise", page.range(&start.range)));
        if start.range != Range::exactly(explanation.now) {
            page.line("", &format!("earliest: {}", start.earliest_assumes));
            page.line("", &format!("latest: {}", start.latest_assumes));
        }
    }
    if let Some(line) = explanation.line.as_ref().filter(|l| !l.ahead.is_empty()) {
        page.line("ahead", &ahead(line));
    }
    if let Some(holders) = &explanation.holders {
        page.holders(holders);
    }
    page.what_ifs(&explanation.what_ifs);
    for note in &explanation.notes {
        page.line("note", note);
    }
    page.text
}

struct Page {
    text: String,
    clock: Clock,
    now: TimestampMillis,
}

impl Page {
    fn line(&mut self, label: &str, text: &str) {
        let line = format!("{label:<LABEL$} {text}");
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn time(&self, at: TimestampMillis) -> String {
        self.clock.time_from(at, self.now)
    }

    fn claim(&mut self, e: &Explanation) {
        let mut text = format!("{}: {} of {}", e.claim, count(e.pods, "pod"), count(e.gpus_per_pod, "GPU"));
        if let Some(class) = &e.class {
            let _ = write!(text, " of class {class}");
        }
        let _ = write!(text, ", {} in all, for {}", count(e.gpus, "GPU"), e.member);
        match e.stated_run {
            Some(run) => drop(write!(text, "; stated run time {}", length(run))),
            None => text.push_str("; states no run time"),
        }
        self.line("claim", &text);
        let at = self.clock.time(self.now);
        self.line("at", &format!("{at}, submitted {}", self.time(e.submitted_at)));
    }

    fn state(&mut self, e: &Explanation) {
        let place = || match &e.line {
            Some(line) if line.place > 0 => {
                format!(", {} of {} in the line of {}", line.place, line.length, e.member)
            }
            _ => String::new(),
        };
        let text = match &e.state {
            State::Waiting { put_back: false } => format!("waits{}", place()),
            State::Waiting { put_back: true } => {
                format!("waits{}; had to give way and stands in front", place())
            }
            State::Reserved { leaving, .. } => {
                let mut text = format!("waits{}; GPUs are kept for it until borrowers have left", place());
                for leaving in leaving {
                    let by = self.time(leaving.deadline);
                    let _ = write!(text, "; {} of {} leaves by {by}", leaving.claim, leaving.member);
                }
                text
            }
            State::Refused => "can never start as it is".to_owned(),
            State::Starts { basis, slots } => format!("starts now, {}, on {}", basis.word(), nodes(slots)),
            State::Running { basis, since, slots } => {
                format!("runs, {}, since {}, on {}", basis.word(), self.time(*since), nodes(slots))
            }
            State::Told { since, deadline, promised_to } => {
                let to = promised_to.as_ref().map_or(String::new(), |to| format!(" for {to}"));
                let (since, deadline) = (self.time(*since), self.time(*deadline));
                format!("runs since {since} and was told to leave{to} by {deadline}")
            }
            State::Stopping => "was stopped; its pods are not gone yet".to_owned(),
            State::Finished { ran } => format!("has ended; its last run took {}", length(*ran)),
        };
        self.line("state", &text);
    }

    fn due(&mut self, e: &Explanation) {
        let waits = matches!(e.state, State::Waiting { .. } | State::Reserved { .. });
        match (e.due_since, &e.promise) {
            (Some(since), Some(Promise { latest_start, is_late })) => {
                let (since, by) = (self.time(since), self.time(*latest_start));
                let late = "; that time has passed, because due work of others leaves no room of its shape";
                let late = if *is_late { late } else { "" };
                self.line("due", &format!("since {since}; the treaty promises a start by {by}{late}"));
            }
            (Some(since), None) => {
                let since = self.time(since);
                self.line("due", &format!("since {since}: {} alone would have started it then", e.member));
            }
            (None, _) if waits => {
                let text = format!(
                    "not yet: {} alone, on its own guarantee, would not have started it by now",
                    e.member
                );
                self.line("due", &text);
            }
            (None, _) => {}
        }
    }

    fn range(&self, range: &Range) -> String {
        let never = "it never starts, as long as nothing changes".to_owned();
        match (&range.earliest, &range.latest) {
            (Bound::At { at }, _) if *range == Range::exactly(*at) => format!("starts {}", self.time(*at)),
            (Bound::Never, Bound::Never) => never,
            (Bound::At { at }, latest) => {
                format!("starts between {} and {}", self.time(*at), self.bound(latest))
            }
            (earliest, latest) => {
                format!("not before {}; latest {}", self.bound(earliest), self.bound(latest))
            }
        }
    }

    fn bound(&self, bound: &Bound) -> String {
        match bound {
            Bound::At { at } => self.time(*at),
            Bound::NotBefore { at } => format!("some time after {}, where the forecast ends", self.time(*at)),
            Bound::Never => "never, if everything runs to its limit and nothing changes".to_owned(),
            Bound::Unknown { because, more, .. } => {
                let names: Vec<String> = because.iter().map(ToString::to_string).collect();
                let more = if *more > 0 { format!(" and {more} more") } else { String::new() };
                format!("a time that nobody can say, because no end is stated of {}{more}", names.join(", "))
            }
        }
    }

    fn holders(&mut self, holders: &Holders) {
        let Holders { nodes, gpus, idle, nodes_with_room, nodes_needed, held } = holders;
        let text = format!(
            "{} on {} that it could use, {idle} idle; it needs {}, room for it is on {nodes_with_room}",
            count(*gpus, "GPU"),
            count(*nodes, "node"),
            count(*nodes_needed, "node"),
        );
        self.line("GPUs", &text);
        let widest = held.iter().map(|h| h.member.len()).max().unwrap_or(0);
        for Held { member, basis, claims, gpus } in held {
            self.line("", &format!("{gpus:>6}  {member:<widest$}  {basis}, {}", count(*claims, "claim")));
        }
    }

    fn what_ifs(&mut self, what_ifs: &[WhatIf]) {
        for (index, what_if) in what_ifs.iter().enumerate() {
            let WhatIf { sentence, clauses, by, starts_now, start, .. } = what_if;
            let when = if *starts_now { "starts now".to_owned() } else { self.range(start) };
            let who = match by {
                By::Applicant => String::new(),
                By::Members => format!(" [clause {}; the members decide]", clauses.join(", ")),
            };
            self.line(if index == 0 { "what if" } else { "" }, &format!("{sentence}: {when}{who}"));
        }
    }
}

fn ahead(line: &Line) -> String {
    let each = line.ahead.iter().map(|a| format!("{} ({}, {})", a.claim, count(a.gpus, "GPU"), a.reason));
    let mut text = each.collect::<Vec<_>>().join(", ");
    let more = u64::from(line.place.saturating_sub(1)).saturating_sub(line.ahead.len() as u64);
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    let _ = write!(text, "; {} in all", count(line.gpus_ahead, "GPU"));
    text
}

fn nodes(slots: &[Place]) -> String {
    slots.iter().map(|s| format!("{} x {}", s.node, s.gpus)).collect::<Vec<_>>().join(", ")
}

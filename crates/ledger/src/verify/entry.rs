//! What an entry can be held against alone: its own sums, times and name.

use jiff::{SignedDuration, Timestamp};

use super::Finding;
use crate::entry::{Energy, Entry, Event, Usage};

/// What two machines of a cluster may differ in: one says when work was submitted, another when it ran.
const CLOCKS_DIFFER_MOST: SignedDuration = SignedDuration::from_secs(60);

/// Tells what is wrong.
pub(super) fn faults(index: u64, entry: &Entry, mut find: impl FnMut(Finding)) {
    if !is_named(entry) {
        find(Finding::Id { index, id: entry.id.clone() });
    }
    match &entry.event {
        Event::Usage(usage) => of_usage(index, entry.at, usage, find),
        Event::Energy(energy) => of_energy(index, energy, find),
        Event::Treaty(_)
        | Event::Capacity(_)
        | Event::Amendment(_)
        | Event::Decision(_)
        | Event::Role(_)
        | Event::Incident(_) => {}
    }
}

fn of_usage(index: u64, at: Timestamp, usage: &Usage, mut find: impl FnMut(Finding)) {
    let milliseconds = usage.until.duration_since(usage.from).as_millis();
    let said = usage.gpu_milliseconds;
    if milliseconds < 0 || milliseconds * i128::from(usage.gpus) != i128::from(said) {
        find(Finding::Sum { index, gpus: usage.gpus, milliseconds, said });
    }
    let lost = usage.lost_gpu_milliseconds;
    // A later part may end a run that began on another account, and then the loss reaches into the parts before.
    if lost > said && usage.run == 1 {
        find(Finding::Lost { index, lost, used: said });
    }
    if usage.submitted_at.duration_since(usage.from) > CLOCKS_DIFFER_MOST {
        find(Finding::Times { index, what: "the run began before its work was submitted" });
    }
    if at != usage.until {
        find(Finding::Times { index, what: "it is not dated at the end of its run" });
    }
}

fn of_energy(index: u64, energy: &Energy, mut find: impl FnMut(Finding)) {
    let (all, idle) = (energy.all_millijoules, energy.idle_millijoules);
    if idle > all {
        find(Finding::Energy { index, all, idle });
    }
}

/// Whether the id is that of what the entry says, as far as the entry can tell: UIDs of Kubernetes are not in all of them.
fn is_named(entry: &Entry) -> bool {
    let id = entry.id.as_str();
    let (kind, rest) = id.split_once('/').unwrap_or_default();
    let last = rest.rsplit_once('/').map_or("", |(_, last)| last);
    match &entry.event {
        Event::Usage(usage) => id == format!("usage/{}/{}", usage.claim, usage.run),
        Event::Treaty(treaty) => {
            let mut parts = rest.split('/').skip(1);
            let generation = parts.next() == Some(treaty.generation.to_string().as_str());
            // A text may come into force more than once.
            let since = parts.next().is_none_or(|since| since == entry.at.as_second().to_string());
            kind == "treaty" && generation && since && parts.next().is_none()
        }
        Event::Capacity(capacity) => id == format!("capacity/{}", capacity.since.as_millisecond()),
        // Of a ballot the id has a name of its own.
        Event::Amendment(_) => kind == "amendment",
        Event::Decision(decision) => {
            let of_kind = if decision.on_appeal { "appeal" } else { "decision" };
            kind == of_kind && rest == decision.application
        }
        Event::Role(_) => kind == "role",
        Event::Incident(incident) => kind == "incident" && last == incident.revision.to_string(),
        Event::Energy(energy) => {
            let node = rest.strip_prefix(energy.node.as_str()).and_then(|rest| rest.strip_prefix('/'));
            kind == "energy" && node.is_some_and(|time| is_time(time, entry.at))
        }
    }
}

/// A time as text, or in milliseconds since 1970.
fn is_time(text: &str, time: Timestamp) -> bool {
    let millis = text.parse::<i64>().is_ok_and(|millis| millis == time.as_millisecond());
    millis || text.parse::<Timestamp>().is_ok_and(|read| read == time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Capacity, Decision, Outcome};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn found(id: &str, event: Event) -> Vec<Finding> {
        let mut found = Vec::new();
        let entry = Entry::new(id.to_owned(), at("2026-11-28T20:00:01Z"), event);
        faults(0, &entry, |finding| found.push(finding));
        found
    }

    #[test]
    fn a_name_must_follow_from_what_is_said() {
        let since = at("2026-11-28T20:00:00.5Z");
        let capacity = || Event::Capacity(Capacity { nodes: Vec::new(), since });
        assert_eq!(found("capacity/1795896000500", capacity()), []);
        for id in ["capacity/1795896000501", "capacity/01795896000500", "capacity", "usage/a/1", ""] {
            assert_eq!(found(id, capacity()), [Finding::Id { index: 0, id: id.to_owned() }]);
        }
        let decision = |on_appeal| {
            Event::Decision(Decision {
                application: "7".to_owned(),
                project: "p".to_owned(),
                request: "new".to_owned(),
                on_appeal,
                party: "north".to_owned(),
                tier: None,
                submitted_at: since,
                promised_by: None,
                outcome: Outcome::Approved,
                clauses: Vec::new(),
                by_reviewers: true,
                reviewers: 2,
                recused: 0,
                granted: None,
            })
        };
        assert_eq!(found("decision/7", decision(false)), []);
        assert_eq!(found("appeal/7", decision(true)), []);
        assert_eq!(found("decision/7", decision(true)).len(), 1);
    }

    #[test]
    fn more_idle_energy_than_energy_is_told() {
        let energy = |idle_millijoules| {
            Event::Energy(Energy {
                node: "n/1".to_owned(),
                all_millijoules: 5,
                idle_millijoules,
                claims: Vec::new(),
                simulated: false,
            })
        };
        assert_eq!(found("energy/n/1/2026-11-28T20:00:01Z", energy(5)), []);
        let told = found("energy/n/1/2026-11-28T20:00:01Z", energy(6));
        assert!(matches!(told.as_slice(), [Finding::Energy { all: 5, idle: 6, .. }]));
    }
}

//! When nodes belong to somebody else: the occurrences of a treaty's windows.
//!
//! An occurrence is known from the day on which the treaty was signed, but it acts in three stretches: until its lead
//! begins, nobody minds it; in the lead, nothing starts on its nodes that would not end before, and what would not be
//! done is told to leave by the start; from the start to the end, its nodes are out of service or one member's. The
//! lead is the longer of what the window announces and the notice of every reclaim.

use std::collections::BTreeMap;

use crate::accounts::calendar::{self, Interval};
use crate::accounts::window::Window;
use crate::clauses::{WindowPurpose, WindowRule};
use crate::snapshot::Node;
use crate::treaty::Treaty;
use crate::units::{MemberId, TimestampMillis};

/// One occurrence of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Which of the treaty's windows.
    pub window: WindowId,
    /// Start of the lead.
    pub told_from: TimestampMillis,
    /// From its start to its end.
    pub interval: Interval,
    /// The member to whom its nodes belong; `None`: they are out of service.
    pub only_for: Option<MemberId>,
    /// Labels of its nodes; empty: all.
    pub node_labels: BTreeMap<String, String>,
}

/// Index of a window in [`Treaty::windows`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(pub u16);

impl Occurrence {
    /// Whether the node is one of its nodes.
    #[must_use]
    pub fn concerns(&self, node: &Node) -> bool {
        node.labels.have_all(&self.node_labels)
    }

    /// Whether that member's work has to be gone by its start.
    #[must_use]
    pub fn bars(&self, member: MemberId) -> bool {
        self.only_for != Some(member)
    }
}

/// The occurrences that act at any time from `from` to `to`, both included, in the order in which their leads begin.
///
/// A window acts only on days on which the treaty holds, and one that is reserved rests with its member's other rights.
#[must_use]
pub fn occurrences(treaty: &Treaty, from: TimestampMillis, to: TimestampMillis) -> Vec<Occurrence> {
    let mut all: Vec<Occurrence> = Vec::new();
    for (index, rule) in (0..).zip(treaty.windows()) {
        // A validated treaty has only zones that are known.
        let Ok(window) = Window::new(rule) else { continue };
        let lead = rule.announce.0.max(treaty.reclaim_notice().0);
        let told_from = |at: TimestampMillis| TimestampMillis(at.0.saturating_sub(lead));
        let near = window.occurrences(from).take_while(|interval| told_from(interval.start) <= to);
        all.extend(near.filter(|interval| acts(treaty, rule, interval.start)).map(|interval| Occurrence {
            window: WindowId(index),
            told_from: told_from(interval.start),
            interval,
            only_for: match rule.purpose {
                WindowPurpose::Maintenance => None,
                WindowPurpose::ReservedFor(member) => Some(member),
            },
            node_labels: rule.node_labels.clone(),
        }));
    }
    all.sort_by_key(|o| (o.told_from, o.interval.start, o.window));
    all
}

fn acts(treaty: &Treaty, rule: &WindowRule, start: TimestampMillis) -> bool {
    let day = treaty.day(start);
    let rests = match rule.purpose {
        WindowPurpose::Maintenance => false,
        WindowPurpose::ReservedFor(member) => {
            treaty.members().get(member.index()).is_none_or(|m| m.is_suspended(day))
        }
    };
    treaty.holds_on(day) && !rests
}

impl Treaty {
    /// The window's clause, if the treaty has it.
    #[must_use]
    pub fn window(&self, id: WindowId) -> Option<&WindowRule> {
        self.windows().get(usize::from(id.0))
    }

    /// A time as people of the treaty read it: civil time of its zone, to the minute.
    #[must_use]
    pub fn civil_text(&self, at: TimestampMillis) -> String {
        let zone = calendar::time_zone(self.time_zone()).unwrap_or(jiff::tz::TimeZone::UTC);
        calendar::civil(&zone, at).strftime("%Y-%m-%d %H:%M").to_string()
    }
}

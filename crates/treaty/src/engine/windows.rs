//! Nodes that belong to somebody else from a time on: maintenance, and windows reserved for one member.
//!
//! The engine knows no calendar. It is given occurrences, in the order in which their leads begin, and minds their
//! edges: in the lead a node is *limited*, so that only work starts there that ends before, and what would not be done
//! is told to leave by the start. A window's start and end are known from the treaty, so no basis protects from it: due
//! and guaranteed work leaves too, and goes to the front of its line.

use std::collections::BTreeSet;

use super::job::JobState;
use super::queue::Job;
use super::{Action, Engine};
use crate::reason::ReclaimReason;
use crate::schedule::{Occurrence, WindowId};
use crate::snapshot::Node;
use crate::units::{MemberId, TimestampMillis};

/// One occurrence of a window on the nodes of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeWindow {
    /// The clause.
    pub window: WindowId,
    /// Start of the lead.
    pub told_from: TimestampMillis,
    /// Start.
    pub start: TimestampMillis,
    /// End.
    pub end: TimestampMillis,
    /// The member to whom the nodes belong; `None`: they are out of service.
    pub only_for: Option<MemberId>,
    /// Nodes, by index.
    pub nodes: Vec<u32>,
}

impl NodeWindow {
    /// The occurrence as it concerns these nodes.
    #[must_use]
    pub fn of(occurrence: &Occurrence, nodes: &[Node]) -> Self {
        let concerned = (0..).zip(nodes).filter(|(_, node)| occurrence.concerns(node));
        Self {
            window: occurrence.window,
            told_from: occurrence.told_from,
            start: occurrence.interval.start,
            end: occurrence.interval.end,
            only_for: occurrence.only_for,
            nodes: concerned.map(|(index, _)| index).collect(),
        }
    }
}

/// Limits in time on nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    /// The next last.
    to_come: Vec<NodeWindow>,
    /// In their lead, or open.
    pub(super) active: Vec<NodeWindow>,
    /// By node; empty as long as there never was a window.
    limits: Vec<Vec<Limit>>,
    /// Claims that are left where they are, or started there, because they say that they will be done, by that time.
    done_by: BTreeSet<(i64, Job)>,
    /// Claims that have to be gone by a window's start; who left before is still here until then.
    leaving: BTreeSet<(i64, Job)>,
}

/// From `start` on a node is not for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) window: WindowId,
    pub(super) start: i64,
    pub(super) end: i64,
    only_for: Option<MemberId>,
}

impl Windows {
    /// What bars the member from the node, the earliest first start.
    pub(super) fn first_limit(&self, node: u32, member: MemberId) -> Option<Limit> {
        let limits = self.limits.get(node as usize)?;
        limits.iter().filter(|l| l.only_for != Some(member)).min_by_key(|l| (l.start, l.window)).copied()
    }

    /// Until when the member's work may be on the node.
    pub(super) fn bound(&self, node: u32, member: MemberId) -> i64 {
        self.first_limit(node, member).map_or(i64::MAX, |limit| limit.start)
    }

    pub(super) fn limits_node(&self, node: u32) -> bool {
        self.limits.get(node as usize).is_some_and(|limits| !limits.is_empty())
    }

    /// Next time at which something changes by itself.
    pub(super) fn next_edge(&self) -> Option<i64> {
        let begins = self.to_come.last().map(|w| w.told_from.0);
        let ends = self.active.iter().map(|w| w.end.0);
        let done =
            [&self.done_by, &self.leaving].into_iter().filter_map(|set| set.first().map(|(at, _)| *at));
        begins.into_iter().chain(ends).chain(done).min()
    }
}

impl Engine {
    /// The windows that this engine will meet.
    pub fn set_windows(&mut self, mut windows: Vec<NodeWindow>) {
        windows.sort_by_key(|w| std::cmp::Reverse((w.told_from, w.start, w.window)));
        self.windows.limits.resize(if windows.is_empty() { 0 } else { self.nodes.len() }, Vec::new());
        self.windows.to_come = windows;
    }

    /// Opens and closes what opens and closes by now, and tells whoever is in the way.
    pub(super) fn pass_window_edges(&mut self) {
        self.end_windows();
        while self.windows.to_come.last().is_some_and(|w| w.told_from.0 <= self.now) {
            if let Some(window) = self.windows.to_come.pop().filter(|w| w.end.0 > self.now) {
                self.begin_window(window);
            }
        }
        if !self.windows.active.is_empty() {
            self.give_up_places_behind_windows();
        }
        while let Some(&(end, job)) = self.windows.done_by.first()
            && end <= self.now
        {
            self.windows.done_by.pop_first();
            self.tell_of_window(job);
        }
        self.clear_windows();
    }

    fn begin_window(&mut self, window: NodeWindow) {
        let limit = Limit {
            window: window.window,
            start: window.start.0,
            end: window.end.0,
            only_for: window.only_for,
        };
        let mut in_the_way: BTreeSet<Job> = BTreeSet::new();
        for &node in &window.nodes {
            self.windows.limits[node as usize].push(limit);
            self.space.set_aside(node, true);
            in_the_way.extend(&self.nodes[node as usize].holders);
        }
        self.windows.active.push(window);
        self.give_up_places_behind_windows();
        for job in in_the_way {
            self.tell_of_window(job);
        }
    }

    fn end_windows(&mut self) {
        let now = self.now;
        let ended: Vec<NodeWindow> = self.windows.active.extract_if(.., |w| w.end.0 <= now).collect();
        for node in ended.into_iter().flat_map(|w| w.nodes) {
            self.windows.limits[node as usize].retain(|l| l.end > now);
            self.put_in_reach(node);
            self.freed = true;
        }
    }

    /// A claim for which GPUs are kept, and which would not be done before a window if it started now, waits elsewhere.
    fn give_up_places_behind_windows(&mut self) {
        for job in self.reserved.iter().copied().collect::<Vec<_>>() {
            if !self.ends_before_windows(job) {
                self.abandon_reservation(job);
            }
        }
    }

    /// Whether a claim that starts now on its places ends before each window there.
    pub(super) fn ends_before_windows(&self, job: Job) -> bool {
        let record = self.record(job);
        let (member, end) = (record.spec.member, record.end_if_started(self.now));
        record.places.iter().all(|&(node, _)| end <= self.windows.bound(node, member))
    }

    /// The first window by whose start the running claim has to be gone, because it would not be done.
    fn window_in_the_way(&self, job: Job) -> Option<Limit> {
        let record = self.record(job);
        let done_by = record.expected_end(self.now).unwrap_or(i64::MAX);
        let limits =
            record.places.iter().filter_map(|&(n, _)| self.windows.first_limit(n, record.spec.member));
        limits.filter(|l| done_by > l.start).min_by_key(|l| (l.start, l.window))
    }

    /// Remembers when a claim on a limited node has to be done by its own account.
    pub(super) fn expect_end_before_window(&mut self, job: Job) {
        let record = self.record(job);
        if record.places.iter().any(|&(node, _)| self.windows.limits_node(node))
            && let Some(end) = record.expected_end(self.now)
        {
            self.windows.done_by.insert((end, job));
        }
    }

    /// Tells a claim to leave by the start of a window, if it would not be done. Until then it runs on as before: its
    /// account stays what it is, and it may still have to leave earlier for a guarantee.
    fn tell_of_window(&mut self, job: Job) {
        let (JobState::Running { .. } | JobState::Noticed { .. }) = *self.state(job) else { return };
        let Some(limit) = self.window_in_the_way(job) else {
            self.expect_end_before_window(job);
            return;
        };
        self.jobs[job as usize].leaves_by = Some(Box::new((limit.start, limit.window)));
        self.windows.leaving.insert((limit.start, job));
        match *self.state(job) {
            // As a caller remembers what this wrote: told, and by a deadline that is the window's.
            JobState::Noticed { deadline, promised_to: None, .. } if deadline == limit.start => {
                self.withdraw(job);
                // It had not been told to leave for anybody.
                self.withdrawn.remove(&job);
            }
            JobState::Noticed { deadline, .. } if deadline <= limit.start => {}
            _ if limit.start > self.now => self.announce_window(job),
            _ => {}
        }
    }

    /// Writes down the notice of a window.
    pub(super) fn announce_window(&mut self, job: Job) {
        if let Some((start, window)) = self.record(job).leaves_by.as_deref().copied() {
            let (deadline, reason) = (TimestampMillis(start), ReclaimReason::Window(window));
            self.actions.push(Action::Notice { job, deadline, reason });
        }
    }

    /// Stops everybody whose window has opened.
    fn clear_windows(&mut self) {
        while let Some(&(start, job)) = self.windows.leaving.first()
            && start <= self.now
        {
            self.windows.leaving.pop_first();
            let holds = matches!(self.state(job), JobState::Running { .. } | JobState::Noticed { .. });
            if let Some((_, window)) =
                self.record(job).leaves_by.as_deref().copied().filter(|(at, _)| holds && *at == start)
            {
                self.member_of(job).touched = true;
                self.stop(job, ReclaimReason::Window(window));
            }
        }
    }
}

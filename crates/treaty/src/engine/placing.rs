//! Where a claim can start now, when nodes are not the same for all: near a window a node is only for work that ends
//! before, and GPUs that are kept for an aged claim are lent only until it can start.
//!
//! Without limits the index of [`super::space`] answers at once. Nodes with a limit are set aside from it and looked at
//! one by one.

use std::collections::BTreeMap;

use super::Engine;
use super::places::Places;
use super::queue::Job;
use super::space::Shape;
use crate::reason::WaitReason;
use crate::units::{Gpus, MemberId, TimestampMillis};

/// A node as one claim can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    /// GPUs that are kept for another claim would be used.
    kept: bool,
    /// End by which the claim has to be done; the tightest that suffices is taken first, so that what has no limit
    /// stays for work that needs it.
    until: i64,
    free: Gpus,
    /// Whole nodes are taken from the end opposite to small work.
    order: i64,
    node: u32,
}

impl Engine {
    /// Whether some node is not the same for all.
    pub(super) fn has_limits(&self) -> bool {
        !self.windows.active.is_empty() || !self.aging.keeps_nothing()
    }

    /// Nodes on which the claim can start now. A borrower takes nothing that is kept, unless it is done in time.
    pub(super) fn find_place(&self, job: Job, borrows: bool) -> Option<Places> {
        let record = self.record(job);
        let shape = record.shape?;
        if !self.has_limits() {
            return self.space.find(shape);
        }
        let end = record.end_if_started(self.now);
        let mut uses: Vec<Use> = self.uses(record.spec.member, shape, borrows, Some(job)).collect();
        uses.retain(|u| u.until >= end);
        uses.sort_unstable();
        // Limited nodes alone, then the others alone, gathered; only then both together.
        let limited = uses.iter().copied().filter(|u| u.until < i64::MAX && !u.kept).collect();
        let kept = if borrows { self.whole_nodes_kept() } else { 0 };
        let others = || self.space.find(shape).filter(|_| self.space.fits(shape, kept));
        self.first_part(shape, limited).or_else(others).or_else(|| self.first_part(shape, uses))
    }

    /// Places in one part of the pool, as the shape's wish says, that has enough of these nodes: the one with the
    /// fewest.
    fn first_part(&self, shape: Shape, uses: Vec<Use>) -> Option<Places> {
        let wanted = shape.nodes as usize;
        let parts = self.by_part(shape, uses).into_values().filter(|part| part.len() >= wanted);
        let part = parts.min_by_key(Vec::len)?;
        Some(part[..wanted].iter().map(|u| (u.node, shape.gpus)).collect())
    }

    /// Nodes by the part of the pool in which the shape's wish wants all of them.
    fn by_part(&self, shape: Shape, uses: Vec<Use>) -> BTreeMap<u32, Vec<Use>> {
        let level = self.space.wish(shape).and_then(|site| site.within).filter(|_| shape.nodes > 1);
        let mut parts: BTreeMap<u32, Vec<Use>> = BTreeMap::new();
        for u in uses {
            parts.entry(self.space.part_of(u.node, level)).or_default().push(u);
        }
        parts
    }

    /// The latest end for which a gang of this shape has a place among idle GPUs now; `None`: it has none at all.
    pub(super) fn latest_end(&self, member: MemberId, shape: Shape) -> Option<i64> {
        if self.space.fits(shape, self.whole_nodes_kept()) {
            return Some(i64::MAX);
        }
        if !self.has_limits() {
            return None;
        }
        let parts = self.by_part(shape, self.uses(member, shape, true, None).collect());
        let latest = |part: &Vec<Use>| {
            let mut ends: Vec<i64> = part.iter().map(|u| u.until).collect();
            ends.sort_unstable_by_key(|&end| std::cmp::Reverse(end));
            ends.get(shape.nodes.max(1) as usize - 1).copied()
        };
        parts.values().filter_map(latest).max()
    }

    /// The nodes with room for a part of the shape.
    fn uses(
        &self,
        member: MemberId,
        shape: Shape,
        borrows: bool,
        job: Option<Job>,
    ) -> impl Iterator<Item = Use> {
        let whole_node = shape.gpus == self.space.cell();
        let whole_left = if borrows { self.whole_nodes_kept() } else { 0 };
        let whole_free = if whole_left > 0 { self.whole_nodes_without_work() } else { u32::MAX };
        let nodes = 0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        nodes.filter_map(move |node| {
            let free = self.space.free(node);
            if free < shape.gpus || self.space.is_closed(node) || !self.space.allows(shape, node) {
                return None;
            }
            if free == self.space.cell() && whole_free < whole_left.saturating_add(shape.nodes) {
                return None;
            }
            let kept_from = self.aging.kept_from(node, job);
            let kept_from = kept_from.filter(|(_, kept)| free - free.min(*kept) < shape.gpus);
            let mut until = self.windows.bound(node, member);
            if let Some((aged, _)) = kept_from.filter(|_| borrows) {
                until = until.min(self.expected_start(aged)?);
            }
            let order = if whole_node { -i64::from(node) } else { i64::from(node) };
            (until > self.now).then_some(Use { kept: kept_from.is_some(), until, free, order, node })
        })
    }

    /// Whether windows are what a claim of this shape, which has no place, waits for. One that its member's guarantee
    /// covers would have a place but for them.
    pub(super) fn window_wait(&self, member: MemberId, shape: Shape, covered: bool) -> Option<WaitReason> {
        if self.windows.active.is_empty() {
            return None;
        }
        let nodes = 0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let large = |&n: &u32| !self.space.is_closed(n) && self.nodes[n as usize].capacity >= shape.gpus;
        let seen = |n: u32| (self.space.free(n) >= shape.gpus, self.windows.first_limit(n, member));
        let (open, others): (Vec<_>, Vec<_>) =
            nodes.filter(large).map(seen).partition(|(_, limit)| limit.is_some_and(|l| l.start <= self.now));
        let wanted = shape.nodes as usize;
        if others.len() < wanted || covered && !open.is_empty() {
            let first = open.iter().filter_map(|(_, limit)| *limit).min_by_key(|l| (l.end, l.window))?;
            return Some(WaitReason::NodesInWindow {
                window: first.window,
                closes: TimestampMillis(first.end),
            });
        }
        let roomy: Vec<_> = others.into_iter().filter(|(room, _)| covered || *room).collect();
        let first = roomy.iter().filter_map(|(_, limit)| *limit).min_by_key(|l| (l.start, l.window))?;
        let ahead = WaitReason::WindowAhead { window: first.window, opens: TimestampMillis(first.start) };
        (roomy.len() >= wanted).then_some(ahead)
    }

    /// Whether a claim of this shape would have a place but for what is kept for aged claims.
    pub(super) fn waits_for_aged(&self, member: MemberId, shape: Shape) -> bool {
        let nodes = 0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let roomy = |&n: &u32| {
            !self.space.is_closed(n)
                && self.space.free(n) >= shape.gpus
                && self.windows.bound(n, member) > self.now
        };
        !self.aging.keeps_nothing() && nodes.filter(roomy).count() >= shape.nodes as usize
    }

    /// Whole nodes without work on them, also those that not everybody may use.
    fn whole_nodes_without_work(&self) -> u32 {
        let nodes = 0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let whole = |&node: &u32| !self.space.is_closed(node) && self.space.free(node) == self.space.cell();
        u32::try_from(nodes.filter(whole).count()).unwrap_or(u32::MAX)
    }

    /// The node is like all others again, unless something else limits it.
    pub(super) fn put_in_reach(&mut self, node: u32) {
        if !self.windows.limits_node(node) && !self.aging.keeps_on(node) {
            self.space.set_aside(node, false);
        }
    }
}

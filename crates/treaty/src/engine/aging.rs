//! Nobody starves: a claim above its guarantee that waited longer than the treaty's aging is not passed any more.
//!
//! The first such claim of each member gets nodes of its own choosing, where room of its shape is expected first; what
//! is idle there is kept for it, and so is what becomes idle. Nobody is told to leave for it, and a guarantee may take
//! what is kept: it is not the claim's by right. Because nothing else starts there but short work, it starts after the
//! work that runs there now, whatever else keeps coming.
//!
//! Short work is EASY backfill (Lifka, 1995): who states a run time that ends before the claim can start may use what is
//! kept. A stated run time is planned with and gives no right: who has overrun it there is told to leave.

use std::collections::{BTreeMap, BTreeSet};

use super::Engine;
use super::job::JobState;
use super::queue::Job;
use super::space::{Place, Shape};
use crate::reason::ReclaimReason;
use crate::snapshot::Basis;
use crate::units::{ClaimId, Gpus, MemberId};

/// Claims in line by age, and what is kept for the aged.
#[derive(Debug, Clone, Default)]
pub(super) struct Aging {
    /// By member; without aging, empty.
    waiting: Vec<BTreeSet<(i64, ClaimId, Job)>>,
    /// Places of aged claims, by claim.
    places: BTreeMap<Job, Vec<Place>>,
    /// What is kept on a node, and for whom: one claim at most.
    on_node: BTreeMap<u32, (Job, Gpus)>,
}

impl Aging {
    pub(super) fn keeps_nothing(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn places(&self, job: Job) -> Option<&[Place]> {
        self.places.get(&job).map(Vec::as_slice)
    }

    pub(super) fn keeps_on(&self, node: u32) -> bool {
        self.on_node.contains_key(&node)
    }

    /// GPUs that are kept on the node for somebody else than the claim.
    pub(super) fn kept_from(&self, node: u32, asking: Option<Job>) -> Option<(Job, Gpus)> {
        self.on_node.get(&node).filter(|(job, _)| Some(*job) != asking).copied()
    }
}

impl Engine {
    /// The claim stands in line from now on.
    pub(super) fn begins_to_age(&mut self, job: Job) {
        if self.rules.aging.is_some() {
            let spec = self.jobs[job as usize].spec;
            let (member, entry) = (spec.member.index(), (spec.submitted_at.0, self.name(job).clone(), job));
            self.aging.waiting.resize(self.members.len(), BTreeSet::new());
            self.aging.waiting[member].insert(entry);
        }
    }

    /// It does not any more.
    pub(super) fn ends_to_age(&mut self, job: Job) {
        if self.rules.aging.is_some() {
            let spec = self.jobs[job as usize].spec;
            let entry = (spec.submitted_at.0, self.name(job).clone(), job);
            if let Some(waiting) = self.aging.waiting.get_mut(spec.member.index()) {
                waiting.remove(&entry);
            }
        }
        self.release_aged(job);
    }

    /// Starts aged claims, or keeps places for them, in the order of submission.
    pub(super) fn serve_aged(&mut self) {
        if self.rules.aging.is_none() {
            return;
        }
        for job in self.aging.places.keys().copied().collect::<Vec<_>>() {
            if !self.is_still_aged(job) {
                self.release_aged(job);
            }
        }
        loop {
            let aged = self.aged_in_order();
            let started = aged.iter().any(|&job| self.start_aged(job));
            if !started {
                aged.into_iter().for_each(|job| self.keep_for_aged(job));
                break;
            }
        }
        self.tell_overrunning();
    }

    /// One claim of each member: the one that has places, or the first that has waited long enough.
    fn aged_in_order(&self) -> Vec<Job> {
        let mut all: Vec<Job> = (0..self.members.len()).filter_map(|m| self.aged_of(m)).collect();
        all.sort_by_key(|&job| {
            let submitted_at = self.record(job).spec.submitted_at;
            (self.aging.places(job).is_none(), submitted_at, self.name(job).clone())
        });
        all
    }

    /// The member's aged claim that nobody passes.
    pub(super) fn aged_of(&self, member: usize) -> Option<Job> {
        let aging = self.rules.aging?.0;
        let of_member = |job: &&Job| self.record(**job).spec.member.index() == member;
        let has_places = self.aging.places.keys().find(of_member).copied();
        let first = || {
            let waited = self.aging.waiting.get(member)?.iter();
            let mut waited = waited.take_while(|(at, ..)| at.saturating_add(aging) <= self.now);
            waited.find(|(_, _, job)| self.could_age(*job)).map(|(_, _, job)| *job)
        };
        has_places.or_else(first)
    }

    /// Whether age is what helps: the claim is not due, its party is open, and an empty pool would have room.
    fn could_age(&self, job: Job) -> bool {
        let record = self.record(job);
        let rules = &self.rules.members[record.spec.member.index()];
        let Some(shape) = record.shape else { return false };
        let nodes = (0..).zip(&self.nodes).filter(|(n, _)| self.space.allows(shape, *n));
        let large =
            nodes.filter(|(n, node)| !self.space.is_closed(*n) && node.capacity >= shape.gpus).count();
        record.due_since.is_none()
            && rules.closed.is_none()
            && shape.total() <= rules.ceiling
            && self.space.could_meet_wish(shape)
            && self.reason_inside(job, shape, true).is_none()
            && large >= shape.nodes.saturating_add(self.whole_nodes_kept()) as usize
    }

    fn has_aged(&self, job: Job) -> bool {
        let submitted_at = self.record(job).spec.submitted_at;
        self.rules.aging.is_some_and(|aging| submitted_at.after(aging).0 <= self.now)
    }

    fn is_still_aged(&self, job: Job) -> bool {
        let record = self.record(job);
        let Some(places) = self.aging.places(job) else { return false };
        let start = self.expected_start(job).unwrap_or(i64::MAX);
        let end = record.end_if_started(start);
        matches!(record.state, JobState::Waiting)
            && self.could_age(job)
            && self.has_room_of_its_own(job)
            && places.iter().all(|&(node, _)| {
                !self.space.is_closed(node) && end <= self.windows.bound(node, record.spec.member)
            })
    }

    /// Whether no ceiling of its member, inside it or of its budget stands against its start now.
    fn has_room_of_its_own(&self, job: Job) -> bool {
        let (member, gpus) = (self.record(job).spec.member.index(), self.record(job).gpus());
        let room = self.room_below_ceiling(member).min(self.room_to_borrow(member));
        gpus <= room && !self.is_held_up_inside(job)
    }

    /// Starts the claim where it has room, on what is kept for it or elsewhere.
    fn start_aged(&mut self, job: Job) -> bool {
        if !self.has_room_of_its_own(job) {
            return false;
        }
        let Some(places) = self.find_place(job, true) else { return false };
        self.start_on(job, Basis::Borrowed, places);
        true
    }

    fn keep_for_aged(&mut self, job: Job) {
        let fresh = self.aging.places(job).is_none();
        let Some(shape) = self.record(job).shape.filter(|_| fresh) else { return };
        if self.has_room_of_its_own(job)
            && let Some(places) = self.soonest_places(job, shape)
        {
            self.keep_by_age(job, places);
        }
    }

    /// Keeps these places for an aged claim.
    pub(super) fn keep_by_age(&mut self, job: Job, places: Vec<Place>) {
        for &(node, gpus) in &places {
            self.aging.on_node.insert(node, (job, gpus));
            self.space.set_aside(node, true);
        }
        self.aging.places.insert(job, places);
    }

    fn release_aged(&mut self, job: Job) {
        let Some(places) = self.aging.places.remove(&job) else { return };
        for (node, _) in places {
            self.aging.on_node.remove(&node);
            self.put_in_reach(node);
        }
        self.freed = true;
        let promised = |(_, victim): &(i64, Job)| matches!(self.state(*victim), JobState::Noticed { promised_to, .. } if *promised_to == Some(job));
        let told: Vec<Job> =
            self.deadlines.iter().filter(|d| promised(d)).map(|(_, victim)| *victim).collect();
        for victim in told {
            self.withdraw(victim);
        }
    }

    /// The nodes on which room of the shape is expected first; where nobody knows, those that lack least.
    fn soonest_places(&self, job: Job, shape: Shape) -> Option<Vec<Place>> {
        let record = self.record(job);
        let mut soonest: Vec<(i64, Gpus, i64, u32)> = Vec::new();
        for (node, state) in (0_u32..).zip(&self.nodes) {
            let out_of_reach = self.space.is_closed(node) || !self.space.allows(shape, node);
            if out_of_reach || state.capacity < shape.gpus || self.aging.keeps_on(node) {
                continue;
            }
            let at = self.free_at(node, shape.gpus).unwrap_or(i64::MAX);
            if record.end_if_started(at) <= self.windows.bound(node, record.spec.member) {
                let order = if shape.gpus == self.space.cell() { -i64::from(node) } else { i64::from(node) };
                soonest.push((at, shape.gpus.saturating_sub(self.space.free(node)), order, node));
            }
        }
        soonest.sort_unstable();
        // In the part of the pool, as its wish says, that has enough of them first.
        let level = self.space.wish(shape).and_then(|site| site.within).filter(|_| shape.nodes > 1);
        let mut parts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (.., node) in soonest {
            let part = parts.entry(self.space.part_of(node, level)).or_default();
            part.push(node);
            if part.len() >= shape.nodes as usize {
                return Some(part.iter().map(|&node| (node, shape.gpus)).collect());
            }
        }
        None
    }

    /// When the aged claim can start on its places, if everybody there ends as stated; `None`: nobody knows.
    pub(super) fn expected_start(&self, job: Job) -> Option<i64> {
        let places = self.aging.places(job)?;
        places
            .iter()
            .map(|&(node, gpus)| self.free_at(node, gpus))
            .try_fold(i64::MIN, |at, free| Some(at.max(free?)))
    }

    /// When so many GPUs will be free on the node.
    fn free_at(&self, node: u32, gpus: Gpus) -> Option<i64> {
        let state = &self.nodes[node as usize];
        let mut free = self.space.free(node);
        if free >= gpus {
            return Some(self.now);
        }
        if state.kept.iter().any(|kept| kept.missing > 0) {
            // What becomes free is spoken for.
            return None;
        }
        let mut ends: Vec<(i64, Gpus)> = state
            .holders
            .iter()
            .filter_map(|&job| Some((self.leaves_at(job)?, self.gpus_on(job, node))))
            .collect();
        ends.sort_unstable();
        let enough = |(_, part): &(i64, Gpus)| {
            free += part;
            free >= gpus
        };
        ends.into_iter().find(enough).map(|(at, _)| at)
    }

    /// When a claim that holds GPUs is gone, as far as that is known; never before now, however long it has been due.
    fn leaves_at(&self, job: Job) -> Option<i64> {
        let record = self.record(job);
        let deadline = match record.state {
            JobState::Stopping { .. } => Some(self.now),
            JobState::Noticed { deadline, .. } => Some(deadline),
            _ => None,
        };
        let window = record.leaves_by.as_ref().map(|by| by.0);
        let first = [deadline, window, record.expected_end(self.now)].into_iter().flatten().min();
        first.map(|at| at.max(self.now))
    }

    /// Borrowers on kept nodes that have overrun what they stated are told to leave; not those who are aged themselves,
    /// or two of them could send each other away for ever.
    fn tell_overrunning(&mut self) {
        for (node, (job, _)) in self.aging.on_node.clone() {
            for holder in self.nodes[node as usize].holders.clone() {
                let record = self.record(holder);
                let borrows = matches!(record.state, JobState::Running { basis: Basis::Borrowed, .. });
                if borrows && self.has_overrun(holder) && !self.has_aged(holder) {
                    let claim = self.name(job).clone();
                    self.tell_to_leave(holder, ReclaimReason::Overran { claim }, Some(job));
                }
            }
        }
    }

    /// Whether an aged claim has all it needs and yet may not start: GPUs that owners keep have to become idle first.
    pub(super) fn waits_for_owners(&self) -> bool {
        let complete = |job: &Job| self.expected_start(*job) == Some(self.now);
        self.aging.places.keys().any(complete)
    }

    /// Next time at which a claim has aged, or somebody on kept nodes should have ended.
    pub(super) fn next_aging(&self) -> Option<i64> {
        let aging = self.rules.aging?.0;
        let young = |(index, waiting): (usize, &BTreeSet<(i64, ClaimId, Job)>)| {
            let from = (self.now.saturating_sub(aging).saturating_add(1), ClaimId::from(""), 0);
            let first = waiting.range(from..).next().filter(|_| self.aged_of(index).is_none());
            first.map(|(at, ..)| at.saturating_add(aging))
        };
        let holders = self.aging.on_node.keys().flat_map(|&node| &self.nodes[node as usize].holders);
        let ends = holders.filter_map(|&job| self.record(job).expected_end(self.now));
        self.aging.waiting.iter().enumerate().filter_map(young).chain(ends).min()
    }

    /// What others of the member must leave of its ceiling to its aged claim.
    pub(super) fn room_for_aged(&self, member: MemberId) -> Gpus {
        self.aged_of(member.index()).map_or(0, |job| self.record(job).gpus())
    }
}

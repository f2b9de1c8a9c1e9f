//! Ceilings inside a member, in the pool: what holds a claim up, and how due work gets its room below them.

use super::inside::{ElementId, Inside};
use super::queue::{Job, Key};
use super::space::Shape;
use super::{Engine, MemberState};
use crate::reason::{ReclaimReason, ShareLimit, WaitReason};
use crate::snapshot::SharePath;
use crate::units::Gpus;

impl MemberState {
    /// Takes note of a claim's path; returns its element.
    pub(super) fn introduce(&mut self, job: Job, path: &SharePath) -> ElementId {
        self.alone.introduce(job, path);
        self.inside.as_mut().map_or(0, |inside| inside.element_of(path))
    }

    /// Puts a claim in its member's line.
    pub(super) fn enqueue(&mut self, element: ElementId, shape: Shape, key: Key, job: Job) {
        if let Some(inside) = &mut self.inside {
            inside.insert(element, shape, key.clone(), job);
        }
        self.queue.insert(shape, key, job);
    }

    /// Takes a claim out of its member's line.
    pub(super) fn dequeue(&mut self, element: ElementId, shape: Shape, key: Key, job: Job) {
        if let Some(inside) = &mut self.inside {
            inside.remove(element, shape, key.clone(), job);
        }
        self.queue.remove(shape, key, job);
    }

    /// The claim that is next among the shapes that are wanted: down the member's tree, or else by its line.
    pub(super) fn next(&self, wanted: impl FnMut(Shape) -> bool) -> Option<(Job, Shape)> {
        match &self.inside {
            Some(inside) => inside.next(wanted),
            None => self.queue.first(wanted).map(|(_, job, shape)| (job, shape)),
        }
    }

    /// The same among claims that end, by `end_of`, no later than their shape allows; `None`: it is not wanted.
    pub(super) fn next_ending(
        &self,
        latest: impl FnMut(Shape) -> Option<i64>,
        end_of: impl Fn(Job) -> i64,
    ) -> Option<Job> {
        match &self.inside {
            Some(inside) => inside.next_ending(latest, end_of),
            None => self.queue.first_ending(latest, end_of).map(|(_, job, _)| job),
        }
    }
}

impl Engine {
    /// The tree of the claim's member, if it has one, and the claim's element in it.
    fn inside_of(&self, job: Job) -> Option<(&Inside, ElementId)> {
        let record = self.record(job);
        let inside = self.members[record.spec.member.index()].inside.as_ref()?;
        Some((inside, record.element))
    }

    /// Whether a ceiling inside its member has no room for the claim now.
    pub(super) fn is_held_up_inside(&self, job: Job) -> bool {
        let gpus = self.record(job).gpus();
        self.inside_of(job).is_some_and(|(inside, at)| inside.without_room(at, gpus).next().is_some())
    }

    /// Room below the ceilings inside its member is held back for the due claim.
    pub(super) fn hold_back_inside(&mut self, job: Job) {
        let (element, gpus) = (self.record(job).element, self.record(job).gpus());
        if let Some(inside) = &mut self.member_of(job).inside {
            inside.hold_back(element, gpus);
        }
    }

    /// Below each ceiling inside the member, work that is not due makes room for the due claim: first borrowers, then
    /// what is inside the guarantee, the newest first. What is due there never exceeds the ceiling, because the line
    /// alone keeps it too.
    pub(super) fn make_room_inside(&mut self, job: Job) {
        let Some((inside, element)) = self.inside_of(job) else { return };
        let around: Vec<ElementId> = inside.around(element).collect();
        let (member, id) = (self.record(job).spec.member, self.name(job).clone());
        for at in around {
            let leaving = self.leaving(member.index()).filter(|&other| self.is_inside(other, at));
            let leaving: Gpus = leaving.map(|other| self.record(other).gpus()).sum();
            let mut excess = self.inside_of(job).map_or(0, |(inside, _)| inside.excess(at, leaving));
            if excess == 0 {
                continue;
            }
            let state = &self.members[member.index()];
            let newest_first = state.borrowed.iter().rev().chain(state.guaranteed.iter().rev());
            let victims: Vec<Job> = newest_first
                .map(|(_, victim)| *victim)
                .filter(|&victim| self.is_inside(victim, at))
                .collect();
            for victim in victims {
                if excess == 0 {
                    break;
                }
                if self.has_just_started(victim) {
                    continue;
                }
                excess = excess.saturating_sub(self.record(victim).gpus());
                let reason = ReclaimReason::GuaranteeOf { member, claim: id.clone() };
                self.tell_to_leave(victim, reason, Some(job));
            }
        }
    }

    /// GPUs are no longer kept for claims that are not due and take the room of this one below a ceiling.
    pub(super) fn release_inside(&mut self, job: Job) {
        if self.inside_of(job).is_none() {
            return;
        }
        let gpus = self.record(job).gpus();
        for kept in self.kept_newest_first(self.record(job).spec.member.index()) {
            let Some((inside, element)) = self.inside_of(job) else { return };
            let full: Vec<ElementId> = inside.without_room(element, gpus).collect();
            if full.iter().any(|&at| self.is_inside(kept, at)) {
                self.abandon_reservation(kept);
            }
        }
    }

    fn is_inside(&self, job: Job, element: ElementId) -> bool {
        self.inside_of(job).is_some_and(|(inside, at)| inside.around(at).any(|around| around == element))
    }

    /// What inside its member keeps the claim from ever starting, or else from starting now.
    pub(super) fn reason_inside(&self, job: Job, shape: Shape, ever: bool) -> Option<WaitReason> {
        let (inside, element) = self.inside_of(job)?;
        let record = self.record(job);
        let member = record.spec.member;
        let limit = |at: ElementId| {
            let (path, most) = inside.path(at);
            ShareLimit { member, path, most }
        };
        if ever {
            let name = || self.path(job).first().cloned();
            let refused = inside.refusal(element).map(|why| WaitReason::Tier(member, name(), why));
            let exceeded = || inside.exceeded_by(element, shape.total());
            return refused.or_else(|| exceeded().map(|at| WaitReason::ExceedsShareCeiling(limit(at))));
        }
        let full = if record.due_since.is_some() {
            inside.without_room(element, shape.total()).next()
        } else {
            inside.held_up_by(element, shape.total())
        };
        full.map(|at| WaitReason::ShareCeilingReached(limit(at)))
    }
}

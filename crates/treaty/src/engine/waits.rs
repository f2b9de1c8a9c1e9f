//! Everybody who goes on waiting, in the order of the lines, each with its reason.
//!
//! A reason is worked out once for all claims of one party, one element inside it, one shape and one right. Names and
//! reasons are taken down in the order in which claims lie in memory and only then put in the order of the lines.

use super::Engine;
use super::inside::ElementId;
use super::job::{JobState, Record};
use super::queue::Job;
use super::site::{Site, SiteId};
use super::space::Shape;
use crate::plan::Wait;
use crate::reason::{AskedPlace, WaitReason};
use crate::snapshot::{Claim, Standing};
use crate::units::{ClaimId, Gpus};

/// What reasons to wait rest on, beside the claim: worked out once for all claims.
struct Idle {
    /// How many nodes have exactly so many GPUs.
    nodes_by_capacity: Vec<u32>,
    whole_nodes_kept: u32,
    /// By member.
    room_below_ceiling: Vec<Gpus>,
}

/// What claims have in common that wait for the same reason; and whether they are due.
type Kind = (Shape, ElementId, bool);

/// Who waits, while it is being written down.
pub(super) struct Waiting<'e> {
    engine: &'e Engine,
    idle: Idle,
    /// By claim: its reason, if it waits.
    told: Vec<Option<u32>>,
    reasons: Vec<WaitReason>,
    /// By member and kind.
    known: Vec<Vec<(Kind, u32)>>,
    /// Claims that no line takes.
    in_no_line: Vec<Job>,
}

impl<'e> Waiting<'e> {
    pub(super) fn of(engine: &'e Engine) -> Self {
        Self {
            engine,
            idle: engine.idle(),
            told: vec![None; engine.jobs.len()],
            reasons: Vec::new(),
            known: vec![Vec::new(); engine.members.len()],
            in_no_line: Vec::new(),
        }
    }

    /// Takes note of the next claim, if it waits.
    pub(super) fn note(&mut self, job: Job, record: &Record) {
        if !waits(record) {
            return;
        }
        if let Some(shape) = record.shape {
            self.told[job as usize] = Some(self.reason_of(job, record, shape));
            return;
        }
        let too_wide = self.engine.gang(job).gpus_per_pod > self.engine.space.cell();
        let reason = if too_wide { WaitReason::ExceedsPool } else { WaitReason::UnsupportedShape };
        self.told[job as usize] = Some(self.add(reason));
        self.in_no_line.push(job);
    }

    fn reason_of(&mut self, job: Job, record: &Record, shape: Shape) -> u32 {
        let next = u32::try_from(self.reasons.len()).unwrap_or(u32::MAX);
        let member = record.spec.member.index();
        let of_its_own = matches!(record.state, JobState::Reserved { .. })
            || self.engine.aging.places(job).is_some()
            || self.engine.members[member].below_ceiling.contains(&job);
        if !of_its_own {
            let kind = (shape, record.element, record.due_since.is_some());
            let known = &mut self.known[member];
            match known.binary_search_by_key(&kind, |(kind, _)| *kind) {
                Ok(at) => return known[at].1,
                Err(at) => known.insert(at, (kind, next)),
            }
        }
        self.add(self.engine.wait_reason(job, &self.idle))
    }

    fn add(&mut self, reason: WaitReason) -> u32 {
        self.reasons.push(reason);
        u32::try_from(self.reasons.len() - 1).unwrap_or(u32::MAX)
    }

    /// All of them: members one after the other, each in the order of its line; then who stands in none.
    pub(super) fn in_order(self, claims: &[Claim]) -> Vec<Wait> {
        // In the order in which they lie in memory.
        let name = |(claim, told): (&Claim, &Option<u32>)| told.map(|told| (claim.id.clone(), told));
        let mut told: Vec<Option<(ClaimId, u32)>> = claims.iter().zip(&self.told).map(name).collect();
        let mut wait = |job: Job, place| {
            let (claim, told) = told[job as usize].take()?;
            Some(Wait { claim, place, reason: self.reasons[told as usize].clone() })
        };
        let mut waits = Vec::with_capacity(self.told.len());
        for (index, member) in self.engine.members.iter().enumerate() {
            let of_member = |job: &&Job| self.engine.record(**job).spec.member.index() == index;
            let reserved = self.engine.reserved.iter().filter(of_member).copied();
            let in_line = reserved.chain(member.queue.in_order());
            waits.extend(in_line.zip(1..).filter_map(|(job, place)| wait(job, place)));
        }
        waits.extend(self.in_no_line.iter().filter_map(|job| wait(*job, 0)));
        waits
    }
}

const fn waits(record: &Record) -> bool {
    matches!(record.state, JobState::Waiting | JobState::Reserved { .. })
}

impl Engine {
    fn idle(&self) -> Idle {
        let mut nodes_by_capacity = vec![0; self.space.cell() as usize + 1];
        for node in &self.nodes {
            nodes_by_capacity[node.capacity as usize] += 1;
        }
        let room = |member| self.room_below_ceiling(member);
        Idle {
            nodes_by_capacity,
            whole_nodes_kept: self.whole_nodes_kept(),
            room_below_ceiling: (0..self.members.len()).map(room).collect(),
        }
    }

    /// Why a waiting claim waits.
    fn wait_reason(&self, job: Job, idle: &Idle) -> WaitReason {
        let record = self.record(job);
        let member = record.spec.member;
        let (rules, state) = (&self.rules.members[member.index()], &self.members[member.index()]);
        let Some(shape) = record.shape else { return WaitReason::UnsupportedShape };
        let covered =
            record.due_since.is_some() || state.used.saturating_add(shape.total()) <= rules.guarantee;
        let could_hold: u32 = idle.nodes_by_capacity.iter().skip(shape.gpus as usize).sum();
        if let Some(closed) = rules.closed {
            WaitReason::Closed(member, closed)
        } else if matches!(record.state, JobState::Reserved { .. }) {
            WaitReason::WaitingForReclaim
        } else if self.aging.places(job).is_some() {
            WaitReason::ReservedByAge
        } else if could_hold < shape.nodes {
            WaitReason::ExceedsPool
        } else if let Some(site) = self.space.wish(shape).filter(|_| !self.space.could_meet_wish(shape)) {
            WaitReason::NoSuchPlace(asked(shape, site, site.most_nodes))
        } else if shape.total() > rules.ceiling {
            WaitReason::ExceedsCeiling(member)
        } else if let Some(never) = self.reason_inside(job, shape, true) {
            never
        } else if (state.below_ceiling.contains(&job) && self.exceeds_member_ceiling(job))
            || record.due_since.is_none() && shape.total() > idle.room_below_ceiling[member.index()]
        {
            WaitReason::CeilingReached(member)
        } else if let Some(reached) = self.reason_inside(job, shape, false) {
            reached
        } else if let Some(site) =
            self.space.wish(shape).filter(|_| self.waits_for_its_place(job, shape, idle))
        {
            WaitReason::PlaceTaken(asked(shape, site, self.space.most_free(site)))
        } else if let Some(reason) = self.window_wait(member, shape, covered) {
            reason
        } else if covered {
            WaitReason::GuaranteeFragmented(member)
        } else if shape.total() > self.room_to_borrow(member.index()) {
            let Standing { most_borrowed, until, .. } = rules.standing;
            WaitReason::BorrowingLimited { member, most: most_borrowed.unwrap_or(0), until }
        } else if self.space.fits(shape, 0) && !self.space.fits(shape, idle.whole_nodes_kept) {
            WaitReason::KeptByOwners
        } else if self.waits_for_aged(member, shape) {
            WaitReason::KeptForAged
        } else {
            WaitReason::NoIdleGpus(member)
        }
    }

    /// Whether the claim waits for what it wishes: it is inside the guarantee, or would start now without the wish.
    fn waits_for_its_place(&self, job: Job, shape: Shape, idle: &Idle) -> bool {
        let record = self.record(job);
        let member = record.spec.member.index();
        let inside =
            self.members[member].used.saturating_add(shape.total()) <= self.rules.members[member].guarantee;
        let kept = idle.whole_nodes_kept;
        let anywhere = Shape { site: SiteId::ANYWHERE, ..shape };
        record.due_since.is_some()
            || inside
            || self.space.fits(anywhere, kept) && !self.space.fits(shape, kept)
    }
}

fn asked(shape: Shape, site: &Site, most_nodes: u32) -> AskedPlace {
    let (nodes, gpus) = (shape.nodes, shape.gpus);
    AskedPlace { nodes, gpus, within: site.within, labels: site.labels.clone(), most_nodes }
}

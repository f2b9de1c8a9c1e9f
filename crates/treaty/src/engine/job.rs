//! One claim as the engine keeps it.

use super::inside::ElementId;
use super::places::Places;
use super::queue::{Job, Key, NameOrder};
use super::space::{Shape, Space};
use crate::reason::ReclaimReason;
use crate::schedule::WindowId;
use crate::snapshot::{Basis, Claim, Gang, Level, SharePath};
use crate::units::{ClaimId, DurationMillis, Gpus, Labels, MemberId, TimestampMillis};

/// What a claim asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Unique name.
    pub id: ClaimId,
    /// Member whose quota it uses.
    pub member: MemberId,
    /// Gang.
    pub gang: Gang,
    /// When the pool first saw it.
    pub submitted_at: TimestampMillis,
    /// Run time that its owner expects, or the limit at which it is killed; decides only the order among claims of
    /// one member, never a right.
    pub expected_runtime: Option<DurationMillis>,
    /// All of its nodes must lie in one such part of the pool.
    pub within: Option<Level>,
    /// Labels that its nodes must have.
    pub node_labels: Labels,
    /// Institution, project and person inside the member.
    pub path: SharePath,
}

impl JobSpec {
    /// A claim without special wishes.
    #[must_use]
    pub fn new(id: ClaimId, member: MemberId, gang: Gang, submitted_at: TimestampMillis) -> Self {
        Self {
            id,
            member,
            gang,
            submitted_at,
            expected_runtime: None,
            within: None,
            node_labels: Labels::default(),
            path: SharePath::default(),
        }
    }
}

/// Everything known of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) spec: Brief,
    /// What it asks, if it was submitted later; a snapshot keeps what its claims ask.
    pub(super) later: Option<Box<JobSpec>>,
    /// Where its name stands among those of all claims; see [`NameOrder`].
    pub(super) name_rank: u32,
    /// `None`: the gang fits neither one node nor whole nodes.
    pub(super) shape: Option<Shape>,
    /// Its element in its member's tree; 0 without one.
    pub(super) element: ElementId,
    pub(super) state: JobState,
    /// GPUs held, or kept for it.
    pub(super) places: Places,
    /// First of its member for the next idle GPUs.
    pub(super) put_back: bool,
    /// The present decision has started it.
    pub(super) has_just_started: bool,
    /// Its run alone is over for so long that the line has forgotten it.
    pub(super) is_forgotten: bool,
    /// Start in its member's line alone.
    pub(super) due_since: Option<i64>,
    /// Where it runs in that line; empty once that is over.
    pub(super) places_alone: Places,
    /// Start of a window by which it has to be gone from where it runs.
    pub(super) leaves_by: Option<Box<(i64, WindowId)>>,
    /// Work until then is saved: only what came after is lost by a stop.
    pub(super) saved_at: i64,
}

/// What decides of a claim's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Brief {
    pub(super) member: MemberId,
    pub(super) submitted_at: TimestampMillis,
    pub(super) expected_runtime: Option<DurationMillis>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JobState {
    Waiting,
    /// GPUs are kept for it; so many are still missing.
    Reserved {
        basis: Basis,
        missing: Gpus,
    },
    Running {
        since: i64,
        basis: Basis,
    },
    /// Told to leave.
    Noticed {
        since: i64,
        basis: Basis,
        deadline: i64,
        reason: Box<ReclaimReason>,
        promised_to: Option<Job>,
    },
    /// Stopped, its GPUs are not free yet.
    Stopping {
        basis: Basis,
        reason: Box<ReclaimReason>,
        promised_to: Option<Job>,
    },
    /// Ended after running so long without interruption.
    Finished {
        runtime: i64,
    },
}

impl Record {
    /// A claim of a snapshot, which goes on keeping what it asks.
    pub(super) fn restored(claim: &Claim, name_rank: u32, space: &mut Space) -> Self {
        let &Claim { member, submitted_at, expected_runtime, .. } = claim;
        let shape = shape(claim.gang, claim.within, &claim.node_labels, space);
        Self::of(Brief { member, submitted_at, expected_runtime }, name_rank, shape)
    }

    /// A claim submitted later.
    pub(super) fn later(spec: JobSpec, name_rank: u32, space: &mut Space) -> Self {
        let JobSpec { member, submitted_at, expected_runtime, .. } = spec;
        let shape = shape(spec.gang, spec.within, &spec.node_labels, space);
        let record = Self::of(Brief { member, submitted_at, expected_runtime }, name_rank, shape);
        Self { later: Some(Box::new(spec)), ..record }
    }

    fn of(spec: Brief, name_rank: u32, shape: Option<Shape>) -> Self {
        Self {
            spec,
            later: None,
            name_rank,
            shape,
            element: 0,
            state: JobState::Waiting,
            places: Places::default(),
            put_back: false,
            has_just_started: false,
            is_forgotten: false,
            due_since: None,
            places_alone: Places::default(),
            leaves_by: None,
            saved_at: i64::MIN,
        }
    }

    pub(super) fn gpus(&self) -> Gpus {
        self.shape.map_or(0, Shape::total)
    }

    /// Position in the line for idle GPUs.
    pub(super) fn key(&self, shortest_first: bool) -> Key {
        let expected = self.spec.expected_runtime.map_or(i64::MAX, |d| d.0);
        Key {
            class: u8::from(!self.put_back),
            length: if shortest_first { expected } else { 0 },
            submitted_at: self.spec.submitted_at.0,
            name: self.name(),
        }
    }

    pub(super) fn name(&self) -> NameOrder {
        NameOrder::of(self.name_rank, self.later.as_ref().map(|spec| &spec.id))
    }

    /// When a claim that starts now ends by its own account; one that does not say ends in no time that can be planned.
    pub(super) fn end_if_started(&self, now: i64) -> i64 {
        self.spec.expected_runtime.map_or(i64::MAX, |run| now.saturating_add(run.0.max(1)))
    }

    /// When a running claim ends by its own account; `None` if it does not say, or should have ended.
    pub(super) fn expected_end(&self, now: i64) -> Option<i64> {
        let (JobState::Running { since, .. } | JobState::Noticed { since, .. }) = self.state else {
            return None;
        };
        Some(since.saturating_add(self.spec.expected_runtime?.0.max(1))).filter(|&end| end > now)
    }

    /// On whose account it holds or keeps GPUs.
    pub(super) const fn basis(&self) -> Option<Basis> {
        match self.state {
            JobState::Reserved { basis, .. }
            | JobState::Running { basis, .. }
            | JobState::Noticed { basis, .. }
            | JobState::Stopping { basis, .. } => Some(basis),
            JobState::Waiting | JobState::Finished { .. } => None,
        }
    }

    /// GPU-milliseconds that a stop at `now` would lose.
    pub(super) fn work_lost(&self, now: i64) -> u64 {
        match self.state {
            JobState::Running { since, .. } | JobState::Noticed { since, .. } => {
                let ran = now.saturating_sub(since.max(self.saved_at)).max(0);
                u64::from(self.gpus()).saturating_mul(ran.unsigned_abs())
            }
            _ => 0,
        }
    }
}

fn shape(gang: Gang, within: Option<Level>, labels: &Labels, space: &mut Space) -> Option<Shape> {
    let cell = space.cell();
    match gang.whole_nodes(cell) {
        // One node lies in one rack.
        Ok(None) => Some(Shape { gpus: gang.gpus(), nodes: 1, site: space.site(None, labels) }),
        Ok(Some(nodes)) => Some(Shape { gpus: cell, nodes, site: space.site(within, labels) }),
        Err(_) => None,
    }
}

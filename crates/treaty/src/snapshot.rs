//! The immutable input of one decision: nodes and claims as the caller observed them.

use crate::units::{ClaimId, DurationMillis, Gpus, MemberId, NodeName, TimestampMillis};

/// Everything that a decision may look at, beside the treaty and the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Nodes sorted by name.
    pub nodes: Vec<Node>,
    /// Claims that wait or hold GPUs; finished ones are left out. Sorted by id.
    pub claims: Vec<Claim>,
}

/// One node of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: NodeName,
    /// GPUs that can be allocated.
    pub gpus: Gpus,
    /// False for a cordoned or unready node: it takes no new work, what runs on it goes on.
    pub schedulable: bool,
}

/// One gang's ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Unique name.
    pub id: ClaimId,
    /// Member whose quota it uses.
    pub member: MemberId,
    /// Shape.
    pub gang: Gang,
    /// When the pool first saw it; never changed by a reclaim.
    pub submitted_at: TimestampMillis,
    /// Where it stands.
    pub state: ClaimState,
}

/// Pods that start together or not at all, all of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gang {
    /// Number of pods, at least 1.
    pub pods: u32,
    /// GPUs of each pod, at least 1.
    pub gpus_per_pod: Gpus,
}

/// Where a claim stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimState {
    /// In line.
    Waiting {
        /// Put back after a reclaim: first of its member for the next idle GPUs.
        put_back: bool,
    },
    /// Has GPUs.
    Holding(Holding),
}

/// What an admitted claim has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// GPUs by node.
    pub slots: Vec<Slot>,
    /// On whose account.
    pub basis: Basis,
    /// Admitted at.
    pub since: TimestampMillis,
    /// Running, told to leave, or leaving.
    pub phase: Phase,
    /// The claim for which it was told to leave; the same claim goes on expecting the place.
    pub promised_to: Option<ClaimId>,
}

/// GPUs on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Node.
    pub node: NodeName,
    /// GPUs there.
    pub gpus: Gpus,
}

/// On whose account a claim runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Its member's line alone would have started it by now: never stopped.
    Due,
    /// Inside its member's guarantee: never reclaimed.
    Guaranteed,
    /// On capacity that others have idle: may be reclaimed with notice.
    Borrowed,
}

/// Life of an admitted claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Runs.
    Running,
    /// Was told to leave by the deadline.
    Noticed {
        /// Latest end.
        deadline: TimestampMillis,
    },
    /// Was stopped; its GPUs are free only once its pods are gone.
    Stopping,
}

impl Gang {
    /// GPUs of the whole gang; saturates, so that a hostile product is too big instead of small.
    #[must_use]
    pub const fn gpus(self) -> Gpus {
        self.pods.saturating_mul(self.gpus_per_pod)
    }

    /// Nodes of `cell` GPUs that the gang needs for itself, or `None` when it fits beside others on one node.
    ///
    /// # Errors
    /// [`UnsupportedShape`] when the gang is larger than a node but does not fill whole nodes: the scheduler could
    /// then place its pods in a way that this engine has not reserved.
    pub fn whole_nodes(self, cell: Gpus) -> Result<Option<u32>, UnsupportedShape> {
        if self.pods == 0 || self.gpus_per_pod == 0 || self.gpus_per_pod > cell {
            return Err(UnsupportedShape);
        }
        if self.gpus() <= cell {
            return Ok(None);
        }
        let pods_per_node = cell / self.gpus_per_pod;
        let fills = cell.is_multiple_of(self.gpus_per_pod) && self.pods.is_multiple_of(pods_per_node);
        if fills { Ok(Some(self.pods / pods_per_node)) } else { Err(UnsupportedShape) }
    }
}

/// A gang that can be placed neither on one node nor on whole nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsupportedShape;

impl Holding {
    /// GPU-milliseconds that would be lost if it were stopped now without a checkpoint.
    #[must_use]
    pub fn work_at(&self, now: TimestampMillis) -> u64 {
        let DurationMillis(ran) = now.since(self.since);
        let gpus: u64 = self.slots.iter().map(|s| u64::from(s.gpus)).sum();
        gpus.saturating_mul(ran.unsigned_abs())
    }
}

impl Claim {
    /// Position in its member's line for the guarantee: by submission, then by name. A claim that once ran on
    /// borrowed GPUs does not thereby pass an earlier one.
    #[must_use]
    pub const fn submission_key(&self) -> (TimestampMillis, &ClaimId) {
        (self.submitted_at, &self.id)
    }

    /// Position in its member's line for idle GPUs: put-back claims first, then by submission, then by name.
    #[must_use]
    pub const fn line_key(&self) -> (bool, TimestampMillis, &ClaimId) {
        let put_back = matches!(self.state, ClaimState::Waiting { put_back: true });
        (!put_back, self.submitted_at, &self.id)
    }

    /// What it holds, if it was admitted.
    #[must_use]
    pub const fn holding(&self) -> Option<&Holding> {
        match &self.state {
            ClaimState::Holding(holding) => Some(holding),
            ClaimState::Waiting { .. } => None,
        }
    }
}

impl Snapshot {
    /// Sorts its parts, so that the order in which the caller saw them cannot matter.
    #[must_use]
    pub fn new(mut nodes: Vec<Node>, mut claims: Vec<Claim>) -> Self {
        nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        claims.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Self { nodes, claims }
    }

    /// Index of a node, if it still exists.
    #[must_use]
    pub fn node_index(&self, name: &NodeName) -> Option<usize> {
        self.nodes.binary_search_by(|n| n.name.cmp(name)).ok()
    }
}

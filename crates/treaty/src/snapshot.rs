//! The immutable input of one decision: nodes and claims as the caller observed them.

mod claims;
mod saves;

use std::sync::Arc;

pub use claims::Claims;
pub use saves::Saves;

use crate::accounts::eligibility::Applicant;
use crate::clauses::ClassId;
use crate::quota::{Award, QuotaInForce};
use crate::units::{ClaimId, DurationMillis, Gpus, Labels, MemberId, NodeName, TimestampMillis};

/// Everything that a decision may look at, beside the treaty and the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Nodes sorted by name.
    pub nodes: Vec<Node>,
    /// Claims that wait or hold GPUs, and finished ones whose run alone is not over. Sorted by id.
    pub claims: Claims,
    /// What the books say of each party, in the order of [`MemberId`], class after class in the treaty's order (see
    /// [`crate::books::Books::standings`]); what lies beyond its end has no past.
    pub standings: Vec<Standing>,
    /// Decisions to open a reserve; those that the treaty does not allow, or that have run out, open nothing.
    pub openings: Vec<Opened>,
    /// How members share inside themselves; members that are not here order all their claims by the line.
    pub quotas: Vec<QuotaInForce>,
    /// Tiers of projects in reserves.
    pub awards: Vec<Award>,
}

/// A decision to open a reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The reserve.
    pub reserve: MemberId,
    /// The member that decided.
    pub by: MemberId,
    /// When.
    pub at: TimestampMillis,
}

/// What a party's past says about its borrowing. It never touches a guarantee.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Counts like so many thousandths of a GPU borrowed beside the present ones: decayed past use less lending credit.
    pub handicap_thousandths: i64,
    /// Behind every party that is not: its budget is overdrawn.
    pub last: bool,
    /// Most GPUs that it may borrow at once; `None`: no limit. No claim starts on borrowed GPUs beyond it; what already
    /// runs goes on, because the past is no reason to stop work.
    pub most_borrowed: Option<Gpus>,
    /// When the budget's period ends, and with it `last` and `most_borrowed`: told to people, decides nothing.
    pub until: Option<TimestampMillis>,
}

/// Most GPUs of a node that are believed; the largest machines sold hold fewer than a hundred. A node that reports more
/// is out of order and gets no work, rather than making the engine as large as the number says.
pub const MAX_NODE_GPUS: Gpus = 1024;

/// One node of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: NodeName,
    /// GPUs that can be allocated.
    pub gpus: Gpus,
    /// False for a cordoned or unready node: it takes no new work, what runs on it goes on.
    pub schedulable: bool,
    /// Labels: class, topology, certificates.
    pub labels: Labels,
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
    /// Run time that its owner expects; orders short before long among the claims of one member, never a right.
    pub expected_runtime: Option<DurationMillis>,
    /// GPU class, where the treaty has several.
    pub class: Option<ClassId>,
    /// All of the gang's nodes must lie in one such part of the pool; `None`: as close together as there is room.
    pub within: Option<Level>,
    /// Labels that its nodes must have, beside those of its class: where its data may be processed, for example.
    pub node_labels: Labels,
    /// Institution, project and person inside the member, from the outside in; empty: the member itself.
    pub path: SharePath,
    /// What its applicant states; `None`: nothing, which a treaty without conditions accepts.
    pub applicant: Option<Arc<Applicant>>,
    /// Its start in its member's line alone, once that has happened; see [`crate::engine::alone`].
    pub due: Option<Due>,
    /// Where it stands.
    pub state: ClaimState,
}

/// Names from the outside in, below the member.
pub type SharePath = Arc<[Arc<str>]>;

/// A part of the pool whose nodes are close to each other. Nodes without a label are in one part, the unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nodes with the same labels [`ROW_LABEL`] and [`RACK_LABEL`]: a rack's name counts inside its row.
    Rack,
    /// Nodes with the same label [`ROW_LABEL`].
    Row,
}

/// Label of a node's rack.
pub const RACK_LABEL: &str = "topology.concord.dev/rack";
/// Label of a node's row of racks.
pub const ROW_LABEL: &str = "topology.concord.dev/row";

/// A claim's run in its member's line alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Start.
    pub since: TimestampMillis,
    /// GPUs by node of that line, from 0; these are no nodes of the pool.
    pub places: Vec<(u32, Gpus)>,
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
    /// Waits for GPUs that are kept for it until the borrowers there have left.
    Reserved(Reserved),
    /// Has GPUs.
    Holding(Holding),
    /// Ended in the pool, but not yet in its member's line alone, where it goes on standing in the way of others.
    Finished {
        /// Length of its last, complete run.
        runtime: DurationMillis,
    },
}

/// GPUs that are kept for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// GPUs by node.
    pub slots: Vec<Slot>,
    /// On whose account it will run.
    pub basis: Basis,
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
    /// When it saves its work: only what comes after the last save is lost by a stop.
    pub saves: Saves,
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

impl Claim {
    /// A claim that nobody has decided on yet.
    #[must_use]
    pub fn new(id: ClaimId, member: MemberId, gang: Gang, submitted_at: TimestampMillis) -> Self {
        Self {
            id,
            member,
            gang,
            submitted_at,
            expected_runtime: None,
            class: None,
            within: None,
            node_labels: Labels::default(),
            path: SharePath::default(),
            applicant: None,
            due: None,
            state: ClaimState::Waiting { put_back: false },
        }
    }

    /// How far back a line alone may have to go when an end becomes known late: by one notice at most, if the pods of
    /// who has to leave take no time to end, and these have as much again and ten minutes.
    #[must_use]
    pub const fn line_memory(notice: DurationMillis) -> DurationMillis {
        DurationMillis(notice.0.saturating_mul(2).saturating_add(600_000))
    }

    /// True when nothing of it matters any more: it has ended, and its run alone has ended so long ago that the line
    /// never goes back before that. Until that the caller keeps it in the snapshot.
    #[must_use]
    pub const fn is_forgotten(&self, now: TimestampMillis, notice: DurationMillis) -> bool {
        match (&self.state, &self.due) {
            (ClaimState::Finished { runtime }, Some(due)) => {
                due.since.after(*runtime).after(Self::line_memory(notice)).0 < now.0
            }
            _ => false,
        }
    }

    /// True while it stands in line, with or without GPUs kept for it.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.state, ClaimState::Waiting { .. } | ClaimState::Reserved(_))
    }

    /// What it holds, if it was admitted.
    #[must_use]
    pub const fn holding(&self) -> Option<&Holding> {
        match &self.state {
            ClaimState::Holding(holding) => Some(holding),
            ClaimState::Waiting { .. } | ClaimState::Reserved(_) | ClaimState::Finished { .. } => None,
        }
    }
}

impl Snapshot {
    /// Sorts its parts, so that the order in which the caller saw them cannot matter.
    #[must_use]
    pub fn new(mut nodes: Vec<Node>, mut claims: Vec<Claim>) -> Self {
        nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        claims.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Self { nodes, claims: claims.into(), ..Self::default() }
    }

    /// The same with what the accounts say of each party.
    #[must_use]
    pub fn with_standings(self, standings: Vec<Standing>) -> Self {
        Self { standings, ..self }
    }

    /// The same with how members share inside themselves.
    #[must_use]
    pub fn with_quotas(self, quotas: Vec<QuotaInForce>) -> Self {
        Self { quotas, ..self }
    }

    /// The same with the tiers of projects in reserves.
    #[must_use]
    pub fn with_awards(self, awards: Vec<Award>) -> Self {
        Self { awards, ..self }
    }

    /// Index of a node, if it still exists.
    #[must_use]
    pub fn node_index(&self, name: &NodeName) -> Option<usize> {
        self.nodes.binary_search_by(|n| n.name.cmp(name)).ok()
    }
}

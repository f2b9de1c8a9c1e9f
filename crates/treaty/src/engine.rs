//! The decision engine: state that events change and that [`Engine::settle`] brings to rest.
//!
//! What happens after one event does not grow with the backlog: claims wait apart by shape ([`queue`]), nodes are
//! found by free GPUs ([`space`]), and only members that the event touched are looked at again. [`crate::decide`]
//! builds an engine from a snapshot and settles it once; a simulator keeps one for a whole trace. Both give the same
//! decisions, because everything that decides is in the snapshot (tests/incremental.rs).
//!
//! The rules, in the order of [`Engine::settle`]:
//! 0. [`windows`]: nodes are limited before a window and free after it; what would not be done is told to leave.
//! 1. [`alone`]: each member's line alone goes on; whoever starts there is *due* in the pool.
//! 2. [`accounts`]: what runs is booked: due, inside the guarantee, or borrowed.
//! 3. [`guarantee`]: due claims start, then claims for which the guarantee has room; borrowers in the way are told to
//!    leave ([`reclaim`]) and the place is kept for the claim ([`reservation`]).
//! 4. [`aging`]: who waited too long starts, or gets places that others leave to it.
//! 5. [`surplus`]: what is idle is lent.
//! 6. [`notices`]: who was told to leave and must, or may stay after all.
//!
//! Where: [`topology`] numbers racks and rows, [`gather`] chooses among them, [`site`] keeps what claims ask of nodes.

mod accounts;
mod aging;
pub mod alone;
mod alone_shares;
mod bits;
mod cheapest;
mod counts;
mod events;
mod gather;
mod guarantee;
mod inner_ceilings;
mod inside;
mod job;
mod kept;
mod leavers;
mod line;
mod names;
mod notices;
mod observe;
mod outcome;
mod places;
mod placing;
mod queue;
mod reclaim;
mod reservation;
mod restore;
mod rules;
mod site;
mod space;
mod standings;
mod surplus;
mod topology;
mod waits;
mod windows;

pub use alone::AloneOrder;
pub use events::Event;
pub use job::JobSpec;
pub use rules::{MemberRules, Rules};
pub use topology::NodeSpec;
pub use windows::NodeWindow;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use job::{JobState, Record};
use leavers::LeaversByNode;
use queue::{Job, Queue};
use space::{Place, Space};

use crate::reason::ReclaimReason;
use crate::snapshot::{Basis, Claims, Gang, SharePath};
use crate::units::{ClaimId, Gpus, MemberId, TimestampMillis};

/// What the engine wants done, in the order in which it decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start the claim on these nodes.
    Start {
        /// Claim.
        job: u32,
        /// On whose account.
        basis: Basis,
    },
    /// Keep GPUs for the claim until the borrowers on them have left.
    Reserve {
        /// Claim.
        job: u32,
    },
    /// The claim no longer waits for kept GPUs.
    Unreserve {
        /// Claim.
        job: u32,
    },
    /// Tell a borrower to leave.
    Notice {
        /// Borrower.
        job: u32,
        /// Latest end.
        deadline: TimestampMillis,
        /// Why.
        reason: ReclaimReason,
    },
    /// It may stay after all.
    Withdraw {
        /// Borrower.
        job: u32,
    },
    /// Stop the claim now and put it back in line; tell [`Engine::released`] when its GPUs are free.
    Stop {
        /// Claim.
        job: u32,
        /// Why.
        reason: ReclaimReason,
    },
    /// Book a running claim differently.
    Rebook {
        /// Claim.
        job: u32,
        /// New basis.
        to: Basis,
    },
    /// The claim started in its member's line alone: it is due from then on.
    Due {
        /// Claim.
        job: u32,
        /// When.
        since: TimestampMillis,
    },
    /// The line alone, made anew, has not started the claim yet.
    NoLongerDue {
        /// Claim.
        job: u32,
    },
    /// The claim ended in its member's line alone: nothing of it matters any more.
    Forgotten {
        /// Claim.
        job: u32,
    },
}

/// One pool under one treaty.
#[derive(Debug, Clone)]
pub struct Engine {
    rules: Rules,
    space: Space,
    nodes: Vec<NodeState>,
    leavers: LeaversByNode,
    jobs: Vec<Record>,
    /// The first of them come from a snapshot, which keeps what they ask; sorted by name.
    restored: Claims,
    /// How often a claim was looked at.
    looked_at: Cell<u64>,
    members: Vec<MemberState>,
    now: i64,
    /// Something became free since the last settling: claims that found no place may find one.
    freed: bool,
    /// Claims for which GPUs are kept.
    reserved: BTreeSet<Job>,
    /// Claims that were told to leave, by deadline.
    deadlines: BTreeSet<(i64, Job)>,
    /// Claims that were stopped and still hold their GPUs.
    stopping: BTreeSet<Job>,
    /// Who waited too long, and what is kept for them.
    aging: aging::Aging,
    /// Nodes that belong to somebody else from a time on.
    windows: windows::Windows,
    /// Claims that were told to leave before this decision and that it has let stay so far, with their deadlines.
    withdrawn: BTreeMap<Job, i64>,
    /// Claims that this decision has started.
    started: Vec<Job>,
    actions: Vec<Action>,
}

#[derive(Debug, Clone, Default)]
struct NodeState {
    capacity: Gpus,
    /// Claims with GPUs here.
    holders: Vec<Job>,
    /// What is kept here as it becomes free, the most urgent first.
    kept: Vec<kept::Kept>,
}

#[derive(Debug, Clone)]
struct MemberState {
    alone: alone::AloneLine,
    queue: Queue,
    /// The member's own tree, where the same claims wait apart by element.
    inside: Option<inside::Inside>,
    /// GPUs held and reserved, on any basis.
    used: Gpus,
    /// Part of `used` that is due or inside the guarantee.
    safe: Gpus,
    /// Due claims that wait, by submission.
    owed: BTreeSet<(i64, Job)>,
    /// Those of them that have a place as soon as the member's own work has made room below the ceiling.
    below_ceiling: Vec<Job>,
    /// Running claims inside the guarantee, by submission.
    guaranteed: BTreeSet<(i64, Job)>,
    /// Running borrowers, by submission.
    borrowed: BTreeSet<(i64, Job)>,
    /// Something changed that may let its guarantee act.
    touched: bool,
    /// The guarantee has room by number, but no node had the shape.
    fragmented: bool,
}

impl Engine {
    /// An empty pool of which nothing is known but the GPUs of each node, in the order of the nodes' names.
    #[must_use]
    pub fn new(rules: Rules, capacities: &[Gpus]) -> Self {
        let nodes: Vec<NodeSpec> = capacities.iter().copied().map(NodeSpec::from).collect();
        Self::with_nodes(rules, &nodes)
    }

    /// An empty pool of these nodes, in the order of their names.
    #[must_use]
    pub fn with_nodes(rules: Rules, nodes: &[NodeSpec]) -> Self {
        let space = Space::of_pool(nodes);
        let cell = space.cell();
        let shares = |index: usize| rules.inside.get(index).cloned().unwrap_or_default();
        let member = |(index, m): (usize, &MemberRules)| MemberState {
            alone: alone::AloneLine::new(rules.alone_order, m.guarantee, cell).with_shares(shares(index)),
            queue: Queue::default(),
            inside: shares(index).tree.map(inside::Inside::new),
            used: 0,
            safe: 0,
            owed: BTreeSet::new(),
            below_ceiling: Vec::new(),
            guaranteed: BTreeSet::new(),
            borrowed: BTreeSet::new(),
            touched: true,
            fragmented: false,
        };
        let members = rules.members.iter().enumerate().map(member).collect();
        let node = |spec: &NodeSpec| NodeState { capacity: spec.gpus, ..NodeState::default() };
        Self {
            space,
            nodes: nodes.iter().map(node).collect(),
            leavers: LeaversByNode::new(nodes.len()),
            jobs: Vec::new(),
            restored: Claims::default(),
            looked_at: Cell::new(0),
            members,
            rules,
            now: i64::MIN,
            freed: true,
            reserved: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            stopping: BTreeSet::new(),
            aging: aging::Aging::default(),
            windows: windows::Windows::default(),
            withdrawn: BTreeMap::new(),
            started: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// Decides once, and returns what is to be done. Call it until nothing is: the same as deciding anew on the
    /// snapshot that comes of it.
    pub fn settle(&mut self, now: TimestampMillis) -> Vec<Action> {
        self.now = now.0;
        self.withdraw_idle_notices();
        self.pass_window_edges();
        self.advance_lines_alone();
        self.book_running();
        self.serve_guarantees();
        self.serve_aged();
        self.lend_surplus();
        self.carry_out_notices();
        self.withdrawn.clear();
        for job in self.started.drain(..) {
            self.jobs[job as usize].has_just_started = false;
        }
        // What one rule did may be what another waits for.
        if self.actions.is_empty() {
            for member in &mut self.members {
                member.touched = false;
            }
            self.freed = false;
        }
        std::mem::take(&mut self.actions)
    }

    /// Next time at which something is to be decided without an event from outside: a line alone goes on, a notice
    /// runs out, a window has to be told of or is over, or a claim has waited too long.
    #[must_use]
    pub fn next_alarm(&self) -> Option<TimestampMillis> {
        let lines = self.members.iter().filter_map(|m| m.alone.next_end());
        lines
            .chain(self.next_deadline())
            .chain(self.windows.next_edge())
            .chain(self.next_aging())
            .min()
            .map(TimestampMillis)
    }

    /// GPUs that the claim holds or that are kept for it, by node.
    #[must_use]
    pub fn places(&self, job: u32) -> &[Place] {
        &self.jobs[job as usize].places
    }

    /// Number of nodes.
    #[must_use]
    pub const fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// GPUs in use, by member.
    #[must_use]
    pub fn used(&self, member: MemberId) -> Gpus {
        self.members[member.index()].used
    }

    /// How often the engine has looked at a claim so far: what a decision costs, without a clock.
    #[must_use]
    pub const fn looked_at(&self) -> u64 {
        self.looked_at.get()
    }

    fn record(&self, job: Job) -> &Record {
        self.looked_at.set(self.looked_at.get() + 1);
        &self.jobs[job as usize]
    }

    fn member_of(&mut self, job: Job) -> &mut MemberState {
        let member = self.jobs[job as usize].spec.member;
        &mut self.members[member.index()]
    }

    fn state(&self, job: Job) -> &JobState {
        &self.record(job).state
    }
}

/// What claims ask, which a snapshot keeps for those that it has.
impl Engine {
    fn name(&self, job: Job) -> &ClaimId {
        self.jobs[job as usize]
            .later
            .as_ref()
            .map_or_else(|| &self.restored[job as usize].id, |spec| &spec.id)
    }

    fn path(&self, job: Job) -> &SharePath {
        let later = self.jobs[job as usize].later.as_ref();
        later.map_or_else(|| &self.restored[job as usize].path, |spec| &spec.path)
    }

    fn gang(&self, job: Job) -> Gang {
        let later = self.jobs[job as usize].later.as_ref();
        later.map_or_else(|| self.restored[job as usize].gang, |spec| spec.gang)
    }
}

impl Engine {
    /// When the claim ends, or ended, in its member's line alone; `None` while that is not known.
    #[must_use]
    pub fn alone_end(&self, job: u32) -> Option<i64> {
        let record = self.record(job);
        match (record.due_since, &record.state) {
            (Some(since), JobState::Finished { runtime }) => Some(since.saturating_add(*runtime)),
            _ => None,
        }
    }
}

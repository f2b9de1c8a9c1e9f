//! A large pool by fixed rules: members that hold it all, three quarters of them with a backlog, gangs as in the ITP
//! trace.

use concord_treaty::document::{Document, GuaranteeDocument, LineDocument, MemberDocument, ReclaimDocument};
use concord_treaty::plan::Plan;
use concord_treaty::snapshot::{Claim, ClaimState, Gang, Holding, Node, Phase, Snapshot};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, DurationMillis, Labels, MemberId, NodeName, TimestampMillis};

pub const NODE_GPUS: u32 = 8;
/// Every claim was submitted before.
pub const NOW: TimestampMillis = TimestampMillis(30 * 24 * 3_600_000);

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub members: u16,
    pub nodes: u32,
    pub pending: usize,
}

/// The size that the aims speak of.
pub const LARGE: Size = Size { members: 200, nodes: 12_500, pending: 100_000 };

/// Numbers that look random and are the same everywhere (splitmix64).
#[derive(Debug, Clone)]
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// 83 % ask 1 GPU, 3 % 2, 3 % 4, 10 % 8, the rest 2 to 8 whole nodes.
    pub fn gang(&mut self) -> Gang {
        let (pods, gpus_per_pod) = match self.below(100) {
            0..83 => (1, 1),
            83..86 => (1, 2),
            86..89 => (1, 4),
            89..99 => (1, NODE_GPUS),
            _ => (2 << self.below(3), NODE_GPUS),
        };
        Gang { pods, gpus_per_pod }
    }

    /// A member with work: the first three quarters, the first of them with the most.
    pub fn member(&mut self, size: Size) -> MemberId {
        let busy = u64::from(size.members).saturating_mul(3).div_ceil(4).max(1);
        let at_most = self.below(busy) + 1;
        MemberId(u16::try_from(self.below(at_most)).unwrap())
    }

    /// From ten minutes to a day and a half.
    pub fn runtime(&mut self) -> DurationMillis {
        DurationMillis::from_seconds(600 << self.below(8))
    }

    /// A claim submitted before [`NOW`]; its name says nothing about when.
    pub fn claim(&mut self, size: Size, number: usize) -> Claim {
        let (member, gang) = (self.member(size), self.gang());
        let submitted_at = TimestampMillis(i64::try_from(self.below(NOW.0.unsigned_abs())).unwrap());
        let id = ClaimId::from(format!("m{:03}/train-{number:07}", member.0).as_str());
        Claim { expected_runtime: Some(self.runtime()), ..Claim::new(id, member, gang, submitted_at) }
    }
}

/// Guarantees that add up to the pool in whole nodes, some twice as large as others.
pub fn treaty(size: Size) -> Treaty {
    let members = u32::from(size.members);
    let weight = |member: u32| 1 + member % 2;
    let all: u32 = (0..members).map(weight).sum();
    let mut given = 0;
    let member = |index: u32| {
        let last = index + 1 == members;
        let nodes = if last { size.nodes - given } else { size.nodes * weight(index) / all };
        given += nodes;
        MemberDocument {
            name: format!("m{index}"),
            guarantee: GuaranteeDocument::of_gpus(i64::from(nodes * NODE_GPUS)),
            ..MemberDocument::default()
        }
    };
    let document = Document {
        title: "large".to_owned(),
        members: (0..members).map(member).collect(),
        reclaim: ReclaimDocument { notice_seconds: 60, ..ReclaimDocument::default() },
        line: Some(LineDocument { alone: None, shortest_first: true, aging_hours: None }),
        ..Document::default()
    };
    Treaty::validate(&document).unwrap()
}

fn nodes(size: Size) -> Vec<Node> {
    let node = |index| Node {
        name: NodeName::from(format!("gpu-{index:05}").as_str()),
        gpus: NODE_GPUS,
        schedulable: true,
        labels: Labels::default(),
    };
    (0..size.nodes).map(node).collect()
}

/// Nothing runs, everybody waits.
pub fn empty_pool(size: Size) -> Snapshot {
    with_claims(size, size.pending)
}

fn with_claims(size: Size, count: usize) -> Snapshot {
    let mut draw = Draw(1);
    let claims = (0..count).map(|number| draw.claim(size, number)).collect();
    Snapshot::new(nodes(size), claims)
}

/// Everything that can start has started, a quarter of it on what idle members lend, and nothing more can.
pub fn full_pool(size: Size, decide: impl Fn(&Snapshot) -> Plan) -> Snapshot {
    let could_start = (size.nodes * NODE_GPUS) as usize;
    let mut snapshot = with_claims(size, size.pending + could_start);
    let mut draw = Draw(2);
    loop {
        let plan = decide(&snapshot);
        if plan.is_quiet() {
            break;
        }
        apply(&mut snapshot, &plan, &mut draw);
    }
    // Only the first of those who wait have come yet: whoever would be next in a line is still there.
    let waiting = snapshot.claims.iter().filter(|c| c.is_waiting());
    let mut arrivals: Vec<TimestampMillis> = waiting.map(|c| c.submitted_at).collect();
    arrivals.sort_unstable();
    let last = arrivals[size.pending - 1];
    snapshot.claims.retain(|claim| !claim.is_waiting() || claim.submitted_at <= last);
    snapshot
}

/// Makes starts and what is due true; a pool that was empty sees nothing else. Who runs has begun at some time of the
/// last day.
fn apply(snapshot: &mut Snapshot, plan: &Plan, draw: &mut Draw) {
    assert!(plan.notices.is_empty() && plan.stops.is_empty() && plan.reservations.is_empty());
    let at = |claims: &[Claim], id: &ClaimId| claims.binary_search_by(|c| c.id.cmp(id)).unwrap();
    for start in &plan.due {
        let index = at(&snapshot.claims, &start.claim);
        snapshot.claims[index].due = Some(start.due.clone());
    }
    for admission in &plan.admissions {
        let index = at(&snapshot.claims, &admission.claim);
        snapshot.claims[index].state = ClaimState::Holding(Holding {
            slots: admission.slots.clone(),
            basis: admission.basis,
            since: TimestampMillis(NOW.0 - i64::try_from(draw.below(24 * 3_600_000)).unwrap()),
            phase: Phase::Running,
            promised_to: None,
            saves: Default::default(),
        });
    }
    for change in &plan.basis_changes {
        let index = at(&snapshot.claims, &change.claim);
        if let ClaimState::Holding(holding) = &mut snapshot.claims[index].state {
            holding.basis = change.to;
        }
    }
}

//! A situation and a plan for it, both written by hand.

use concord_treaty::check::check;
use concord_treaty::document::Document;
use concord_treaty::plan::{Admission, BasisChange, DueStart, Notice, Plan, Reservation, Stop, Wait};
use concord_treaty::reason::{ReclaimReason, WaitReason};
use concord_treaty::snapshot::{
    Basis, Claim, ClaimState, Due, Gang, Holding, Phase, Reserved, Slot, Snapshot,
};
use concord_treaty::units::{ClaimId, DurationMillis, MemberId, TimestampMillis};

use crate::support::{document, gang, nodes, snapshot, treaty, waiting};

/// Reclaim notice, in milliseconds.
pub const NOTICE: i64 = 60_000;
/// Now, in milliseconds.
pub const NOW: i64 = 1_000_000;

pub struct Scene {
    pub document: Document,
    pub snapshot: Snapshot,
    pub plan: Plan,
}

/// GPUs on nodes by index.
pub type On<'a> = &'a [(usize, u32)];

impl Scene {
    /// Members 0, 1 and 2 with a guarantee of 8 each, on three nodes of 8.
    pub fn new() -> Self {
        Self {
            document: document(&[8, 8, 8], NOTICE / 1000),
            snapshot: snapshot(&nodes(3, 8), &[]),
            plan: Plan::default(),
        }
    }

    pub fn broken(&self) -> Vec<&'static str> {
        let found = check(&treaty(&self.document), &self.snapshot, TimestampMillis(NOW), &self.plan);
        found.iter().map(|violation| violation.rule).collect()
    }

    /// The plan breaks nothing, or just this rule.
    #[track_caller]
    pub fn keeps_or_breaks(&self, rule: &'static str, lawful: bool) {
        assert_eq!(self.broken(), if lawful { vec![] } else { vec![rule] });
    }

    pub fn slots(&self, on: On) -> Vec<Slot> {
        let slot = |&(node, gpus): &(usize, u32)| {
            let name = self.snapshot.nodes.get(node).map_or("gone".into(), |n| n.name.clone());
            Slot { node: name, gpus }
        };
        on.iter().map(slot).collect()
    }

    pub fn claim(&mut self, id: &str) -> &mut Claim {
        self.snapshot.claims.iter_mut().find(|c| &*c.id.0 == id).unwrap()
    }

    pub fn holding_mut(&mut self, id: &str) -> Option<&mut Holding> {
        match &mut self.claim(id).state {
            ClaimState::Holding(holding) => Some(holding),
            _ => None,
        }
    }

    fn add(&mut self, id: &str, member: u16, gang: Gang, state: ClaimState) -> &mut Claim {
        let claims = &mut self.snapshot.claims;
        claims.push(Claim { state, ..waiting(id, member, gang, 0) });
        claims.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        self.claim(id)
    }

    /// A claim that waits, without a word about it in the plan.
    pub fn arrives(&mut self, id: &str, member: u16, gang: Gang) {
        self.add(id, member, gang, ClaimState::Waiting { put_back: false });
    }

    /// A claim that goes on waiting.
    pub fn waits(&mut self, id: &str, member: u16, gang: Gang) {
        self.arrives(id, member, gang);
        self.plan.waits.push(Wait { claim: id.into(), place: 1, reason: WaitReason::KeptByOwners });
    }

    /// A claim that waits, with GPUs kept for it.
    pub fn has_kept(&mut self, id: &str, member: u16, on: On, basis: Basis) {
        let (gang, slots) = (gang_on(on), self.slots(on));
        self.waits(id, member, gang);
        self.claim(id).state = ClaimState::Reserved(Reserved { slots, basis });
    }

    /// A claim that runs since 0.
    pub fn runs(&mut self, id: &str, member: u16, on: On, basis: Basis) -> &mut Holding {
        let (gang, slots, since) = (gang_on(on), self.slots(on), TimestampMillis(0));
        let holding = Holding {
            slots,
            basis,
            since,
            phase: Phase::Running,
            promised_to: None,
            saves: Default::default(),
        };
        let claim = self.add(id, member, gang, ClaimState::Holding(holding));
        if let ClaimState::Holding(holding) = &mut claim.state { holding } else { unreachable!() }
    }

    /// A claim whose work is done, and which stands in the line alone.
    pub fn finished(&mut self, id: &str, member: u16, gang: Gang, runtime: i64) {
        self.add(id, member, gang, ClaimState::Finished { runtime: DurationMillis(runtime) });
    }

    /// The plan starts a new claim, as large as its places.
    pub fn starts(&mut self, id: &str, member: u16, on: On, basis: Basis) {
        self.arrives(id, member, gang_on(on));
        self.admits(id, on, basis);
    }

    /// The plan starts a claim that waits.
    pub fn admits(&mut self, id: &str, on: On, basis: Basis) {
        let slots = self.slots(on);
        self.plan.admissions.push(Admission { claim: id.into(), slots, basis });
    }

    /// The plan keeps GPUs for a claim that waits.
    pub fn keeps(&mut self, id: &str, on: On, basis: Basis) {
        let slots = self.slots(on);
        self.plan.reservations.push(Reservation { claim: id.into(), kept: Reserved { slots, basis } });
    }

    /// The plan tells a claim to leave at a time after now.
    pub fn tells(&mut self, id: &str, in_millis: i64, reason: ReclaimReason) {
        self.plan.notices.push(Notice {
            claim: id.into(),
            deadline: TimestampMillis(NOW + in_millis),
            reason,
        });
    }

    pub fn stops(&mut self, id: &str, reason: ReclaimReason) {
        self.plan.stops.push(Stop { claim: id.into(), reason, to_front: true });
    }

    pub fn books(&mut self, id: &str, to: Basis) {
        self.plan.basis_changes.push(BasisChange { claim: id.into(), to });
    }

    /// The claim is due since a time before now; known before the plan.
    pub fn is_due(&mut self, id: &str, millis_ago: i64, places: &[(u32, u32)]) {
        self.claim(id).due = Some(due(millis_ago, places));
    }

    /// The plan makes the claim due.
    pub fn makes_due(&mut self, id: &str, millis_ago: i64, places: &[(u32, u32)]) {
        self.plan.due.push(DueStart { claim: id.into(), due: due(millis_ago, places) });
    }
}

fn due(millis_ago: i64, places: &[(u32, u32)]) -> Due {
    Due { since: TimestampMillis(NOW - millis_ago), places: places.to_vec() }
}

/// One pod a place, all alike.
fn gang_on(on: On) -> Gang {
    gang(u32::try_from(on.len()).unwrap(), on.first().map_or(1, |(_, gpus)| *gpus))
}

pub fn for_guarantee(member: u16, claim: &str) -> ReclaimReason {
    ReclaimReason::GuaranteeOf { member: MemberId(member), claim: ClaimId::from(claim) }
}

//! One engine that takes note of events as they happen, and one built anew from a snapshot for each decision, decide the
//! same: everything that decides is in the snapshot.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeMap;

use concord_treaty::engine::{Action, AloneOrder, Engine, Event, JobSpec, MemberRules, Rules};
use concord_treaty::reason::ReclaimReason;
use concord_treaty::snapshot::{
    Basis, Claim, ClaimState, Due, Gang, Holding, Phase, Reserved, Slot, Standing,
};
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, MemberId, NodeName, TimestampMillis};
use proptest::prelude::*;
use support::pool::Pool;
use support::{cases, document, gang};

const NODE_GPUS: Gpus = 4;

#[derive(Debug, Clone)]
enum Happening {
    Submit(u16, Gang, Option<i64>),
    Finish(usize),
    Cancel(usize),
    Release(usize),
    Wait(i64),
    LoseNode(usize),
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let any_gang = prop_oneof![
        4 => (1..=2_u32, 1..=2_u32).prop_map(|(pods, gpus)| gang(pods, gpus)),
        2 => (1..=3_u32).prop_map(|pods| gang(pods, NODE_GPUS)),
    ];
    prop_oneof![
        6 => (0..3_u16, any_gang, proptest::option::of(1..5_000_i64)).prop_map(|(m, g, e)| Happening::Submit(m, g, e)),
        4 => (0..20_usize).prop_map(Happening::Finish),
        1 => (0..20_usize).prop_map(Happening::Cancel),
        2 => (0..20_usize).prop_map(Happening::Release),
        3 => (0..3_000_i64).prop_map(Happening::Wait),
        1 => (0..20_usize).prop_map(Happening::LoseNode),
    ]
}

/// Rules and the number of nodes.
fn any_rules() -> impl Strategy<Value = (Rules, usize)> {
    let member = (0..=2_u32, proptest::option::of(0..=2_u32), 0..=1_u32).prop_map(|(cells, above, keep)| {
        MemberRules {
            guarantee: cells * NODE_GPUS,
            ceiling: above.map_or(Gpus::MAX, |above| (cells * NODE_GPUS + above * 2).max(1)),
            keep: (keep * NODE_GPUS).min(cells * NODE_GPUS),
            weight: u64::from((cells * NODE_GPUS).max(1)),
            closed: None,
            standing: Standing::default(),
        }
    });
    let members = proptest::collection::vec(member, 1..=3);
    (members, 0..=2_i64, prop_oneof![Just(0_i64), Just(1_500_i64)], any::<bool>(), any::<bool>(), 0..=2_usize)
        .prop_map(|(members, notice, minimum_run, first_fit, shortest_first, extra)| {
            let nodes = members.iter().map(|m| m.guarantee / NODE_GPUS).sum::<Gpus>() as usize + extra;
            let rules = Rules {
                members,
                notice: DurationMillis::from_seconds(notice),
                least_notice: DurationMillis(0),
                minimum_run: DurationMillis(minimum_run),
                aging: None,
                inside: Vec::new(),
                alone_order: if first_fit { AloneOrder::FirstFit } else { AloneOrder::Submission },
                shortest_first,
            };
            (rules, nodes.max(1))
        })
}

/// The same pool twice: `pool` is decided from snapshots, `seen` is what came of the actions of `engine`.
struct Twins {
    rules: Rules,
    pool: Pool,
    engine: Engine,
    seen: BTreeMap<ClaimId, Claim>,
    ids: Vec<ClaimId>,
    node_names: Vec<NodeName>,
    /// Whether a stopped claim goes to the front once its pods are gone.
    to_front: BTreeMap<ClaimId, bool>,
}

impl Twins {
    fn new(rules: Rules, nodes: usize, linger: bool) -> Self {
        let guarantees: Vec<i64> = rules.members.iter().map(|m| i64::from(m.guarantee)).collect();
        let mut pool = Pool::new(document(&guarantees, rules.notice.0 / 1000), nodes, NODE_GPUS);
        pool.pods_linger = linger;
        Self {
            engine: Engine::new(rules.clone(), &vec![NODE_GPUS; nodes]),
            node_names: pool.snapshot.nodes.iter().map(|n| n.name.clone()).collect(),
            rules,
            pool,
            seen: BTreeMap::new(),
            ids: Vec::new(),
            to_front: BTreeMap::new(),
        }
    }

    fn job(&self, id: &ClaimId) -> u32 {
        u32::try_from(self.ids.iter().position(|known| known == id).unwrap()).unwrap()
    }

    fn nth(&self, nth: usize, filter: impl Fn(&Claim) -> bool) -> Option<ClaimId> {
        let of: Vec<&Claim> = self.pool.snapshot.claims.iter().filter(|c| filter(c)).collect();
        of.get(nth % of.len().max(1)).map(|c| c.id.clone())
    }

    fn happen(&mut self, happening: &Happening) {
        self.pool.now += 1;
        let at = TimestampMillis(self.pool.now);
        match happening {
            Happening::Submit(member, gang, expected) => {
                let member = member % u16::try_from(self.rules.members.len()).unwrap();
                let id = format!("c{:06}", self.pool.now);
                self.pool.submit(&id, member, *gang, *expected);
                let claim = self.pool.claim(&id).unwrap().clone();
                let spec = JobSpec {
                    expected_runtime: claim.expected_runtime,
                    ..JobSpec::new(claim.id.clone(), MemberId(member), *gang, at)
                };
                self.ids.push(claim.id.clone());
                self.seen.insert(claim.id.clone(), claim);
                self.engine.apply(Event::Submitted(spec));
            }
            Happening::Finish(nth) => {
                let Some(id) = self.nth(*nth, |c| c.holding().is_some_and(|h| h.phase != Phase::Stopping))
                else {
                    return;
                };
                self.pool.finish(&id.0);
                self.seen.remove(&id);
                self.engine.apply(Event::Finished { job: self.job(&id), at });
            }
            Happening::Cancel(nth) => {
                let Some(id) = self.nth(*nth, Claim::is_waiting) else { return };
                self.pool.cancel(&id.0);
                self.seen.remove(&id);
                self.engine.apply(Event::Finished { job: self.job(&id), at });
            }
            Happening::Release(nth) => {
                let Some(id) = self.nth(*nth, |c| c.holding().is_some_and(|h| h.phase == Phase::Stopping))
                else {
                    return;
                };
                let waiting = ClaimState::Waiting { put_back: self.to_front[&id] };
                self.pool.claim(&id.0).unwrap().state = waiting.clone();
                self.seen.get_mut(&id).unwrap().state = waiting;
                self.engine.apply(Event::Released { job: self.job(&id) });
            }
            Happening::Wait(millis) => self.pool.now += millis,
            Happening::LoseNode(nth) if self.pool.snapshot.nodes.len() > 1 => {
                let index = nth % self.pool.snapshot.nodes.len();
                let name = self.pool.snapshot.nodes[index].name.clone();
                self.pool.lose_node(index);
                let node = self.node_names.iter().position(|known| *known == name).unwrap();
                self.engine.apply(Event::Lost { node: u32::try_from(node).unwrap() });
            }
            Happening::LoseNode(_) => {}
        }
    }

    fn slots(&self, job: u32) -> Vec<Slot> {
        let slot = |&(node, gpus): &(u32, Gpus)| Slot { node: self.node_names[node as usize].clone(), gpus };
        self.engine.places(job).iter().map(slot).collect()
    }

    fn act(&mut self, action: &Action) {
        let (Action::Start { job, .. }
        | Action::Reserve { job }
        | Action::Unreserve { job }
        | Action::Notice { job, .. }
        | Action::Withdraw { job }
        | Action::Stop { job, .. }
        | Action::Rebook { job, .. }
        | Action::Due { job, .. }
        | Action::NoLongerDue { job }
        | Action::Forgotten { job }) = *action;
        let slots = self.slots(job);
        let id = self.ids[job as usize].clone();
        let Some(claim) = self.seen.get_mut(&id) else { return };
        let since = TimestampMillis(self.pool.now);
        match (action, &mut claim.state) {
            (Action::Start { basis, .. }, state) => {
                let phase = Phase::Running;
                *state = ClaimState::Holding(Holding {
                    slots,
                    basis: *basis,
                    since,
                    phase,
                    promised_to: None,
                    saves: Default::default(),
                });
            }
            (Action::Reserve { .. }, state) => {
                *state = ClaimState::Reserved(Reserved { slots, basis: Basis::Guaranteed });
            }
            (Action::Unreserve { .. }, state) => *state = ClaimState::Waiting { put_back: false },
            (Action::Notice { deadline, reason, .. }, ClaimState::Holding(holding)) => {
                holding.phase = Phase::Noticed { deadline: *deadline };
                holding.promised_to = match reason {
                    ReclaimReason::GuaranteeOf { claim, .. } => Some(claim.clone()),
                    _ => None,
                };
            }
            (Action::Withdraw { .. }, ClaimState::Holding(holding)) => {
                (holding.phase, holding.promised_to) = (Phase::Running, None);
            }
            (Action::Rebook { to, .. }, ClaimState::Holding(holding)) => holding.basis = *to,
            (Action::Due { since, .. }, _) => claim.due = Some(Due { since: *since, places: Vec::new() }),
            (Action::NoLongerDue { .. }, _) => claim.due = None,
            (Action::Stop { reason, .. }, state) => {
                let to_front = match reason {
                    ReclaimReason::GuaranteeOf { member, .. } => *member != claim.member,
                    ReclaimReason::NodeLost => true,
                    _ => false,
                };
                if let (true, ClaimState::Holding(holding)) = (self.pool.pods_linger, &mut *state) {
                    holding.phase = Phase::Stopping;
                    self.to_front.insert(id, to_front);
                } else {
                    *state = ClaimState::Waiting { put_back: to_front };
                    self.engine.released(job);
                }
            }
            _ => {}
        }
    }

    /// One decision of each; true when neither had anything to do.
    fn decide(&mut self) -> bool {
        let (now, notice) = (TimestampMillis(self.pool.now), self.rules.notice);
        self.pool.snapshot.claims.retain(|c| !c.is_forgotten(now, notice));
        let mut anew = Engine::restore(self.rules.clone(), &self.pool.snapshot, now);
        anew.settle(now);
        let plan = anew.plan_since(&self.pool.snapshot);
        self.pool.apply(&plan);
        let actions = self.engine.settle(now);
        for action in &actions {
            self.act(action);
        }
        plan.is_quiet() && actions.is_empty()
    }

    /// What both have come to, comparable: the account of a reservation follows from its claim, and what matters of a
    /// stopped claim is that it is.
    fn states(&self) -> (Vec<Claim>, Vec<Claim>) {
        let plain = |claim: &Claim| {
            let mut claim = claim.clone();
            if let Some(due) = &mut claim.due {
                due.places.clear();
            }
            match &mut claim.state {
                ClaimState::Reserved(kept) => kept.basis = Basis::Guaranteed,
                ClaimState::Holding(holding) if holding.phase == Phase::Stopping => {
                    (holding.promised_to, holding.basis) = (None, Basis::Borrowed);
                }
                _ => {}
            }
            claim
        };
        let ended = |c: &&Claim| !matches!(c.state, ClaimState::Finished { .. });
        let anew = self.pool.snapshot.claims.iter().filter(ended).map(plain).collect();
        (anew, self.seen.values().map(plain).collect())
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn an_engine_that_goes_on_decides_like_one_built_anew(
        (rules, nodes) in any_rules(),
        linger in any::<bool>(),
        happenings in proptest::collection::vec(any_happening(), 1..60),
    ) {
        let mut twins = Twins::new(rules, nodes, linger);
        for happening in &happenings {
            twins.happen(happening);
            let mut decisions = 0;
            while !twins.decide() {
                decisions += 1;
                prop_assert!(decisions < 500, "decisions do not come to rest");
            }
            let (anew, gone_on) = twins.states();
            for (anew, gone_on) in anew.iter().zip(&gone_on) {
                prop_assert_eq!(anew, gone_on, "at {}", twins.pool.now);
            }
            prop_assert_eq!(anew.len(), gone_on.len());
        }
    }
}

//! Properties of decisions in pools of racks and rows, with claims that ask for a place, held against brute force.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod support;

use std::collections::BTreeSet;

use concord_treaty::check::check;
use concord_treaty::plan::{Admission, Plan};
use concord_treaty::reason::{ReclaimReason, WaitReason};
use concord_treaty::snapshot::{
    Basis, Claim, ClaimState, Gang, Level, Node, Phase, RACK_LABEL, ROW_LABEL, Slot, Snapshot,
};
use concord_treaty::units::{ClaimId, Labels, TimestampMillis};
use proptest::prelude::*;
use support::history::{self, Event as Usual};
use support::pool::Pool;
use support::*;

const NODE_GPUS: u32 = 4;

#[derive(Debug, Clone)]
struct Wish {
    within: Option<Level>,
    data: bool,
}

#[derive(Debug, Clone)]
enum Event {
    /// A member submits a gang that asks for a place.
    Submit(u16, Gang, Wish),
    /// What happens to any pool.
    Usual(Usual),
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let within = prop_oneof![2 => Just(None), 2 => Just(Some(Level::Rack)), 1 => Just(Some(Level::Row))];
    (within, prop::bool::weighted(0.3)).prop_map(|(within, data)| Wish { within, data })
}

fn any_gang() -> impl Strategy<Value = Gang> {
    prop_oneof![
        2 => (1..=2_u32, 1..=2_u32).prop_map(|(p, g)| gang(p, g)),
        4 => (1..=4_u32).prop_map(|p| gang(p, NODE_GPUS)),
    ]
}

fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..3_u16, any_gang(), any_wish()).prop_map(|(m, g, w)| Event::Submit(m, g, w)),
        3 => (0..20_usize).prop_map(|nth| Event::Usual(Usual::Finish(nth))),
        2 => (0..20_usize).prop_map(|nth| Event::Usual(Usual::Release(nth))),
        2 => (0..3_000_i64).prop_map(|millis| Event::Usual(Usual::Wait(millis))),
        1 => (0..20_usize).prop_map(|nth| Event::Usual(Usual::Cordon(nth))),
    ];
    prop::collection::vec(event, 1..40)
}

/// Nodes with rack, row and the label that data ask for, each of which may be missing; guarantees worth at most them.
fn any_pool() -> impl Strategy<Value = Pool> {
    let node = (0..3_u8, 0..3_u8, prop::bool::weighted(0.6));
    let guarantees = prop::collection::vec(0..=3_i64, 1..=3);
    (prop::collection::vec(node, 3..=8), guarantees, 0..=1_i64).prop_map(|(drawn, cells, notice)| {
        let mut left = i64::try_from(drawn.len()).unwrap();
        let mut guarantee = |cells: i64| {
            let cells = cells.min(left);
            left -= cells;
            cells * i64::from(NODE_GPUS)
        };
        let cells: Vec<i64> = cells.into_iter().map(&mut guarantee).collect();
        let mut pool = Pool::new(document(&cells, notice), drawn.len(), NODE_GPUS);
        for (node, (rack, row, data)) in pool.snapshot.nodes.iter_mut().zip(drawn) {
            let (rack, row) = (format!("rack=r{rack}"), format!("row=w{row}"));
            // The first of each stands for no label.
            let pairs = [(&*rack, rack != "rack=r0"), (&*row, row != "row=w0"), ("data=here", data)];
            node.labels = labels(pairs.into_iter().filter(|(_, has)| *has).map(|(pair, _)| pair));
        }
        pool
    })
}

fn happen(pool: &mut Pool, event: &Event) {
    match event {
        Event::Submit(member, gang, wish) => {
            pool.now += 1;
            let member = member % u16::try_from(pool.document.members.len()).unwrap();
            let id = format!("c{:06}", pool.now);
            pool.submit(&id, member, *gang, None);
            let wanted = if wish.data { labels(["data=here"]) } else { Labels::default() };
            pool.wish(&id, wish.within, wanted);
        }
        Event::Usual(event) => history::happen(pool, event),
    }
}

fn settle(pool: &mut Pool) -> Result<Plan, TestCaseError> {
    pool.settle(|_, _| ()).map_err(TestCaseError::fail)
}

fn slots(claim: &Claim) -> &[Slot] {
    match &claim.state {
        ClaimState::Holding(h) => &h.slots,
        ClaimState::Reserved(r) => &r.slots,
        ClaimState::Waiting { .. } | ClaimState::Finished { .. } => &[],
    }
}

/// GPUs by node that takes work, which nobody holds and which are kept for nobody.
fn idle(snapshot: &Snapshot, beside: impl Fn(&Claim) -> bool) -> Vec<u32> {
    let used = |node: &Node| -> u32 {
        let slots = snapshot.claims.iter().filter(|c| !beside(c)).flat_map(slots);
        slots.filter(|s| s.node == node.name).map(|s| s.gpus).sum()
    };
    snapshot.nodes.iter().map(|n| if n.schedulable { n.gpus.saturating_sub(used(n)) } else { 0 }).collect()
}

/// How far apart nodes are: 0 in one rack, 1 in one row, 2 in several.
fn spread<'n>(nodes: impl Iterator<Item = &'n Node>) -> usize {
    let place = |n: &'n Node| (n.labels.get(ROW_LABEL), n.labels.get(RACK_LABEL));
    let places: BTreeSet<_> = nodes.map(place).collect();
    let rows: BTreeSet<_> = places.iter().map(|(row, _)| row).collect();
    usize::from(places.len() > 1) + usize::from(rows.len() > 1)
}

fn most_spread(claim: &Claim) -> usize {
    match claim.within {
        Some(Level::Rack) => 0,
        Some(Level::Row) => 1,
        None => 2,
    }
}

/// Brute force over all sets of nodes: how close together could the gang lie now? `None`: it has no place.
fn closest(snapshot: &Snapshot, free: &[u32], claim: &Claim) -> Option<usize> {
    let (wanted, each) = match claim.gang.whole_nodes(NODE_GPUS).ok()? {
        None => (1, claim.gang.gpus()),
        Some(nodes) => (nodes, NODE_GPUS),
    };
    let has_labels = |n: &Node| claim.node_labels.iter().all(|(k, v)| n.labels.get(k) == Some(v));
    let able: Vec<&Node> = snapshot
        .nodes
        .iter()
        .zip(free)
        .filter(|(n, free)| **free >= each && has_labels(n))
        .map(|(n, _)| n)
        .collect();
    let sets = (0_u32..1 << able.len()).filter(|set| set.count_ones() == wanted);
    let chosen =
        |set: u32| able.iter().enumerate().filter(move |(i, _)| set & (1 << i) != 0).map(|(_, n)| *n);
    sets.map(|set| spread(chosen(set))).filter(|spread| *spread <= most_spread(claim)).min()
}

fn claim<'a>(snapshot: &'a Snapshot, id: &ClaimId) -> &'a Claim {
    snapshot.claims.iter().find(|c| c.id == *id).unwrap()
}

/// Who is told to leave for a claim that would have its place without that.
fn in_vain(before: &Snapshot, plan: &Plan) -> Vec<ClaimId> {
    let mut in_vain = Vec::new();
    for reservation in &plan.reservations {
        let told =
            plan.notices.iter().filter(|n| n.promised_to() == Some(&reservation.claim)).map(|n| &n.claim);
        let stopped = plan.stops.iter().filter(
            |s| matches!(&s.reason, ReclaimReason::GuaranteeOf { claim, .. } if *claim == reservation.claim),
        );
        let sent: Vec<&ClaimId> = told.chain(stopped.map(|s| &s.claim)).collect();
        for stays in &sent {
            let free = idle(before, |c| sent.contains(&&c.id) && c.id != **stays);
            let mut slots = reservation.kept.slots.iter();
            if slots.all(|s| free[before.node_index(&s.node).unwrap()] >= s.gpus) {
                in_vain.push((*stays).clone());
            }
        }
    }
    in_vain
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// The judge has no objection, decisions come to rest, and whoever lies somewhere lies where it may.
    #[test]
    fn claims_lie_where_they_ask(mut pool in any_pool(), linger in any::<bool>(), events in any_events()) {
        pool.pods_linger = linger;
        for event in &events {
            happen(&mut pool, event);
            settle(&mut pool)?;
            for claim in &pool.snapshot.claims {
                let nodes = || slots(claim).iter().map(|s| &pool.snapshot.nodes[pool.snapshot.node_index(&s.node).unwrap()]);
                prop_assert!(spread(nodes()) <= most_spread(claim), "{claim:?}");
                prop_assert!(nodes().all(|n| claim.node_labels.iter().all(|(k, v)| n.labels.get(k) == Some(v))), "{claim:?}");
            }
        }
    }

    /// Nobody waits beside a place that it could have: in particular a claim that asks for a place hides no other.
    #[test]
    fn idle_places_are_used(mut pool in any_pool(), events in any_events()) {
        for event in &events {
            happen(&mut pool, event);
            let plan = settle(&mut pool)?;
            for wait in plan.waits.iter().filter(|w| w.reason != WaitReason::WaitingForReclaim) {
                let waiting = claim(&pool.snapshot, &wait.claim);
                let place = closest(&pool.snapshot, &idle(&pool.snapshot, |_| false), waiting);
                prop_assert!(place.is_none(), "{} waits for {:?} beside a place", wait.claim, wait.reason);
                if let WaitReason::NoSuchPlace(_) = wait.reason {
                    prop_assert_eq!(closest(&pool.snapshot, &idle(&pool.snapshot, |_| true), waiting), None);
                }
            }
        }
    }

    /// A claim that alone is decided about lies as close together as any choice of idle nodes would.
    #[test]
    fn gangs_lie_as_close_together_as_there_is_room(mut pool in any_pool(), events in any_events()) {
        for event in &events {
            happen(&mut pool, event);
            let mut far = None;
            pool.settle(|pool, plan| {
                let [Admission { claim: id, slots, .. }] = plan.admissions.as_slice() else { return };
                let waiting = claim(&pool.snapshot, id);
                if !matches!(waiting.state, ClaimState::Waiting { .. }) || !plan.reservations.is_empty() || !plan.releases.is_empty() {
                    return;
                }
                let nodes = slots.iter().map(|s| &pool.snapshot.nodes[pool.snapshot.node_index(&s.node).unwrap()]);
                let best = closest(&pool.snapshot, &idle(&pool.snapshot, |_| false), waiting);
                let seen = Some(spread(nodes));
                far = far.take().or((seen != best).then(|| format!("{id} on {slots:?}: {seen:?}, not {best:?}")));
            }).map_err(TestCaseError::fail)?;
            prop_assert_eq!(far, None);
        }
    }

    /// While a member uses less than its guarantee, a claim of it that fits the difference gets a place, unless none is
    /// as it asks even with every borrower gone who may be sent away.
    #[test]
    fn a_guarantee_is_kept_as_far_as_the_place_allows(mut pool in any_pool(), events in any_events()) {
        for event in &events {
            happen(&mut pool, event);
            let plan = settle(&mut pool)?;
            let treaty = pool.treaty();
            for wait in plan.waits.iter().filter(|w| w.reason != WaitReason::WaitingForReclaim) {
                let waiting = claim(&pool.snapshot, &wait.claim);
                let of_member = pool.snapshot.claims.iter().filter(|c| c.member == waiting.member);
                let used: u32 = of_member.flat_map(slots).map(|s| s.gpus).sum();
                if used + waiting.gang.gpus() > treaty.member(waiting.member).guarantee {
                    continue;
                }
                let could_leave = |c: &Claim| c.holding().is_some_and(|h| h.phase == Phase::Running
                    && h.basis == Basis::Borrowed && (c.member != waiting.member || c.submitted_at > waiting.submitted_at));
                let mut free = idle(&pool.snapshot, could_leave);
                for (node, free) in pool.snapshot.nodes.iter().zip(&mut free) {
                    let kept = |c: &Claim| matches!(&c.state, ClaimState::Reserved(r) if r.slots.iter().any(|s| s.node == node.name));
                    *free = if pool.snapshot.claims.iter().any(kept) { 0 } else { *free };
                }
                // By submission, nobody passes an earlier claim of its member that asks for nothing.
                let behind = plan.waits.iter().any(|w| w.place < wait.place && claim(&pool.snapshot, &w.claim).member == waiting.member);
                prop_assert!(behind || closest(&pool.snapshot, &free, waiting).is_none(), "{} waits for {:?}", wait.claim, wait.reason);
            }
        }
    }

    /// Of those told to leave for one claim, none could stay: whatever happens.
    #[test]
    fn nobody_leaves_in_vain(mut pool in any_pool(), events in any_events()) {
        pool.pods_linger = true;
        for event in &events {
            happen(&mut pool, event);
            let plan = pool.decide().map_err(TestCaseError::fail)?;
            prop_assert_eq!(in_vain(&pool.snapshot, &plan), Vec::new());
            settle(&mut pool)?;
        }
    }

    /// The same on nodes full of borrowers, all of which the guarantee of another member covers.
    #[test]
    fn nobody_leaves_a_full_pool_in_vain(mut pool in any_pool(), borrowers in prop::collection::vec((1..=NODE_GPUS, 0..100_i64), 6..30), claims in prop::collection::vec((any_gang(), any_wish()), 1..4)) {
        pool.snapshot.nodes.truncate(4);
        pool.document = document(&[i64::from(NODE_GPUS) * i64::try_from(pool.snapshot.nodes.len()).unwrap(), 0], 1);
        for (gpus, millis) in borrowers {
            let wish = Wish { within: None, data: false };
            happen(&mut pool, &Event::Submit(1, gang(1, gpus), wish));
            settle(&mut pool)?;
            pool.now += millis;
        }
        for (gang, wish) in claims {
            happen(&mut pool, &Event::Submit(0, gang, wish));
            let plan = pool.decide().map_err(TestCaseError::fail)?;
            prop_assert_eq!(in_vain(&pool.snapshot, &plan), Vec::new());
            settle(&mut pool)?;
        }
    }

    /// Where nothing is known of places, asking for one rack changes nothing.
    #[test]
    fn a_pool_without_labels_is_one_rack(count in 1..=6_usize, events in any_events()) {
        let cells = i64::from(NODE_GPUS) * i64::try_from(count / 2).unwrap();
        let mut asked = Pool::new(document(&[cells, cells], 1), count, NODE_GPUS);
        let mut plain = Pool::new(document(&[cells, cells], 1), count, NODE_GPUS);
        for event in &events {
            let event = match event {
                Event::Submit(m, g, wish) => Event::Submit(*m, *g, Wish { data: false, ..wish.clone() }),
                other => other.clone(),
            };
            happen(&mut asked, &event);
            happen(&mut plain, &match event {
                Event::Submit(m, g, _) => Event::Submit(m, g, Wish { within: None, data: false }),
                other => other,
            });
            let (mut seen, mut expected) = (Vec::new(), Vec::new());
            asked.settle(|_, plan| seen.push(plan.clone())).map_err(TestCaseError::fail)?;
            plain.settle(|_, plan| expected.push(plan.clone())).map_err(TestCaseError::fail)?;
            prop_assert_eq!(seen, expected);
        }
    }
}

/// A pool of two racks of two nodes, the first node of each fit for data.
fn two_racks() -> Vec<Node> {
    let node = |(i, node): (usize, Node)| {
        let mut pairs = vec![if i < 2 { "rack=r1" } else { "rack=r2" }];
        pairs.extend((i % 2 == 0).then_some("data=here"));
        Node { labels: labels(pairs), ..node }
    };
    nodes(4, NODE_GPUS).into_iter().enumerate().map(node).collect()
}

fn judged(claim: Claim, plan: Plan) -> Vec<&'static str> {
    let treaty = treaty(&document(&[16], 60));
    let found = check(&treaty, &snapshot(&two_racks(), &[claim]), TimestampMillis(0), &plan);
    found.into_iter().map(|violation| violation.rule).collect()
}

fn started(id: &str, on: &[usize]) -> Plan {
    let slots = on.iter().map(|&i| Slot { node: two_racks()[i].name.clone(), gpus: NODE_GPUS }).collect();
    let admission = Admission { claim: ClaimId::from(id), slots, basis: Basis::Borrowed };
    Plan { admissions: vec![admission], ..Plan::default() }
}

#[test]
fn the_judge_refuses_a_gang_in_two_racks_and_nodes_without_the_labels() {
    let asked = |within, data| Claim {
        within,
        node_labels: if data { labels(["data=here"]) } else { Labels::default() },
        ..waiting("c", 0, gang(2, NODE_GPUS), 0)
    };
    assert!(judged(asked(Some(Level::Rack), false), started("c", &[0, 1])).is_empty());
    assert!(judged(asked(Some(Level::Row), true), started("c", &[0, 2])).is_empty());
    assert_eq!(judged(asked(Some(Level::Rack), false), started("c", &[1, 2])), ["NotTogether"]);
    assert_eq!(judged(asked(None, true), started("c", &[0, 1])), ["WrongLabels"]);
    assert_eq!(judged(asked(Some(Level::Rack), true), started("c", &[0, 3])), ["WrongLabels", "NotTogether"]);
}

#[test]
fn the_judge_refuses_a_promise_to_a_claim_that_asks_for_a_place() {
    let due = concord_treaty::snapshot::Due { since: TimestampMillis(0), places: vec![(0, 4), (1, 4)] };
    let due = vec![concord_treaty::plan::DueStart { claim: ClaimId::from("c"), due }];
    let asked = Claim { within: Some(Level::Rack), ..waiting("c", 0, gang(2, NODE_GPUS), 0) };
    assert_eq!(judged(asked, Plan { due, ..started("c", &[0, 1]) }), ["DueSomewhere"]);
}

#[test]
fn a_reason_says_what_place_is_missing() {
    let mut pool = Pool::new(document(&[16, 0], 60), 0, 0);
    pool.snapshot.nodes = two_racks();
    for id in ["one-rack", "other-rack"] {
        pool.submit(id, 0, gang(1, NODE_GPUS), None);
        pool.wish(id, None, labels(["data=here"]));
    }
    settle(&mut pool).unwrap();
    pool.now = 1;
    let wishes =
        [("a", 3, Some(Level::Rack), false), ("b", 2, Some(Level::Rack), true), ("c", 1, None, true)];
    for (id, pods, within, data) in wishes {
        pool.submit(id, 1, gang(pods, NODE_GPUS), None);
        pool.wish(id, within, if data { labels(["data=here"]) } else { labels(["data=elsewhere"]) });
    }
    pool.submit("d", 1, gang(2, NODE_GPUS), None);
    pool.wish("d", Some(Level::Rack), Labels::default());
    let plan = settle(&mut pool).unwrap();
    let said = |w: &concord_treaty::plan::Wait| {
        let sentence = w.reason.sentence(&pool.treaty(), claim(&pool.snapshot, &w.claim).gang.gpus());
        format!("{} {}: {sentence}", w.claim, w.reason.code())
    };
    let said: Vec<String> = plan.waits.iter().map(said).collect();
    assert_eq!(
        said,
        [
            "a NoSuchPlace: needs 3 whole nodes labelled data=elsewhere in one rack; no rack has one; submit a smaller gang or ask for less",
            "b NoSuchPlace: needs 2 whole nodes labelled data=here in one rack; no rack has more than 1; submit a smaller gang or ask for less",
            "c PlaceTaken: needs one node labelled data=here with 4 free GPUs, and such nodes are in use; starts when jobs there end",
            "d PlaceTaken: needs 2 whole nodes in one rack; no rack has more than 1 free now; starts when jobs there end",
        ]
    );
}

/// Found by the fault test "node not ready for a while": the kept place stood, and every plan was refused from then on.
#[test]
fn what_is_kept_on_a_node_that_takes_no_more_work_is_kept_elsewhere() {
    let mut pool = Pool::new(document(&[4, 0], 60), 2, NODE_GPUS);
    let whole_node = |pool: &mut Pool, id: &str, member| pool.submit(id, member, gang(1, NODE_GPUS), None);
    whole_node(&mut pool, "borrower-1", 1);
    whole_node(&mut pool, "borrower-2", 1);
    settle(&mut pool).unwrap();
    pool.now = 1;
    whole_node(&mut pool, "guaranteed", 0);
    settle(&mut pool).unwrap();
    let kept = slots(claim(&pool.snapshot, &ClaimId::from("guaranteed")))[0].node.clone();
    let first = pool.snapshot.node_index(&kept).unwrap();

    pool.cordon(first);
    settle(&mut pool).unwrap();
    let now = &slots(claim(&pool.snapshot, &ClaimId::from("guaranteed")))[0].node;
    assert_ne!(*now, kept);
    let told = pool.snapshot.claims.iter().filter(|c| c.holding().is_some_and(|h| h.phase != Phase::Running));
    let told: Vec<_> = told.map(|c| slots(c)[0].node.clone()).collect();
    assert_eq!(told, std::slice::from_ref(now), "only who is where it will start leaves");
}

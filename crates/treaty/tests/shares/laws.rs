//! Whatever happens, no plan breaks what members allow inside themselves, and decisions come to rest.

use concord_treaty::decide::decide;
use concord_treaty::document::MemberQuotaDocument;
use concord_treaty::quota::QuotaInForce;
use concord_treaty::reason::WaitReason;
use concord_treaty::snapshot::{SharePath, Snapshot};
use concord_treaty::units::{MemberId, TimestampMillis};
use proptest::prelude::*;

use crate::support::history::{self, Event as Usual};
use crate::support::pool::Pool;
use crate::support::{document, gang, with_ceiling};
use crate::trees::{any_path, any_quota, in_force, limits, sums, valid};

#[derive(Debug, Clone)]
enum Event {
    /// A person of the member submits a pod of so many GPUs.
    Submit(u16, SharePath, u32, Option<i64>),
    /// The member's admins write another quota, or take it back.
    Requota(usize, Option<MemberQuotaDocument>),
    /// What happens to any pool.
    Usual(Usual),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..2_u16, any_path(), 1..=4_u32, proptest::option::of(1..5_000_i64)).prop_map(|(m, p, g, e)| Event::Submit(m, p, g, e)),
        3 => (0..20_usize).prop_map(|nth| Event::Usual(Usual::Finish(nth))),
        1 => (0..20_usize).prop_map(|nth| Event::Usual(Usual::Cancel(nth))),
        2 => (0..20_usize).prop_map(|nth| Event::Usual(Usual::Release(nth))),
        3 => (0..3_000_i64).prop_map(|millis| Event::Usual(Usual::Wait(millis))),
        1 => (0..20_usize).prop_map(|nth| Event::Usual(Usual::LoseNode(nth))),
        1 => (0..20_usize).prop_map(|nth| Event::Usual(Usual::Cordon(nth))),
        1 => (0..2_usize, proptest::option::of(any_quota(true))).prop_map(|(m, q)| Event::Requota(m, q)),
    ]
}

fn happen(pool: &mut Pool, event: &Event) {
    match event {
        Event::Submit(member, path, gpus, expected) => {
            pool.now += 1;
            let id = format!("c{:06}", pool.now);
            pool.submit(&id, *member, gang(1, *gpus), *expected);
            pool.claim(&id).unwrap().path = path.clone();
        }
        Event::Requota(member, quota) => {
            pool.now += 1;
            let member = MemberId(u16::try_from(*member).unwrap());
            let (quota, since) = (quota.as_ref().map(valid), TimestampMillis(pool.now));
            pool.snapshot.quotas.retain(|q| q.member != member);
            pool.snapshot.quotas.push(QuotaInForce { member, quota, since });
        }
        Event::Usual(event) => history::happen(pool, event),
    }
}

fn start(cells: (i64, i64), ceiling: Option<i64>, notice: i64, linger: bool) -> Pool {
    let mut document = document(&[cells.0 * 4, cells.1 * 4], notice);
    if let Some(above) = ceiling {
        document = with_ceiling(document, 0, cells.0 * 4 + above);
    }
    let mut pool = Pool::new(document, usize::try_from(cells.0 + cells.1).unwrap().max(1), 4);
    pool.pods_linger = linger;
    pool
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

    /// The judge finds nothing, the order of sight does not matter, decisions end.
    #[test]
    fn every_plan_is_lawful(cells in (0..=2_i64, 0..=2_i64), ceiling in proptest::option::of(0..=4_i64), notice in 0..=2_i64, linger in any::<bool>(), quotas in (any_quota(true), any_quota(true)), events in proptest::collection::vec(any_event(), 1..50)) {
        let mut pool = start(cells, ceiling, notice, linger);
        pool.snapshot.quotas = vec![in_force(0, &quotas.0), in_force(1, &quotas.1)];
        for event in &events {
            happen(&mut pool, event);
            let mut differing = None;
            pool.settle(|pool, plan| {
                let Snapshot { mut nodes, claims, quotas, .. } = pool.snapshot.clone();
                let mut claims = claims.to_vec();
                nodes.reverse();
                claims.reverse();
                let seen = Snapshot::new(nodes, claims).with_quotas(quotas.into_iter().rev().collect());
                let again = decide(&pool.treaty(), &seen, TimestampMillis(pool.now));
                differing = differing.take().or((again != *plan).then_some(again));
            }).map_err(TestCaseError::fail)?;
            prop_assert_eq!(differing, None);
        }
    }

    /// No ceiling is ever exceeded, and who is told that one holds it up is held up by that one.
    #[test]
    fn ceilings_hold_and_reasons_are_true(cells in (0..=2_i64, 0..=2_i64), notice in 0..=2_i64, linger in any::<bool>(), quota in any_quota(true), events in proptest::collection::vec(any_event(), 1..50)) {
        let mut pool = start(cells, None, notice, linger);
        pool.snapshot.quotas = vec![in_force(0, &quota)];
        for event in events.iter().filter(|e| !matches!(e, Event::Requota(..))) {
            happen(&mut pool, event);
            let plan = pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
            let sums = sums(&pool, MemberId(0));
            for (part, used) in sums.iter().filter(|(part, _)| !part.is_empty()) {
                let most = limits(&quota, part).2;
                prop_assert!(most.is_none_or(|most| *used <= most), "{part:?} uses {used} of {most:?}");
            }
            for wait in &plan.waits {
                prop_assert!(!matches!(wait.reason, WaitReason::CeilingReached(_)), "no member has a ceiling");
                let (limit, for_ever) = match &wait.reason {
                    WaitReason::ShareCeilingReached(limit) => (limit, false),
                    WaitReason::ExceedsShareCeiling(limit) => (limit, true),
                    _ => continue,
                };
                let claim = pool.snapshot.claims.iter().find(|c| c.id == wait.claim).unwrap();
                let most = limits(&quota, &limit.path).2.unwrap();
                prop_assert_eq!(u64::from(limit.most), most);
                prop_assert!(claim.path.starts_with(&limit.path));
                // Due claims that wait there hold the room back for themselves.
                let due = pool.snapshot.claims.iter().filter(|c| c.is_waiting() && c.due.is_some() && c.path.starts_with(&limit.path));
                let held_back: u64 = due.map(|c| u64::from(c.gang.gpus())).sum();
                let used = sums.get(&limit.path.to_vec()).copied().unwrap_or(0) + held_back;
                let size = u64::from(claim.gang.gpus());
                prop_assert!(if for_ever { size > most } else { used + size > most }, "{} is not held up by {limit:?}", wait.claim);
            }
        }
    }
}

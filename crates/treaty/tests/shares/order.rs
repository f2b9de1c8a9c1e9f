//! Whose claim is next, against an oracle that looks at every claim for every start; and what the order is for.

use std::sync::Arc;

use concord_treaty::accounts::shares::{Claimant, share};
use concord_treaty::document::MemberQuotaDocument;
use concord_treaty::engine::{Action, Engine, JobSpec, Rules};
use concord_treaty::quota::{PartyShares, ShareTree};
use concord_treaty::snapshot::{Claim, SharePath};
use concord_treaty::units::{MemberId, TimestampMillis};
use proptest::prelude::*;

use crate::support::pool::Pool;
use crate::support::{document, gang, treaty, waiting};
use crate::trees::{
    INSTITUTIONS, any_path, any_quota, gpus, in_force, institution, limits, path, quota, sums, uses, valid,
};

const MEMBER: MemberId = MemberId(0);

/// A member without a guarantee on one node, so that everything is borrowed and every free GPU fits.
fn pool_of(quota: &MemberQuotaDocument, gpus: u32, claims: &[(SharePath, u32)]) -> Pool {
    let mut pool = Pool::new(document(&[0, 0], 0), 1, gpus);
    pool.snapshot.quotas = vec![in_force(0, quota)];
    for (index, (path, size)) in claims.iter().enumerate() {
        let mut claim = waiting(&format!("c{index:03}"), 0, gang(1, *size), i64::try_from(index).unwrap());
        claim.path = path.clone();
        pool.snapshot.claims.push(claim);
    }
    pool.now = 1000;
    pool
}

/// Who starts, in order of the choice: down the tree, by looking at everything anew each time.
fn oracle(quota: &MemberQuotaDocument, capacity: u32, claims: &[Claim]) -> Vec<usize> {
    let mut started: Vec<usize> = Vec::new();
    let used = |started: &[usize], part: &[Arc<str>]| -> u64 {
        let inside = started.iter().filter(|&&i| claims[i].path.starts_with(part));
        inside.map(|&i| u64::from(claims[i].gang.gpus())).sum()
    };
    loop {
        let fits = |i: usize| {
            let size = u64::from(claims[i].gang.gpus());
            let path = &claims[i].path;
            let below = |length: usize| {
                let part = &path[..length];
                limits(quota, part).2.is_none_or(|most| used(&started, part) + size <= most)
            };
            used(&started, &[]) + size <= u64::from(capacity) && (1..=path.len()).all(below)
        };
        let mut candidates: Vec<usize> =
            (0..claims.len()).filter(|i| !started.contains(i) && fits(*i)).collect();
        for depth in 0..3 {
            // Claims without a further name stand together as one sibling that has no name.
            let name = |i: usize| claims[i].path.get(depth).cloned().unwrap_or_else(|| Arc::from(""));
            let ended = |i: usize| claims[i].path.len() <= depth;
            let Some(best) = candidates.iter().copied().min_by(|&a, &b| {
                let rank = |i: usize| {
                    let (weight, floor, now) = if ended(i) {
                        let own = |&&s: &&usize| claims[s].path == claims[i].path;
                        let own: u64 =
                            started.iter().filter(own).map(|&s| u64::from(claims[s].gang.gpus())).sum();
                        (1, 0, own)
                    } else {
                        let part = &claims[i].path[..=depth];
                        let (weight, floor, _) = limits(quota, part);
                        (weight, floor, used(&started, part))
                    };
                    (now >= floor, now, weight, name(i))
                };
                let (a, b) = (rank(a), rank(b));
                a.0.cmp(&b.0).then((a.1 * b.2).cmp(&(b.1 * a.2))).then(a.3.cmp(&b.3))
            }) else {
                return started;
            };
            let chosen = name(best);
            candidates.retain(|&i| name(i) == chosen);
            if ended(best) {
                break;
            }
        }
        started.push(candidates[0]);
    }
}

fn started(pool: &Pool) -> Vec<String> {
    pool.snapshot.claims.iter().filter(|c| uses(c)).map(|c| c.id.to_string()).collect()
}

fn any_claims() -> impl Strategy<Value = Vec<(SharePath, u32)>> {
    proptest::collection::vec((any_path(), 1..4_u32), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_next_claim_is_that_of_the_oracle(quota in any_quota(true), capacity in 1..40_u32, claims in any_claims()) {
        let mut pool = pool_of(&quota, capacity, &claims);
        let mut expected: Vec<String> = oracle(&quota, capacity, &pool.snapshot.claims).into_iter().map(|i| format!("c{i:03}")).collect();
        expected.sort();
        pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
        prop_assert_eq!(started(&pool), expected);
    }

    /// An engine that is kept and told of every claim starts the same as one made from what was observed.
    #[test]
    fn a_kept_engine_decides_the_same(quota in any_quota(true), capacity in 1..40_u32, claims in any_claims()) {
        let mut pool = pool_of(&quota, capacity, &claims);
        let tree = Some(Arc::new(ShareTree::of_quota(&valid(&quota), None)));
        let rules = Rules::of(&treaty(&pool.document), &[]).with_shares_inside(vec![PartyShares { tree, ..PartyShares::default() }]);
        let mut engine = Engine::new(rules, &[capacity]);
        let mut found = Vec::new();
        for claim in &pool.snapshot.claims {
            engine.submit(JobSpec { path: claim.path.clone(), ..JobSpec::new(claim.id.clone(), claim.member, claim.gang, claim.submitted_at) });
        }
        for action in engine.settle(TimestampMillis(pool.now)) {
            if let Action::Start { job, .. } = action {
                found.push(format!("c{job:03}"));
            }
        }
        found.sort();
        pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
        prop_assert_eq!(found, started(&pool));
    }

    /// Floors first, then max-min up to one gang: with gangs of one size nobody got its last gang while a sibling that
    /// still waits was worse off by as much; with equal weights everybody is within one gang of the exact share.
    #[test]
    fn floors_first_then_max_min_up_to_one_gang(quota in any_quota(false), size in 1..4_u32, number in 1..14_u32, names in proptest::collection::vec(0..3_usize, 1..40), equal in any::<bool>()) {
        let mut quota = quota;
        if equal {
            for institution in &mut quota.institutions {
                institution.weight = Some(1);
                // A floor that is no number of whole gangs is passed by a part of one.
                let floor = institution.guarantee.as_ref().and_then(|g| g.gpus);
                institution.guarantee = gpus(floor.map(|f| f / i64::from(size) * i64::from(size)));
            }
        }
        let claims: Vec<(SharePath, u32)> = names.iter().map(|&i| (path(&[INSTITUTIONS[i]]), size)).collect();
        let capacity = u64::from(size * number);
        let mut pool = pool_of(&quota, size * number, &claims);
        pool.settle(|_, _| ()).map_err(TestCaseError::fail)?;
        let sums = sums(&pool, MEMBER);
        let size = u64::from(size);
        let of = |name: &str| {
            let part = path(&[name]).to_vec();
            let (weight, floor, _) = limits(&quota, &part);
            let demand = size * names.iter().filter(|&&i| INSTITUTIONS[i] == name).count() as u64;
            (sums.get(&part).copied().unwrap_or(0), weight, floor, demand)
        };
        for (rich, poor) in INSTITUTIONS.iter().flat_map(|r| INSTITUTIONS.iter().map(move |p| (r, p))).filter(|(r, p)| r != p) {
            let ((has, weight, floor, _), (poor_has, poor_weight, poor_floor, poor_demand)) = (of(rich), of(poor));
            if has == 0 || poor_has == poor_demand {
                continue;
            }
            let before = has - size;
            prop_assert!(before < floor || poor_has >= poor_floor, "{rich} went on above its floor while {poor} was below its own");
            let same_side = (before < floor) == (poor_has < poor_floor);
            prop_assert!(!same_side || before * poor_weight <= poor_has * weight, "{rich} has {has}, {poor} {poor_has}");
        }
        if equal {
            let claimants: Vec<Claimant> = INSTITUTIONS.iter().map(|name| {
                let (_, weight, floor, demand) = of(name);
                Claimant { weight, floor, ceiling: u64::MAX, demand }
            }).collect();
            if claimants.iter().map(|c| c.floor.min(c.demand)).sum::<u64>() <= capacity {
                for (name, exact) in INSTITUTIONS.iter().zip(share(capacity, &claimants)) {
                    prop_assert!(of(name).0.abs_diff(exact) <= size, "{name} has {}, the exact share is {exact}", of(name).0);
                }
            }
        }
    }

    /// What happens inside one institution changes nothing in another: its projects and persons may be any.
    #[test]
    fn another_institution_may_arrange_itself_as_it_likes(quota in any_quota(false), capacity in 1..30_u32, claims in proptest::collection::vec(any_path(), 1..40), others in proptest::collection::vec(any_path(), 40)) {
        let claims: Vec<(SharePath, u32)> = claims.into_iter().filter(|p| !p.is_empty()).map(|p| (p, 1)).collect();
        let mut arranged = claims.clone();
        for ((mine, _), other) in arranged.iter_mut().zip(&others).filter(|((p, _), _)| *p[0] == *"b") {
            let inner: Vec<&str> = ["b"].into_iter().chain(other.iter().skip(1).map(|n| &**n)).collect();
            *mine = path(&inner);
        }
        let starts = |claims: &[(SharePath, u32)]| {
            let mut pool = pool_of(&quota, capacity, claims);
            pool.settle(|_, _| ()).map(|_| {
                let elsewhere = pool.snapshot.claims.iter().filter(|c| uses(c) && *c.path[0] != *"b");
                (elsewhere.map(|c| c.id.clone()).collect::<Vec<_>>(), started(&pool).len())
            })
        };
        prop_assert_eq!(starts(&claims).map_err(TestCaseError::fail)?, starts(&arranged).map_err(TestCaseError::fail)?);
    }
}

/// The starvation of a naive hierarchy (Bhattacharya et al., `H-DRF`, `SoCC`'13 §3): what is blocked inside keeps its
/// parent's use low, the parent stays first, and its blocked child is asked for ever. Here the sibling beside what is
/// blocked gets all that its parent is worth, and the other parent its own.
#[test]
fn what_is_blocked_starves_neither_its_siblings_nor_others() {
    let mut a = institution("a", 1, None, None);
    a.projects = vec![crate::trees::project("a-x", 1, Some(1)), crate::trees::project("a-y", 1, None)];
    let quota = quota(vec![a, institution("b", 1, None, None)], None);
    // a-x may use 1 GPU only and asks for 2 at a time: none of it can ever start.
    let mut claims = vec![(path(&["a", "a-x"]), 2); 20];
    claims.extend(vec![(path(&["a", "a-y"]), 1); 20]);
    claims.extend(vec![(path(&["b"]), 1); 20]);
    let mut pool = pool_of(&quota, 16, &claims);
    pool.settle(|_, _| ()).unwrap();
    let sums = sums(&pool, MEMBER);
    let of = |names: &[&str]| sums.get(&path(names).to_vec()).copied().unwrap_or(0);
    assert_eq!((of(&["a", "a-x"]), of(&["a", "a-y"]), of(&["b"])), (0, 8, 8));
}

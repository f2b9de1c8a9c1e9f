//! Treaty and claims -> JSON, CSV: golden files, reviewed as text.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use concord_api::{ClaimBasis, ClaimPhase};
use concord_quota_api::pool_use::{Freshness, PoolUse};
use jiff::Timestamp;
use support::objects::{Answered, claim, claims, treaties};

fn freshness() -> Freshness {
    Freshness { as_of: "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap(), live: true }
}

#[test]
fn json() {
    let pool = PoolUse::of(&treaties(), &claims(), freshness());
    insta::assert_snapshot!(serde_json::to_string_pretty(&pool).unwrap());
}

#[test]
fn csv() {
    insta::assert_snapshot!(PoolUse::of(&treaties(), &claims(), freshness()).csv().unwrap());
}

#[test]
fn sums_of_members_are_the_sums_of_the_pool() {
    let pool = PoolUse::of(&treaties(), &claims(), freshness());
    let sum: i64 = pool.members.iter().map(|m| m.used.used_gpus()).sum();
    assert_eq!(sum, pool.total.used_gpus());
    assert_eq!(pool.members.iter().map(|m| m.used.queued_gpus).sum::<i64>(), pool.total.queued_gpus);
    assert_eq!((pool.total.used_gpus(), pool.total.queued_claims), (12, 2));
}

#[test]
fn without_a_treaty_in_force_claims_are_still_counted() {
    let pool = PoolUse::of(&treaties()[..1], &claims(), freshness());
    assert_eq!((pool.treaty, pool.capacity_gpus, pool.total.used_gpus()), (None, None, 12));
    assert!(pool.members.iter().all(|m| !m.in_treaty));
}

#[test]
fn a_reserve_has_an_account_like_a_member() {
    let mut all = treaties();
    let reserve = serde_json::json!([{"name": "public", "size": {"gpus": 4}}]);
    all[1].spec.reserves = serde_json::from_value(reserve).unwrap();
    let held = claim("public", "runs", 2).holding(ClaimBasis::Guaranteed, ClaimPhase::Admitted);
    let pool = PoolUse::of(&all, &[held], freshness());
    let public = pool.members.last().unwrap();
    assert_eq!((public.name.as_str(), public.in_treaty, public.guarantee_gpus), ("public", true, Some(4)));
    assert_eq!(public.used.used_gpus(), 2);
}

#[test]
fn absurd_numbers_do_not_overflow() {
    let mut huge = claim("north", "huge", i64::MAX);
    huge.status = None;
    let pool = PoolUse::of(&treaties(), &[huge.clone(), huge], freshness());
    assert_eq!(pool.total.queued_gpus, i64::MAX);
}

//! The decision: who starts where, who must leave, and why everybody else waits.
//!
//! One call looks at the whole pool, because sharing couples all claims. It is a pure function of its arguments:
//! no clock, no randomness, no I/O, and the order in which claims were seen does not matter. What the treaty says now
//! is worked out by [`crate::terms`]; the rules are in [`crate::engine`]. This builds an engine for each class of GPUs
//! from the snapshot, lets it settle once and says what is different.
//!
//! A stop frees GPUs only when its pods are gone, so a caller observes and decides again until [`Plan::is_quiet`].

use std::borrow::Cow;

use crate::engine::{Engine, NodeWindow, Rules};
use crate::plan::{Plan, Wait};
use crate::reason::WaitReason;
use crate::snapshot::{Claim, ClaimState, Snapshot};
use crate::terms::{Pool, Terms};
use crate::treaty::Treaty;
use crate::units::TimestampMillis;

/// Decides what happens now. Same arguments, same plan, to the byte.
#[must_use]
pub fn decide(treaty: &Treaty, snapshot: &Snapshot, now: TimestampMillis) -> Plan {
    let terms = Terms::at(treaty, snapshot, now);
    let mut plan = Plan::default();
    for pool in &terms.pools {
        let mut part = pool.part(snapshot);
        plan.waits.extend(set_aside_refused(pool, &mut part));
        let rules = Rules::of(&pool.treaty, &part.standings).with_shares_inside(pool.shares_inside(&part));
        let mut engine = Engine::restore(rules, &part, now);
        engine.set_windows(pool.windows.iter().map(|w| NodeWindow::of(w, &part.nodes)).collect());
        engine.settle(now);
        plan.append(engine.plan_since(&part));
    }
    if terms.pools.iter().all(|pool| pool.class.is_some()) {
        let nowhere = snapshot.claims.iter().filter(|c| c.is_waiting() && terms.pool_of(c).is_none());
        plan.waits.extend(nowhere.map(|c| Wait {
            claim: c.id.clone(),
            place: 0,
            reason: WaitReason::NoSuchClass,
        }));
    }
    plan
}

/// Takes out of a pool's part the waiting claims that the treaty does not admit.
pub(crate) fn set_aside_refused(pool: &Pool, part: &mut Cow<'_, Snapshot>) -> Vec<Wait> {
    if matches!(part, Cow::Borrowed(_)) {
        // The treaty has no conditions.
        return Vec::new();
    }
    let refused = |claim: &Claim| {
        let waits = matches!(claim.state, ClaimState::Waiting { .. });
        pool.refusal(claim).filter(|_| waits)
    };
    let wait = |claim: &Claim| {
        let reason = WaitReason::NotEligible(claim.member, refused(claim)?);
        Some(Wait { claim: claim.id.clone(), place: 0, reason })
    };
    let waits: Vec<Wait> = part.claims.iter().filter_map(wait).collect();
    if !waits.is_empty() {
        part.to_mut().claims.retain(|claim| refused(claim).is_none());
    }
    waits
}

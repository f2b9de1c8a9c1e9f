//! The decision: who starts where, who must leave, and why everybody else waits.
//!
//! One call looks at the whole pool, because sharing couples all claims. It is a pure function of its arguments:
//! no clock, no randomness, no I/O, and the order in which claims were seen does not matter. What the treaty says now
//! is worked out by [`crate::terms`]; the rules are in [`crate::engine`]. This builds an engine for each class of GPUs
//! from the snapshot, lets it settle once and says what is different.
//!
//! A stop frees GPUs only when its pods are gone, so a caller observes and decides again until [`Plan::is_quiet`].

use crate::engine::{Engine, Rules};
use crate::plan::{Plan, Wait};
use crate::reason::WaitReason;
use crate::snapshot::Snapshot;
use crate::terms::Terms;
use crate::treaty::Treaty;
use crate::units::TimestampMillis;

/// Decides what happens now. Same arguments, same plan, to the byte.
#[must_use]
pub fn decide(treaty: &Treaty, snapshot: &Snapshot, now: TimestampMillis) -> Plan {
    let terms = Terms::of(treaty, &snapshot.nodes, now);
    let mut plan = Plan::default();
    for pool in &terms.pools {
        let part = pool.part(snapshot);
        let rules = Rules::of(&pool.treaty, &part.standings).with_trees(pool.trees(&part));
        let mut engine = Engine::restore(rules, &part, now);
        engine.settle(now);
        plan.append(engine.plan_since(&part));
    }
    let nowhere = snapshot.claims.iter().filter(|c| c.is_waiting() && terms.pool_of(c).is_none());
    plan.waits.extend(nowhere.map(|c| Wait {
        claim: c.id.clone(),
        place: 0,
        reason: WaitReason::NoSuchClass,
    }));
    plan
}

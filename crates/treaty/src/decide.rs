//! The decision: who starts where, who must leave, and why everybody else waits.
//!
//! One call looks at the whole pool, because sharing couples all claims. It is a pure function of its arguments:
//! no clock, no randomness, no I/O, and the order in which claims were seen does not matter. The rules are in
//! [`crate::engine`]; this builds an engine from the snapshot, lets it settle once and says what is different.
//!
//! A stop frees GPUs only when its pods are gone, so a caller observes and decides again until [`Plan::is_quiet`].

use crate::engine::{Engine, Rules};
use crate::plan::Plan;
use crate::snapshot::Snapshot;
use crate::treaty::Treaty;
use crate::units::TimestampMillis;

/// Decides what happens now. Same arguments, same plan, to the byte.
#[must_use]
pub fn decide(treaty: &Treaty, snapshot: &Snapshot, now: TimestampMillis) -> Plan {
    let mut engine = Engine::restore(Rules::of(treaty), snapshot, now);
    engine.settle(now);
    engine.plan_since(snapshot)
}

//! The pool in numbers: claims and GPUs by member and state, why claims wait, and whether the treaty is kept.

use prometheus::{Error, GaugeVec, IntGauge, IntGaugeVec};

use super::maker::Maker;

/// Gauges of the pool as the operator that acts last saw it; those of a standby say nothing.
#[derive(Clone)]
pub struct PoolMetrics {
    /// Claims by member and state.
    pub claims: IntGaugeVec,
    /// GPUs that waiting claims ask for, by member.
    pub gpus_queued: IntGaugeVec,
    /// Waiting claims by the reason of the wait.
    pub claims_waiting: IntGaugeVec,
    /// Due claims that wait longer than the notice, by member.
    pub claims_past_notice: IntGaugeVec,
    /// GPUs that members are guaranteed.
    pub gpus_guaranteed: IntGaugeVec,
    /// GPUs in use by member and basis.
    pub gpus_in_use: IntGaugeVec,
    /// Guaranteed GPUs that the member does not use.
    pub gpus_unused_guarantee: IntGaugeVec,
    /// The part of these that others have borrowed.
    pub gpus_lent: GaugeVec,
    /// GPUs of schedulable nodes.
    pub gpus_capacity: IntGauge,
    /// Those that nobody uses.
    pub gpus_idle: IntGauge,
    /// A treaty rules.
    pub treaty_in_force: IntGauge,
    /// The pool has the GPUs to keep every guarantee at once.
    pub treaty_kept: IntGauge,
}

impl PoolMetrics {
    /// Says nothing any more: another operator knows better.
    pub fn forget(&self) {
        self.forget_series();
        for gauge in [&self.gpus_capacity, &self.gpus_idle, &self.treaty_in_force, &self.treaty_kept] {
            gauge.set(0);
        }
    }

    /// Members and reasons that are no more have no series either.
    pub fn forget_series(&self) {
        let Self { claims, gpus_queued, claims_waiting, claims_past_notice, .. } = self;
        let Self { gpus_guaranteed, gpus_in_use, gpus_unused_guarantee, gpus_lent, .. } = self;
        let vectors = [
            claims,
            gpus_queued,
            claims_waiting,
            claims_past_notice,
            gpus_guaranteed,
            gpus_in_use,
            gpus_unused_guarantee,
        ];
        vectors.into_iter().for_each(IntGaugeVec::reset);
        gpus_lent.reset();
    }

    pub(super) fn new(own: &Maker) -> Result<Self, Error> {
        Ok(Self {
            claims: own.gauges("claims", "Claims that wait or have GPUs.", &["member", "state"])?,
            gpus_queued: own.gauges("gpus_queued", "GPUs that waiting claims ask for.", &["member"])?,
            claims_waiting: own.gauges("claims_waiting", "Waiting claims by the reason of the wait.", &["reason"])?,
            claims_past_notice: own.gauges(
                "claims_past_notice",
                "Due claims that wait longer than the treaty's notice; above zero a guarantee is not kept.",
                &["member"],
            )?,
            gpus_guaranteed: own.gauges("gpus_guaranteed", "GPUs that members are guaranteed.", &["member"])?,
            gpus_in_use: own.gauges("gpus_in_use", "GPUs in use.", &["member", "basis"])?,
            gpus_unused_guarantee: own.gauges(
                "gpus_unused_guarantee",
                "Guaranteed GPUs that the member itself does not use.",
                &["member"],
            )?,
            gpus_lent: own.fractions(
                "gpus_lent",
                "GPUs that others have borrowed, laid on members in proportion to the guarantee that they leave unused.",
                &["member"],
            )?,
            gpus_capacity: own.gauge("gpus_capacity", "GPUs of schedulable nodes.")?,
            gpus_idle: own.gauge("gpus_idle", "GPUs of schedulable nodes that no claim has.")?,
            treaty_in_force: own.gauge("treaty_in_force", "1 while a treaty rules the pool.")?,
            treaty_kept: own.gauge(
                "treaty_kept",
                "1 while the schedulable nodes have the GPUs to keep every guarantee at once.",
            )?,
        })
    }
}

//! What a cycle counts: decisions, the account, and what waits inside the operator.

use concord_api::GpuClaim;
use concord_treaty::plan::{Admission, Plan};
use concord_treaty::snapshot::Basis;
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::jiff::Timestamp;

use super::Operator;
use crate::view::Key;

impl Operator {
    /// What waits inside the operator.
    pub(super) fn gauge_queues(&self) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.retry_keys.set(count(self.failed.len()));
        self.metrics.uncertain_keys.set(count(self.world.uncertain.len()));
        self.metrics.sightings_waiting.set(count(self.sightings.len()));
        self.metrics.events_waiting.set(count(self.announcer.waiting()));
    }

    /// What the write of a status added to the account; the claims are the account, this is for rates.
    pub(super) fn book(&self, key: &Key, claim: &GpuClaim) {
        let (Some(before), Some(after)) = (self.world.claims.get(key), &claim.status) else { return };
        let before = &before.status;
        let added = [
            after.used_gpu_milliseconds - before.used_gpu_milliseconds,
            after.reclaimed_gpu_milliseconds - before.reclaimed_gpu_milliseconds,
            after.lost_gpu_milliseconds - before.lost_gpu_milliseconds,
        ];
        if added[0] > 0 {
            self.metrics.book(&claim.spec.member, added);
        }
    }

    fn count_admission(&self, admission: &Admission, now: Timestamp) {
        let Some(claim) = self.world.claims.get(&Key::from_claim_id(&admission.claim)) else { return };
        let basis = if admission.basis == Basis::Borrowed { "borrowed" } else { "guaranteed" };
        self.metrics.admissions.with_label_values(&[claim.spec.member.as_str(), basis]).inc();
        let waited = now.duration_since(claim.spec.submitted_at.0).as_secs_f64();
        self.metrics.wait_seconds.with_label_values(&[basis]).observe(waited.max(0.0));
    }

    /// What a plan is going to do.
    pub(super) fn count(&self, rules: &Rules, plan: &Plan, now: Timestamp) {
        for admission in &plan.admissions {
            self.count_admission(admission, now);
        }
        self.metrics.withdrawals.inc_by(u64::try_from(plan.withdrawals.len()).unwrap_or(0));
        for notice in &plan.notices {
            self.metrics.reclaims.with_label_values(&[notice.reason.code(), "notice"]).inc();
            tracing::info!(claim = %notice.claim, reason = notice.reason.sentence(rules), "told to leave");
        }
        for stop in &plan.stops {
            self.metrics.reclaims.with_label_values(&[stop.reason.code(), "stop"]).inc();
            tracing::info!(claim = %stop.claim, reason = stop.reason.sentence(rules), "stopped");
        }
        if !plan.is_quiet() {
            let (started, told, stopped) = (plan.admissions.len(), plan.notices.len(), plan.stops.len());
            let (withdrawn, rebooked, waiting) =
                (plan.withdrawals.len(), plan.basis_changes.len(), plan.waits.len());
            tracing::info!(started, told, stopped, withdrawn, rebooked, waiting, "decided");
        }
    }
}

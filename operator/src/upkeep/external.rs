//! Claims of work that another controller runs and reports on. It makes the claim, adds the condition `Finished` to its
//! status, and deletes it when it likes; nothing else is looked at, and no pod gets GPUs by it.

use concord_api::claim::conditions;
use concord_api::{ClaimPhase, GpuClaimStatus};
use k8s_openapi::jiff::Timestamp;

use super::{Chore, booked_end, end_of_second, explain, let_go, released, requeued, set_condition};
use crate::view::ClaimView;
use crate::words::Words;

/// The next chore of such a claim.
pub fn follow(claim: &ClaimView, now: Timestamp) -> Option<Chore> {
    let status = &claim.status;
    let set = |status| Some(Chore::SetStatus(Box::new(status)));
    if status.state.is_finished() {
        return let_go(claim);
    }
    if let Some(end) = reported(status, now) {
        return set(end);
    }
    if claim.deleting {
        return if status.placement.is_empty() { let_go(claim) } else { set(deleted(status, now)) };
    }
    match status.state {
        // At once, without a word of the reporter: no pod of ours has these GPUs, so nothing has to be waited for, and a
        // reporter that is away must not keep them from their owner. It sees `state` and `reclaims` change.
        ClaimPhase::Stopping => set(requeued(status, &Words::default(), now)),
        ClaimPhase::Queued | ClaimPhase::Admitted | ClaimPhase::Reclaiming => None,
        ClaimPhase::Succeeded | ClaimPhase::Failed => None,
    }
}

/// The end as the reporter states it; its condition stays as it wrote it.
fn reported(status: &GpuClaimStatus, now: Timestamp) -> Option<GpuClaimStatus> {
    let report = status.conditions.iter().find(|c| c.type_ == conditions::FINISHED && c.status == "True")?;
    let (phase, reason, message) = if report.reason == conditions::SUCCEEDED {
        (ClaimPhase::Succeeded, "ReportedSucceeded", "its controller reports that the work completed")
    } else {
        (ClaimPhase::Failed, "ReportedFailed", "its controller reports that the work failed")
    };
    let mut next =
        booked_end(status, phase, end_of_second(status, report.last_transition_time.0, now), reason);
    explain(&mut next, reason, message);
    set_condition(&mut next, conditions::ADMITTED, false, now);
    Some(next)
}

/// Deleted by its maker while it has GPUs.
fn deleted(status: &GpuClaimStatus, now: Timestamp) -> GpuClaimStatus {
    released(status, now, "ClaimDeleted", "the claim was deleted")
}

#[cfg(test)]
mod tests;

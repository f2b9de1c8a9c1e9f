//! Parts of a claim's use: each ends once, in the same write that ends what it was, and stays in the claim's status until it is
//! in the public record. Pure.

use concord_api::claim::{EndedRun, RunEnd};
use concord_api::{ClaimBasis, GpuClaimStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

/// Why a part ended.
pub struct Ending<'a> {
    /// What ended.
    pub end: RunEnd,
    /// CamelCase code.
    pub reason: &'a str,
    /// Treaty clause behind a reclaim.
    pub clause: Option<String>,
    /// GPU-milliseconds after the last save.
    pub lost_gpu_milliseconds: i64,
}

/// Ends the present part. A claim without GPUs has none.
pub fn end(status: &mut GpuClaimStatus, until: Timestamp, ending: Ending<'_>) {
    let gpus: i64 = status.placement.iter().map(|place| place.gpus).sum();
    let Some(from) = status.on_account_since.clone().or_else(|| status.admitted_at.clone()) else { return };
    if gpus == 0 {
        return;
    }
    status.runs_ended += 1;
    status.ended_runs.push(EndedRun {
        number: status.runs_ended,
        until: MicroTime(until.max(from.0)),
        from,
        gpus,
        basis: status.basis.unwrap_or(ClaimBasis::Guaranteed),
        due_since: status.due.as_ref().map(|due| due.since.clone()),
        lost_gpu_milliseconds: ending.lost_gpu_milliseconds,
        end: ending.end,
        reason: ending.reason.to_owned(),
        clause: ending.clause,
    });
    status.on_account_since = None;
}

/// The claim goes on running on another account.
pub fn rebook(status: &mut GpuClaimStatus, to: ClaimBasis, now: Timestamp) {
    if status.basis == Some(to) || status.placement.is_empty() {
        return;
    }
    let ending = Ending { end: RunEnd::Rebooked, reason: "Rebooked", clause: None, lost_gpu_milliseconds: 0 };
    end(status, now, ending);
    status.on_account_since = status.ended_runs.last().map(|run| run.until.clone());
    status.basis = Some(to);
}

#[cfg(test)]
mod tests {
    use concord_api::claim::Placement;

    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn running(since: i64) -> GpuClaimStatus {
        GpuClaimStatus {
            placement: vec![
                Placement { node: "n1".to_owned(), gpus: 8 },
                Placement { node: "n2".to_owned(), gpus: 8 },
            ],
            basis: Some(ClaimBasis::Borrowed),
            admitted_at: Some(MicroTime(second(since))),
            ..GpuClaimStatus::default()
        }
    }

    fn finish(status: &mut GpuClaimStatus, at: i64) {
        let ending =
            Ending { end: RunEnd::Finished, reason: "JobSucceeded", clause: None, lost_gpu_milliseconds: 0 };
        end(status, second(at), ending);
    }

    #[test]
    fn parts_follow_each_other_without_a_gap() {
        let mut status = running(100);
        rebook(&mut status, ClaimBasis::Guaranteed, second(130));
        rebook(&mut status, ClaimBasis::Guaranteed, second(140));
        finish(&mut status, 160);
        let parts: Vec<_> = status
            .ended_runs
            .iter()
            .map(|run| (run.number, run.from.0.as_second(), run.until.0.as_second(), run.gpus, run.basis))
            .collect();
        assert_eq!(
            parts,
            [(1, 100, 130, 16, ClaimBasis::Borrowed), (2, 130, 160, 16, ClaimBasis::Guaranteed)]
        );
    }

    #[test]
    fn a_clock_that_went_back_makes_no_negative_part_and_who_has_nothing_has_no_part() {
        let mut status = running(100);
        finish(&mut status, 90);
        assert_eq!(status.ended_runs[0].until, status.ended_runs[0].from);
        let mut waiting = GpuClaimStatus::default();
        finish(&mut waiting, 90);
        rebook(&mut waiting, ClaimBasis::Borrowed, second(90));
        assert_eq!(waiting, GpuClaimStatus::default());
    }
}

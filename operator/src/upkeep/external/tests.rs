//! A claim of other work, one situation a test.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};
use serde_json::json;

use super::*;
use concord_api::claim::Placement;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// As its maker leaves it: without our finalizer.
fn claim(state: ClaimPhase) -> ClaimView {
    let spec = json!({"member": "a", "project": "lab", "pods": 1, "gpusPerPod": 8, "gpus": 8,
        "workload": {"kind": "External", "name": "train"}, "submittedAt": "1970-01-01T00:00:10Z"});
    let holds = matches!(state, ClaimPhase::Admitted | ClaimPhase::Reclaiming | ClaimPhase::Stopping);
    let place = Placement { node: "n1".to_owned(), gpus: 8 };
    let status = GpuClaimStatus {
        state,
        placement: holds.then_some(place).into_iter().collect(),
        admitted_at: holds.then(|| MicroTime(at(100))),
        ..GpuClaimStatus::default()
    };
    let spec = serde_json::from_value(spec).unwrap();
    ClaimView { uid: "c1".to_owned(), resource_version: 1, deleting: false, kept: false, spec, status }
}

fn reported(state: ClaimPhase, reason: &str) -> ClaimView {
    let report = Condition {
        type_: "Finished".to_owned(),
        status: "True".to_owned(),
        reason: reason.to_owned(),
        message: "by the reporter".to_owned(),
        last_transition_time: Time(at(149)),
        observed_generation: None,
    };
    let mut claim = claim(state);
    claim.status.conditions.push(report);
    claim
}

fn next(claim: &ClaimView) -> Option<Box<GpuClaimStatus>> {
    match follow(claim, at(200)) {
        Some(Chore::SetStatus(status)) => Some(status),
        Some(other) => panic!("{other:?}"),
        None => None,
    }
}

#[test]
fn without_a_job_it_stands_and_runs() {
    for state in [ClaimPhase::Queued, ClaimPhase::Admitted, ClaimPhase::Reclaiming] {
        assert!(follow(&claim(state), at(200)).is_none(), "{state:?}");
    }
}

#[test]
fn a_reported_end_is_booked_once_and_keeps_the_report() {
    for (reason, phase) in [("Succeeded", ClaimPhase::Succeeded), ("Failed", ClaimPhase::Failed)] {
        let told = reported(ClaimPhase::Admitted, reason);
        let end = next(&told).unwrap();
        // 8 GPUs from second 100 to the end of second 149.
        assert_eq!((end.state, end.used_gpu_milliseconds), (phase, 400_000));
        assert!(end.placement.is_empty() && end.reclaimed_gpu_milliseconds == 0);
        assert_eq!(end.conditions[0], told.status.conditions[0]);
        assert!(follow(&ClaimView { status: *end, ..told }, at(300)).is_none());
    }
}

#[test]
fn an_end_before_any_admission_uses_nothing() {
    let end = next(&reported(ClaimPhase::Queued, "Failed")).unwrap();
    assert_eq!(
        (end.state, end.used_gpu_milliseconds, end.ran_milliseconds),
        (ClaimPhase::Failed, 0, Some(0))
    );
}

#[test]
fn stopped_it_stands_in_line_again_at_once() {
    let back = next(&claim(ClaimPhase::Stopping)).unwrap();
    assert_eq!(
        (back.state, back.reclaims, back.reclaimed_gpu_milliseconds),
        (ClaimPhase::Queued, 1, 800_000)
    );
    // What was done when it was told to stop is done.
    let done = next(&reported(ClaimPhase::Stopping, "Succeeded")).unwrap();
    assert_eq!((done.state, done.reclaims), (ClaimPhase::Succeeded, 0));
}

#[test]
fn deleted_with_our_finalizer_it_is_booked_before_it_goes() {
    let deleted = |state| ClaimView { deleting: true, kept: true, ..claim(state) };
    let end = next(&deleted(ClaimPhase::Admitted)).unwrap();
    assert_eq!((end.state, end.used_gpu_milliseconds), (ClaimPhase::Failed, 800_000));
    for state in [ClaimPhase::Queued, ClaimPhase::Failed] {
        assert!(matches!(follow(&deleted(state), at(200)), Some(Chore::RemoveFinalizer)), "{state:?}");
    }
}

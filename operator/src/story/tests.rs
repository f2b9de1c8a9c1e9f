//! One transition a test, and that none is told twice.

use concord_api::claim::ExpectedStart;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn status(state: ClaimPhase) -> GpuClaimStatus {
    GpuClaimStatus {
        state,
        reason: Some("Code".to_owned()),
        message: Some("a sentence".to_owned()),
        clause: Some("reclaim".to_owned()),
        ..GpuClaimStatus::default()
    }
}

fn claim(status: &GpuClaimStatus) -> GpuClaim {
    let object = json!({"metadata": {"name": "train", "namespace": "lab", "uid": "u"},
        "spec": {"member": "alpha", "project": "lab", "pods": 1, "gpusPerPod": 8, "gpus": 8,
            "workload": {"kind": "Job", "name": "train", "uid": "j"}, "submittedAt": "1970-01-01T00:00:10Z"}, "status": status});
    serde_json::from_value(object).unwrap()
}

fn note(before: &GpuClaimStatus, after: &GpuClaimStatus) -> (String, String) {
    let told = of_change(before, &claim(after)).unwrap();
    (told.transition, told.note)
}

#[test]
fn a_claim_is_told_once_where_it_stands_in_line() {
    let new = GpuClaimStatus::default();
    let mut queued = GpuClaimStatus { place: Some(3), ..status(ClaimPhase::Queued) };
    let (earliest, latest) = (Some(Time(at(60))), Some(Time(at(120))));
    queued.expected_start = Some(ExpectedStart { earliest, latest });
    let (transition, said) = note(&new, &queued);
    assert_eq!(transition, "queued-0");
    assert_eq!(
        said,
        "place 3 in the line of alpha: a sentence; expected to start between 1970-01-01T00:01:00Z and 1970-01-01T00:02:00Z [clause reclaim]"
    );
    let moved = GpuClaimStatus { place: Some(2), ..queued.clone() };
    assert_eq!(of_change(&queued, &claim(&moved)), None, "a place in line is no transition");
}

#[test]
fn an_admission_says_on_whose_account_and_where() {
    let place = |n: usize| Placement { node: format!("n{n}"), gpus: 8 };
    let admitted = GpuClaimStatus {
        basis: Some(ClaimBasis::Borrowed),
        placement: (1..=6).map(place).collect(),
        wait: Some("45s".to_owned()),
        ..status(ClaimPhase::Admitted)
    };
    assert_eq!(
        note(&status(ClaimPhase::Queued), &admitted).1,
        "admitted after 45s on idle GPUs of other members, 8 GPUs on n1, 8 GPUs on n2, 8 GPUs on n3, 8 GPUs on n4 and 2 more nodes: a sentence [clause reclaim]"
    );
    let saved = GpuClaimStatus { saved_at: Some(MicroTime(at(9))), ..admitted.clone() };
    assert_eq!(of_change(&admitted, &claim(&saved)), None);
}

#[test]
fn a_notice_says_by_when_and_for_whom_and_another_deadline_is_another_notice() {
    let told = GpuClaimStatus {
        notice_deadline: Some(MicroTime(at(90))),
        notice_for: Some("beta-lab/owner".to_owned()),
        ..status(ClaimPhase::Reclaiming)
    };
    let admitted = status(ClaimPhase::Admitted);
    let (transition, said) = note(&admitted, &told);
    assert_eq!(transition, "notice-90");
    assert_eq!(said, "must leave by 1970-01-01T00:01:30Z for beta-lab/owner; a sentence [clause reclaim]");
    assert_eq!(of_change(&told, &claim(&told)), None);
    let later = GpuClaimStatus { notice_deadline: Some(MicroTime(at(99))), ..told.clone() };
    assert_eq!(note(&told, &later).0, "notice-99");
    assert_eq!(note(&told, &admitted).0, "withdrawn-90");
}

#[test]
fn a_reclaim_says_what_it_cost() {
    let stopping = GpuClaimStatus { used_gpu_milliseconds: 1_000, ..status(ClaimPhase::Stopping) };
    let again = GpuClaimStatus {
        reclaims: 1,
        put_back: true,
        used_gpu_milliseconds: 1_000 + 3_600_000,
        lost_gpu_milliseconds: 7_000,
        ..status(ClaimPhase::Queued)
    };
    let (transition, said) = note(&stopping, &again);
    assert_eq!(transition, "put-back-1");
    assert!(
        said.starts_with(
            "stands in front of the line again; its run took 1.00 GPU-hours, 7 GPU-seconds of it"
        )
    );
    let done = GpuClaimStatus { ran_milliseconds: Some(200_000), ..again };
    let done = GpuClaimStatus { state: ClaimPhase::Succeeded, ..done };
    assert_eq!(
        note(&status(ClaimPhase::Admitted), &done).1,
        "a sentence after 3m20s; used 1.00 GPU-hours in all, 7 GPU-seconds of it lost in 1 reclaims [clause reclaim]"
    );
}

#[test]
fn at_first_sight_only_what_is_fresh_is_told() {
    let mut admitted =
        GpuClaimStatus { admitted_at: Some(MicroTime(at(1_000))), ..status(ClaimPhase::Admitted) };
    assert!(of_first_sight(&claim(&admitted), at(1_050)).is_some());
    assert_eq!(of_first_sight(&claim(&admitted), at(1_061)), None);
    admitted.state = ClaimPhase::Reclaiming;
    assert!(of_first_sight(&claim(&admitted), at(9_999)).is_some());
    assert_eq!(of_first_sight(&claim(&status(ClaimPhase::Queued)), at(0)), None);
    assert_eq!(of_first_sight(&claim(&status(ClaimPhase::Succeeded)), at(0)), None);
}

//! Upkeep of one key, one situation a test.

use concord_api::ClaimBasis;
use concord_api::claim::Placement;
use concord_treaty::snapshot::Gang;
use serde_json::json;

use super::*;
use crate::view::JobEnd;
use crate::words::Words;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key() -> Key {
    Key { namespace: "lab".to_owned(), name: "train".to_owned() }
}

fn job() -> JobView {
    JobView {
        uid: "u1".to_owned(),
        resource_version: 1,
        created_at: at(10),
        suspend: true,
        deleting: false,
        end: None,
        at_rest_since: None,
        gang: Gang { pods: 2, gpus_per_pod: 8 },
        node_selector: [("gpu".to_owned(), "h100".to_owned())].into(),
        run_limit_seconds: Some(60),
        affinity: None,
        words: Words::default(),
    }
}

fn claim(state: ClaimPhase) -> ClaimView {
    let spec = json!({"member": "a", "project": "lab", "pods": 2, "gpusPerPod": 8, "gpus": 16,
        "workload": {"kind": "Job", "name": "train", "uid": "u1"}, "submittedAt": "1970-01-01T00:00:10Z"});
    let holds = matches!(state, ClaimPhase::Admitted | ClaimPhase::Reclaiming | ClaimPhase::Stopping);
    let place = |node: &str| Placement { node: node.to_owned(), gpus: 8 };
    let status = GpuClaimStatus {
        state,
        placement: if holds { vec![place("n1"), place("n2")] } else { Vec::new() },
        admitted_at: holds.then(|| MicroTime(at(100))),
        ..GpuClaimStatus::default()
    };
    let spec = serde_json::from_value(spec).unwrap();
    ClaimView { uid: "c1".to_owned(), resource_version: 1, deleting: false, kept: true, spec, status }
}

fn world(job: Option<JobView>, claim: Option<ClaimView>) -> World {
    let mut world = World::default();
    if let Some(job) = job {
        world.jobs.put(key(), job);
    }
    if let Some(claim) = claim {
        world.claims.put(key(), claim);
    }
    let project = json!({"metadata": {"name": "lab"}, "spec": {"member": "a", "purpose": "x"},
        "status": {"namespace": "lab", "conditions": []}});
    world.projects.absorb(&serde_json::from_value(project).unwrap());
    world
}

fn chore(job: Option<JobView>, claim: Option<ClaimView>) -> Option<Chore> {
    next_chore(&world(job, claim), &key(), at(200))
}

#[test]
fn a_new_job_gets_a_claim_that_asks_for_what_it_asks() {
    let Some(Chore::CreateClaim(made)) = chore(Some(job()), None) else { panic!("no claim") };
    assert_eq!((made.spec.gpus, made.spec.member.as_str(), made.spec.workload.uid.as_str()), (16, "a", "u1"));
    assert_eq!((made.spec.node_selector["gpu"].as_str(), made.spec.run_limit_seconds), ("h100", Some(60)));
    assert_eq!(made.metadata.finalizers, Some(vec![FINALIZER.to_owned()]));
    assert_eq!(made.metadata.owner_references.unwrap()[0].uid, "u1");
}

#[test]
fn a_job_outside_any_project_gets_none() {
    let mut outside = world(Some(job()), None);
    outside.projects.forget(&Key::cluster("lab"));
    assert!(next_chore(&outside, &key(), at(200)).is_none());
}

#[test]
fn half_done_starts_and_stops_are_finished_after_a_crash() {
    let suspended = chore(Some(job()), Some(claim(ClaimPhase::Admitted)));
    assert!(matches!(suspended, Some(Chore::StartJob)));
    let running = JobView { suspend: false, ..job() };
    assert!(chore(Some(running.clone()), Some(claim(ClaimPhase::Admitted))).is_none());
    assert!(matches!(
        chore(Some(running.clone()), Some(claim(ClaimPhase::Stopping))),
        Some(Chore::SuspendJob)
    ));
    assert!(matches!(chore(Some(running), Some(claim(ClaimPhase::Queued))), Some(Chore::SuspendJob)));
}

#[test]
fn gpus_are_free_only_when_the_pods_are_gone_and_use_is_booked_once() {
    assert!(chore(Some(job()), Some(claim(ClaimPhase::Stopping))).is_none());
    let at_rest = JobView { at_rest_since: Some(at(150)), ..job() };
    let Some(Chore::SetStatus(next)) = chore(Some(at_rest), Some(claim(ClaimPhase::Stopping))) else {
        panic!("not requeued")
    };
    assert_eq!((next.state, next.reclaims), (ClaimPhase::Queued, 1));
    // 16 GPUs from second 100 to 200.
    assert_eq!((next.used_gpu_milliseconds, next.reclaimed_gpu_milliseconds), (1_600_000, 1_600_000));
    assert!(next.placement.is_empty() && next.basis.is_none());
}

#[test]
fn a_suspension_older_than_the_admission_is_not_trusted() {
    let stale = JobView { at_rest_since: Some(at(99)), ..job() };
    let next = chore(Some(stale), Some(claim(ClaimPhase::Stopping)));
    assert!(matches!(next, Some(Chore::SetStatusWhenPodsAreGone(_))), "{next:?}");
}

#[test]
fn an_end_is_booked_at_the_jobs_own_time_when_it_was_seen_late() {
    let ended =
        |second| JobView { suspend: false, end: Some(JobEnd { succeeded: true, at: at(second) }), ..job() };
    for (second, used) in [(150, 51), (200, 100)] {
        let Some(Chore::SetStatus(next)) = chore(Some(ended(second)), Some(claim(ClaimPhase::Admitted)))
        else {
            panic!()
        };
        assert_eq!((next.state, next.used_gpu_milliseconds), (ClaimPhase::Succeeded, 16_000 * used));
        assert_eq!(next.reclaimed_gpu_milliseconds, 0);
    }
    assert!(chore(Some(ended(150)), Some(claim(ClaimPhase::Succeeded))).is_none(), "booked once");
}

/// The Job ended within second 150, and before anybody saw it the claim was booked on another account.
#[test]
fn an_end_before_the_last_change_of_account_is_that_change() {
    let ended = JobView { suspend: false, end: Some(JobEnd { succeeded: true, at: at(150) }), ..job() };
    let mut running = claim(ClaimPhase::Admitted);
    crate::runs::rebook(&mut running.status, ClaimBasis::Guaranteed, at(120));
    crate::runs::rebook(&mut running.status, ClaimBasis::Borrowed, at(153));
    let Some(Chore::SetStatus(next)) = chore(Some(ended), Some(running)) else { panic!() };
    let seconds =
        |run: &concord_api::claim::EndedRun| (run.until.0.as_second() - run.from.0.as_second()) * run.gpus;
    let sum: i64 = next.ended_runs.iter().map(seconds).sum();
    assert_eq!((next.used_gpu_milliseconds, sum), (16_000 * 53, 16 * 53), "{:?}", next.ended_runs);
    assert_eq!(
        (next.runs_ended, next.ran_milliseconds),
        (i64::try_from(next.ended_runs.len()).unwrap(), Some(53_000))
    );
}

#[test]
fn an_operator_whose_clock_is_ahead_still_books_what_was_used() {
    // Admitted at 100 and seen to end at 200 by our clock, at 40 by that of the Job controller.
    let ended = JobView { suspend: false, end: Some(JobEnd { succeeded: true, at: at(40) }), ..job() };
    let Some(Chore::SetStatus(next)) = chore(Some(ended), Some(claim(ClaimPhase::Admitted))) else {
        panic!()
    };
    assert_eq!((next.used_gpu_milliseconds, next.ran_milliseconds), (1_600_000, Some(100_000)));
}

#[test]
fn a_job_that_ends_while_it_is_being_stopped_has_ended() {
    let ended = JobView { end: Some(JobEnd { succeeded: false, at: at(150) }), ..job() };
    let Some(Chore::SetStatus(next)) = chore(Some(ended), Some(claim(ClaimPhase::Stopping))) else {
        panic!()
    };
    assert_eq!((next.state, next.put_back), (ClaimPhase::Failed, false));
}

#[test]
fn a_deleted_job_releases_its_gpus_after_a_look_at_its_pods() {
    let next = chore(None, Some(claim(ClaimPhase::Admitted)));
    let Some(Chore::SetStatusWhenPodsAreGone(status)) = next else { panic!("{next:?}") };
    assert_eq!((status.state, status.used_gpu_milliseconds), (ClaimPhase::Failed, 1_600_000));
    assert!(matches!(chore(None, Some(claim(ClaimPhase::Queued))), Some(Chore::RemoveFinalizer)));
    let let_go = ClaimView { kept: false, ..claim(ClaimPhase::Queued) };
    assert!(chore(None, Some(let_go)).is_none(), "nothing is done twice");
}

#[test]
fn another_job_of_the_same_name_waits_for_the_old_claim_to_go() {
    let other = JobView { uid: "u2".to_owned(), ..job() };
    assert!(matches!(chore(Some(other), Some(claim(ClaimPhase::Succeeded))), Some(Chore::RemoveFinalizer)));
}

#[test]
fn a_claim_deleted_by_hand_stops_its_job_before_it_goes() {
    let deleted = |state| ClaimView { deleting: true, ..claim(state) };
    let running = JobView { suspend: false, ..job() };
    let Some(Chore::SetStatus(next)) = chore(Some(running), Some(deleted(ClaimPhase::Admitted))) else {
        panic!()
    };
    assert_eq!(next.state, ClaimPhase::Stopping);
    assert!(matches!(chore(Some(job()), Some(deleted(ClaimPhase::Queued))), Some(Chore::RemoveFinalizer)));
}

#[test]
fn pods_are_told_of_a_notice_and_of_its_end_once() {
    let running = |told: Option<&str>| {
        let words = Words { told_deadline: told.map(str::to_owned), ..Words::default() };
        JobView { suspend: false, words, ..job() }
    };
    let mut noticed = claim(ClaimPhase::Reclaiming);
    noticed.status.notice_deadline = Some(MicroTime(at(260)));
    let deadline = "1970-01-01T00:04:20Z";
    for told in [None, Some("1970-01-01T00:00:01Z")] {
        let Some(Chore::TellPods(Some(words))) = chore(Some(running(told)), Some(noticed.clone())) else {
            panic!("not told: {told:?}")
        };
        assert_eq!(words.deadline, deadline);
    }
    assert!(chore(Some(running(Some(deadline))), Some(noticed)).is_none());
    let stays = chore(Some(running(Some(deadline))), Some(claim(ClaimPhase::Admitted)));
    assert!(matches!(stays, Some(Chore::TellPods(None))), "{stays:?}");
}

#[test]
fn a_reclaim_loses_what_came_after_the_last_save() {
    let lost = |words: Words| {
        let at_rest = JobView { at_rest_since: Some(at(150)), words, ..job() };
        let Some(Chore::SetStatus(next)) = chore(Some(at_rest), Some(claim(ClaimPhase::Stopping))) else {
            panic!("not requeued")
        };
        assert_eq!(next.reclaimed_gpu_milliseconds, 1_600_000);
        next.lost_gpu_milliseconds
    };
    // 16 GPUs from second 100 to 200.
    assert_eq!(lost(Words::default()), 1_600_000, "who says nothing has saved nothing");
    assert_eq!(lost(Words { saved_at: Some(at(190)), ..Words::default() }), 160_000);
    assert_eq!(lost(Words { checkpoint_seconds: Some(30), ..Words::default() }), 160_000);
    assert_eq!(
        lost(Words { saved_at: Some(at(50)), ..Words::default() }),
        1_600_000,
        "saved by an earlier run"
    );
}

#[test]
fn of_those_of_one_second_the_one_that_was_seen_first_is_first() {
    let micros = |micros: i64| Timestamp::from_microsecond(micros).unwrap();
    for (now, submitted_at) in [(7_250_000, 7_250_000), (6_900_000, 7_000_000), (9_000_000, 7_999_999)] {
        assert_eq!(submitted(micros(7_000_000), micros(now)).0, micros(submitted_at), "seen at {now}");
    }
}

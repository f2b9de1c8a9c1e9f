//! Claims as `kubectl get -o json` prints them, one situation a test.

use concord_treaty::document::Document;
use concord_treaty::units::MemberId;
use serde_json::{Value, json};

use super::*;

fn rules() -> Rules {
    let text = json!({"title": "t", "reclaim": {"noticeSeconds": 10},
        "members": [{"name": "a", "guarantee": {"gpus": 8}}, {"name": "b", "guarantee": {"gpus": 8}}]});
    let document: Document = serde_json::from_value(text).unwrap();
    Rules::validate(&document).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn claim(member: &str, name: &str, status: Value) -> GpuClaim {
    let object = json!({"metadata": {"name": name, "namespace": "lab"},
        "spec": {"member": member, "project": "lab", "pods": 2, "gpusPerPod": 4, "gpus": 8,
                 "workload": {"kind": "Job", "name": name, "uid": "j"}, "submittedAt": "1970-01-01T00:00:10Z"},
        "status": status});
    serde_json::from_value(object).unwrap()
}

fn state(status: Value) -> ClaimState {
    claim_of(&rules(), &(&claim("b", "x", status)).into()).unwrap().state
}

fn slots(node: &str, gpus: Gpus) -> Vec<Slot> {
    vec![Slot { node: NodeName::from(node), gpus }]
}

#[test]
fn a_new_claim_waits_with_its_shape_and_its_time_of_submission() {
    let found = claim_of(&rules(), &(&claim("b", "x", Value::Null)).into()).unwrap();
    let gang = Gang { pods: 2, gpus_per_pod: 4 };
    assert_eq!(found, Claim::new(ClaimId::from("lab/x"), MemberId(1), gang, TimestampMillis(10_000)));
    assert_eq!(state(json!({"state": "Queued", "putBack": true})), ClaimState::Waiting { put_back: true });
}

#[test]
fn kept_gpus_are_for_a_due_claim_a_guaranteed_one_or_one_that_waited_too_long() {
    let kept = json!({"state": "Queued", "reserved": [{"node": "n1", "gpus": 8}]});
    let reserved = |basis| ClaimState::Reserved(Reserved { slots: slots("n1", 8), basis });
    assert_eq!(state(kept.clone()), reserved(Basis::Guaranteed));
    let mut aged = kept.clone();
    aged["basis"] = json!("Borrowed");
    assert_eq!(state(aged), reserved(Basis::Borrowed));
    let mut due = kept;
    due["due"] = json!({"since": "1970-01-01T00:00:20.500000Z", "places": [{"node": 0, "gpus": 8}]});
    assert_eq!(state(due.clone()), reserved(Basis::Due));
    let found = claim_of(&rules(), &(&claim("b", "x", due)).into()).unwrap();
    assert_eq!(found.due, Some(Due { since: TimestampMillis(20_500), places: vec![(0, 8)] }));
}

#[test]
fn what_holds_gpus_keeps_its_basis_its_start_and_its_notice() {
    let told = json!({"state": "Reclaiming", "basis": "Borrowed", "placement": [{"node": "n1", "gpus": 8}],
        "admittedAt": "1970-01-01T00:00:30.250000Z", "noticeDeadline": "1970-01-01T00:01:00.000000Z", "noticeFor": "lab/y"});
    let expected = Holding {
        slots: slots("n1", 8),
        basis: Basis::Borrowed,
        since: TimestampMillis(30_250),
        phase: Phase::Noticed { deadline: TimestampMillis(60_000) },
        promised_to: Some(ClaimId::from("lab/y")),
        saves: Default::default(),
    };
    assert_eq!(state(told.clone()), ClaimState::Holding(expected.clone()));
    for (phase, expected_phase) in [("Admitted", Phase::Running), ("Stopping", Phase::Stopping)] {
        let status = json!({"state": phase, "basis": "Guaranteed", "placement": [{"node": "n1", "gpus": 8}],
            "admittedAt": "1970-01-01T00:00:30.250000Z"});
        let holding = Holding {
            basis: Basis::Guaranteed,
            phase: expected_phase,
            promised_to: None,
            ..expected.clone()
        };
        assert_eq!(state(status), ClaimState::Holding(holding));
    }
    // Nobody tells a claim that is being deleted to leave.
    let mut deleted = claim("b", "x", told);
    deleted.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(40)));
    let found = claim_of(&rules(), &(&deleted).into()).unwrap();
    assert_eq!(found.state, ClaimState::Holding(Holding { phase: Phase::Stopping, ..expected }));
}

#[test]
fn a_finished_claim_stays_until_its_run_alone_is_over_and_answered() {
    let early = |ran: i64| {
        json!({"state": "Succeeded", "ranMilliseconds": ran,
            "due": {"since": "1970-01-01T00:01:00.000000Z", "places": [{"node": 0, "gpus": 8}]}})
    };
    let claims = [claim("a", "long", early(50_000)), claim("a", "short", early(5_000))];
    let ids = |second| {
        let found = snapshot(&rules(), [], claims.iter().map(SeenClaim::from), Vec::new(), at(second));
        found.claims.iter().map(|c| c.id.to_string()).collect::<Vec<_>>()
    };
    // Over at 65 s and at 110 s; a line may go back by two notices of 10 s and ten minutes.
    assert_eq!(ids(685), ["lab/long", "lab/short"]);
    assert_eq!(ids(686), ["lab/long"]);
    assert_eq!(ids(730), ["lab/long"]);
    assert_eq!(ids(731), Vec::<String>::new());
}

#[test]
fn a_claim_on_its_way_out_is_seen_only_while_it_holds_something_or_has_ended() {
    let deleted = |status: Value| {
        let mut claim = claim("a", "x", status);
        claim.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(40)));
        claim_of(&rules(), &(&claim).into()).is_some()
    };
    assert!(!deleted(json!({"state": "Queued"})));
    assert!(deleted(json!({"state": "Succeeded", "ranMilliseconds": 1})));
    assert!(deleted(json!({"state": "Admitted", "placement": [{"node": "n1", "gpus": 8}]})));
}

#[test]
fn gpus_of_strangers_are_nobodys() {
    let held = json!({"state": "Admitted", "placement": [{"node": "n1", "gpus": 6}]});
    let claims = [claim("gone", "x", held), claim("gone", "waits", Value::Null)];
    let node = |name: &str| Node {
        name: NodeName::from(name),
        gpus: 8,
        schedulable: true,
        labels: Default::default(),
    };
    let nodes = ["n1", "n2"].map(node);
    let found = snapshot(&rules(), nodes, claims.iter().map(SeenClaim::from), Vec::new(), at(50));
    assert_eq!(found.nodes.iter().map(|n| n.gpus).collect::<Vec<_>>(), [2, 8]);
    assert_eq!(*found.claims, []);
}

#[test]
fn a_claim_says_its_class_and_its_run_limit() {
    let text = json!({"title": "t", "reclaim": {"noticeSeconds": 10},
        "classes": [{"name": "a100", "nodeLabels": {"gpu": "a100"}}, {"name": "h100", "nodeLabels": {"gpu": "h100"}}],
        "members": [{"name": "a", "guarantee": {"percent": "50"}}]});
    let document: Document = serde_json::from_value(text).unwrap();
    let rules = Rules::validate(&document).unwrap();
    let mut asks = claim("a", "x", Value::Null);
    assert_eq!(claim_of(&rules, &(&asks).into()).unwrap().class, None);
    asks.spec.node_selector = [("gpu", "h100"), ("zone", "north")].map(|(k, v)| (k.into(), v.into())).into();
    asks.spec.run_limit_seconds = Some(90);
    let found = claim_of(&rules, &(&asks).into()).unwrap();
    assert_eq!(found.class, rules.class_id("h100"));
    assert_eq!(found.node_labels.get("zone"), Some("north"));
    assert_eq!(found.expected_runtime, Some(DurationMillis(90_000)));
}

#[test]
fn a_claim_is_of_the_institution_that_lists_its_project_and_has_what_the_project_states() {
    let quota: crate::MemberQuota = serde_json::from_value(json!({"metadata": {"name": "b"},
        "spec": {"institutions": [{"name": "south"}, {"name": "north", "projects": [{"name": "lab"}]}]}}))
    .unwrap();
    let (rules, since) = (rules(), TimestampMillis(0));
    let shares = Arc::new(quota.under(&rules).unwrap());
    let quotas = vec![QuotaInForce { member: MemberId(1), quota: Some(shares), since }];
    let project: ProjectSpec = serde_json::from_value(json!({"member": "b", "purpose": "tests",
        "applicant": {"organisationKind": "ngo", "country": "FI", "purpose": "civil"}}))
    .unwrap();
    let (ours, theirs) = (claim("b", "x", Value::Null), claim("a", "y", Value::Null));
    let seen = [&ours, &theirs].map(|c| SeenClaim { project: Some(&project), ..c.into() });
    let found = snapshot(&rules, [], seen, quotas.clone(), at(20));
    let path: Vec<&str> = found.claims[0].path.iter().map(|part| &**part).collect();
    assert_eq!(path, ["north", "lab"]);
    assert!(found.claims[1].path.is_empty(), "another member's quota says nothing of it");
    assert_eq!(found.claims[0].applicant.as_ref().unwrap().country, "FI");
    assert_eq!(found.quotas, quotas);
}

#[test]
fn what_a_claim_says_of_its_saves_counts_up_to_now() {
    let saved_at = |more: Value, now: i64| {
        let mut status = json!({"state": "Admitted", "basis": "Borrowed", "placement": [{"node": "n1", "gpus": 8}],
            "admittedAt": "1970-01-01T00:01:40.000000Z"});
        status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let claim = claim("b", "x", status);
        let snapshot = snapshot(&rules(), [], [SeenClaim::from(&claim)], Vec::new(), at(now));
        let holding = snapshot.claims[0].holding().unwrap();
        holding.saves.last(holding.since, millis(at(now))).map(|at| at.0)
    };
    assert_eq!(saved_at(json!({}), 200), None);
    assert_eq!(saved_at(json!({"checkpointSeconds": 30}), 200), Some(190_000));
    assert_eq!(saved_at(json!({"checkpointSeconds": 30}), 220), Some(220_000), "it goes with the clock");
    assert_eq!(saved_at(json!({"savedAt": "1970-01-01T00:03:00.000000Z"}), 200), Some(180_000));
    assert_eq!(saved_at(json!({"savedAt": "1970-01-01T00:01:39.000000Z"}), 200), None, "of an earlier run");
    assert_eq!(saved_at(json!({"savedAt": "1970-01-01T00:03:21.000000Z"}), 200), None, "in the future");
}

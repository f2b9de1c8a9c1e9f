use serde_json::json;

use super::*;

const SECOND: i64 = 1_000_000;

fn slot(replica: Option<&str>) -> Slot {
    Slot { gpu: "GPU-a".to_owned(), instance: None, replica: replica.map(str::to_owned) }
}

fn listed(pod: &str) -> Listed {
    let (namespace, container) = ("lab".to_owned(), "main".to_owned());
    Listed { namespace, pod: pod.to_owned(), container, slots: vec![slot(None)] }
}

fn pod(name: &str, uid: &str, phase: &str, state: serde_json::Value) -> ((String, String), PodFacts) {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "lab", "uid": uid, "annotations": {"concord.dev/claim": name}},
        "status": {"phase": phase, "containerStatuses": [{"name": "main", "image": "", "imageID": "", "ready": true,
            "restartCount": 0, "state": state}]},
    }))
    .unwrap();
    (("lab".to_owned(), name.to_owned()), PodFacts::of(&pod))
}

fn running(name: &str, uid: &str, started: &str) -> ((String, String), PodFacts) {
    pod(name, uid, "Running", json!({"running": {"startedAt": started}}))
}

fn spans(holdings: &Holdings) -> Vec<(&str, i64, Option<i64>)> {
    let times = |s: &Span| (s.from_microseconds / SECOND, s.to_microseconds.map(|to| to / SECOND));
    holdings.spans.iter().map(|s| (s.pod_uid.as_str(), times(s).0, times(s).1)).collect()
}

#[test]
fn a_holding_begins_with_its_container_and_ends_with_it() {
    let mut holdings = Holdings::default();
    let pods: Pods = [running("x", "u1", "1970-01-01T00:00:10Z")].into();
    assert_eq!(holdings.update(&[listed("x")], Some(&pods), 13 * SECOND), Left::default());
    assert_eq!(spans(&holdings), [("u1", 10, None)]);
    let ended = json!({"terminated": {"exitCode": 0, "startedAt": "1970-01-01T00:00:10Z", "finishedAt": "1970-01-01T00:00:20Z"}});
    let pods: Pods = [pod("x", "u1", "Succeeded", ended)].into();
    // The kubelet still lists it.
    let left = holdings.update(&[listed("x")], Some(&pods), 25 * SECOND);
    assert_eq!(left, Left { ended: 1, unknown: 0 });
    assert_eq!(spans(&holdings), [("u1", 10, Some(20))]);
    holdings.update(&[listed("x")], Some(&pods), 60 * SECOND);
    assert_eq!(spans(&holdings), [("u1", 10, Some(20))], "it does not grow again");
    holdings.forget_before(21 * SECOND);
    assert_eq!(holdings, Holdings::default());
}

#[test]
fn a_name_that_is_used_again_is_another_pod() {
    let mut holdings = Holdings::default();
    holdings.update(&[listed("x")], Some(&[running("x", "u1", "1970-01-01T00:00:10Z")].into()), 11 * SECOND);
    holdings.update(&[listed("x")], Some(&[running("x", "u2", "1970-01-01T00:00:30Z")].into()), 31 * SECOND);
    assert_eq!(spans(&holdings), [("u1", 10, Some(31)), ("u2", 30, None)]);
}

#[test]
fn a_pod_that_is_not_known_holds_nothing_yet() {
    let mut holdings = Holdings::default();
    let left = holdings.update(&[listed("x")], Some(&Pods::new()), SECOND);
    assert_eq!((left.unknown, spans(&holdings).len()), (1, 0));
    // Without any pods to join with, the list alone counts.
    holdings.update(&[listed("x")], None, 2 * SECOND);
    assert_eq!(spans(&holdings), [("lab/x", 2, None)]);
    assert_eq!(holdings.current().next().unwrap().owner, Owner::without_claim("lab"));
}

#[test]
fn what_is_not_listed_any_more_ended_when_that_was_seen() {
    let mut holdings = Holdings::default();
    holdings.update(&[listed("x")], Some(&[running("x", "u1", "1970-01-01T00:00:10Z")].into()), 11 * SECOND);
    holdings.update(&[], Some(&Pods::new()), 40 * SECOND);
    assert_eq!(spans(&holdings), [("u1", 10, Some(40))]);
    assert_eq!(holdings.of("GPU-a", 39 * SECOND, 41 * SECOND).len(), 1);
    assert_eq!(holdings.of("GPU-a", 40 * SECOND, 41 * SECOND).len(), 0);
    assert_eq!(holdings.of("GPU-b", 0, 99 * SECOND).len(), 0);
}

#[test]
fn what_was_not_listed_for_a_while_is_not_charged_for_it() {
    let mut holdings = Holdings::default();
    let pods: Pods = [running("x", "u1", "1970-01-01T00:00:10Z")].into();
    for (second, list) in [(11, vec![listed("x")]), (20, vec![]), (30, vec![listed("x")])] {
        holdings.update(&list, Some(&pods), second * SECOND);
    }
    assert_eq!(spans(&holdings), [("u1", 10, Some(20)), ("u1", 20, None)]);
    let mut holdings = Holdings::default();
    for (second, list) in [(11, vec![listed("x")]), (20, vec![]), (30, vec![listed("x")])] {
        holdings.update(&list, None, second * SECOND);
    }
    assert_eq!(spans(&holdings), [("lab/x", 11, Some(20)), ("lab/x", 30, None)]);
}

#[test]
fn a_claim_that_is_named_later_is_charged() {
    let mut holdings = Holdings::default();
    let (key, mut facts) = running("x", "u1", "1970-01-01T00:00:10Z");
    facts.owner = Owner::without_claim("lab");
    holdings.update(&[listed("x")], Some(&[(key.clone(), facts)].into()), 11 * SECOND);
    holdings.update(&[listed("x")], Some(&[running("x", "u1", "1970-01-01T00:00:10Z")].into()), 12 * SECOND);
    assert_eq!(holdings.current().next().unwrap().owner.claim, "x");
}

#[test]
fn a_container_that_was_restarted_held_its_devices_since_the_pod_was_taken() {
    let facts = |restarts: u32| {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "x", "namespace": "lab", "uid": "u1"},
            "status": {"phase": "Running", "startTime": "1970-01-01T00:00:05Z", "containerStatuses": [{"name": "main",
                "image": "", "imageID": "", "ready": true, "restartCount": restarts,
                "state": {"running": {"startedAt": "1970-01-01T00:00:30Z"}}}]},
        }))
        .unwrap();
        PodFacts::of(&pod).containers["main"].0.map(|at| at / SECOND)
    };
    assert_eq!((facts(0), facts(1)), (Some(30), Some(5)));
}

#[test]
fn a_container_that_failed_and_waits_to_be_started_again_goes_on_holding() {
    let mut holdings = Holdings::default();
    let ended = json!({"terminated": {"exitCode": 1, "startedAt": "1970-01-01T00:00:10Z", "finishedAt": "1970-01-01T00:00:20Z"}});
    let waits = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    for (second, state) in
        [(15, json!({"running": {"startedAt": "1970-01-01T00:00:10Z"}})), (21, ended), (25, waits)]
    {
        let pods: Pods = [pod("x", "u1", "Running", state)].into();
        holdings.update(&[listed("x")], Some(&pods), second * SECOND);
    }
    assert_eq!(holdings.current().count(), 1, "the kubelet keeps the device for it");
}

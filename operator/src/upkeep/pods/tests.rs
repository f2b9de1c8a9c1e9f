//! Pods and their claim, one situation a test.

use std::collections::BTreeMap;

use concord_api::claim::Placement;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::*;
use crate::upkeep::next_chore;
use crate::world::Sighting;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key(name: &str) -> Key {
    Key { namespace: "lab".to_owned(), name: name.to_owned() }
}

/// A pod behind the gate, made by the `ReplicaSet` `r`, with a UID of its own.
fn pod(name: &str, gpus: u32) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "lab", "uid": format!("uid-of-{name}"), "resourceVersion": "1",
            "creationTimestamp": "1970-01-01T00:00:10Z", "labels": {"concord.dev/gpus": "true"}, "annotations": {},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": true}]},
        "spec": {"schedulingGates": [{"name": "concord.dev/admission"}, {"name": "theirs"}],
            "containers": [{"name": "c", "resources": {"limits": {"nvidia.com/gpu": gpus.to_string()}}}]},
    })
}

fn in_gang(size: &str, mut pod: Value) -> Value {
    pod["metadata"]["labels"]["concord.dev/gang"] = json!("ring");
    pod["metadata"]["labels"]["concord.dev/gang-size"] = json!(size);
    pod
}

/// The pod on a node, for a claim.
fn placed(claim: &str, node: &str, mut pod: Value) -> Value {
    pod["metadata"]["annotations"] =
        json!({"concord.dev/claim": claim, "controller.kubernetes.io/pod-deletion-cost": "-100"});
    pod["spec"]["schedulingGates"] = json!([]);
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": node});
    pod
}

fn ended(phase: &str, second: i64, mut pod: Value) -> Value {
    let finished = json!({"exitCode": 0, "finishedAt": at(second).to_string()});
    pod["status"] = json!({"phase": phase, "containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"terminated": finished}}]});
    pod
}

/// Name of the claim of pod `a` alone.
const OWN: &str = "pod.a.uid-of-a";

fn claim(name: &str, state: ClaimPhase, nodes: &[&str]) -> GpuClaim {
    let gang = name.starts_with("gang.");
    let pods = if gang { 2 } else { 1 };
    let spec = json!({"member": "a", "project": "lab", "pods": pods, "gpusPerPod": 4, "gpus": 4 * pods,
        "workload": {"kind": "PodGroup", "name": "a", "uid": if gang { "" } else { "r" }},
        "submittedAt": "1970-01-01T00:00:10Z"});
    let status = GpuClaimStatus {
        state,
        basis: (!nodes.is_empty()).then_some(ClaimBasis::Borrowed),
        placement: nodes.iter().map(|node| Placement { node: (*node).to_owned(), gpus: 4 }).collect(),
        admitted_at: (!nodes.is_empty()).then(|| MicroTime(at(100))),
        ..GpuClaimStatus::default()
    };
    let object = json!({"metadata": {"name": name, "namespace": "lab", "uid": name, "resourceVersion": "1",
        "finalizers": [crate::upkeep::FINALIZER]}, "spec": spec, "status": status});
    serde_json::from_value(object).unwrap()
}

/// A claim whose pod had to give way at second 190.
fn put_back(name: &str) -> GpuClaim {
    let mut claim = claim(name, ClaimPhase::Queued, &[]);
    let status = claim.status.get_or_insert_default();
    (status.put_back, status.reclaims) = (true, 1);
    crate::upkeep::set_condition(status, conditions::ADMITTED, false, at(190));
    claim
}

fn world(pods: &[Value], claims: &[GpuClaim]) -> World {
    let mut world = World::default();
    let project = json!({"metadata": {"name": "lab"}, "spec": {"member": "a", "purpose": "x"},
        "status": {"namespace": "lab", "conditions": []}});
    world.projects.absorb(&serde_json::from_value(project).unwrap());
    for pod in pods {
        let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
        world.see(Sighting::Pod(Event::Apply(pod)));
    }
    for claim in claims {
        world.absorb_claim(claim);
    }
    world
}

fn chore(name: &str, pods: &[Value], claims: &[GpuClaim]) -> Option<Chore> {
    next_chore(&world(pods, claims), &key(name), at(200))
}

fn orders(chore: Option<Chore>) -> BTreeMap<String, PodOrder> {
    let Some(Chore::Pods(tasks)) = chore else { panic!("{chore:?}") };
    tasks.into_iter().map(|task| (task.pod.name, task.order)).collect()
}

fn status(chore: Option<Chore>) -> GpuClaimStatus {
    let Some(Chore::SetStatus(status)) = chore else { panic!("{chore:?}") };
    *status
}

fn lift(claim: &str, node: &str, deletion_cost: i32) -> PodOrder {
    PodOrder::Lift { node: node.to_owned(), claim: claim.to_owned(), deletion_cost }
}

#[test]
fn a_single_pod_gets_a_claim_that_its_controller_owns() {
    let Some(Chore::CreateClaim(made)) = chore(OWN, &[pod("a", 4)], &[]) else { panic!() };
    assert_eq!((made.spec.pods, made.spec.gpus, made.spec.workload.uid.as_str()), (1, 4, "r"));
    let owner = &made.metadata.owner_references.unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.controller), ("ReplicaSet", None));
    let mut bare = pod("a", 4);
    bare["metadata"]["ownerReferences"] = json!([]);
    let Some(Chore::CreateClaim(made)) = chore(OWN, &[bare], &[]) else { panic!() };
    assert_eq!((made.spec.workload.uid.as_str(), made.spec.workload.name.as_str()), ("uid-of-a", "a"));
}

#[test]
fn a_gang_gets_its_claim_when_its_last_pod_is_there() {
    let late = |name: &str| {
        let mut pod = in_gang("2", pod(name, 4));
        pod["metadata"]["creationTimestamp"] = json!("1970-01-01T00:01:00Z");
        pod
    };
    let first = in_gang("2", pod("a", 4));
    let Some(Chore::TellPod(_, "GangIncomplete", note)) =
        chore("gang.ring", std::slice::from_ref(&first), &[])
    else {
        panic!()
    };
    assert!(note.starts_with("1 of 2 pods"), "{note}");
    // A third pod is one too many; the two oldest are the gang, submitted when the second came.
    let Some(Chore::CreateClaim(made)) = chore("gang.ring", &[late("c"), first.clone(), late("b")], &[])
    else {
        panic!()
    };
    assert_eq!((made.spec.pods, made.spec.gpus, made.spec.submitted_at.0.as_second()), (2, 8, 60));
    for other in [in_gang("2", pod("b", 8)), in_gang("3", pod("b", 4))] {
        let told = chore("gang.ring", &[first.clone(), other], &[]);
        assert!(matches!(told, Some(Chore::TellPod(_, "GangPodsDiffer", _))), "{told:?}");
    }
    let told = chore("gang.ring", &[in_gang("many", pod("a", 4))], &[]);
    assert!(matches!(told, Some(Chore::TellPod(_, "GangSizeInvalid", _))), "{told:?}");
}

#[test]
fn admitted_pods_leave_the_gate_each_for_a_node_of_its_own() {
    let pods = [in_gang("2", pod("a", 4)), in_gang("2", pod("b", 4))];
    let told = orders(chore("gang.ring", &pods, &[claim("gang.ring", ClaimPhase::Admitted, &["n1", "n2"])]));
    let wanted = [("a", lift("gang.ring", "n1", -100)), ("b", lift("gang.ring", "n2", -100))];
    assert_eq!(told, wanted.map(|(pod, order)| (pod.to_owned(), order)).into());
    // After a crash in between only the rest is done.
    let half = [placed("gang.ring", "n2", pods[0].clone()), pods[1].clone()];
    let told = orders(chore("gang.ring", &half, &[claim("gang.ring", ClaimPhase::Admitted, &["n1", "n2"])]));
    assert_eq!(told, [("b".to_owned(), lift("gang.ring", "n1", -100))].into());
    let both = half.map(|pod| placed("gang.ring", "n1", pod));
    assert!(chore("gang.ring", &both, &[claim("gang.ring", ClaimPhase::Admitted, &["n1", "n1"])]).is_none());
}

#[test]
fn a_pod_of_another_shape_gets_no_place() {
    let pods = [placed("gang.ring", "n1", in_gang("2", pod("a", 4))), in_gang("2", pod("b", 8))];
    assert!(chore("gang.ring", &pods, &[claim("gang.ring", ClaimPhase::Admitted, &["n1", "n2"])]).is_none());
}

#[test]
fn a_borrowed_pod_that_is_now_guaranteed_costs_more_to_take_away() {
    let mut own = claim(OWN, ClaimPhase::Admitted, &["n1"]);
    own.status.get_or_insert_default().basis = Some(ClaimBasis::Guaranteed);
    let told = orders(chore(OWN, &[placed(OWN, "n1", pod("a", 4))], &[own]));
    assert_eq!(told, [("a".to_owned(), PodOrder::Price { deletion_cost: 100 })].into());
}

#[test]
fn stopped_pods_are_deleted_and_the_claim_is_in_line_once_they_are_gone() {
    let stopping = || claim(OWN, ClaimPhase::Stopping, &["n1"]);
    let running = placed(OWN, "n1", pod("a", 4));
    assert_eq!(
        orders(chore(OWN, std::slice::from_ref(&running), &[stopping()])),
        [("a".to_owned(), PodOrder::Delete)].into()
    );
    let mut going = running.clone();
    going["metadata"]["deletionTimestamp"] = json!("1970-01-01T00:03:00Z");
    assert!(chore(OWN, &[going.clone()], &[stopping()]).is_none(), "not yet gone");
    let back = status(chore(OWN, &[], &[stopping()]));
    assert_eq!(
        (back.state, back.reclaims, back.reclaimed_gpu_milliseconds),
        (ClaimPhase::Queued, 1, 400_000)
    );
    // What ended by the signal to leave has given way; what had ended before has ended.
    let back = status(chore(OWN, &[ended("Failed", 199, going)], &[stopping()]));
    assert_eq!(back.state, ClaimPhase::Queued);
    let done = status(chore(OWN, &[ended("Succeeded", 150, running)], &[stopping()]));
    assert_eq!((done.state, done.used_gpu_milliseconds), (ClaimPhase::Succeeded, 4 * 51_000));
}

#[test]
fn a_claim_ends_with_its_pods() {
    let admitted = || claim("gang.ring", ClaimPhase::Admitted, &["n1", "n2"]);
    let on = |name: &str, node: &str| placed("gang.ring", node, in_gang("2", pod(name, 4)));
    let (a, b) = (on("a", "n1"), on("b", "n2"));
    let done = |phase: &str, pod: &Value| ended(phase, 150, pod.clone());
    assert!(chore("gang.ring", &[done("Failed", &a), b.clone()], &[admitted()]).is_none(), "one still runs");
    let end = status(chore("gang.ring", &[done("Succeeded", &a), done("Succeeded", &b)], &[admitted()]));
    assert_eq!((end.state, end.used_gpu_milliseconds), (ClaimPhase::Succeeded, 8 * 51_000));
    for pods in [vec![done("Succeeded", &a), done("Failed", &b)], vec![done("Succeeded", &a)], Vec::new()] {
        assert_eq!(status(chore("gang.ring", &pods, &[admitted()])).state, ClaimPhase::Failed, "{pods:?}");
    }
    // An ended claim stays as long as its pods, unless others of its name come.
    let over = || claim("gang.ring", ClaimPhase::Failed, &[]);
    assert!(chore("gang.ring", &[done("Failed", &a)], &[over()]).is_none());
    for pods in [vec![done("Failed", &a), in_gang("2", pod("c", 4))], Vec::new()] {
        assert!(matches!(chore("gang.ring", &pods, &[over()]), Some(Chore::DeleteClaim)), "{pods:?}");
    }
}

#[test]
fn the_next_pod_of_the_controller_takes_over_the_claim_of_the_one_that_gave_way() {
    let (old, older) = ("pod.old.1", "pod.older.2");
    let pods = [pod("a", 4), pod("b", 4), pod("c", 4), pod("d", 8)];
    let claims = [put_back(old), put_back(older)];
    let assigned = |name: &str| chore(&format!("pod.{name}.uid-of-{name}"), &pods, &claims);
    let to = |claim: &str| PodOrder::Assign { claim: claim.to_owned() };
    assert_eq!(orders(assigned("a")), [("a".to_owned(), to(old))].into());
    assert_eq!(orders(assigned("b")), [("b".to_owned(), to(older))].into());
    for new in ["c", "d"] {
        assert!(
            matches!(assigned(new), Some(Chore::CreateClaim(_))),
            "{new}: one too many, or of another shape"
        );
    }
    // Made while the old one is on its way out: it waits for the claim.
    let stopping = claim(old, ClaimPhase::Stopping, &["n1"]);
    assert!(chore(OWN, &pods[..1], &[stopping]).is_none());
}

#[test]
fn a_claim_without_pods_is_out_of_the_line_and_waits_for_them_an_hour() {
    let told = status(chore(OWN, &[], &[put_back(OWN)]));
    assert_eq!((told.reason.as_deref(), told.put_back, told.due), (Some(WAITING_FOR_PODS), true, None));
    let empty = world(&[], &[put_back(OWN)]);
    let view = empty.claims.get(&key(OWN)).unwrap();
    assert!(empty.lacks_pods(&key(OWN), view));
    let after = |seconds: i64| follow(&empty, &key(OWN), view, at(190 + seconds));
    assert!(matches!(after(3_599), Some(Chore::SetStatus(_))));
    assert!(matches!(after(3_600), Some(Chore::DeleteClaim)));
    // One that never had GPUs goes at once.
    let never = claim(OWN, ClaimPhase::Queued, &[]);
    assert!(matches!(chore(OWN, &[], std::slice::from_ref(&never)), Some(Chore::DeleteClaim)));
    let full = world(&[pod("a", 4)], &[never]);
    assert!(!full.lacks_pods(&key(OWN), full.claims.get(&key(OWN)).unwrap()));
}

#[test]
fn a_pod_that_runs_for_no_admitted_claim_is_stopped() {
    let stray = [placed(OWN, "n1", pod("a", 4))];
    for claims in [vec![claim(OWN, ClaimPhase::Queued, &[])], Vec::new()] {
        assert_eq!(orders(chore(OWN, &stray, &claims)), [("a".to_owned(), PodOrder::Delete)].into());
    }
}

#[test]
fn a_jobs_pod_is_the_jobs() {
    let mut of_a_job = pod("a", 4);
    of_a_job["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "j", "controller": true}]);
    assert!(chore(OWN, &[of_a_job], &[]).is_none());
}

//! Ways around the gate of pods that are no Job's.

use concord_pool::Identity;
use serde_json::{Value, json};

use super::super::support::{EDITOR, OPERATOR, RESEARCHER};
use super::{Attempt, GATED, attempt, create, gpu_job, patch, pod, workload};

/// Pods and what makes them, as a person of the project creates them.
pub fn by_the_person() -> Vec<Attempt> {
    vec![
        create(
            "a pod that says that it has no gates",
            RESEARCHER,
            pod("gateless", |p| p["spec"]["schedulingGates"] = json!([])),
        )
        .harmless(GATED),
        create(
            "a pod that hides from the operator",
            RESEARCHER,
            pod("hidden", |p| p["metadata"]["labels"] = json!({"concord.dev/gpus": "no"})),
        )
        .harmless(GATED),
        create("a Deployment", RESEARCHER, workload("Deployment", "deployment", 3)).harmless(GATED),
        create("a StatefulSet", RESEARCHER, workload("StatefulSet", "statefulset", 1)).harmless(GATED),
        create(
            "a Job with the name of a gang's claim",
            RESEARCHER,
            gpu_job("gang.solo", |s| s["completionMode"] = json!("NonIndexed")),
        ),
        create(
            "a gang of no pods",
            RESEARCHER,
            pod("none", |p| {
                p["metadata"]["labels"] = json!({"concord.dev/gang": "none", "concord.dev/gang-size": "0"});
            }),
        ),
        create(
            "a pod that says which claim it has",
            RESEARCHER,
            pod("claimed", |p| p["metadata"]["annotations"] = json!({"concord.dev/claim": "running"})),
        ),
        create(
            "a pod straight onto a node",
            RESEARCHER,
            pod("placed", |p| p["spec"]["nodeName"] = json!("node-000")),
        ),
        create(
            "a pod of another scheduler",
            RESEARCHER,
            pod("own-scheduler", |p| p["spec"]["schedulerName"] = json!("mine")),
        ),
        create(
            "a pod above others",
            RESEARCHER,
            pod("priority", |p| p["spec"]["priorityClassName"] = json!("system-cluster-critical")),
        ),
        create(
            "a pod that asks for none, with an image that takes all, by the container runtime",
            RESEARCHER,
            pod("own-runtime", |p| {
                p["spec"]["runtimeClassName"] = json!("nvidia");
                p["spec"]["containers"][0]["resources"] = json!({});
            }),
        ),
        attempt(
            "lifting the gate",
            RESEARCHER,
            "patch -n alpha-lab pod waiting --type=merge -p {\"spec\":{\"schedulingGates\":[]}}",
        ),
    ]
}

fn binding() -> Value {
    json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "waiting"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-000"}})
}

/// What is tried on a pod that waits behind the gate.
pub fn attempts() -> Vec<Attempt> {
    let waiting = "pod waiting";
    let bind = "create --raw /api/v1/namespaces/alpha-lab/pods/waiting/binding -f -";
    vec![
        patch("lifting the gate", waiting, &json!({"spec": {"schedulingGates": []}})),
        patch("another gate instead", waiting, &json!({"spec": {"schedulingGates": [{"name": "mine"}]}})),
        patch(
            "a node for the waiting pod",
            waiting,
            &json!({"spec": {"nodeSelector": {"kubernetes.io/hostname": "node-000"}}}),
        ),
        patch("more time for the waiting pod", waiting, &json!({"spec": {"activeDeadlineSeconds": 999_999}})),
        attempt("another gang", EDITOR, "label -n alpha-lab pod waiting concord.dev/gang=other --overwrite"),
        attempt(
            "a larger gang",
            EDITOR,
            "label -n alpha-lab pod waiting concord.dev/gang-size=64 --overwrite",
        ),
        attempt("out of the operator's sight", EDITOR, "label -n alpha-lab pod waiting concord.dev/gpus-"),
        attempt("the claim of others", EDITOR, "annotate -n alpha-lab pod waiting concord.dev/claim=running"),
        patch(
            "a Job as its owner",
            waiting,
            &json!({"metadata": {"ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "running",
                "uid": "00000000-0000-0000-0000-000000000001", "controller": true}]}}),
        ),
        attempt(
            "the same as a service account of the project",
            EDITOR,
            "label -n alpha-lab pod waiting concord.dev/gpus- --as=system:serviceaccount:alpha-lab:default",
        ),
        attempt(
            "an end that is not one, of the waiting pod",
            EDITOR,
            "patch -n alpha-lab pod waiting --subresource=status --type=merge -p {\"status\":{\"phase\":\"Succeeded\"}}",
        ),
        Attempt { input: Some(binding()), ..attempt("binding the waiting pod", EDITOR, bind) },
        create("a DaemonSet", EDITOR, workload("DaemonSet", "daemonset", 1))
            .harmless("its pods are refused: ValidatingAdmissionPolicy concord-pods-use-one-door"),
        Attempt { input: Some(binding()), ..attempt("binding the waiting pod", Identity::ADMIN, bind) },
        Attempt {
            who: Identity::ADMIN,
            ..patch("lifting the gate", waiting, &json!({"spec": {"schedulingGates": []}}))
        },
        // Its own account, in nobody's term of office.
        Attempt {
            who: OPERATOR,
            ..patch("lifting the gate", waiting, &json!({"spec": {"schedulingGates": []}}))
        },
        attempt(
            "stopping a pod that did not come through the gate",
            OPERATOR,
            "delete -n alpha-lab pod -l job-name=running --wait=false",
        ),
    ]
}

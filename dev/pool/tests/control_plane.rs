//! Two real control planes side by side, from start to stop. The first run on a machine builds them (minutes).
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration, time::Instant};

use concord_pool::{ControlPlane, Identity, Options, SimulatedNode, Tool, kwok, nodes};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Pod, Secret},
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn two_control_planes_run_jobs_side_by_side() {
    let clock = Instant::now();
    let lap = |what: &str| println!("{:7.2} s  {what}", clock.elapsed().as_secs_f64());
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut planes = Vec::new();
    for folder in &folders {
        planes.push(start(folder.path()).await);
        lap("control plane ready");
    }
    assert_ne!(planes[0].server(), planes[1].server());

    for plane in &planes {
        let versions = kubectl(plane, Identity::ADMIN, &["version", "--output=json"]);
        let versions: serde_json::Value = serde_json::from_str(&versions).unwrap();
        for side in ["clientVersion", "serverVersion"] {
            assert_eq!(versions[side]["gitVersion"], "v1.36.3", "{side}");
        }
    }

    let stranger: Api<Secret> = Api::all(planes[0].client("researcher").await.unwrap());
    let refused = stranger.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.is_forbidden()), "{refused}");
    let elsewhere = planes[1].kubeconfig("researcher");
    let strange_token = std::fs::read_to_string(elsewhere).unwrap();
    assert!(!strange_token.contains(token(&planes[0])), "each control plane has tokens of its own");
    lap("strangers are refused");

    let admin = planes[0].client(Identity::ADMIN).await.unwrap();
    let wanted = (0..3).map(node).collect::<Vec<_>>();
    nodes::create(&admin, &wanted).await.unwrap();
    nodes::wait_ready(&admin, wanted.len(), |_, _| ()).await.unwrap();
    lap("3 simulated nodes ready");
    let others: Api<k8s_openapi::api::core::v1::Node> =
        Api::all(planes[1].client(Identity::ADMIN).await.unwrap());
    assert_eq!(others.list(&ListParams::default()).await.unwrap().items.len(), 0);

    let took = run_to_completion(&admin, "training", "2.5s").await;
    lap(&format!("a job of 2.5 s is complete after {:.2} s", took.as_secs_f64()));
    assert!(took >= Duration::from_millis(2500) && took < Duration::from_secs(10), "{took:?}");

    suspended_job_loses_its_pod(&admin).await;
    lap("the suspended job's pod is gone");

    for plane in planes {
        plane.stop().await.unwrap();
        lap("stopped");
    }
    for folder in &folders {
        assert_eq!(processes_of(folder.path()), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_ends_with_its_owner_and_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let (kubeconfig, server) = {
        let plane = start(folder.path()).await;
        let admin = plane.client(Identity::ADMIN).await.unwrap();
        nodes::create(&admin, &[node(0)]).await.unwrap();
        let refused = ControlPlane::start(options(folder.path())).await.unwrap_err();
        assert!(refused.to_string().starts_with("already running"), "{refused}");
        (std::fs::read_to_string(plane.kubeconfig(Identity::ADMIN)).unwrap(), plane.server())
    };
    assert_eq!(processes_of(folder.path()), Vec::<String>::new(), "dropped, so stopped");

    let again = start(folder.path()).await;
    assert_eq!(again.server(), server, "the old port was free");
    assert_eq!(std::fs::read_to_string(again.kubeconfig(Identity::ADMIN)).unwrap(), kubeconfig);
    let admin = again.client(Identity::ADMIN).await.unwrap();
    nodes::wait_ready(&admin, 1, |_, _| ()).await.unwrap();
    let took = run_to_completion(&admin, "afterwards", "0.5s").await;
    assert!(took < Duration::from_secs(10), "kwok serves the nodes of its predecessor only after {took:?}");
}

fn options(folder: &Path) -> Options {
    Options { identities: vec![Identity::new("researcher")], ..Options::for_test(folder) }
}

async fn start(folder: &Path) -> ControlPlane {
    ControlPlane::start(options(folder)).await.unwrap()
}

fn node(index: usize) -> SimulatedNode {
    SimulatedNode {
        name: format!("node-{index}"),
        owner: "alba".into(),
        gpu_class: "a100".into(),
        rack: "rack-0".into(),
        gpus: 8,
    }
}

fn kubectl(plane: &ControlPlane, identity: &str, arguments: &[&str]) -> String {
    let output = Command::new(plane.toolchain().path(Tool::Kubectl))
        .arg("--kubeconfig")
        .arg(plane.kubeconfig(identity))
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn token(plane: &ControlPlane) -> &'static str {
    let text = std::fs::read_to_string(plane.kubeconfig("researcher")).unwrap();
    let line = text.lines().find(|line| line.contains("token:")).unwrap();
    line.split(':').nth(1).unwrap().trim().to_owned().leak()
}

/// A job of one pod that takes a whole node. It runs for `duration`, or for ever.
fn job(name: &str, duration: Option<&str>) -> Job {
    let annotations: BTreeMap<&str, &str> =
        duration.map(|duration| (kwok::RUN_DURATION, duration)).into_iter().collect();
    serde_json::from_value(json!({
        "metadata": { "name": name },
        "spec": { "template": {
            "metadata": { "annotations": annotations },
            "spec": {
                "restartPolicy": "Never",
                "containers": [{
                    "name": "main",
                    "image": "training",
                    "resources": { "limits": { (nodes::GPU_RESOURCE): "8" } },
                }],
            },
        }},
    }))
    .unwrap()
}

async fn run_to_completion(client: &Client, name: &str, duration: &str) -> Duration {
    let jobs: Api<Job> = Api::default_namespaced(client.clone());
    let started = Instant::now();
    jobs.create(&PostParams::default(), &job(name, Some(duration))).await.unwrap();
    until("the job is complete", async || {
        let status = jobs.get_status(name).await.unwrap().status.unwrap_or_default();
        status.conditions.into_iter().flatten().any(|condition| condition.type_ == "Complete")
    })
    .await;
    started.elapsed()
}

async fn suspended_job_loses_its_pod(client: &Client) {
    let jobs: Api<Job> = Api::default_namespaced(client.clone());
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let of_job = ListParams::default().labels("job-name=endless");
    jobs.create(&PostParams::default(), &job("endless", None)).await.unwrap();
    until("the pod runs", async || {
        let list = pods.list(&of_job).await.unwrap();
        list.iter()
            .any(|pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running"))
    })
    .await;
    let suspend = Patch::Merge(json!({ "spec": { "suspend": true } }));
    jobs.patch("endless", &PatchParams::default(), &suspend).await.unwrap();
    until("the pod is gone", async || pods.list(&of_job).await.unwrap().items.is_empty()).await;
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Command lines of the processes that mention this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.canonicalize().unwrap().display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&folder))
        .collect()
}

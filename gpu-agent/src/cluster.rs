//! What the agent reads of the cluster and writes to it: the node's pods, the node's own labels, and its GpuNode.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::Context;
use concord_api::GpuNode;
use concord_api::gpu_node::{GpuNodeSpec, GpuNodeStatus};
use concord_api::names::LABEL_RELEASE_NVML;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;
use tokio::sync::watch;

use crate::gpu_node::{dated, is_due, status};
use crate::holdings::{PodFacts, Pods};
use crate::kubelet::{NodePods, lock};
use crate::metrics::Counters;
use crate::sampler::{Latest, Order};

/// Field manager of the agent's writes.
const MANAGER: &str = "concord-gpu-agent";
/// Least time between two writes, whatever happens.
const WRITE_INTERVAL_MIN: Duration = Duration::from_secs(10);
/// Time between two writes of what did not change: 1,000 nodes make three writes a second.
pub const HEARTBEAT_SECONDS: i64 = 300;
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A client with the pod's own rights.
///
/// # Errors
/// When there is no cluster.
pub async fn client() -> anyhow::Result<Client> {
    let mut config =
        kube::Config::infer().await.context("no cluster found: set KUBECONFIG or run inside a cluster")?;
    // The next beat writes what is true by then.
    config.default_retry = false;
    Client::try_from(config).context("the cluster's configuration cannot be used")
}

/// Follows the pods of this node until the process ends.
pub async fn follow_pods(client: Client, node: &str, known: Arc<NodePods>) {
    let config = watcher::Config::default().fields(&format!("spec.nodeName={node}"));
    let mut stream = watcher(Api::<Pod>::all(client), config).default_backoff().boxed();
    let mut listing = Pods::new();
    let key = |pod: &Pod| (pod.namespace().unwrap_or_default(), pod.name_any());
    loop {
        let event = match stream.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!("cannot watch the node's pods: {error}");
                continue;
            }
        };
        match event {
            Event::Init => listing.clear(),
            Event::InitApply(pod) => drop(listing.insert(key(&pod), PodFacts::of(&pod))),
            Event::InitDone => *lock(&known.pods) = Some(std::mem::take(&mut listing)),
            Event::Apply(pod) => {
                let facts = PodFacts::of(&pod);
                lock(&known.pods).get_or_insert_default().insert(key(&pod), facts);
            }
            Event::Delete(pod) => drop(lock(&known.pods).get_or_insert_default().remove(&key(&pod))),
        }
        known.changed.notify_one();
    }
}

/// Follows the node's label by which NVML is let go, for instance for an upgrade of the driver.
pub async fn follow_release(client: Client, node: &str, orders: Sender<Order>) {
    let config = watcher::Config::default().fields(&format!("metadata.name={node}"));
    let stream =
        watcher(Api::<PartialObjectMeta<Node>>::all(client), config).default_backoff().touched_objects();
    let mut stream = stream.boxed();
    let mut released = false;
    loop {
        let wanted = match stream.try_next().await {
            Ok(Some(node)) => node.labels().get(LABEL_RELEASE_NVML).is_some_and(|value| value == "true"),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!("cannot watch the node: {error}");
                continue;
            }
        };
        if wanted != released {
            released = wanted;
            let order = if wanted { Order::Release } else { Order::Resume };
            if orders.send(order).is_err() {
                return;
            }
        }
    }
}

/// Writes the GpuNode when it changes, and slowly when it does not.
pub async fn report(
    client: Client,
    node: &str,
    mut latest: watch::Receiver<Latest>,
    tolerated: &[String],
    counters: &Counters,
) {
    let api: Api<GpuNode> = Api::all(client);
    let mut written: Option<(GpuNodeStatus, Timestamp)> = None;
    while latest.changed().await.is_ok() {
        let found = {
            let latest = latest.borrow_and_update();
            // Before NVML was tried, nothing is known.
            if latest.health.is_empty() && latest.reading.is_none() {
                continue;
            }
            let driver = latest.reading.as_ref().and_then(|reading| reading.driver_version.clone());
            let before = written.as_ref().and_then(|(status, _)| status.driver_version.clone());
            status(&latest.health, driver.or(before).as_deref(), tolerated)
        };
        let now = Timestamp::now();
        if !is_due(written.as_ref().map(|(status, at)| (status, *at)), &found, now, HEARTBEAT_SECONDS) {
            continue;
        }
        let dated = dated(&found, now);
        let outcome = match tokio::time::timeout(WRITE_TIMEOUT, write(&api, node, &dated)).await {
            Ok(Ok(())) => {
                written = Some((found, now));
                "ok"
            }
            Ok(Err(error)) => {
                tracing::warn!("cannot write GpuNode {node}: {error}");
                "failed"
            }
            Err(_) => "timeout",
        };
        counters.writes.with_label_values(&[outcome]).inc();
        tokio::time::sleep(WRITE_INTERVAL_MIN).await;
    }
}

async fn write(api: &Api<GpuNode>, node: &str, status: &GpuNodeStatus) -> kube::Result<()> {
    let patch = Patch::Merge(json!({"status": whole(status)}));
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_status(node, &params, &patch).await {
        Err(kube::Error::Api(answer)) if answer.code == 404 => {
            api.create(&PostParams::default(), &GpuNode::new(node, GpuNodeSpec {})).await?;
            api.patch_status(node, &params, &patch).await.map(drop)
        }
        other => other.map(drop),
    }
}

/// A merge patch keeps what it does not name, so what is absent is named.
fn whole(status: &GpuNodeStatus) -> serde_json::Value {
    let mut value = json!(status);
    if status.driver_version.is_none() {
        value["driverVersion"] = serde_json::Value::Null;
    }
    value
}

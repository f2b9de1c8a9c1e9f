//! Simulated GPU nodes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::{
    api::core::v1::{Node, NodeStatus},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    Api, Client,
    api::{ListParams, ObjectMeta, PostParams},
};

use crate::kwok::{NODE_SELECTOR, NODE_SELECTOR_VALUE};

/// Label of nodes that do not exist.
pub const SIMULATED: &str = "concord.dev/simulated";
/// Label: the member that brought the node into the pool.
pub const OWNER: &str = "concord.dev/owner";
/// Label: the class of its GPUs.
pub const GPU_CLASS: &str = "concord.dev/gpu-class";
/// Label: the rack it stands in.
pub const RACK: &str = "topology.concord.dev/rack";
/// The resource that GPU pods ask for.
pub const GPU_RESOURCE: &str = "nvidia.com/gpu";

/// Calls in flight while creating; more do not make the API server faster.
const CONCURRENCY: usize = 32;
const POLL: Duration = Duration::from_millis(100);
/// 2,000 nodes take about half a minute.
const READY_LIMIT: Duration = Duration::from_secs(300);

/// A node to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedNode {
    /// Name, also its host name.
    pub name: String,
    /// The member that brings it.
    pub owner: String,
    /// Class of its GPUs.
    pub gpu_class: String,
    /// Its rack.
    pub rack: String,
    /// Number of GPUs.
    pub gpus: u32,
}

impl SimulatedNode {
    /// The object to create. Its status says what it has; kwok adds that it is Ready.
    pub fn object(&self) -> Node {
        let Self { name, owner, gpu_class, rack, gpus } = self;
        let labels = [
            ("kubernetes.io/hostname", name.as_str()),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
            (SIMULATED, "true"),
            (OWNER, owner),
            (GPU_CLASS, gpu_class),
            (RACK, rack),
        ];
        let annotations = [(NODE_SELECTOR, NODE_SELECTOR_VALUE)];
        let gpus = gpus.to_string();
        let capacity: BTreeMap<String, Quantity> = [
            ("cpu", "96"),
            ("memory", "1Ti"),
            ("ephemeral-storage", "2Ti"),
            ("pods", "110"),
            (GPU_RESOURCE, &gpus),
        ]
        .map(|(resource, amount)| (resource.to_owned(), Quantity(amount.to_owned())))
        .into();
        Node {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(owned(&labels)),
                annotations: Some(owned(&annotations)),
                ..ObjectMeta::default()
            },
            status: Some(NodeStatus {
                allocatable: Some(capacity.clone()),
                capacity: Some(capacity),
                ..NodeStatus::default()
            }),
            ..Node::default()
        }
    }
}

/// Creates the nodes that do not exist yet.
pub async fn create(client: &Client, nodes: &[SimulatedNode]) -> Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    stream::iter(nodes)
        .map(|node| {
            let api = api.clone();
            async move {
                match api.create(&PostParams::default(), &node.object()).await {
                    Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
                    other => other.map(drop),
                }
            }
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await?;
    Ok(())
}

/// Waits until all simulated nodes can take pods. `progress` hears (ready, expected) after every look.
pub async fn wait_ready(
    client: &Client,
    expected: usize,
    mut progress: impl FnMut(usize, usize),
) -> Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    let simulated = ListParams::default().labels(&format!("{SIMULATED}=true"));
    let started = Instant::now();
    loop {
        let ready = api.list(&simulated).await?.iter().filter(|node| is_usable(node)).count();
        progress(ready, expected);
        if ready >= expected {
            return Ok(());
        }
        if started.elapsed() > READY_LIMIT {
            bail!("{ready} of {expected} simulated nodes are ready after {} s", READY_LIMIT.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Ready, and the node controller has taken away the taint that every new node has.
fn is_usable(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready =
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let mut taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    ready && !taints.any(|taint| taint.key.starts_with("node.kubernetes.io/"))
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

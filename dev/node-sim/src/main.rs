//! `concord-node-sim`: SIMULATOR. Follows the pods of simulated nodes and writes, for each node, what its driver and its
//! kubelet would know, so that the real node agent can run there.
#![forbid(unsafe_code)]

mod files;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use node::SimulatedNode;

/// Changes that arrive this close together are written together.
const BATCH_WINDOW: Duration = Duration::from_millis(100);

/// SIMULATOR of GPU nodes: gives the pods of simulated nodes GPUs, and writes what the node's driver and kubelet would know.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "For each node it writes DATA/NODE/scenario.yaml (for the NVML simulator) and DATA/NODE/kubelet.json (for dev/kubelet).\nPods need not do anything: power and utilisation are drawn from their UIDs. Nothing here is a measurement.\n\nExample:\n  concord-node-sim --data .pool/nodes --node gpu-001 --node gpu-002"
)]
struct Arguments {
    /// Folder for the nodes' files.
    #[arg(long)]
    data: PathBuf,
    /// A node to simulate; it must exist in the cluster of $KUBECONFIG. May be given many times.
    #[arg(long = "node", required = true)]
    nodes: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Arguments { data, nodes } = Arguments::parse();
    let client = Client::try_default().await.context("no cluster: set KUBECONFIG")?;
    let mut pool = Pool::new(&client, data, &nodes).await?;
    pool.write(&nodes.iter().cloned().collect())?;
    tracing::info!("simulating the GPUs of {} nodes", nodes.len());
    tokio::select! {
        ended = pool.follow(client) => ended,
        stopped = stop_signal() => stopped.context("cannot wait for signals"),
    }
}

struct Pool {
    data: PathBuf,
    start_unix_seconds: f64,
    nodes: BTreeMap<String, SimulatedNode>,
}

impl Pool {
    async fn new(client: &Client, data: PathBuf, names: &[String]) -> Result<Self> {
        let api: Api<Node> = Api::all(client.clone());
        let mut nodes = BTreeMap::new();
        for name in names {
            let node = api.get(name).await.with_context(|| format!("cannot read node {name}"))?;
            let capacity = node.status.and_then(|status| status.capacity).unwrap_or_default();
            let gpus = capacity.get("nvidia.com/gpu").and_then(|quantity| quantity.0.parse().ok());
            let gpus: usize = gpus.unwrap_or_default();
            ensure!(gpus > 0, "node {name} has no nvidia.com/gpu in its capacity");
            nodes.insert(name.clone(), SimulatedNode::new(name, gpus));
        }
        Ok(Self { data, start_unix_seconds: unix_seconds(), nodes })
    }

    fn now(&self) -> f64 {
        unix_seconds() - self.start_unix_seconds
    }

    async fn follow(&mut self, client: Client) -> Result<()> {
        let config = Config::default().fields("spec.nodeName!=");
        let events = watcher(Api::<Pod>::all(client), config).default_backoff();
        let mut batches = events.ready_chunks(1_024).boxed();
        let mut listed: Option<BTreeSet<String>> = None;
        while let Some(batch) = batches.next().await {
            let mut touched = BTreeSet::new();
            for event in batch {
                match event {
                    Ok(event) => self.take(event, &mut listed, &mut touched),
                    Err(error) => tracing::warn!("cannot watch pods: {error}; trying again"),
                }
            }
            if !touched.is_empty() {
                self.write(&touched)?;
                tokio::time::sleep(BATCH_WINDOW).await;
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        event: Event<Pod>,
        listed: &mut Option<BTreeSet<String>>,
        touched: &mut BTreeSet<String>,
    ) {
        let now = self.now();
        match event {
            Event::Init => *listed = Some(BTreeSet::new()),
            Event::InitApply(pod) | Event::Apply(pod) => {
                if let Some(listed) = listed {
                    listed.extend(pod.uid());
                }
                if let Some(node) = self.node_of(&pod)
                    && node.see(&pod, now)
                {
                    touched.insert(node.name.clone());
                }
            }
            Event::Delete(pod) => {
                if let Some(node) = self.node_of(&pod)
                    && node.gone(&pod.uid().unwrap_or_default(), now)
                {
                    touched.insert(node.name.clone());
                }
            }
            // Who is not in a new list was deleted while nobody looked.
            Event::InitDone => {
                let listed = listed.take().unwrap_or_default();
                for node in self.nodes.values_mut() {
                    let missing =
                        node.running().map(|held| held.uid.clone()).filter(|uid| !listed.contains(uid));
                    for uid in missing.collect::<Vec<_>>() {
                        node.gone(&uid, now);
                        touched.insert(node.name.clone());
                    }
                }
            }
        }
    }

    fn node_of(&mut self, pod: &Pod) -> Option<&mut SimulatedNode> {
        self.nodes.get_mut(pod.spec.as_ref()?.node_name.as_ref()?)
    }

    fn write(&mut self, names: &BTreeSet<String>) -> Result<()> {
        let (now, start) = (self.now(), self.start_unix_seconds);
        for name in names {
            let Some(node) = self.nodes.get_mut(name) else { continue };
            node.fold(now);
            let directory = self.data.join(name);
            // JSON is YAML; the first line says to people what it is.
            let scenario = serde_yaml::to_string(&files::scenario(node, start))?;
            replace(
                &directory,
                "scenario.yaml",
                &format!("# SIMULATOR scenario, written by concord-node-sim.\n{scenario}"),
            )?;
            replace(&directory, "kubelet.json", &text(&files::kubelet(node))?)?;
        }
        Ok(())
    }
}

fn text(value: &Value) -> Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

/// Replaces a file at once: whoever reads it sees the old or the new one.
fn replace(directory: &Path, name: &str, text: &str) -> Result<()> {
    let replaced = || -> Result<()> {
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(text.as_bytes())?;
        file.persist(directory.join(name))?;
        Ok(())
    };
    replaced().with_context(|| format!("cannot write {name} in {}", directory.display()))
}

fn unix_seconds() -> f64 {
    Timestamp::now().as_microsecond() as f64 / 1e6
}

async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}

//! Asks the kubelet every few seconds who holds which device, and joins that with the node's pods.
//!
//! Never with each scrape: the kubelet answers 100 calls a second to all its clients together. When it says no, the last
//! answer stays, and its age is published.

pub mod client;
pub mod proto;
pub mod read;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::books::Replicas;
use crate::holdings::{Holdings, Left, Pods};
use crate::inventory::Gpu;
use crate::metrics::Counters;
use crate::sampler::Latest;
use client::Client;

/// Time between two lists.
pub const INTERVAL: Duration = Duration::from_secs(2);
/// Least time between two lists when pods change quickly.
const INTERVAL_MIN: Duration = Duration::from_millis(250);
/// Lists between two questions for all devices, which change when the device plugin starts again.
const LISTS_BETWEEN_DEVICES: u32 = 15;
/// Time for which an ended holding is kept: intervals wait ten minutes at most.
const KEPT_MICROSECONDS: i64 = 900 * 1_000_000;

/// Who holds what, as last known; shared by the sampler, the metrics and this.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// Holdings.
    pub holdings: Holdings,
    /// Replicas.
    pub replicas: Replicas,
    /// When the kubelet last answered, in microseconds since the epoch of Unix.
    pub listed_microseconds: Option<i64>,
    /// What could not be joined with a pod.
    pub left: Left,
    /// Device ids that lead to no GPU.
    pub unresolved: usize,
}

/// A mapping that several parts look at.
pub type Shared = Arc<Mutex<Mapping>>;

/// The node's pods; `None` before they were listed. Others may wait for a change.
#[derive(Default)]
pub struct NodePods {
    /// The pods.
    pub pods: Mutex<Option<Pods>>,
    /// Told when they change.
    pub changed: Notify,
}

/// Locks; a thread that died while it held the lock left whole values.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks until the process ends. Without `pods` the list alone counts.
///
/// # Errors
/// When the client cannot be made; a defect.
pub async fn follow(
    socket: &Path,
    shared: Shared,
    pods: Option<Arc<NodePods>>,
    latest: watch::Receiver<Latest>,
    counters: Counters,
) -> anyhow::Result<()> {
    let mut client = Client::new(socket.to_owned())?;
    let mut lists = 0;
    let mut trouble = String::new();
    loop {
        let gpus = known_gpus(&latest);
        // Before NVML has answered once, no device could be found.
        if let Some(gpus) = gpus {
            match ask(&mut client, &gpus, lists % LISTS_BETWEEN_DEVICES == 0, &shared, pods.as_deref()).await
            {
                Ok(()) => {
                    lists += 1;
                    trouble.clear();
                }
                Err(status) => {
                    counters.kubelet_errors.with_label_values(&[client::label(status.code())]).inc();
                    if trouble != status.message() {
                        tracing::warn!(socket = %socket.display(), code = ?status.code(), "the kubelet says: {}", status.message());
                        status.message().clone_into(&mut trouble);
                    }
                }
            }
        }
        tokio::time::sleep(INTERVAL_MIN).await;
        let change = async {
            match &pods {
                Some(pods) => pods.changed.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(INTERVAL.saturating_sub(INTERVAL_MIN)) => {}
            () = change => {}
        }
    }
}

/// GPUs as last listed, those that do not answer now too.
fn known_gpus(latest: &watch::Receiver<Latest>) -> Option<Vec<Gpu>> {
    let latest = latest.borrow();
    let gpus: Vec<Gpu> = latest.node.accounts.values().map(|account| account.gpu.clone()).collect();
    (!gpus.is_empty()).then_some(gpus)
}

async fn ask(
    client: &mut Client,
    gpus: &[Gpu],
    devices_too: bool,
    shared: &Shared,
    pods: Option<&NodePods>,
) -> Result<(), tonic::Status> {
    let replicas = if devices_too { Some(read::replicas(&client.allocatable().await?, gpus)) } else { None };
    let list = client.list().await?;
    let now = Timestamp::now().as_microsecond();
    let (listed, unresolved) = read::listed(&list, gpus);
    let mut mapping = lock(shared);
    if let Some(pods) = pods {
        let pods = lock(&pods.pods);
        // Until the pods are known, nobody can be charged.
        let Some(pods) = pods.as_ref() else { return Ok(()) };
        mapping.left = mapping.holdings.update(&listed, Some(pods), now);
    } else {
        mapping.left = mapping.holdings.update(&listed, None, now);
    }
    mapping.holdings.forget_before(now - KEPT_MICROSECONDS);
    mapping.unresolved = unresolved;
    mapping.listed_microseconds = Some(now);
    if let Some(replicas) = replicas {
        mapping.replicas = replicas;
    }
    Ok(())
}

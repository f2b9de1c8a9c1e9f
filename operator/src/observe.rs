//! The only reader: eleven watches merged into one stream of sightings.

use concord_api::names::LABEL_GPUS;
use concord_api::{Amendment, Application, GpuClaim, GpuNode, Incident, MemberQuota, Project, Treaty};
use futures::stream::{BoxStream, SelectAll, Stream};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, reflector::Lookup};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::world::Sighting;

/// Sightings read ahead of the cycle. Beyond it the watches are not read, and the API server closes them in the end,
/// which only costs a new list. 16,384 are four minutes of a pool that starts 15 Jobs a second.
const READ_AHEAD_MAX: usize = 16_384;

/// Everything that the operator looks at, read by a task of its own, so that a cycle that waits for its writes does not
/// hold up the watches. It ends when nobody receives any more; a broken watch is opened again with a back-off.
pub fn sightings(client: &Client, metrics: &Metrics) -> mpsc::Receiver<Sighting> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD_MAX);
    let mut watches = watches(client, metrics);
    tokio::spawn(async move {
        // Also a watch on which nothing happens ends with its receiver.
        tokio::select! {
            () = sender.closed() => {}
            () = forward(&mut watches, &sender) => {}
        }
    });
    receiver
}

async fn forward(watches: &mut SelectAll<BoxStream<'static, Sighting>>, to: &mpsc::Sender<Sighting>) {
    while let Some(sighting) = watches.next().await {
        if to.send(sighting).await.is_err() {
            break;
        }
    }
}

fn watches(client: &Client, metrics: &Metrics) -> SelectAll<BoxStream<'static, Sighting>> {
    // Of a large pool's pods only those behind our gate, or that were.
    let gated = watcher::Config::default().labels(&format!("{LABEL_GPUS}=true"));
    let streams: Vec<BoxStream<'static, Sighting>> = vec![
        seen::<Treaty>(Api::all(client.clone()), metrics).map(Sighting::Treaty).boxed(),
        seen::<Amendment>(Api::all(client.clone()), metrics).map(Sighting::Amendment).boxed(),
        seen::<MemberQuota>(Api::all(client.clone()), metrics).map(Sighting::Quota).boxed(),
        seen::<Project>(Api::all(client.clone()), metrics).map(Sighting::Project).boxed(),
        seen::<Application>(Api::all(client.clone()), metrics).map(Sighting::Application).boxed(),
        seen::<Incident>(Api::all(client.clone()), metrics).map(Sighting::Incident).boxed(),
        seen::<Node>(Api::all(client.clone()), metrics).map(Sighting::Node).boxed(),
        seen::<GpuNode>(Api::all(client.clone()), metrics).map(Sighting::GpuNode).boxed(),
        seen::<Job>(Api::all(client.clone()), metrics).map(Sighting::Job).boxed(),
        selected::<Pod>(Api::all(client.clone()), gated, metrics).map(Sighting::Pod).boxed(),
        seen::<GpuClaim>(Api::all(client.clone()), metrics).map(Sighting::Claim).boxed(),
    ];
    futures::stream::select_all(streams)
}

/// One kind's events, of all its objects.
fn seen<K>(api: Api<DeserializeGuard<K>>, metrics: &Metrics) -> impl Stream<Item = Event<K>> + use<K>
where
    K: Resource + Lookup + DeserializeOwned + Clone + std::fmt::Debug + Send + 'static,
    <K as Resource>::DynamicType: Default + Clone + Eq + std::hash::Hash,
    DeserializeGuard<K>: Resource<DynamicType = <K as Resource>::DynamicType>,
{
    selected(api, watcher::Config::default(), metrics)
}

/// One kind's events. An object that cannot be read is skipped with a warning: one bad object never stops the rest.
fn selected<K>(
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
    metrics: &Metrics,
) -> impl Stream<Item = Event<K>> + use<K>
where
    K: Resource + Lookup + DeserializeOwned + Clone + std::fmt::Debug + Send + 'static,
    <K as Resource>::DynamicType: Default + Clone + Eq + std::hash::Hash,
    DeserializeGuard<K>: Resource<DynamicType = <K as Resource>::DynamicType>,
{
    let kind = <K as Resource>::kind(&Default::default()).to_lowercase();
    let restarts = metrics.watch_restarts.with_label_values(&[&kind]);
    watcher(api, config)
        .default_backoff()
        .inspect_err(move |error| {
            restarts.inc();
            tracing::warn!(kind, %error, "watch interrupted; opening it again");
        })
        .filter_map(|event| async move { readable(event.ok()?) })
}

fn readable<K: Resource>(event: Event<DeserializeGuard<K>>) -> Option<Event<K>> {
    let unwrap = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            tracing::warn!(name = ?invalid.metadata.name, namespace = ?invalid.metadata.namespace, error = %invalid.error, "unreadable object skipped");
            None
        }
    };
    match event {
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
        Event::InitApply(guard) => unwrap(guard).map(Event::InitApply),
        Event::Apply(guard) => unwrap(guard).map(Event::Apply),
        Event::Delete(guard) => unwrap(guard).map(Event::Delete),
    }
}

//! The audit's eyes: six watches with the auditor's rights, merged, each event counted at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Node, Pod},
};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

use super::{
    books::Books,
    findings::Findings,
    seen::{Key, SeenClaim, SeenJob, SeenPod, ceilings, key, namespace_member, node_gpus},
    stories::Stories,
};

/// The first listing of a pool with many thousand objects takes seconds.
const FIRST_LISTING_LIMIT: Duration = Duration::from_secs(120);

/// A running audit. It ends with its value.
#[derive(Debug)]
pub struct Audit {
    shared: Arc<Mutex<State>>,
    started: Instant,
    task: JoinHandle<()>,
}

/// Everything counted so far.
#[derive(Debug, Default)]
pub struct State {
    /// GPUs in use.
    pub books: Books,
    /// Jobs and claims.
    pub stories: Stories,
    treaties: BTreeMap<String, DynamicObject>,
    listed: BTreeSet<&'static str>,
    events: u64,
    interruptions: u64,
}

impl Audit {
    /// Starts watching, and returns when everything that there is has been seen.
    pub async fn start(client: Client) -> Result<Self> {
        let (shared, started) = (Arc::<Mutex<State>>::default(), Instant::now());
        let task = tokio::spawn(watch(client, Arc::clone(&shared), started));
        let audit = Self { shared, started, task };
        while !audit.state().is_complete() {
            let patience = started.elapsed() < FIRST_LISTING_LIMIT && !audit.task.is_finished();
            ensure!(
                patience,
                "the audit sees only {:?}; is ClusterRole concord-auditor bound?",
                audit.state().listed
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(audit)
    }

    /// Milliseconds since the audit began.
    pub fn now_ms(&self) -> u64 {
        millis_since(self.started)
    }

    /// What is counted so far. Hold it briefly: meanwhile nothing is counted.
    pub fn state(&self) -> MutexGuard<'_, State> {
        // A panic while counting leaves sums that may be wrong; the task has then ended and `findings` says so.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The findings over these Jobs and the GPU-milliseconds that each needs at least.
    pub fn findings<'a>(&self, jobs: impl Iterator<Item = (&'a Key, u64)>) -> Result<Findings> {
        ensure!(!self.task.is_finished(), "the audit's watches have ended");
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.books.settle(now_ms);
        let found = Findings::of(&state.books, &state.stories, jobs);
        Ok(Findings { events: state.events, interruptions: state.interruptions, ..found })
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn millis_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A kind's events, a listing as one piece: half a listing is a state that the pool never had.
enum Change<K> {
    All(Vec<K>),
    One(Box<K>),
    Gone(Box<K>),
    Interrupted,
}

fn changes<K>(api: Api<K>) -> impl Stream<Item = Change<K>> + Send
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let mut listing = Vec::new();
    watcher(api, watcher::Config::default()).default_backoff().filter_map(move |event| {
        let change = match event {
            Ok(Event::Init) => {
                listing.clear();
                None
            }
            Ok(Event::InitApply(object)) => {
                listing.push(object);
                None
            }
            Ok(Event::InitDone) => Some(Change::All(std::mem::take(&mut listing))),
            Ok(Event::Apply(object)) => Some(Change::One(Box::new(object))),
            Ok(Event::Delete(object)) => Some(Change::Gone(Box::new(object))),
            Err(_) => Some(Change::Interrupted),
        };
        async move { change }
    })
}

enum Sighting {
    Node(Change<Node>),
    Namespace(Change<Namespace>),
    Pod(Change<Pod>),
    Job(Change<Job>),
    Claim(Change<DynamicObject>),
    Treaty(Change<DynamicObject>),
}

async fn watch(client: Client, shared: Arc<Mutex<State>>, started: Instant) {
    let ours = |kind: &str| -> Api<DynamicObject> {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("concord.dev", "v1alpha1", kind));
        Api::all_with(client.clone(), &kind)
    };
    let mut sightings = stream::select_all([
        changes::<Node>(Api::all(client.clone())).map(Sighting::Node).boxed(),
        changes::<Namespace>(Api::all(client.clone())).map(Sighting::Namespace).boxed(),
        changes::<Pod>(Api::all(client.clone())).map(Sighting::Pod).boxed(),
        changes::<Job>(Api::all(client.clone())).map(Sighting::Job).boxed(),
        changes(ours("GpuClaim")).map(Sighting::Claim).boxed(),
        changes(ours("Treaty")).map(Sighting::Treaty).boxed(),
    ]);
    while let Some(sighting) = sightings.next().await {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.see(sighting, millis_since(started));
    }
}

impl State {
    /// Every kind has been listed once.
    fn is_complete(&self) -> bool {
        self.listed.len() == 6
    }

    fn see(&mut self, sighting: Sighting, at_ms: u64) {
        self.events += 1;
        match sighting {
            Sighting::Node(change) => self.see_nodes(change),
            Sighting::Namespace(change) => {
                for namespace in self.named("namespaces", change).0 {
                    self.books.namespace(&key(&namespace), namespace_member(&namespace));
                }
            }
            Sighting::Pod(change) => self.see_pods(change, at_ms),
            Sighting::Job(change) => {
                let gone = missing(&change, || self.stories.jobs.keys().cloned().collect());
                let (present, deleted) = self.named("jobs", change);
                gone.iter().chain(&deleted).for_each(|name| self.stories.job_gone(name));
                for job in present {
                    self.stories.job(&key(&job), SeenJob::of(&job), at_ms);
                }
            }
            Sighting::Claim(change) => {
                let gone = missing(&change, || self.stories.claims.keys().cloned().collect());
                let (present, deleted) = self.named("gpuclaims", change);
                gone.iter().chain(&deleted).for_each(|name| self.stories.claim_gone(name));
                for claim in present {
                    self.stories.claim(&key(&claim), SeenClaim::of(&claim));
                }
            }
            Sighting::Treaty(change) => self.see_treaties(change),
        }
        if self.is_complete() {
            self.books.check(at_ms);
        }
    }

    fn see_nodes(&mut self, change: Change<Node>) {
        let gone = missing(&change, || self.books.node_names().cloned().collect());
        let (present, deleted) = self.named("nodes", change);
        gone.iter().chain(&deleted).for_each(|name| self.books.node_gone(name));
        for node in present {
            self.books.node(&key(&node), node_gpus(&node));
        }
    }

    fn see_pods(&mut self, change: Change<Pod>, at_ms: u64) {
        let gone = missing(&change, || self.books.pod_keys().cloned().collect());
        let (present, deleted) = self.named("pods", change);
        for name in gone.iter().chain(&deleted) {
            if let Some(pod) = self.books.last_seen(name) {
                self.stories.pod_gone(pod);
            }
            self.books.pod(name, None, at_ms);
        }
        for pod in present {
            let seen = SeenPod::of(&pod);
            if let Some(seen) = &seen {
                self.stories.pod(seen);
            }
            self.books.pod(&key(&pod), seen, at_ms);
        }
    }

    fn see_treaties(&mut self, change: Change<DynamicObject>) {
        if matches!(change, Change::All(_)) {
            self.treaties.clear();
        }
        let (present, deleted) = self.named("treaties", change);
        deleted.iter().for_each(|name| drop(self.treaties.remove(name)));
        self.treaties.extend(present.into_iter().map(|treaty| (key(&treaty), treaty)));
        self.books.set_ceilings(self.treaties.values().find_map(ceilings).unwrap_or_default());
    }

    /// The objects that are there, and the names of those that were deleted.
    fn named<K: Resource>(&mut self, kind: &'static str, change: Change<K>) -> (Vec<K>, Vec<Key>) {
        match change {
            Change::All(objects) => {
                self.listed.insert(kind);
                (objects, Vec::new())
            }
            Change::One(object) => (vec![*object], Vec::new()),
            Change::Gone(object) => (Vec::new(), vec![key(object.as_ref())]),
            Change::Interrupted => {
                self.interruptions += 1;
                (Vec::new(), Vec::new())
            }
        }
    }
}

/// What is known and not in a new listing: deleted while nobody looked.
fn missing<K: Resource>(change: &Change<K>, known: impl FnOnce() -> Vec<Key>) -> Vec<Key> {
    let Change::All(objects) = change else { return Vec::new() };
    let present: BTreeSet<Key> = objects.iter().map(key).collect();
    known().into_iter().filter(|name| !present.contains(name)).collect()
}

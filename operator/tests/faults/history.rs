//! A watcher of its own that notes every state of every pod, Job, claim and node that the API server shows, with the
//! revision at which it was stored. Revisions are those of one store, so they order the states of different kinds too.
//! Nothing of the operator's code or types is used.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use concord_pool::audit::seen::{SeenJob, SeenPod, key, node_gpus};
use futures::StreamExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::JoinSet;

/// Pause before a watch that broke is opened again. Short, so that little is missed.
const PAUSE: Duration = Duration::from_millis(20);

/// What is noted of a claim.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenClaim {
    pub member: String,
    pub gpus: u64,
    pub state: String,
    pub placement: BTreeMap<String, u64>,
    pub reserves: bool,
    pub notice: bool,
    pub admitted_at_ms: Option<i64>,
    pub finished_at_ms: Option<i64>,
    /// When its condition `Admitted` last changed, to the second.
    pub admitted_changed_at_ms: Option<i64>,
    pub reclaims: u64,
    pub borrows: u64,
    pub used_gpu_ms: i64,
    pub reclaimed_gpu_ms: i64,
}

/// A new state of one object; `None` when it is gone.
#[derive(Debug, Clone)]
pub enum Change {
    Pod(Option<SeenPod>),
    Job(Option<SeenJob>),
    Claim(Option<SeenClaim>),
    /// GPUs that it offers.
    Node(Option<u32>),
    /// States of this kind may be missing since this revision.
    Gap(u64),
}

/// A change, when it was stored, and of what.
#[derive(Debug, Clone)]
pub struct Record {
    pub revision: u64,
    pub key: String,
    pub change: Change,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Seen {
    pub records: Vec<Record>,
    pub pods: BTreeMap<String, SeenPod>,
    pub jobs: BTreeMap<String, SeenJob>,
    pub claims: BTreeMap<String, SeenClaim>,
    pub nodes: BTreeMap<String, u32>,
    /// Of each object of each kind, the last revision.
    revisions: BTreeMap<(&'static str, String), u64>,
}

/// A running watcher; it ends with its value.
pub struct History {
    seen: Arc<Mutex<Seen>>,
    _watches: JoinSet<()>,
}

impl History {
    pub fn start(client: &Client) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let mut watches = JoinSet::new();
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("concord.dev", "v1alpha1", "GpuClaim"),
            "gpuclaims",
        );
        let claims: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let all = || client.clone();
        watches.spawn(follow(Api::<Pod>::all(all()), "pod", Arc::clone(&seen), |p| {
            Change::Pod(p.and_then(SeenPod::of))
        }));
        watches.spawn(follow(Api::<Job>::all(all()), "job", Arc::clone(&seen), |j| {
            Change::Job(j.map(SeenJob::of))
        }));
        watches.spawn(follow(Api::<Node>::all(all()), "node", Arc::clone(&seen), |n| {
            Change::Node(n.map(node_gpus))
        }));
        watches.spawn(follow(claims, "claim", Arc::clone(&seen), |c| Change::Claim(c.map(claim_of))));
        Self { seen, _watches: watches }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Forgets all states but the present ones.
    pub fn begin(&self) {
        let mut seen = self.seen();
        let nodes = seen.nodes.clone();
        seen.records =
            nodes.into_iter().map(|(key, gpus)| record(0, &key, Change::Node(Some(gpus)))).collect();
    }
}

fn record(revision: u64, key: &str, change: Change) -> Record {
    Record { revision, key: key.to_owned(), change }
}

impl Seen {
    fn note(&mut self, kind: &'static str, revision: u64, key: &str, change: Change) {
        let id = (kind, key.to_owned());
        if self.revisions.get(&id).is_some_and(|known| *known > revision) {
            return;
        }
        self.revisions.insert(id, revision);
        match change.clone() {
            Change::Pod(pod) => put(&mut self.pods, key, pod),
            Change::Job(job) => put(&mut self.jobs, key, job),
            Change::Claim(claim) => put(&mut self.claims, key, claim),
            Change::Node(gpus) => put(&mut self.nodes, key, gpus),
            Change::Gap(_) => {}
        }
        self.records.push(record(revision, key, change));
    }

    fn known(&self, kind: &'static str) -> Vec<(String, u64)> {
        let here = |key: &String| match kind {
            "pod" => self.pods.contains_key(key),
            "job" => self.jobs.contains_key(key),
            "node" => self.nodes.contains_key(key),
            _ => self.claims.contains_key(key),
        };
        let of_kind = self.revisions.iter().filter(|((of, key), _)| *of == kind && here(key));
        of_kind.map(|((_, key), revision)| (key.clone(), *revision)).collect()
    }

    fn last_of(&self, kind: &'static str) -> u64 {
        self.revisions.iter().filter(|((of, _), _)| *of == kind).map(|(_, r)| *r).max().unwrap_or(0)
    }
}

fn put<T>(map: &mut BTreeMap<String, T>, key: &str, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(key.to_owned(), value)),
        None => drop(map.remove(key)),
    }
}

async fn follow<K>(
    api: Api<K>,
    kind: &'static str,
    shared: Arc<Mutex<Seen>>,
    change: impl Fn(Option<&K>) -> Change,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    let (mut listing, mut listed, mut gap_since) = (BTreeSet::new(), false, None);
    while let Some(event) = events.next().await {
        let Ok(event) = event else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let mut seen = shared.lock().unwrap();
        match event {
            Event::Init => {
                listing.clear();
                // Until the first event after the list, states may be missing.
                if listed && gap_since.is_none() {
                    gap_since = Some(seen.last_of(kind));
                }
            }
            Event::InitApply(object) => {
                listing.insert(key(&object));
                seen.note(kind, revision(&object), &key(&object), change(Some(&object)));
            }
            Event::InitDone => {
                listed = true;
                for (gone, last) in seen.known(kind) {
                    if !listing.contains(&gone) {
                        // Deleted at some time since; the earliest is the one that accuses nobody.
                        seen.note(kind, last, &gone, change(None));
                    }
                }
            }
            Event::Apply(object) => {
                close_gap(&mut seen, &mut gap_since, revision(&object));
                seen.note(kind, revision(&object), &key(&object), change(Some(&object)));
            }
            Event::Delete(object) => {
                close_gap(&mut seen, &mut gap_since, revision(&object));
                seen.note(kind, revision(&object), &key(&object), change(None));
            }
        }
    }
}

fn close_gap(seen: &mut Seen, since: &mut Option<u64>, until: u64) {
    if let Some(since) = since.take() {
        seen.records.push(record(until, "", Change::Gap(since)));
    }
}

fn revision(object: &impl Resource) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn claim_of(claim: &DynamicObject) -> SeenClaim {
    let at = |path: &str| claim.data.pointer(path);
    let text = |path: &str| at(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |path: &str| at(path).and_then(Value::as_i64).unwrap_or(0);
    let time = |value: Option<&Value>| {
        let parsed = value?.as_str()?.parse::<k8s_openapi::jiff::Timestamp>().ok()?;
        Some(parsed.as_millisecond())
    };
    let list = |path: &str| at(path).and_then(Value::as_array).cloned().unwrap_or_default();
    let place = |p: &Value| Some((p["node"].as_str()?.to_owned(), p["gpus"].as_u64()?));
    let admitted = list("/status/conditions").into_iter().find(|c| c["type"] == "Admitted");
    SeenClaim {
        member: text("/spec/member"),
        gpus: number("/spec/gpus").unsigned_abs(),
        state: text("/status/state"),
        placement: list("/status/placement").iter().filter_map(place).collect(),
        reserves: !list("/status/reserved").is_empty(),
        notice: at("/status/noticeDeadline").is_some(),
        admitted_at_ms: time(at("/status/admittedAt")),
        finished_at_ms: time(at("/status/finishedAt")),
        admitted_changed_at_ms: time(admitted.as_ref().map(|c| &c["lastTransitionTime"])),
        reclaims: number("/status/reclaims").unsigned_abs(),
        borrows: number("/status/borrows").unsigned_abs(),
        used_gpu_ms: number("/status/usedGpuMilliseconds"),
        reclaimed_gpu_ms: number("/status/reclaimedGpuMilliseconds"),
    }
}

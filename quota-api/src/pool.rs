//! The cluster as last seen: each watch feeds a store, and pages read only the stores, so that no number of readers can
//! load the API server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use concord_api::{Amendment, Application, GpuClaim, GpuNode, Incident, MemberQuota, Project, Treaty};
use concord_treaty::treaty::Treaty as Rules;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{Lookup, Store, store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::overview::{Overview, Seen};
use crate::pool_use::{Freshness, PoolUse};

/// Sums are kept this long: 100,000 claims take tens of milliseconds to sum, which readers must not multiply.
const SUM_LIFETIME: Duration = Duration::from_secs(1);
/// So old a sum may still be shown while one request makes the next: nobody waits for a sum but the very first.
const SUM_STALE_MAX: Duration = Duration::from_secs(10);
/// Without these there is no page; without the other kinds pages say less.
const NEEDED: [&str; 2] = ["treaties", "gpuclaims"];
/// A watch is asked anew after this long, so that a connection that died in silence is noticed within about a minute.
const WATCH_SECONDS: u32 = 60;
/// Shortest and longest wait before a broken watch is opened again.
const REOPEN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// One watch's connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// The first list is complete.
    pub synced: bool,
    /// Since when it is broken, and why.
    pub broken: Option<(Timestamp, String)>,
}

/// Stores of what the pages show.
pub struct Pool {
    /// Treaties.
    pub treaties: Store<Treaty>,
    /// Claims, without what no page shows.
    pub claims: Store<GpuClaim>,
    /// Projects.
    pub projects: Store<Project>,
    /// Proposed changes of treaties.
    pub amendments: Store<Amendment>,
    /// Applications.
    pub applications: Store<Application>,
    /// Quotas inside members.
    pub quotas: Store<MemberQuota>,
    /// What the agents say of their nodes.
    pub gpu_nodes: Store<GpuNode>,
    /// What those who run the pool tell of what went wrong.
    pub incidents: Store<Incident>,
    /// Nodes.
    pub nodes: Store<Node>,
    links: Vec<(&'static str, watch::Receiver<Link>)>,
    sum: Mutex<Sum>,
    /// The last text of a treaty that was read, by UID and generation.
    read: Mutex<Option<(Text, Arc<Rules>)>>,
}

/// UID and generation.
type Text = (Option<String>, Option<i64>);

#[derive(Default)]
struct Sum {
    known: Option<(Instant, Arc<Overview>)>,
    /// Somebody is making the next one.
    in_work: bool,
}

impl Pool {
    /// The stores, and the work that feeds them; it never ends.
    pub fn follow(client: &Client) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let mut feeds = Feeds { client: client.clone(), links: Vec::new(), work: Vec::new() };
        let pool = Self {
            treaties: feeds.add("treaties", |_| {}),
            claims: feeds.add("gpuclaims", prune),
            projects: feeds.add("projects", |_| {}),
            amendments: feeds.add("amendments", |_| {}),
            applications: feeds.add("applications", |_| {}),
            quotas: feeds.add("memberquotas", |_| {}),
            gpu_nodes: feeds.add("gpunodes", |_| {}),
            incidents: feeds.add("incidents", |_| {}),
            nodes: feeds.add("nodes", prune_node),
            links: feeds.links,
            sum: Mutex::default(),
            read: Mutex::default(),
        };
        let work = futures::future::join_all(feeds.work);
        (pool, async move {
            work.await;
        })
    }

    /// Use now, or as of the moment when the connection broke. `Err` names what is waited for, and not why: the
    /// public learns nothing of how the cluster is reached.
    ///
    /// # Errors
    /// Before the first lists are complete.
    pub fn current(&self, now: Timestamp) -> Result<Arc<PoolUse>, String> {
        Ok(self.overview(now)?.pool.clone())
    }

    /// Everything that public pages say of this moment.
    ///
    /// # Errors
    /// Before the first lists are complete.
    pub fn overview(&self, now: Timestamp) -> Result<Arc<Overview>, String> {
        let unsynced: Vec<String> = self.unsynced().map(|(kind, _)| first_list(kind)).collect();
        if !unsynced.is_empty() {
            return Err(unsynced.join(" and "));
        }
        let mut sum = self.sum();
        if let Some((at, known)) = &sum.known
            && (at.elapsed() < SUM_LIFETIME || (sum.in_work && at.elapsed() < SUM_STALE_MAX))
        {
            return Ok(known.clone());
        }
        sum.in_work = true;
        drop(sum);
        let fresh = Arc::new(self.sum_up(now));
        *self.sum() = Sum { known: Some((Instant::now(), fresh.clone())), in_work: false };
        Ok(fresh)
    }

    fn sum(&self) -> std::sync::MutexGuard<'_, Sum> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sum_up(&self, now: Timestamp) -> Overview {
        Overview::of(&Seen {
            treaties: self.treaties.state(),
            claims: self.claims.state(),
            projects: self.knows("projects").then(|| self.projects.state()),
            nodes: self.knows("nodes").then(|| self.nodes.state()),
            gpu_nodes: self.knows("gpunodes").then(|| self.gpu_nodes.state()),
            freshness: self.freshness(now),
        })
    }

    fn needed(&self) -> impl Iterator<Item = (&'static str, Link)> {
        let needed = self.links.iter().filter(|(kind, _)| NEEDED.contains(kind));
        needed.map(|(kind, link)| (*kind, link.borrow().clone()))
    }

    fn freshness(&self, now: Timestamp) -> Freshness {
        let broken = self.needed().filter_map(|(_, link)| Some(link.broken?.0)).min();
        let as_of = broken.unwrap_or(now);
        // Nobody needs more than milliseconds.
        Freshness { as_of: as_of.round(jiff::Unit::Millisecond).unwrap_or(as_of), live: broken.is_none() }
    }

    /// What is missing before pages can be shown; empty when nothing is. A connection that breaks later is no reason
    /// to take pages away: they say the time of their data.
    pub fn waits_for(&self) -> Vec<String> {
        self.unsynced()
            .map(|(kind, link)| match link.broken {
                None => first_list(kind),
                Some((_, cause)) => format!("{} ({cause})", first_list(kind)),
            })
            .collect()
    }

    fn unsynced(&self) -> impl Iterator<Item = (&'static str, Link)> {
        self.needed().filter(|(_, link)| !link.synced)
    }

    /// Kind, whether its watch is live, and number of objects.
    pub fn watches(&self) -> Vec<(&'static str, bool, usize)> {
        let count = |kind: &str| match kind {
            "treaties" => self.treaties.len(),
            "gpuclaims" => self.claims.len(),
            "projects" => self.projects.len(),
            "applications" => self.applications.len(),
            "memberquotas" => self.quotas.len(),
            "gpunodes" => self.gpu_nodes.len(),
            "amendments" => self.amendments.len(),
            "incidents" => self.incidents.len(),
            _ => self.nodes.len(),
        };
        let live = |link: &watch::Receiver<Link>| link.borrow().synced && link.borrow().broken.is_none();
        self.links.iter().map(|(kind, link)| (*kind, live(link), count(kind))).collect()
    }

    /// Whether every watch is connected and complete.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.links.iter().all(|(_, link)| link.borrow().synced && link.borrow().broken.is_none())
    }

    /// The treaty in force with what it says; `None` also while its text has a fault. Each text is read once: a large one takes
    /// milliseconds.
    #[must_use]
    pub fn rules(&self) -> Option<(Arc<Treaty>, Arc<Rules>)> {
        let treaty = self.treaty()?;
        let text = (treaty.metadata.uid.clone(), treaty.metadata.generation);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, rules)) = &*read
            && *known == text
        {
            return Some((treaty, rules.clone()));
        }
        let rules = Arc::new(Rules::validate_for_cluster(&treaty.spec.document()).ok()?);
        *read = Some((text, rules.clone()));
        Some((treaty, rules))
    }

    /// Whether the first list of this kind is complete: before that, nothing is not the same as none.
    #[must_use]
    pub fn knows(&self, kind: &str) -> bool {
        self.links.iter().any(|(of, link)| *of == kind && link.borrow().synced)
    }

    /// The treaty in force.
    #[must_use]
    pub fn treaty(&self) -> Option<Arc<Treaty>> {
        self.treaties.find(Treaty::is_in_force)
    }
}

/// The watches as they are added.
struct Feeds {
    client: Client,
    links: Vec<(&'static str, watch::Receiver<Link>)>,
    work: Vec<BoxFuture<'static, ()>>,
}

impl Feeds {
    fn add<K>(&mut self, kind: &'static str, trim: fn(&mut K)) -> Store<K>
    where
        K: Resource + Lookup + DeserializeOwned + Clone + std::fmt::Debug + Send + Sync + 'static,
        <K as Lookup>::DynamicType: Default + Clone + Eq + std::hash::Hash + Send + Sync,
        <K as Resource>::DynamicType: Default + Clone + Eq + std::hash::Hash + Send + Sync,
        DeserializeGuard<K>: Resource<DynamicType = <K as Resource>::DynamicType>,
    {
        let (reader, writer) = store();
        let (link, seen) = watch::channel(Link::default());
        self.links.push((kind, seen));
        self.work.push(feed::<K>(Api::all(self.client.clone()), writer, link, trim).boxed());
        reader
    }
}

/// Keeps one store full. After any error it lists anew: only a complete list proves that nothing was missed, and only
/// then may pages say that they are live again.
async fn feed<K>(
    api: Api<DeserializeGuard<K>>,
    mut writer: Writer<K>,
    link: watch::Sender<Link>,
    trim: fn(&mut K),
) where
    K: Resource + Lookup + DeserializeOwned + Clone + std::fmt::Debug + Send + Sync + 'static,
    <K as Lookup>::DynamicType: Default + Clone + Eq + std::hash::Hash,
    <K as Resource>::DynamicType: Default + Clone + Eq + std::hash::Hash,
    DeserializeGuard<K>: Resource<DynamicType = <K as Resource>::DynamicType>,
{
    let mut pause = REOPEN.0;
    loop {
        let config = watcher::Config::default().timeout(WATCH_SECONDS);
        let mut events = watcher(api.clone(), config).boxed();
        let error = loop {
            match events.try_next().await {
                Ok(Some(event)) => {
                    let complete = matches!(event, Event::InitDone);
                    if let Some(event) = readable(event, trim) {
                        writer.apply_watcher_event(&event);
                    }
                    if complete {
                        pause = REOPEN.0;
                        link.send_replace(Link { synced: true, broken: None });
                    }
                }
                Ok(None) => break "the watch ended".to_owned(),
                Err(error) => break cause(&error),
            }
        };
        tracing::warn!(kind = std::any::type_name::<K>(), error, "watch broken; listing anew");
        let now = Timestamp::now();
        link.send_modify(|link| {
            let since = link.broken.as_ref().map_or(now, |(since, _)| *since);
            link.broken = Some((since, error));
        });
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(REOPEN.1);
    }
}

/// One object that cannot be read never stops the others.
fn readable<K: Resource>(event: Event<DeserializeGuard<K>>, trim: fn(&mut K)) -> Option<Event<K>> {
    let open = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(mut object) => {
            object.meta_mut().managed_fields = None;
            object.meta_mut().annotations = None;
            trim(&mut object);
            Some(object)
        }
        Err(invalid) => {
            tracing::warn!(name = ?invalid.metadata.name, namespace = ?invalid.metadata.namespace, error = %invalid.error, "unreadable object skipped");
            None
        }
    };
    match event {
        Event::Init => Some(Event::Init),
        Event::InitDone => Some(Event::InitDone),
        Event::InitApply(guard) => open(guard).map(Event::InitApply),
        Event::Apply(guard) => open(guard).map(Event::Apply),
        Event::Delete(guard) => open(guard).map(Event::Delete),
    }
}

/// Drops what no page shows: with 100,000 claims this is most of the memory.
fn prune(claim: &mut GpuClaim) {
    claim.metadata.labels = None;
    claim.metadata.owner_references = None;
}

/// Drops what no page shows: the list of a node's images can be long.
fn prune_node(node: &mut Node) {
    if let Some(status) = &mut node.status {
        status.images = None;
    }
}

fn first_list(kind: &str) -> String {
    match kind {
        "nodes" => "the first list of nodes".to_owned(),
        _ => format!("the first list of {kind}.concord.dev"),
    }
}

/// The two causes that an engineer meets on the first day are told with what to do.
fn cause(error: &watcher::Error) -> String {
    let from_server = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    };
    match from_server.map(|status| status.code) {
        Some(404) => {
            "the cluster does not know this kind; install it: kubectl apply -f helm/concord/crds".to_owned()
        }
        Some(401 | 403) => "not allowed; let this server's account get, list and watch it".to_owned(),
        Some(code) => format!("the API server answered {code}"),
        None => error.to_string(),
    }
}

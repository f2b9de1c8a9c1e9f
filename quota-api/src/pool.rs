//! The cluster as last seen: two watches feed two stores, and pages read only the stores, so that no number of readers
//! can load the API server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use concord_api::{GpuClaim, Treaty};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{Lookup, Store, store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::pool_use::{Freshness, PoolUse};

/// Sums are kept this long: 100,000 claims take tens of milliseconds to sum, which readers must not multiply.
const SUM_LIFETIME: Duration = Duration::from_secs(1);
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
    treaties: Store<Treaty>,
    claims: Store<GpuClaim>,
    links: [(&'static str, watch::Receiver<Link>); 2],
    sum: Mutex<Option<(Instant, Arc<PoolUse>)>>,
}

impl Pool {
    /// The stores, and the work that feeds them; it never ends.
    pub fn follow(client: &Client) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (treaties, treaty_writer) = store();
        let (claims, claim_writer) = store();
        let (treaty_link, treaties_seen) = watch::channel(Link::default());
        let (claim_link, claims_seen) = watch::channel(Link::default());
        let feed_treaties = feed::<Treaty>(Api::all(client.clone()), treaty_writer, treaty_link, |_| {});
        let feed_claims = feed::<GpuClaim>(Api::all(client.clone()), claim_writer, claim_link, prune);
        let pool = Self {
            treaties,
            claims,
            links: [("treaties", treaties_seen), ("gpuclaims", claims_seen)],
            sum: Mutex::new(None),
        };
        (pool, async move {
            tokio::join!(feed_treaties, feed_claims);
        })
    }

    /// Use now, or as of the moment when the connection broke. `Err` names what is waited for, and not why: the
    /// public learns nothing of how the cluster is reached.
    ///
    /// # Errors
    /// Before the first lists are complete.
    pub fn current(&self, now: Timestamp) -> Result<Arc<PoolUse>, String> {
        let unsynced: Vec<String> = self.unsynced().map(|(kind, _)| first_list(kind)).collect();
        if !unsynced.is_empty() {
            return Err(unsynced.join(" and "));
        }
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, known)) = &*sum
            && at.elapsed() < SUM_LIFETIME
        {
            return Ok(known.clone());
        }
        let (treaties, claims) = (self.treaties.state(), self.claims.state());
        let fresh = Arc::new(PoolUse::of(
            treaties.iter().map(AsRef::as_ref),
            claims.iter().map(AsRef::as_ref),
            self.freshness(now),
        ));
        *sum = Some((Instant::now(), fresh.clone()));
        Ok(fresh)
    }

    fn freshness(&self, now: Timestamp) -> Freshness {
        let broken = self.links.iter().filter_map(|(_, link)| Some(link.borrow().broken.as_ref()?.0)).min();
        let as_of = broken.unwrap_or(now);
        // Nobody needs more than milliseconds.
        Freshness { as_of: as_of.round(jiff::Unit::Millisecond).unwrap_or(as_of), live: broken.is_none() }
    }

    /// The treaty that the operator says rules the pool.
    #[must_use]
    pub fn treaty_in_force(&self) -> Option<Arc<Treaty>> {
        self.treaties.find(Treaty::is_in_force)
    }

    /// All claims as last seen; what no page shows is left out of them.
    #[must_use]
    pub fn claims(&self) -> Vec<Arc<GpuClaim>> {
        self.claims.state()
    }

    /// The claims of which that is true.
    #[must_use]
    pub fn claims_where(&self, wanted: impl Fn(&GpuClaim) -> bool) -> Vec<Arc<GpuClaim>> {
        self.claims.state_filter(wanted)
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
        self.links.iter().map(|(kind, link)| (*kind, link.borrow().clone())).filter(|(_, link)| !link.synced)
    }

    /// Kind, whether its watch is live, and number of objects.
    pub fn watches(&self) -> [(&'static str, bool, usize); 2] {
        let [(treaties, treaty_link), (claims, claim_link)] = &self.links;
        let live = |link: &watch::Receiver<Link>| link.borrow().synced && link.borrow().broken.is_none();
        [(treaties, live(treaty_link), self.treaties.len()), (claims, live(claim_link), self.claims.len())]
    }
}

/// Keeps one store full. After any error it lists anew: only a complete list proves that nothing was missed, and only
/// then may pages say that they are live again.
pub(crate) async fn feed<K>(
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
    if let Some(status) = &mut claim.status {
        status.conditions = Vec::new();
        status.message = None;
        status.wait = None;
    }
}

fn first_list(kind: &str) -> String {
    format!("the first list of {kind}.concord.dev")
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

//! Takes the lease when it is free and renews it. Every write of it is a PUT on the version that was read, so that of
//! two operators who think that it is free one is refused.

use std::time::{Duration, Instant};

use concord_api::names::{LEASE, OPERATOR};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;

use super::observed::Observed;
use super::{Fence, Term, Timing};
use crate::metrics::Metrics;

/// Tries to release; each is refused only when a renewal of our own came in between.
const RELEASE_TRIES: usize = 3;

/// Where the lease is, and who wants it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Namespace of the lease.
    pub namespace: String,
    /// Name of this process.
    pub identity: String,
    /// How long it lasts.
    pub timing: Timing,
}

/// Keeps the lease for this process.
pub struct Keeper {
    api: Api<Lease>,
    place: Place,
    metrics: Metrics,
    term: watch::Sender<Option<Term>>,
}

#[derive(Debug, thiserror::Error)]
enum LeaseError {
    #[error("no answer in {0:?}")]
    Silence(Duration),
    #[error("the API server did not do it")]
    Refused(#[source] Box<kube::Error>),
}

impl Keeper {
    /// A keeper that tells its terms by `term`.
    pub fn new(client: Client, place: Place, metrics: Metrics, term: watch::Sender<Option<Term>>) -> Self {
        let api = Api::namespaced(client, &place.namespace);
        Self { api, place, metrics, term }
    }

    /// Waits for its turn, acts as long as it can, and waits again; never ends.
    pub async fn keep(&self) {
        let mut observed = Observed::nothing(Instant::now());
        loop {
            let (fence, lease, acts_until) = self.take(&mut observed).await;
            // So that no later term gets its number, whatever happens to the lease.
            observed.see(Some(&lease), Instant::now());
            tracing::info!(%fence, identity = self.place.identity, "lease taken; this operator acts");
            self.tell(Some(Term { fence, acts_until }));
            self.hold(fence, lease, acts_until).await;
            tracing::warn!(%fence, "lease lost; this operator stands by");
            self.tell(None);
        }
    }

    /// Lets go of the lease, so that another operator need not wait for its end. Nothing may be written after this.
    pub async fn release(&self) {
        self.tell(None);
        for _ in 0..RELEASE_TRIES {
            let Ok(Some(lease)) = self.read().await else { continue };
            if !self.is_ours(&lease) {
                return;
            }
            let mut released = lease;
            released.spec.get_or_insert_default().holder_identity = Some(String::new());
            if self.put(&released).await.is_ok() {
                tracing::info!("lease released");
                return;
            }
        }
        tracing::warn!("lease not released; it ends by itself");
    }

    /// Step 1: looks at the lease until it is free and ours.
    async fn take(&self, observed: &mut Observed) -> (Fence, Lease, Instant) {
        let timing = self.place.timing;
        loop {
            match self.read().await {
                Ok(lease) => {
                    self.see(observed, lease.as_ref());
                    if observed.is_free(timing.lease(), Instant::now()) {
                        let fence = observed.next_fence();
                        let acts_until = Instant::now() + timing.deadline();
                        let wanted = self.claimed(lease.and_then(|l| l.metadata.resource_version), fence);
                        match self.put(&wanted).await {
                            Ok(lease) => return (fence, lease, acts_until),
                            Err(error) => tracing::info!(error = told(&error), "lease not taken"),
                        }
                    }
                }
                Err(error) => tracing::warn!(error = told(&error), "the lease cannot be read"),
            }
            tokio::time::sleep(timing.look()).await;
        }
    }

    /// Step 2: renews until the lease is somebody else's or the time to act is over.
    async fn hold(&self, fence: Fence, mut lease: Lease, mut acts_until: Instant) {
        let timing = self.place.timing;
        let mut pause = timing.renewal();
        loop {
            tokio::time::sleep(pause).await;
            pause = timing.look();
            let sent_at = Instant::now();
            if sent_at >= acts_until {
                return;
            }
            let wanted = self.renewed(&lease);
            match self.put(&wanted).await {
                Ok(renewed) => {
                    lease = renewed;
                    // Counted from before the request: others count from when they see its effect, which is later.
                    acts_until = sent_at + timing.deadline();
                    self.tell(Some(Term { fence, acts_until }));
                    pause = timing.renewal();
                }
                Err(error) => {
                    tracing::warn!(error = told(&error), "lease not renewed; trying again");
                    if matches!(error, LeaseError::Silence(_)) {
                        continue;
                    }
                    // An earlier renewal was written without our hearing of it, or the lease is another's by now.
                    match self.read().await {
                        Ok(Some(found)) if self.is_ours(&found) && number(&found) == fence => lease = found,
                        Ok(_) => return,
                        Err(_) => {}
                    }
                }
            }
        }
    }

    fn see(&self, observed: &mut Observed, lease: Option<&Lease>) {
        let before = observed.holder().map(str::to_owned);
        observed.see(lease, Instant::now());
        if observed.holder() != before.as_deref() {
            let holder = observed.holder().unwrap_or("nobody");
            tracing::info!(holder, "this operator stands by");
        }
        let transitions = lease.map_or(0, |lease| number(lease).0);
        self.metrics.lease_transitions.set(transitions.into());
    }

    fn tell(&self, term: Option<Term>) {
        if let Some(Term { fence, .. }) = term {
            self.metrics.lease_transitions.set(fence.0.into());
        }
        self.term.send_replace(term);
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
        holder == Some(self.place.identity.as_str())
    }

    fn claimed(&self, resource_version: Option<String>, fence: Fence) -> Lease {
        let now = MicroTime(Timestamp::now());
        let metadata = ObjectMeta {
            name: Some(LEASE.to_owned()),
            namespace: Some(self.place.namespace.clone()),
            resource_version,
            ..ObjectMeta::default()
        };
        let spec = LeaseSpec {
            holder_identity: Some(self.place.identity.clone()),
            lease_duration_seconds: i32::try_from(self.place.timing.lease().as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(fence.0),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    fn renewed(&self, lease: &Lease) -> Lease {
        let mut next = lease.clone();
        next.metadata.managed_fields = None;
        next.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::now()));
        next
    }

    async fn read(&self) -> Result<Option<Lease>, LeaseError> {
        self.in_time(self.api.get_opt(LEASE)).await
    }

    /// Replaces it on the version that it has; makes it when it has none and there is none.
    async fn put(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        let params = PostParams { field_manager: Some(OPERATOR.to_owned()), ..PostParams::default() };
        self.in_time(self.api.replace(LEASE, &params, lease)).await
    }

    async fn in_time<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, LeaseError> {
        let limit = self.place.timing.request();
        let answer = tokio::time::timeout(limit, call).await.map_err(|_| LeaseError::Silence(limit))?;
        answer.map_err(|error| LeaseError::Refused(Box::new(error)))
    }
}

fn number(lease: &Lease) -> Fence {
    Fence(lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0))
}

fn told(error: &LeaseError) -> String {
    crate::write::chain(error)
}

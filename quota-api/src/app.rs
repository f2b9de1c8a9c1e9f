//! What all requests share.

use std::sync::Arc;

use crate::acting::Acting;
use crate::auth::Login;
use crate::jobs::Jobs;
use crate::limits::Limits;
use crate::may::Rights;
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::public::Public;
use crate::store::Store;

/// One server.
pub struct App {
    /// The cluster as last seen.
    pub pool: Pool,
    /// Login, when a provider is configured.
    pub login: Option<Login>,
    /// Acts in the cluster as the person who asks.
    pub acting: Acting,
    /// What the API server said that people may do.
    pub rights: Rights,
    /// What the cluster does not hold.
    pub store: Store,
    /// What requests about jobs share.
    pub jobs: Jobs,
    /// What only public pages need.
    pub public: Public,
    /// What keeps one client from taking the server away from the others.
    pub limits: Limits,
    /// Counters.
    pub metrics: Metrics,
}

impl App {
    /// Address of a page for somebody who is elsewhere, where this server knows its own.
    #[must_use]
    pub fn address(&self, path: &str) -> Option<String> {
        self.login.as_ref().map(|login| login.public.at(path))
    }
}

/// How handlers hold it.
pub type Shared = Arc<App>;

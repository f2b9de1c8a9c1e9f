//! What all requests share.

use std::sync::Arc;

use crate::auth::Login;
use crate::metrics::Metrics;
use crate::pool::Pool;

/// One server.
pub struct App {
    /// The cluster as last seen.
    pub pool: Pool,
    /// Login, when a provider is configured.
    pub login: Option<Login>,
    /// Counters.
    pub metrics: Metrics,
}

/// How handlers hold it.
pub type Shared = Arc<App>;

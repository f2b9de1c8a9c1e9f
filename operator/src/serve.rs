//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Whether the operator could act.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What it waits for; empty when it is ready.
    pub waits_for: Vec<&'static str>,
    /// Ready to take over, while another one acts.
    pub stands_by: bool,
}

/// Serves until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    metrics: Metrics,
    readiness: watch::Receiver<Readiness>,
) -> std::io::Result<()> {
    let text = move || async move {
        metrics.render().map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
    };
    let ready = move || async move {
        let Readiness { waits_for, stands_by } = readiness.borrow().clone();
        match (waits_for.is_empty(), stands_by) {
            (true, false) => (StatusCode::OK, "ready".to_owned()),
            (true, true) => (StatusCode::OK, "ready\nstandby: another operator holds the lease".to_owned()),
            (false, _) => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}", waits_for.join(", "))),
        }
    };
    let app = Router::new()
        .route("/metrics", get(text))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, app).await
}

//! `/metrics`, `/healthz` and `/readyz`.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// What the operator waits for; empty when it is ready.
pub type Readiness = watch::Receiver<Vec<&'static str>>;

/// Serves until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(listen: SocketAddr, metrics: Metrics, readiness: Readiness) -> std::io::Result<()> {
    let text = move || async move {
        metrics.render().map_err(|e| (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
    };
    let ready = move || async move {
        let waiting = readiness.borrow().clone();
        if waiting.is_empty() {
            (StatusCode::OK, "ready".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}", waiting.join(", ")))
        }
    };
    let app = Router::new()
        .route("/metrics", get(text))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, app).await
}

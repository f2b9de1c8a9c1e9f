//! `/metrics`, `/healthz` and `/readyz`.

use std::time::Instant;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use prometheus::{Histogram, Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::readiness;
use crate::sampler::Latest;

/// Serves until the process ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    registry: Registry,
    scrape_seconds: Histogram,
    latest: watch::Receiver<Latest>,
) -> std::io::Result<()> {
    let metrics = move || async move {
        let timer = scrape_seconds.start_timer();
        let text = TextEncoder::new().encode_to_string(&registry.gather());
        timer.observe_duration();
        text.map(|text| ([(header::CONTENT_TYPE, TEXT_FORMAT)], text))
            .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    };
    // A node without a driver is not ready but healthy: a restart would not bring the driver.
    let ready = move || async move {
        match readiness::waits_for(&latest.borrow(), Instant::now()) {
            None => (StatusCode::OK, "ready\n".to_owned()),
            Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        }
    };
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready));
    axum::serve(listener, app).await
}

//! `/healthz`, `/readyz` and `/metrics`.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;
use crate::error::Error;

/// For those who run the server.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
}

/// The process answers.
pub async fn health() -> &'static str {
    "ok\n"
}

/// Whether pages can be shown, else what is waited for.
pub async fn readiness(State(app): State<Shared>) -> impl IntoResponse {
    let waiting = app.pool.waits_for();
    if waiting.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", waiting.join("; ")))
    }
}

/// Text format of Prometheus.
pub async fn metrics(State(app): State<Shared>) -> Result<impl IntoResponse, Error> {
    // Metrics are needed most when something is broken, such as the database.
    let sessions = app.store.sessions().count().await.unwrap_or(-1);
    let text = app.metrics.render(&app, sessions).map_err(|error| {
        tracing::error!(%error, "metrics cannot be encoded");
        Error::Internal
    })?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text))
}

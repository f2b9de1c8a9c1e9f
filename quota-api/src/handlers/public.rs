//! The use of the pool as page, JSON and CSV; no login, no cookie.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use jiff::Timestamp;
use utoipa_axum::router::OpenApiRouter;

use crate::app::{App, Shared};
use crate::error::{Error, Problem};
use crate::frame::Frame;
use crate::pages;
use crate::pool_use::PoolUse;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/", get(page))
        .route("/api/v1/use", get(json))
        .route("/api/v1/use.csv", get(csv))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon))
}

/// A cache in front may answer for two seconds; the data says its own time.
const SHORTLY: &str = "public, max-age=2";

fn current(app: &App) -> Result<Arc<PoolUse>, Error> {
    app.pool.current(Timestamp::now()).map_err(Error::NotReady)
}

/// Front page.
pub async fn page(State(app): State<Shared>, frame: Frame) -> Result<impl IntoResponse, Error> {
    let html = pages::front(&*current(&app)?, frame)?;
    // The header differs for those who are logged in.
    Ok(([(header::CACHE_CONTROL, "no-cache"), (header::VARY, "cookie")], Html(html)))
}

/// For programs.
pub async fn json(State(app): State<Shared>) -> Result<impl IntoResponse, Problem> {
    Ok(([(header::CACHE_CONTROL, SHORTLY)], Json(PoolUse::clone(&*current(&app)?))))
}

/// For spreadsheets.
pub async fn csv(State(app): State<Shared>) -> Result<impl IntoResponse, Problem> {
    let text = current(&app)?.csv().map_err(|error| {
        tracing::error!(%error, "CSV cannot be written");
        Error::Internal
    })?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CACHE_CONTROL, SHORTLY)], text))
}

/// The one style sheet.
pub async fn style() -> impl IntoResponse {
    let headers =
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("../../static/style.css"))
}

/// The mark of the product in a browser's tab.
pub async fn icon() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, include_str!("../../static/icon.svg"))
}

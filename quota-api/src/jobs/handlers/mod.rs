//! What answers each route about jobs; thin, the work is elsewhere.

mod api;
mod form;
mod job;
mod keys;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes as described;

use crate::app::Shared;

/// A request has at most 100 words of 4,096 characters each in three fields, but nobody needs that much: a long
/// programme belongs into the image.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// What belongs to one person stays in no cache.
const NEVER: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// For researchers and their programs.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/jobs", get(form::list))
        .route("/jobs/new", get(form::open).post(form::send))
        .route("/jobs/kept/{token}", get(form::kept))
        .route("/jobs/kept/{token}/send", post(form::send_kept))
        .route("/jobs/kept/{token}/discard", post(form::discard))
        .route("/projects/{project}/jobs/{name}", get(job::page))
        .route("/projects/{project}/jobs/{name}/cancel", get(job::ask_cancel).post(job::cancel))
        .route("/projects/{project}/jobs/{name}/live", get(job::live))
        .route("/projects/{project}/jobs/{name}/cite", get(job::cite))
        .route("/projects/{project}/jobs/{name}/logs/{pod}", get(job::logs))
        .route("/me/keys", get(keys::page).post(keys::make))
        .route("/me/keys/{id}/revoke", post(keys::revoke))
        .route("/static/live.js", get(script))
        .routes(described!(api::list, api::submit))
        .routes(described!(api::one, api::cancel))
        .routes(described!(api::logs))
        .routes(described!(api::events))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// The one script: it keeps a job's page up to date.
async fn script() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, include_str!("../../../static/live.js"))
}

/// A page for its person alone.
fn page(html: String) -> impl IntoResponse {
    ([NEVER], Html(html))
}

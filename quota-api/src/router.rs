//! All routes together, and what holds for every one.

use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::{Router, body::Body, middleware};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;
use crate::applications;
use crate::error::Error;
use crate::handlers::{account, device, guests, language, login, operations, tokens};
use crate::{error_page, jobs, limits, public, security};

/// No form here is longer than a few words.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// A login asks the provider at most four times, ten seconds each at worst.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

/// Each area lists its own routes.
fn areas() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(public::api::Head::openapi())
        .merge(public::routes())
        .merge(applications::routes())
        .merge(language::routes())
        .merge(login::routes())
        .merge(account::routes())
        .merge(guests::routes())
        .merge(device::routes())
        .merge(tokens::routes())
        .merge(operations::routes())
        .merge(jobs::routes())
}

/// The `OpenAPI` document, from the same declarations as the routes.
#[must_use]
pub fn description() -> String {
    public::api::text(&areas().to_openapi())
}

/// The whole server.
pub fn router(app: Shared) -> Router {
    let (routes, description) = areas().split_for_parts();
    public::api::describe(&description);
    routes
        .fallback(|| async { Error::NotFound })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT))
        .layer(same_site(&app))
        .layer(middleware::from_fn_with_state(app.clone(), limits::guard))
        .layer(middleware::from_fn(error_page::show))
        .layer(compression())
        .layer(middleware::from_fn_with_state(app.clone(), security::guard))
        .with_state(app)
}

/// Pages of a person are not compressed: the length of a compressed page can tell of a secret in it.
fn compression() -> CompressionLayer<impl Predicate> {
    let public = |_: StatusCode, _: http::Version, headers: &http::HeaderMap, _: &http::Extensions| {
        headers.get(http::header::CACHE_CONTROL).is_none_or(|cache| cache != "no-store")
    };
    CompressionLayer::new().gzip(true).compress_when(DefaultPredicate::new().and(public))
}

/// What the API server asks for to know our tokens, for an address of its own with TLS.
pub fn for_api_server(app: Shared) -> Router {
    tokens::for_api_server(app)
}

type Refusal = fn(ProtectionError) -> Response<Body>;

/// Refuses what another site's page sends with our visitor's cookie.
fn same_site(app: &Shared) -> CsrfLayer<Refusal> {
    let refusal: Refusal = |_| Error::OtherSite.into_response();
    let layer = CsrfLayer::new();
    let origin = app.login.as_ref().map(|login| login.origin.as_str());
    // A proxy may rewrite Host; the public origin is ours in any case.
    let trusted = origin.and_then(|origin| layer.clone().add_trusted_origin(origin).ok());
    trusted.unwrap_or(layer).with_rejection_response(refusal)
}

//! All routes together, and what holds for every one.

use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::{Router, body::Body, middleware};
use tower_http::csrf::{CsrfLayer, ProtectionError};
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;
use crate::applications;
use crate::error::Error;
use crate::error_page;
use crate::handlers::{language, login, operations, public};
use crate::{jobs, security};

/// No form here is longer than a few words.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// A login asks the provider at most four times, ten seconds each at worst.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

/// The whole server. Each area lists its own routes.
pub fn router(app: Shared) -> Router {
    let (routes, _description) = OpenApiRouter::<Shared>::new()
        .merge(public::routes())
        .merge(applications::routes())
        .merge(language::routes())
        .merge(login::routes())
        .merge(operations::routes())
        .merge(jobs::routes())
        .split_for_parts();
    routes
        .fallback(|| async { Error::NotFound })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT))
        .layer(same_site(&app))
        .layer(middleware::from_fn(error_page::show))
        .layer(middleware::from_fn_with_state(app.clone(), security::guard))
        .with_state(app)
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

//! Headers that every answer carries, and the count of answers.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::app::Shared;

/// Nothing but our own style sheet and icon is loaded, nothing is framed, forms go nowhere else, and there is no script at all.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds the headers and counts the answer.
pub async fn guard(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    // Methods are whatever a client sends; only known ones may become a label.
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "OPTIONS" | "PUT" | "DELETE") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let mut response = next.run(request).await;
    app.metrics.requests.with_label_values(&[&route, &method, response.status().as_str()]).inc();
    let https = app.login.as_ref().is_some_and(|login| login.cookies.are_secure());
    add_headers(response.headers_mut(), https);
    response
}

fn add_headers(headers: &mut HeaderMap, https: bool) {
    // A page that runs our own script says so itself.
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    }
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()");
    if https {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

//! Shows every error: as a problem document below `/api`, to people as a page in their language.
//!
//! It looks at answers on their way out, so that also what the framework refuses by itself (no such method, body too
//! large, a parameter that cannot be read) is told in one way.

use askama::Template;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use crate::error::{Told, problem};
use crate::frame::Frame;
use crate::language::{Language, Words};

/// Longest text of the framework that is passed on; its refusals are a line.
const DETAIL_BYTES_MAX: usize = 2_000;
/// These answer machines and people with a terminal, in plain text.
const PLAIN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

#[derive(Template)]
#[template(path = "error.html")]
struct Failure {
    title: String,
    /// In the page's language; empty when there is nothing to add to the detail.
    text: String,
    detail: String,
    log_in: bool,
    frame: Frame,
}

/// Passes good answers and finished pages on; makes pages or problem documents of errors.
pub async fn show(request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let response = next.run(request).await;
    let status = response.status();
    let fails = status.is_client_error() || status.is_server_error();
    if !fails || PLAIN.contains(&uri.path()) || is_finished(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let detail = match parts.extensions.get::<Told>() {
        Some(Told(detail)) => detail.clone(),
        None => text(body).await,
    };
    let shown = if uri.path().starts_with("/api/") {
        problem(status, if detail.is_empty() { fallback(status) } else { &detail })
    } else {
        // The header offers neither login nor logout: an error knows nothing of the session.
        let frame = Frame {
            words: Words(Language::of_request(uri.query(), &headers)),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            ..Frame::default()
        };
        (status, page(status, detail, frame)).into_response()
    };
    // Other headers stay: which methods are allowed, when to come again, which cookie to forget.
    let (shown_parts, shown_body) = shown.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(shown_parts.headers);
    parts.headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    Response::from_parts(parts, shown_body)
}

/// A page with a form that says what is wrong beside its fields, or a problem document.
fn is_finished(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !kind.is_empty() && !kind.starts_with("text/plain")
}

async fn text(body: Body) -> String {
    let bytes = to_bytes(body, DETAIL_BYTES_MAX).await.unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

fn page(status: StatusCode, detail: String, frame: Frame) -> Html<String> {
    let words = frame.words;
    let key = key(status);
    let title = words.get(format!("error-title-{key}"));
    // English detail says more than the general sentence; in other languages both stand there.
    let text = match frame.language() {
        Language::En if !detail.is_empty() => String::new(),
        _ => words.get(format!("error-text-{key}")),
    };
    let failure = Failure { title, text, detail, log_in: status == StatusCode::UNAUTHORIZED, frame };
    Html(failure.render().unwrap_or_else(|error| {
        tracing::error!(%error, "the error page cannot be rendered");
        "<!doctype html><html lang=\"en\"><title>Error</title><p>Something went wrong here.</p>".to_owned()
    }))
}

/// Statuses with texts of their own.
const fn key(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        409 => "409",
        413 => "413",
        429 => "429",
        502 => "502",
        503 | 504 => "503",
        500..=599 => "500",
        _ => "400",
    }
}

const fn fallback(status: StatusCode) -> &'static str {
    match status.as_u16() {
        405 => "This address does not know that method; the header Allow lists those that it knows.",
        413 => "The body is larger than this server reads.",
        503 => "It took too long. Try again later.",
        _ => "The request was refused.",
    }
}

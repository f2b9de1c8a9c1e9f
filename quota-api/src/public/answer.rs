//! Pages, JSON and CSV as answers: how long caches may keep them, and that an unchanged one is not sent again.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::Error;

/// The pool now: a cache in front may answer for two seconds; the data says its own time.
pub const SHORTLY: &str = "public, max-age=2";
/// History and texts: samples come once a minute.
pub const HALF_A_MINUTE: &str = "public, max-age=30";
/// Pages differ by language, and by who is logged in.
pub const PAGE: &str = "no-cache";

/// A page.
pub fn page(headers: &HeaderMap, html: String) -> Response {
    by_language(tagged(headers, "text/html; charset=utf-8", PAGE, html.into_bytes()))
}

/// Says to caches that this answer is in the visitor's language.
pub fn by_language(mut response: Response) -> Response {
    let by = header::HeaderValue::from_static("cookie, accept-language, accept-encoding");
    response.headers_mut().insert(header::VARY, by);
    response
}

/// JSON.
pub fn json(headers: &HeaderMap, keep: &'static str, value: &impl Serialize) -> Result<Response, Error> {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "JSON cannot be written");
        Error::Internal
    })?;
    Ok(tagged(headers, "application/json", keep, body))
}

/// CSV: one line for each value, with the names of its fields on top.
pub fn csv<T: Serialize>(
    headers: &HeaderMap,
    keep: &'static str,
    lines: impl IntoIterator<Item = T>,
) -> Result<Response, Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = lines.into_iter().try_for_each(|line| writer.serialize(line));
    let body = written.and_then(|()| writer.into_inner().map_err(|error| error.into_error().into()));
    let body = body.map_err(|error| {
        tracing::error!(%error, "CSV cannot be written");
        Error::Internal
    })?;
    Ok(tagged(headers, "text/csv; charset=utf-8", keep, body))
}

/// With a tag of the content; a client that has it already gets no body.
pub fn tagged(headers: &HeaderMap, kind: &'static str, keep: &'static str, body: Vec<u8>) -> Response {
    let digest = ring::digest::digest(&ring::digest::SHA256, &body);
    let tag: String = digest.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    // Weak: the same content may be sent compressed or not.
    let tag = format!("W/\"{tag}\"");
    let has_it = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| {
        known
            .to_str()
            .is_ok_and(|known| known.split(',').any(|known| known.trim() == tag || known.trim() == "*"))
    });
    let with = [(header::CACHE_CONTROL, keep.to_owned()), (header::ETAG, tag)];
    if has_it {
        return (StatusCode::NOT_MODIFIED, with).into_response();
    }
    (with, [(header::CONTENT_TYPE, kind)], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_has_already_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        let first = tagged(&headers, "text/plain", SHORTLY, b"same".to_vec());
        let tag = first.headers()[header::ETAG].clone();
        headers.insert(header::IF_NONE_MATCH, tag.clone());
        assert_eq!(
            tagged(&headers, "text/plain", SHORTLY, b"same".to_vec()).status(),
            StatusCode::NOT_MODIFIED
        );
        let other = tagged(&headers, "text/plain", SHORTLY, b"other".to_vec());
        assert_eq!(other.status(), StatusCode::OK);
        assert_ne!(other.headers()[header::ETAG], tag);
    }
}

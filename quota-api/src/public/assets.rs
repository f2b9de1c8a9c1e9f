//! The style sheet and the icon.

use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use super::answer;
use crate::app::Shared;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/style.css", get(style)).route("/icon.svg", get(icon))
}

/// They change with releases only.
const AN_HOUR: &str = "public, max-age=3600";

async fn style(headers: HeaderMap) -> Response {
    let text = include_str!("../../static/style.css");
    answer::tagged(&headers, "text/css; charset=utf-8", AN_HOUR, text.as_bytes().to_vec())
}

async fn icon(headers: HeaderMap) -> Response {
    let text = include_str!("../../static/icon.svg");
    answer::tagged(&headers, "image/svg+xml", AN_HOUR, text.as_bytes().to_vec())
}

//! The HTML pages; templates are in `templates/` and are checked when the program is compiled.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Html;

use crate::chart::Chart;
use crate::error::Error;
use crate::frame::Frame;
use crate::pool_use::PoolUse;

#[derive(Template)]
#[template(path = "front.html")]
struct Front<'a> {
    pool: &'a PoolUse,
    chart: Chart,
    as_of: String,
    frame: Frame,
}

#[derive(Template)]
#[template(path = "error.html")]
struct Failure<'a> {
    title: &'a str,
    text: &'a str,
    frame: Frame,
}

/// Use of the pool.
pub fn front(pool: &PoolUse, frame: Frame) -> Result<String, Error> {
    let as_of = pool.freshness.as_of.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    render(&Front { pool, chart: Chart::of(pool), as_of, frame })
}

/// What went wrong. Cannot fail itself.
pub fn error(status: StatusCode, text: &str) -> Html<String> {
    let title = status.canonical_reason().unwrap_or("Error");
    // The header offers neither login nor logout: an error knows nothing of the session.
    let page = render(&Failure { title, text, frame: Frame::default() });
    Html(page.unwrap_or_else(|_| {
        "<!doctype html><title>Error</title><p>Something went wrong here.</p>".to_owned()
    }))
}

/// The page, or the defect in the log.
pub fn render(page: &impl Template) -> Result<String, Error> {
    page.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        Error::Internal
    })
}

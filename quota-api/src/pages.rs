//! The HTML pages; templates are in `templates/` and are checked when the program is compiled.

use askama::Template;

use crate::auth::Principal;
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
#[template(path = "me.html")]
struct Me<'a> {
    principal: &'a Principal,
    frame: Frame,
}

/// Use of the pool.
pub fn front(pool: &PoolUse, frame: Frame) -> Result<String, Error> {
    let as_of = pool.freshness.as_of.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    render(&Front { pool, chart: Chart::of(pool), as_of, frame })
}

/// Who am I.
pub fn me(principal: &Principal, frame: Frame) -> Result<String, Error> {
    render(&Me { principal, frame })
}

/// The page, or the defect in the log.
pub fn render(page: &impl Template) -> Result<String, Error> {
    page.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        Error::Internal
    })
}

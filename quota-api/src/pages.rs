//! The HTML pages; templates are in `templates/` and are checked when the program is compiled.

use askama::Template;

use crate::auth::Principal;
use crate::error::Error;
use crate::frame::Frame;

#[derive(Template)]
#[template(path = "me.html")]
struct Me<'a> {
    principal: &'a Principal,
    frame: Frame,
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

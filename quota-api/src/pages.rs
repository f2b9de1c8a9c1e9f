//! The HTML pages; templates are in `templates/` and are checked when the program is compiled.

use askama::Template;

use crate::error::Error;

/// The page, or the defect in the log.
pub fn render(page: &impl Template) -> Result<String, Error> {
    page.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be rendered");
        Error::Internal
    })
}

//! `/accessibility` and `/privacy`.

use askama::Template;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use super::answer;
use crate::app::Shared;
use crate::error::Error;
use crate::frame::Frame;
use crate::pages::render;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/accessibility", get(accessibility)).route("/privacy", get(privacy))
}

#[derive(Template)]
#[template(path = "public/statement.html")]
struct Statement {
    /// First part of the keys of its texts.
    key: &'static str,
    /// Its sections, by the last part of their keys.
    sections: &'static [&'static str],
    frame: Frame,
}

impl Statement {
    fn text(&self, part: &str) -> String {
        self.frame.words.get(format!("{}-{part}", self.key))
    }

    fn heading(&self, section: &str) -> String {
        self.frame.words.get(format!("{}-{section}-heading", self.key))
    }
}

async fn accessibility(headers: HeaderMap, frame: Frame) -> Result<Response, Error> {
    let sections = &["commitment", "checked", "known", "contact"];
    Ok(answer::page(&headers, render(&Statement { key: "accessibility", sections, frame })?))
}

async fn privacy(headers: HeaderMap, frame: Frame) -> Result<Response, Error> {
    let sections = &["public", "cookies", "account", "logs", "others"];
    Ok(answer::page(&headers, render(&Statement { key: "privacy", sections, frame })?))
}

//! The history of the treaty's text: every generation that this server saw in force, and what changed from one to the
//! next.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, HALF_A_MINUTE};
use super::difference::Difference;
use super::show::{self, Time};
use super::treaty::{TextLine, lines};
use crate::app::Shared;
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::pages::render;
use crate::store::history::TextRow;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/treaty/history", get(page))
        .route("/treaty/history/{uid}/{generation}", get(version))
        .routes(routes!(json))
}

/// A text that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Version {
    /// Treaty.
    pub name: String,
    /// The object; another one of the same name is another treaty.
    pub uid: String,
    /// Generation.
    pub generation: i64,
    /// When it was first seen in force; within a minute.
    pub seen_at: Timestamp,
    /// The text.
    pub text: String,
}

#[derive(Template)]
#[template(path = "public/versions.html")]
struct List {
    versions: Vec<(TextRow, Time)>,
    frame: Frame,
}

#[derive(Template)]
#[template(path = "public/version.html")]
struct One {
    row: TextRow,
    seen: Time,
    before: Option<TextRow>,
    difference: Difference,
    lines: Vec<TextLine>,
    frame: Frame,
}

/// All versions.
pub async fn page(State(app): State<Shared>, headers: HeaderMap, frame: Frame) -> Result<Response, Error> {
    let rows = app.store.texts().await?;
    let versions =
        rows.into_iter().map(|row| (show::of_ms(row.seen_ms), row)).map(|(time, row)| (row, time)).collect();
    Ok(answer::page(&headers, render(&List { versions, frame })?))
}

/// One version, and what changed in it.
pub async fn version(
    State(app): State<Shared>,
    headers: HeaderMap,
    frame: Frame,
    Path((uid, generation)): Path<(String, i64)>,
) -> Result<Response, Error> {
    let rows = app.store.texts().await?;
    let place = rows.iter().position(|row| row.uid == uid && row.generation == generation);
    let place = place.ok_or(Error::NotFound)?;
    let row = rows[place].clone();
    let before = rows.get(place + 1).cloned();
    let old = before.as_ref().map_or(row.body.as_str(), |before| before.body.as_str());
    let difference = Difference::of(old, &row.body);
    let one = One { seen: show::of_ms(row.seen_ms), lines: lines(&row.body), row, before, difference, frame };
    Ok(answer::page(&headers, render(&one)?))
}

/// Every text of the treaty that this server saw in force, newest first, at most 200.
#[utoipa::path(get, path = "/api/v1/treaty/versions", tag = "treaty", operation_id = "treaty_versions",
    responses((status = 200, description = "Texts", body = Vec<Version>), Refusals))]
pub async fn json(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let version = |row: TextRow| Version {
        name: row.name,
        uid: row.uid,
        generation: row.generation,
        seen_at: Timestamp::from_millisecond(row.seen_ms).unwrap_or_default(),
        text: row.body,
    };
    let versions: Vec<Version> =
        app.store.texts().await.map_err(Error::from)?.into_iter().map(version).collect();
    Ok(answer::json(&headers, HALF_A_MINUTE, &versions)?)
}

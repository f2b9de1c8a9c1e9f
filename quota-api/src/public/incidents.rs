//! What went wrong: broken promises, nodes that were not ready, GPUs that were broken.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, HALF_A_MINUTE};
use super::show::{self, Time};
use crate::app::Shared;
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::pages::render;
use crate::store::history::{IncidentRow, LIST_MAX};

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/use/incidents", get(page)).routes(routes!(json)).routes(routes!(csv))
}

/// Which incidents.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Page, from 1; each has 200.
    #[param(minimum = 1, maximum = 500)]
    pub page: Option<i64>,
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Incident {
    /// `promise-not-kept`, `no-treaty`, `node-not-ready` or `gpu-unhealthy`.
    pub kind: String,
    /// Node or treaty.
    pub subject: String,
    /// What the cluster says of it, in English.
    pub detail: String,
    /// When it was first seen; within a minute of its begin.
    pub begun_at: Timestamp,
    /// When it was seen to be over; `null` while it lasts.
    pub ended_at: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "public/incidents.html")]
struct Page {
    told: Vec<Told>,
    lasting: Vec<Shown>,
    past: Vec<Shown>,
    page: i64,
    has_older: bool,
    frame: Frame,
}

/// An incident as those who run the pool tell it.
struct Told {
    title: String,
    began: Time,
    ended: Option<Time>,
    what_happened: String,
    what_was_done: String,
    parties: String,
    gpus: Option<i64>,
}

/// The newest first; those of the first page are all that people look for, older ones are in the record.
fn told(app: &Shared) -> Vec<Told> {
    let mut all = app.pool.incidents.state();
    all.sort_by_key(|incident| std::cmp::Reverse(incident.spec.began_at.0));
    let one = |incident: &std::sync::Arc<concord_api::Incident>| {
        let spec = &incident.spec;
        Told {
            title: spec.title.clone(),
            began: show::of_ms(spec.began_at.0.as_millisecond()),
            ended: spec.ended_at.as_ref().map(|at| show::of_ms(at.0.as_millisecond())),
            what_happened: spec.what_happened.clone(),
            what_was_done: spec.what_was_done.clone(),
            parties: spec.parties.join(", "),
            gpus: spec.gpus,
        }
    };
    all.iter().take(TOLD_MAX).map(one).collect()
}

struct Shown {
    kind: String,
    subject: String,
    detail: String,
    begun: Time,
    ended: Option<Time>,
    length: String,
}

fn shown(row: &IncidentRow, frame: &Frame, now: Timestamp) -> Shown {
    let until = row.ended_ms.unwrap_or_else(|| now.as_millisecond());
    Shown {
        kind: frame.words.get(format!("public-incident-{}", row.kind)),
        subject: row.subject.clone(),
        detail: row.detail.clone(),
        begun: show::of_ms(row.begun_ms),
        ended: row.ended_ms.map(show::of_ms),
        length: show::duration((until - row.begun_ms) / 1_000, &frame.words),
    }
}

/// Incidents that are told on the page.
const TOLD_MAX: usize = 50;

/// The page.
pub async fn page(
    State(app): State<Shared>,
    headers: HeaderMap,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let now = Timestamp::now();
    let number = number(asked)?;
    let lasting = if number == 0 { app.store.incidents_that_last().await? } else { Vec::new() };
    let rows = app.store.incidents(number).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count >= LIST_MAX);
    let page = Page {
        told: if number == 0 { told(&app) } else { Vec::new() },
        lasting: lasting.iter().map(|row| shown(row, &frame, now)).collect(),
        page: number + 1,
        has_older: full,
        past: rows.iter().filter(|row| row.ended_ms.is_some()).map(|row| shown(row, &frame, now)).collect(),
        frame,
    };
    Ok(answer::page(&headers, render(&page)?))
}

/// Pages are counted from 1 outside.
fn number(asked: Asked) -> Result<i64, Error> {
    match asked.page.unwrap_or(1) {
        page @ 1..=PAGES_MAX => Ok(page - 1),
        _ => Err(Error::BadParameter("The parameter page must be a number from 1 to 500.")),
    }
}

/// 100,000 incidents can be read one page after the other; the database skips those before.
const PAGES_MAX: i64 = 500;

async fn list(app: &Shared, asked: Asked) -> Result<Vec<Incident>, Error> {
    let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
    let incident = |row: IncidentRow| Incident {
        kind: row.kind,
        subject: row.subject,
        detail: row.detail,
        begun_at: time(row.begun_ms),
        ended_at: row.ended_ms.map(time),
    };
    Ok(app.store.incidents(number(asked)?).await?.into_iter().map(incident).collect())
}

/// Incidents, newest first, 200 a page.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "treaty", operation_id = "incidents", params(Asked),
    responses((status = 200, description = "Incidents", body = Vec<Incident>), Refusals))]
pub async fn json(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    Ok(answer::json(&headers, HALF_A_MINUTE, &list(&app, asked).await?)?)
}

/// The same for spreadsheets.
#[utoipa::path(get, path = "/api/v1/incidents.csv", tag = "treaty", operation_id = "incidents_csv", params(Asked),
    responses((status = 200, description = "Incidents", body = String, content_type = "text/csv"), Refusals))]
pub async fn csv(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    Ok(answer::csv(&headers, HALF_A_MINUTE, list(&app, asked).await?)?)
}

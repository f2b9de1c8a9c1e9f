//! The dates to come of the treaty in force: when nodes are out of service, when something begins, ends or is taken back.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use concord_treaty::agenda::{Dated, Happening};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, HALF_A_MINUTE};
use super::show::{self, Time};
use super::treaty::{anchors, ruling};
use crate::app::{App, Shared};
use crate::calendar::{Entry, file};
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::language::Words;
use crate::pages::render;

/// How far one looks.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 366);

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/treaty/calendar", get(page)).routes(routes!(json)).routes(routes!(ics))
}

/// A date of the treaty.
#[derive(Serialize, ToSchema)]
pub struct Event {
    /// What happens: `begins`, `ends`, `contribution`, `suspension`, `maintenance`, `reserved`, `budgetPeriod` or `pullBack`.
    #[schema(value_type = String)]
    pub what: Happening,
    /// Member or window that it concerns; empty: all.
    pub of: String,
    /// First instant.
    pub start: Timestamp,
    /// First instant after it; `null` for what does not last.
    pub end: Option<Timestamp>,
    /// Id of the clause.
    pub clause: String,
}

impl Event {
    fn of(date: Dated) -> Self {
        let time = |millis: i64| Timestamp::from_millisecond(millis).unwrap_or_default();
        let Dated { start, end, what, of, clause } = date;
        Self { what, of, start: time(start.0), end: end.map(|end| time(end.0)), clause }
    }

    fn title(&self, words: Words) -> String {
        let what = words.get(key(self.what));
        if self.of.is_empty() { what } else { format!("{what}: {}", self.of) }
    }
}

const fn key(what: Happening) -> &'static str {
    match what {
        Happening::Begins => "public-date-begins",
        Happening::Ends => "public-date-ends",
        Happening::Contribution => "public-date-contribution",
        Happening::Suspension => "public-date-suspension",
        Happening::Maintenance => "public-date-maintenance",
        Happening::Reserved => "public-date-reserved",
        Happening::BudgetPeriod => "public-date-budget-period",
        Happening::PullBack => "public-date-pull-back",
    }
}

/// The dates of the coming year; `None` without a treaty.
fn events(app: &App, now: Timestamp) -> Result<Option<Vec<Event>>, Error> {
    ruling(app)?;
    let Some((_, rules)) = app.pool.rules() else { return Ok(None) };
    let millis = concord_api::snapshot::millis;
    let dates = rules.agenda(millis(now), millis(now + AHEAD));
    Ok(Some(dates.into_iter().map(Event::of).collect()))
}

#[derive(Template)]
#[template(path = "public/calendar.html")]
struct Page {
    /// Begin, end, what, whose, and the anchor of the clause, if the text has one. `None`: no treaty.
    dates: Option<Vec<Shown>>,
    frame: Frame,
}

struct Shown {
    start: Time,
    end: Option<Time>,
    what: &'static str,
    of: String,
    clause: String,
    anchor: Option<String>,
}

async fn page(State(app): State<Shared>, headers: HeaderMap, frame: Frame) -> Result<Response, Error> {
    let known = ruling(&app)?.map(|treaty| anchors(&treaty)).unwrap_or_default();
    let shown = |event: Event| Shown {
        start: show::minute(event.start),
        end: event.end.map(show::minute),
        what: key(event.what),
        anchor: known.contains(&event.clause).then(|| event.clause.clone()),
        of: event.of,
        clause: event.clause,
    };
    let dates = events(&app, Timestamp::now())?.map(|events| events.into_iter().map(shown).collect());
    Ok(answer::page(&headers, render(&Page { dates, frame })?))
}

/// The dates of the coming year as JSON; `null` without a treaty.
#[utoipa::path(get, path = "/api/v1/treaty/calendar", tag = "treaty", operation_id = "treaty_calendar",
    responses((status = 200, description = "In order of time", body = Option<Vec<Event>>), Refusals))]
async fn json(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(answer::json(&headers, HALF_A_MINUTE, &events(&app, Timestamp::now())?)?)
}

/// The same for a calendar program, which may subscribe to it.
#[utoipa::path(get, path = "/api/v1/treaty/calendar.ics", tag = "treaty", operation_id = "treaty_calendar_file",
    responses((status = 200, description = "RFC 5545", body = String, content_type = "text/calendar"), Refusals))]
async fn ics(State(app): State<Shared>, headers: HeaderMap, frame: Frame) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let said_at = app.pool.treaty().and_then(|treaty| treaty.metadata.creation_timestamp.clone());
    let said_at = said_at.map_or(now, |time| time.0);
    let entry = |event: Event| Entry {
        id: format!("{}/{}/{}", event.clause, event.of.replace(' ', ""), event.start.as_second()),
        start: event.start,
        end: event.end,
        title: event.title(frame.words),
        page: app.address("/treaty/calendar"),
        said_at,
    };
    let entries: Vec<Entry> = events(&app, now)?.unwrap_or_default().into_iter().map(entry).collect();
    let text = file(&frame.words.get("public-calendar-title"), &entries);
    let answer = answer::tagged(&headers, "text/calendar; charset=utf-8", HALF_A_MINUTE, text.into_bytes());
    Ok(answer::by_language(answer))
}

//! The use of the pool now, as page, JSON and CSV; no login, no cookie.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, SHORTLY};
use super::charts::bars::{Bars, Row};
use super::show::{self, Time};
use crate::app::{App, Shared};
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::overview::{GroupUse, Groups, Overview};
use crate::pages::render;
use crate::pool_use::PoolUse;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/", get(page))
        .routes(routes!(json))
        .routes(routes!(csv))
        .routes(routes!(groups))
}

/// This moment's sums.
pub fn overview(app: &App) -> Result<Arc<Overview>, Error> {
    app.pool.overview(Timestamp::now()).map_err(Error::NotReady)
}

#[derive(Template)]
#[template(path = "public/front.html")]
struct Front<'a> {
    pool: &'a PoolUse,
    chart: Bars,
    as_of: Time,
    used: String,
    utilisation: String,
    groups: Vec<Group<'a>>,
    troubles: i64,
    frame: Frame,
}

/// Use by something else than members.
struct Group<'a> {
    id: &'static str,
    heading: String,
    column: String,
    chart: Bars,
    lines: Vec<(String, &'a GroupUse)>,
    has_capacity: bool,
}

/// Front page.
pub async fn page(State(app): State<Shared>, headers: HeaderMap, frame: Frame) -> Result<Response, Error> {
    let overview = overview(&app)?;
    let pool = &*overview.pool;
    let words = frame.words;
    let (used, capacity) = (pool.total.used_gpus(), pool.capacity_gpus.unwrap_or(0));
    let rows: Vec<Row> = pool
        .members
        .iter()
        .map(|member| Row {
            name: member.name.clone(),
            solid: member.used.guaranteed_gpus,
            hatched: member.used.borrowed_gpus,
            outline: member.guarantee_gpus,
            mark: member.ceiling_gpus,
        })
        .collect();
    let chart =
        Bars::of("members", words.get("public-use-by-member"), words.get("public-use-chart-text"), &rows);
    let front = Front {
        pool,
        chart,
        as_of: show::second(pool.freshness.as_of),
        used: show::whole(used),
        utilisation: show::percent(super::series::real(used), super::series::real(capacity)),
        groups: shown_groups(&overview.groups, &frame),
        troubles: i64::try_from(overview.troubles.len()).unwrap_or(i64::MAX),
        frame,
    };
    Ok(answer::page(&headers, render(&front)?))
}

fn shown_groups<'a>(groups: &'a Groups, frame: &Frame) -> Vec<Group<'a>> {
    let Groups { classes, purposes, organisation_kinds, countries } = groups;
    let all = [
        ("class", classes),
        ("purpose", purposes),
        ("organisation", organisation_kinds),
        ("country", countries),
    ];
    let stated = |lines: &&Vec<GroupUse>| lines.iter().any(|line| !line.name.is_empty());
    all.into_iter()
        .filter(|(_, lines)| stated(lines))
        .map(|(id, lines)| {
            let words = frame.words;
            let named: Vec<(String, &GroupUse)> =
                lines.iter().map(|line| (name(frame, id, &line.name), line)).collect();
            let row = |(name, line): &(String, &GroupUse)| Row {
                name: name.clone(),
                solid: line.used.guaranteed_gpus,
                hatched: line.used.borrowed_gpus,
                outline: line.capacity_gpus,
                mark: None,
            };
            let rows: Vec<Row> = named.iter().map(row).collect();
            let heading = words.get(format!("public-use-by-{id}"));
            Group {
                id,
                column: words.get(format!("public-column-{id}")),
                chart: Bars::of(id, heading.clone(), words.get("public-use-chart-text"), &rows),
                heading,
                has_capacity: lines.iter().any(|line| line.capacity_gpus.is_some()),
                lines: named,
            }
        })
        .collect()
}

/// What a group is called: purposes and kinds of organisation are words of the treaty language with translations.
pub fn name(frame: &Frame, scope: &str, name: &str) -> String {
    match (scope, name) {
        (_, "") => frame.words.get("public-not-stated"),
        ("purpose", "civil" | "dualUse" | "military")
        | ("organisation", "academic" | "ngo" | "publicBody" | "sme" | "industry") => {
            frame.words.get(format!("public-{scope}-{}", name.to_ascii_lowercase()))
        }
        _ => name.to_owned(),
    }
}

/// Use of the pool now, by member.
///
/// Figures come from the claims; what the operator reports itself stands beside them.
#[utoipa::path(get, path = "/api/v1/use", tag = "use", operation_id = "use_now",
    responses((status = 200, description = "Use now", body = PoolUse), Refusals))]
pub async fn json(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(answer::json(&headers, SHORTLY, &*overview(&app)?.pool)?)
}

/// The same for spreadsheets: one line for each member.
#[utoipa::path(get, path = "/api/v1/use.csv", tag = "use", operation_id = "use_now_csv",
    responses((status = 200, description = "Use now", body = String, content_type = "text/csv"), Refusals))]
pub async fn csv(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    let text = overview(&app)?.pool.csv().map_err(|error| {
        tracing::error!(%error, "CSV cannot be written");
        Error::Internal
    })?;
    Ok(answer::tagged(&headers, "text/csv; charset=utf-8", SHORTLY, text.into_bytes()))
}

/// Use of the pool now, by class of GPU, purpose, kind of organisation and country, as projects state them.
#[utoipa::path(get, path = "/api/v1/use/groups", tag = "use", operation_id = "use_by_group",
    responses((status = 200, description = "Use by group", body = Groups), Refusals))]
pub async fn groups(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(answer::json(&headers, SHORTLY, &overview(&app)?.groups)?)
}

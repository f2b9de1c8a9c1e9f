//! Waiting times: of what waits now, and of what started in a span of time.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{self, HALF_A_MINUTE, SHORTLY};
use super::front::overview;
use super::history::{Asked, Links, Times};
use super::series::History;
use super::show;
use crate::app::Shared;
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::history::{Scope, Window};
use crate::overview::Waits;
use crate::pages::render;
use crate::store::history::WaitRow;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/use/waiting", get(page))
        .routes(routes!(json))
        .routes(routes!(started))
        .routes(routes!(csv))
}

/// How long claims of one member waited that started in a span of time, on one basis. Lengths are upper ends of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StartedLine {
    /// Member; empty for all together.
    pub member: String,
    /// `guaranteed`, or `borrowed` when it ever ran on borrowed GPUs.
    pub basis: String,
    /// Claims that started.
    pub started_claims: i64,
    /// Half of them waited at most so long.
    pub p50_at_most_seconds: i64,
    /// Nine of ten.
    pub p90_at_most_seconds: i64,
    /// Ninety-nine of a hundred.
    pub p99_at_most_seconds: i64,
}

#[derive(Template)]
#[template(path = "public/waiting.html")]
struct Page<'a> {
    times: Times,
    now: &'a Waits,
    as_of: show::Time,
    started: Vec<StartedLine>,
    frame: Frame,
}

impl Page<'_> {
    fn time(&self, seconds: &i64) -> String {
        show::duration(*seconds, &self.frame.words)
    }

    fn member(&self, name: &str) -> String {
        if name.is_empty() { self.frame.words.get("together") } else { name.to_owned() }
    }
}

/// Percentiles by member and basis, all together first.
fn lines(rows: &[WaitRow]) -> Vec<StartedLine> {
    let mut classes: BTreeMap<(&str, &str), BTreeMap<i64, i64>> = BTreeMap::new();
    for row in rows {
        for member in ["", row.member.as_str()] {
            let counts = classes.entry((member, row.basis.as_str())).or_default();
            *counts.entry(row.at_most_seconds).or_default() += row.claims;
        }
    }
    let line = |((member, basis), counts): ((&str, &str), BTreeMap<i64, i64>)| StartedLine {
        member: member.to_owned(),
        basis: basis.to_owned(),
        started_claims: counts.values().sum(),
        p50_at_most_seconds: percentile(&counts, 50),
        p90_at_most_seconds: percentile(&counts, 90),
        p99_at_most_seconds: percentile(&counts, 99),
    };
    classes.into_iter().map(line).collect()
}

/// The upper end of the class in which the nearest rank lies.
fn percentile(counts: &BTreeMap<i64, i64>, percent: i64) -> i64 {
    let all: i64 = counts.values().sum();
    let rank = all.saturating_mul(percent).saturating_add(99) / 100;
    let mut seen = 0;
    for (most, count) in counts {
        seen += count;
        if seen >= rank {
            return *most;
        }
    }
    0
}

async fn waited(app: &Shared, window: Window) -> Result<Vec<StartedLine>, Error> {
    let rows = app.store.waits(window.from.as_millisecond(), window.until().as_millisecond()).await?;
    Ok(lines(&rows))
}

/// The page.
pub async fn page(
    State(app): State<Shared>,
    headers: HeaderMap,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    let now = Timestamp::now();
    let window = asked.window(now)?;
    let history = History::read(&app, window, Scope::Member, now).await?;
    let overview = overview(&app)?;
    let page = Page {
        times: Times::of(&history, Links::new("/use/waiting", window, None), &asked, now),
        now: &overview.waits,
        as_of: show::second(overview.pool.freshness.as_of),
        started: waited(&app, window).await?,
        frame,
    };
    Ok(answer::page(&headers, render(&page)?))
}

/// What waits now, and how long the claims waited that the cluster still holds.
#[utoipa::path(get, path = "/api/v1/use/waiting", tag = "use", operation_id = "waiting",
    responses((status = 200, description = "Waiting times", body = Waits), Refusals))]
pub async fn json(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(answer::json(&headers, SHORTLY, &overview(&app)?.waits)?)
}

/// How long claims waited that started in a span of time, by member and basis. Kept by the hour for 62 days.
#[utoipa::path(get, path = "/api/v1/use/waited", tag = "use", operation_id = "waited", params(Asked),
    responses((status = 200, description = "Waiting times", body = Vec<StartedLine>), Refusals))]
pub async fn started(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    Ok(answer::json(&headers, HALF_A_MINUTE, &waited(&app, asked.window(Timestamp::now())?).await?)?)
}

/// The same for spreadsheets: one line for each member and basis.
#[utoipa::path(get, path = "/api/v1/use/waited.csv", tag = "use", operation_id = "waited_csv", params(Asked),
    responses((status = 200, description = "Waiting times", body = String, content_type = "text/csv"), Refusals))]
pub async fn csv(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    Ok(answer::csv(&headers, HALF_A_MINUTE, waited(&app, asked.window(Timestamp::now())?).await?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_ends_of_classes() {
        let row = |member: &str, at_most_seconds, claims| WaitRow {
            member: member.to_owned(),
            basis: "guaranteed".to_owned(),
            at_most_seconds,
            claims,
        };
        let lines = lines(&[row("north", 1, 98), row("north", 3_600, 2), row("south", 60, 1)]);
        assert_eq!((lines[0].member.as_str(), lines[0].started_claims), ("", 101));
        let north = &lines[1];
        assert_eq!(
            (north.p50_at_most_seconds, north.p90_at_most_seconds, north.p99_at_most_seconds),
            (1, 1, 3_600)
        );
        assert_eq!(percentile(&BTreeMap::new(), 50), 0);
    }
}

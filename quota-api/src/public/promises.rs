//! Promised against delivered: what each member's guarantee came to, what it got, and how often a claim waited although
//! the guarantee had room for it.

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

use super::answer::{self, HALF_A_MINUTE};
use super::charts::bars::{Bars, Row};
use super::history::{Asked, Links, Times};
use super::series::{History, hours, real};
use super::show;
use crate::app::Shared;
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::history::Scope;
use crate::history::grain::SAMPLE_SECONDS;
use crate::pages::render;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/use/promises", get(page)).routes(routes!(json)).routes(routes!(csv))
}

/// One member's account in a span of time. Only what was sampled counts.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MemberAccount {
    /// Member.
    pub member: String,
    /// GPU-hours that its guarantee came to.
    pub promised_gpu_hours: f64,
    /// GPU-hours that it used inside its guarantee.
    pub guaranteed_gpu_hours: f64,
    /// GPU-hours that others lent it.
    pub borrowed_gpu_hours: f64,
    /// Minutes in which one of its claims had waited longer than the treaty's reclaim time although its guarantee had room
    /// for it.
    pub missed_minutes: i64,
    /// That room, added up over these minutes.
    pub missed_gpu_hours: f64,
    /// Minutes in which nobody could tell: the guarantee is by class of GPU, or not worked out.
    pub unmeasured_minutes: i64,
    /// Share of the minutes that could be judged in which nothing was missed; `null` of none.
    pub kept: Option<f64>,
    /// Minutes that its borrowers were under notice, added up over claims.
    pub notice_minutes: i64,
    /// Part of them after the deadline.
    pub late_minutes: i64,
    /// Minutes sampled.
    pub sampled_minutes: i64,
}

/// The treaty's promises in a span of time.
#[derive(Serialize, ToSchema)]
pub struct PromisesAnswer {
    /// Start.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
    /// Minutes sampled.
    pub samples: i64,
    /// Minutes that there are without gaps.
    pub expected_samples: i64,
    /// By member.
    pub members: Vec<MemberAccount>,
}

#[derive(Template)]
#[template(path = "public/promises.html")]
struct Page {
    times: Times,
    chart: Bars,
    accounts: Vec<MemberAccount>,
    missed: i64,
    unmeasured: bool,
    frame: Frame,
}

impl Page {
    fn number(&self, value: &f64) -> String {
        show::number(*value)
    }

    fn kept(&self, account: &MemberAccount) -> String {
        account.kept.map_or_else(|| show::UNKNOWN.to_owned(), |kept| show::percent(kept, 1.0))
    }

    fn minutes(&self, minutes: &i64) -> String {
        show::duration(*minutes * 60, &self.frame.words)
    }
}

fn accounts(history: &History) -> Vec<MemberAccount> {
    let minutes = |samples: i64| samples * SAMPLE_SECONDS / 60;
    let account = |member: &String| {
        let total = history.total(Some(member));
        let judged = total.samples - total.unmeasured_samples;
        MemberAccount {
            member: member.clone(),
            promised_gpu_hours: hours(total.guarantee_gpus),
            guaranteed_gpu_hours: hours(total.used.guaranteed_gpus),
            borrowed_gpu_hours: hours(total.used.borrowed_gpus),
            missed_minutes: minutes(total.missed_samples),
            missed_gpu_hours: hours(total.missed_gpus),
            unmeasured_minutes: minutes(total.unmeasured_samples),
            kept: (judged > 0).then(|| 1.0 - real(total.missed_samples) / real(judged)),
            notice_minutes: minutes(total.reclaiming_claims),
            late_minutes: minutes(total.late_claims),
            sampled_minutes: minutes(total.samples),
        }
    };
    history.names.iter().map(account).collect()
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
    let accounts = accounts(&history);
    #[allow(clippy::cast_possible_truncation, reason = "saturates; a picture needs no more")]
    let whole = |hours: f64| hours.round() as i64;
    let row = |account: &MemberAccount| Row {
        name: account.member.clone(),
        solid: whole(account.guaranteed_gpu_hours),
        hatched: whole(account.borrowed_gpu_hours),
        outline: Some(whole(account.promised_gpu_hours)),
        mark: None,
    };
    let rows: Vec<Row> = accounts.iter().map(row).collect();
    let words = frame.words;
    let page = Page {
        times: Times::of(&history, Links::new("/use/promises", window, None), &asked, now),
        chart: Bars::of(
            "promises",
            words.get("promises-chart-title"),
            words.get("promises-chart-text"),
            &rows,
        ),
        missed: accounts.iter().map(|account| account.missed_minutes).max().unwrap_or(0),
        unmeasured: accounts.iter().any(|account| account.unmeasured_minutes > 0),
        accounts,
        frame,
    };
    Ok(answer::page(&headers, render(&page)?))
}

/// What the treaty promised each member and what it got, over a span of time.
#[utoipa::path(get, path = "/api/v1/use/promises", tag = "treaty", operation_id = "promises", params(Asked),
    responses((status = 200, description = "Promised against delivered", body = PromisesAnswer), Refusals))]
pub async fn json(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let history = History::read(&app, asked.window(now)?, Scope::Member, now).await?;
    let (samples, expected_samples) = history.coverage();
    let answer = PromisesAnswer {
        from: history.window.from,
        until: history.window.until(),
        samples,
        expected_samples,
        members: accounts(&history),
    };
    Ok(answer::json(&headers, HALF_A_MINUTE, &answer)?)
}

/// The same for spreadsheets: one line for each member.
#[utoipa::path(get, path = "/api/v1/use/promises.csv", tag = "treaty", operation_id = "promises_csv", params(Asked),
    responses((status = 200, description = "Promised against delivered", body = String, content_type = "text/csv"), Refusals))]
pub async fn csv(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let history = History::read(&app, asked.window(now)?, Scope::Member, now).await?;
    Ok(answer::csv(&headers, HALF_A_MINUTE, accounts(&history))?)
}

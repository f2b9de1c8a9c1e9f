//! Energy by member over time, where node agents measure it.

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
use super::charts::columns::Columns;
use super::history::{Asked, Links, Times, chart};
use super::series::{History, hours, real};
use super::show;
use crate::app::Shared;
use crate::energy::PowerNow;
use crate::error::{Error, Problem, Refusals};
use crate::frame::Frame;
use crate::history::Scope;
use crate::history::grain::SAMPLE_SECONDS;
use crate::pages::render;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/use/energy", get(page)).routes(routes!(json)).routes(routes!(csv))
}

/// Energy of one member in a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MemberEnergy {
    /// Member; empty for what nobody was charged: idle GPUs, and what agents could not tell.
    pub member: String,
    /// Energy.
    pub kilowatt_hours: f64,
    /// GPU-hours delivered in the time that was sampled.
    pub gpu_hours: f64,
    /// Mean power of a GPU in use; `null` without use.
    pub watts_by_gpu: Option<f64>,
}

/// Energy in a span of time.
#[derive(Serialize, ToSchema)]
pub struct EnergyAnswer {
    /// False when this server knows no agent that measures: then everything else is empty.
    pub measured: bool,
    /// True when the GPUs are simulated and their joules made up.
    pub simulated: bool,
    /// Power as last read.
    pub now: Option<PowerNow>,
    /// Start.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
    /// Energy of all GPUs with an agent.
    pub kilowatt_hours: f64,
    /// By member.
    pub members: Vec<MemberEnergy>,
}

#[derive(Template)]
#[template(path = "public/energy.html")]
struct Page {
    times: Times,
    chart: Columns,
    answer: EnergyAnswer,
    frame: Frame,
}

impl Page {
    fn number(&self, value: &f64) -> String {
        show::number(*value)
    }

    fn watts(&self, line: &MemberEnergy) -> String {
        line.watts_by_gpu.map_or_else(|| show::UNKNOWN.to_owned(), show::number)
    }
}

fn kilowatt_hours(millijoules: i64) -> f64 {
    real(millijoules) / 3_600_000_000.0
}

fn answer(app: &Shared, history: &History) -> EnergyAnswer {
    let line = |member: &str, millijoules: i64, used: i64| {
        let gpu_hours = hours(used);
        let kilowatt_hours = kilowatt_hours(millijoules);
        let watts_by_gpu = (gpu_hours > 0.0).then(|| kilowatt_hours * 1_000.0 / gpu_hours);
        MemberEnergy { member: member.to_owned(), kilowatt_hours, gpu_hours, watts_by_gpu }
    };
    let mut members = Vec::new();
    let mut charged = 0_i64;
    for name in &history.names {
        let total = history.total(Some(name));
        charged = charged.saturating_add(total.millijoules);
        members.push(line(name, total.millijoules, total.used.used_gpus()));
    }
    let all = history.total(None).millijoules;
    members.push(line("", all.saturating_sub(charged).max(0), 0));
    let energy = &app.public.energy;
    EnergyAnswer {
        measured: energy.is_measured(),
        simulated: energy.is_simulated(),
        now: energy.now(),
        from: history.window.from,
        until: history.window.until(),
        kilowatt_hours: kilowatt_hours(all),
        members: if energy.is_measured() { members } else { Vec::new() },
    }
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
    let chart = chart(&history, ["energy", "energy-chart-title"], false, &frame, str::to_owned, |sums| {
        sums.mean(sums.millijoules) / 1_000.0 / real(SAMPLE_SECONDS)
    });
    let page = Page {
        times: Times::of(&history, Links::new("/use/energy", window, None), &asked, now),
        chart,
        answer: answer(&app, &history),
        frame,
    };
    Ok(answer::page(&headers, render(&page)?))
}

/// Energy by member over a span of time, as node agents charged it to claims.
#[utoipa::path(get, path = "/api/v1/use/energy", tag = "use", operation_id = "energy", params(Asked),
    responses((status = 200, description = "Energy", body = EnergyAnswer), Refusals))]
pub async fn json(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let history = History::read(&app, asked.window(now)?, Scope::Member, now).await?;
    Ok(answer::json(&headers, HALF_A_MINUTE, &answer(&app, &history))?)
}

/// The same for spreadsheets: one line for each member.
#[utoipa::path(get, path = "/api/v1/use/energy.csv", tag = "use", operation_id = "energy_csv", params(Asked),
    responses((status = 200, description = "Energy", body = String, content_type = "text/csv"), Refusals))]
pub async fn csv(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let now = Timestamp::now();
    let history = History::read(&app, asked.window(now)?, Scope::Member, now).await?;
    Ok(answer::csv(&headers, HALF_A_MINUTE, answer(&app, &history).members)?)
}

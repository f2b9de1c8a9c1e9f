//! What was granted, for everybody: who got how much and why, and how long answers took beside what the treaty promises.

use askama::Template;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use concord_api::application::Application;
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::view;
use crate::app::{App, Shared};
use crate::error::{Error, Problem};
use crate::frame::Frame;
use crate::pages::render;

/// Caches may answer for a minute; awards change a few times a day.
const A_WHILE: &str = "public, max-age=60";
/// Awards on one page and in one answer, the newest.
const AWARDS_MAX: usize = 1_000;

/// One award, as the public sees it: the project and the organisation, never a person.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Award {
    /// Name of the application.
    pub application: String,
    /// Project.
    pub project: String,
    /// Title.
    pub title: String,
    /// What the GPUs are for.
    pub summary: String,
    /// Organisation.
    pub organisation: String,
    /// Its kind: academic, ngo, publicBody, sme or industry.
    pub organisation_kind: String,
    /// Its country, ISO 3166-1 alpha-2.
    pub country: String,
    /// Purpose: civil, dualUse or military.
    pub purpose: String,
    /// Reserve or member on whose GPUs it runs.
    pub party: String,
    /// Tier of the reserve; null where there are none.
    pub tier: Option<String>,
    /// GPU-hours granted.
    pub gpu_hours: i64,
    /// Most GPUs at once.
    pub most_gpus: i64,
    /// Last moment of access.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: Timestamp,
    /// Treaty and generation that it was held against.
    pub treaty: String,
}

/// Answers of one tier: what is promised and what was kept.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Promise {
    /// Reserve or member.
    pub party: String,
    /// Tier; null where there are none.
    pub tier: Option<String>,
    /// Days promised by the treaty in force; null: none.
    pub promised_days: Option<i64>,
    /// Applications answered.
    pub answered: i64,
    /// Of these, approved.
    pub approved: i64,
    /// Hours to the answer, the middle one of all; null without any.
    pub median_hours: Option<i64>,
    /// Hours to the answer, the longest.
    pub longest_hours: Option<i64>,
    /// Answered after the promised time.
    pub late: i64,
    /// Not answered yet.
    pub open: i64,
    /// Not answered although the promised time has passed.
    pub overdue: i64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Awards {
    /// Time of the data.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// The newest first.
    pub awards: Vec<Award>,
    /// By party and tier.
    pub promises: Vec<Promise>,
}

impl Awards {
    /// From the applications, the newest first.
    pub fn of(applications: &[impl AsRef<Application>], parties: &[view::Party], now: Timestamp) -> Self {
        let all: Vec<&Application> = applications.iter().map(AsRef::as_ref).collect();
        let awards = all.iter().filter_map(|a| award(a)).take(AWARDS_MAX).collect();
        Self { as_of: now, awards, promises: promises(&all, parties, now) }
    }
}

fn award(application: &Application) -> Option<Award> {
    let decision = application.answer().filter(|_| view::is_approved(application))?;
    let grant = decision.grant.as_ref()?;
    let status = application.status.as_ref()?;
    let spec = &application.spec;
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Some(Award {
        application: application.name_any(),
        project: spec.project.clone(),
        title: spec.title.clone(),
        summary: spec.summary.clone(),
        organisation: spec.organisation.clone(),
        organisation_kind: word(serde_json::json!(spec.applicant.organisation_kind)),
        country: spec.applicant.country.clone(),
        purpose: word(serde_json::json!(spec.applicant.purpose)),
        party: spec.request.party.clone(),
        tier: status.tier.clone(),
        gpu_hours: grant.gpu_hours,
        most_gpus: grant.most_gpus,
        until: grant.until.0,
        decided_at: decision.at.0,
        treaty: status.assessment.as_ref().map(|a| a.treaty.clone()).unwrap_or_default(),
    })
}

fn promises(all: &[&Application], parties: &[view::Party], now: Timestamp) -> Vec<Promise> {
    let mut rows: Vec<(String, Option<String>, Option<i64>)> = Vec::new();
    for party in parties {
        let tiers = party.tiers.iter().map(|t| (party.name.clone(), Some(t.name.clone()), Some(t.days)));
        rows.extend(tiers);
    }
    for application in all.iter().filter(|a| !a.spec.withdrawn) {
        let tier = application.status.as_ref().and_then(|s| s.tier.clone());
        let key = (application.spec.request.party.clone(), tier);
        if !rows.iter().any(|(party, tier, _)| (party, tier) == (&key.0, &key.1)) {
            rows.push((key.0, key.1, None));
        }
    }
    rows.into_iter().map(|row| promise(all, row, now)).collect()
}

fn promise(
    all: &[&Application],
    (party, tier, promised_days): (String, Option<String>, Option<i64>),
    now: Timestamp,
) -> Promise {
    let of_row = |a: &&&Application| {
        let its = a.status.as_ref().and_then(|s| s.tier.as_ref());
        a.spec.request.party == party && its == tier.as_ref() && !a.spec.withdrawn
    };
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let rows: Vec<&&Application> = all.iter().filter(of_row).collect();
    let promised = |a: &Application| a.status.as_ref().and_then(|s| s.promised_by.as_ref()).map(|at| at.0);
    let answered_at = |a: &Application| a.status.as_ref().and_then(|s| s.decision.as_ref()).map(|d| d.at.0);
    let mut hours: Vec<i64> = rows.iter().filter_map(|a| view::answered_after_hours(a)).collect();
    hours.sort_unstable();
    let open: Vec<_> = rows.iter().filter(|a| answered_at(a).is_none()).collect();
    // An answer that is due at once takes the operator a moment.
    let grace = jiff::SignedDuration::from_mins(1);
    Promise {
        promised_days,
        answered: count(hours.len()),
        approved: count(rows.iter().filter(|a| view::is_approved(a)).count()),
        median_hours: hours.get(hours.len() / 2).copied(),
        longest_hours: hours.last().copied(),
        late: count(
            rows.iter()
                .filter(|a| answered_at(a) > promised(a).map(|at| at + grace) && promised(a).is_some())
                .count(),
        ),
        open: count(open.len()),
        overdue: count(open.iter().filter(|a| promised(a).is_some_and(|at| at + grace < now)).count()),
        party,
        tier,
    }
}

fn current(app: &App) -> Awards {
    Awards::of(&view::all(app), &view::parties(app), Timestamp::now())
}

#[derive(Template)]
#[template(path = "awards.html")]
struct Page {
    frame: Frame,
    data: Awards,
}

impl Page {
    fn day(&self, at: &Timestamp) -> String {
        view::day(*at)
    }
}

/// For people.
pub async fn page(State(app): State<Shared>, frame: Frame) -> Result<impl IntoResponse, Error> {
    let html = render(&Page { frame, data: current(&app) })?;
    Ok(([(header::CACHE_CONTROL, "no-cache"), (header::VARY, "cookie, accept-language")], Html(html)))
}

/// What was granted, and how long answers took.
#[utoipa::path(get, path = "/api/v1/awards", tag = "public", operation_id = "awards", responses((status = 200, body = Awards)))]
pub async fn json(State(app): State<Shared>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, A_WHILE)], Json(current(&app)))
}

/// What was granted, for spreadsheets.
#[utoipa::path(get, path = "/api/v1/awards.csv", tag = "public", operation_id = "awards_csv", responses((status = 200, content_type = "text/csv", body = String)))]
pub async fn csv(State(app): State<Shared>) -> Result<impl IntoResponse, Problem> {
    let written = || {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for award in current(&app).awards {
            writer.serialize(award)?;
        }
        writer.into_inner().map_err(csv::IntoInnerError::into_error).map_err(csv::Error::from)
    };
    let bytes = written().map_err(|error| {
        tracing::error!(%error, "CSV cannot be written");
        Error::Internal
    })?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CACHE_CONTROL, A_WHILE)], bytes))
}

//! What a reviewer does: the queue, one screen with everything, the review, the decision. Written as the reviewer, so that the
//! admission policies decide who may; see helm/concord/templates/application-policies.yaml.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use concord_api::application::{Application, Decision, Grant, Outcome, Review, Scores, Stage};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::apply::never_cached;
use super::pages::{self, ReviewPage};
use super::view;
use crate::acting::in_time;
use crate::app::{App, Shared};
use crate::auth::Principal;
use crate::error::Error;
use crate::frame::{Frame, Person};
use crate::may::Deed;

/// Shortest reason of a decision, as the kind demands it.
const REASON_CHARS: std::ops::RangeInclusive<usize> = 20..=5_000;

/// Which applications the queue shows.
#[derive(Debug, Default, Deserialize)]
pub struct Filter {
    /// `open` (when nothing is said), `all`.
    #[serde(default)]
    show: String,
}

/// The queue: what is owed first stands first.
pub async fn queue(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Query(Filter { show }): Query<Filter>,
) -> Result<Response, Error> {
    must_review(&app, &person).await?;
    let open_only = show != "all";
    let mut shown: Vec<_> = view::all(&app).into_iter().filter(|a| !open_only || view::is_open(a)).collect();
    shown.sort_by_key(|a| {
        (
            a.status.as_ref().and_then(|s| s.promised_by.clone()).map_or(Timestamp::MAX, |t| t.0),
            view::submitted_at(a),
        )
    });
    shown.truncate(QUEUE_MAX);
    Ok(never_cached(pages::queue(frame, &shown, open_only, &person.user_name(), Timestamp::now())?))
}

/// Applications on one page of the queue.
const QUEUE_MAX: usize = 200;

/// One application with everything that a decision needs.
pub async fn application(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    must_review(&app, &person).await?;
    show(&app, frame, &name, &person, Typed::default()).await
}

/// What a reviewer typed, so that it is not lost.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    /// `on`: does not judge.
    pub recused: String,
    /// Scores.
    pub merit: String,
    /// Scores.
    pub feasibility: String,
    /// Scores.
    pub public_interest: String,
    /// For the other reviewers.
    pub comment: String,
    /// `Approved` or `Refused`.
    pub outcome: String,
    /// For the applicant.
    pub reason: String,
    /// Grant.
    pub gpu_hours: String,
    /// Grant.
    pub most_gpus: String,
    /// Grant.
    pub days: String,
    /// Clauses, separated by commas.
    pub clauses: String,
    /// Why it was not accepted, by key, with its field; never typed.
    #[serde(skip)]
    pub errors: Vec<(&'static str, &'static str)>,
    /// What the cluster said against it; never typed.
    #[serde(skip)]
    pub refused: String,
}

/// Writes one's review, or recuses.
pub async fn review(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path(name): Path<String>,
    Form(mut typed): Form<Typed>,
) -> Result<Response, Error> {
    must_review(&app, &person).await?;
    let found = view::find(&app, &name)?;
    let user = person.user_name();
    let review = match read_review(&typed, &user, Timestamp::now()) {
        Ok(review) => review,
        Err(errors) => {
            typed.errors = errors;
            return show(&app, frame, &name, &person, typed).await;
        }
    };
    let mut reviews = found.status.clone().unwrap_or_default().reviews;
    reviews.retain(|known| known.reviewer != user);
    reviews.push(review);
    write(&app, frame, &found, &person, typed, json!({ "reviews": reviews })).await
}

fn read_review(
    typed: &Typed,
    user: &str,
    now: Timestamp,
) -> Result<Review, Vec<(&'static str, &'static str)>> {
    let mut errors = Vec::new();
    let recused = typed.recused == "on";
    let mut score = |field, text: &str| match text.parse::<i64>() {
        Ok(score @ 1..=5) => score,
        _ => {
            errors.push((field, "error-score"));
            1
        }
    };
    let scores = (!recused).then(|| Scores {
        merit: score("merit", &typed.merit),
        feasibility: score("feasibility", &typed.feasibility),
        public_interest: score("public_interest", &typed.public_interest),
    });
    let comment = typed.comment.trim();
    if comment.is_empty() || comment.chars().count() > *REASON_CHARS.end() {
        errors.push(("comment", "error-comment"));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Review { reviewer: user.to_owned(), recused, scores, comment: comment.to_owned(), at: Time(now) })
}

/// Decides, on the application or on its appeal.
pub async fn decide(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path(name): Path<String>,
    Form(mut typed): Form<Typed>,
) -> Result<Response, Error> {
    must_review(&app, &person).await?;
    let found = view::find(&app, &name)?;
    let decision = match read_decision(&typed, &found, &person.user_name(), Timestamp::now()) {
        Ok(decision) => decision,
        Err(errors) => {
            typed.errors = errors;
            return show(&app, frame, &name, &person, typed).await;
        }
    };
    let field = if found.stage() == Stage::Appealed { "appealDecision" } else { "decision" };
    let mut status = json!({});
    status[field] = json!(decision);
    write(&app, frame, &found, &person, typed, status).await
}

fn read_decision(
    typed: &Typed,
    application: &Application,
    user: &str,
    now: Timestamp,
) -> Result<Decision, Vec<(&'static str, &'static str)>> {
    let mut errors = Vec::new();
    let request = &application.spec.request;
    let mut number = |field, text: &str, most: i64| match text.trim().parse::<i64>() {
        Ok(number) if (1..=most).contains(&number) => number,
        _ => {
            errors.push((field, "error-grant"));
            1
        }
    };
    let outcome = match typed.outcome.as_str() {
        "Approved" => Some(Outcome::Approved),
        "Refused" => Some(Outcome::Refused),
        _ => None,
    };
    let grant = (outcome == Some(Outcome::Approved)).then(|| {
        let days = number("days", &typed.days, 1_096);
        Grant {
            gpu_hours: number("gpu_hours", &typed.gpu_hours, request.gpu_hours),
            most_gpus: number("most_gpus", &typed.most_gpus, request.most_gpus),
            until: Time(now.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX)),
        }
    });
    let reason = typed.reason.trim();
    if !REASON_CHARS.contains(&reason.chars().count()) {
        errors.push(("reason", "error-reason"));
    }
    let Some(outcome) = outcome else {
        errors.insert(0, ("outcome", "error-choose"));
        return Err(errors);
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    let clauses = typed.clauses.split(',').map(str::trim).filter(|clause| !clause.is_empty());
    Ok(Decision {
        outcome,
        reason: reason.to_owned(),
        clauses: clauses.map(str::to_owned).take(20).collect(),
        by: user.to_owned(),
        at: MicroTime(now),
        grant,
    })
}

/// Writes a part of the status, if nobody has changed the application since the reviewer saw it.
async fn write(
    app: &App,
    frame: Frame,
    seen: &Arc<Application>,
    person: &Principal,
    mut typed: Typed,
    status: Value,
) -> Result<Response, Error> {
    let name = seen.name_any();
    let api: Api<Application> = Api::all(app.acting.as_person(person)?);
    let patch = json!({"metadata": {"resourceVersion": seen.metadata.resource_version}, "status": status});
    match in_time(api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch))).await {
        Ok(changed) => {
            view::wait_for(app, &changed).await;
            Ok(Redirect::to(&format!("/reviews/{name}")).into_response())
        }
        Err(error) => {
            typed.refused = Error::from(error).to_string();
            show(app, frame, &name, person, typed).await
        }
    }
}

async fn show(
    app: &App,
    frame: Frame,
    name: &str,
    person: &Principal,
    typed: Typed,
) -> Result<Response, Error> {
    let found = view::find(app, name)?;
    let draft = app.store.draft_of_application(name).await?;
    let files = match &draft {
        Some(draft) => app.store.attachments(&draft.id).await?,
        None => Vec::new(),
    };
    let others = view::all(app).into_iter();
    let others: Vec<_> = others
        .filter(|other| {
            other.name_any() != name && other.spec.organisation.eq_ignore_ascii_case(&found.spec.organisation)
        })
        .take(20)
        .collect();
    let wrong = !typed.errors.is_empty() || !typed.refused.is_empty();
    let page = ReviewPage::of(frame, &found, &person.user_name(), files, &others, typed, Timestamp::now());
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, never_cached(pages::review(&page)?)).into_response())
}

/// To others these pages do not exist.
async fn must_review(app: &App, person: &Principal) -> Result<(), Error> {
    if app.rights.may(&app.acting, person, Deed::Review).await { Ok(()) } else { Err(Error::NotFound) }
}

//! The same for programs: JSON, with a key or a session.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use concord_api::Project;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

use super::NEVER;
use super::job::page_of;
use crate::app::Shared;
use crate::error::{Error, Problem};
use crate::jobs::ask::JobRequest;
use crate::jobs::cluster::{AsPerson, CallError};
use crate::jobs::keys::{Caller, hash, random};
use crate::jobs::list::{self, Page};
use crate::jobs::live::{Render, states};
use crate::jobs::preview::Preview;
use crate::jobs::projects;
use crate::jobs::submit::{self, Outcome};
use crate::jobs::view::JobView;
use crate::jobs::{manifest, submit as submitting};
use crate::language::{Language, Words};

/// Lines and bytes of a log that a program may ask for.
const LOG_LINES_MOST: i64 = 10_000;
const LOG_BYTES: i64 = 4 * 1024 * 1024;
/// Longest `Idempotency-Key` that is believed.
const IDEMPOTENCY_CHARS_MOST: usize = 200;

fn project_of(app: &Shared, caller: &Caller, project: &str) -> Result<Arc<Project>, Error> {
    caller.may_read(project)?;
    projects::project_of(&app.pool, &caller.person, project)
}

/// Jobs of a project
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/jobs", tag = "jobs", security(("key" = []), ("session" = [])),
    params(("project" = String, Path, description = "Project"), list::Query),
    responses(
        (status = 200, description = "A page of jobs, the newest first", body = Page),
        (status = 400, description = "A parameter cannot be read", content_type = "application/problem+json"),
        (status = 401, description = "Neither a session nor a key that is known", content_type = "application/problem+json"),
        (status = 404, description = "No such project of yours", content_type = "application/problem+json"),
        (status = 503, description = "The server has only just started", content_type = "application/problem+json"),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Caller,
    Path(project): Path<String>,
    query: Result<Query<list::Query>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Error::BadRequest(rejection.body_text()))?;
    if !(1..=list::PAGES_MOST).contains(&query.page) {
        return Err(Error::BadRequest(format!("page is from 1 to {}", list::PAGES_MOST)).into());
    }
    project_of(&app, &caller, &project)?;
    let claims = app.pool.claims.state_filter(|claim| claim.metadata.namespace.as_deref() == Some(&project));
    Ok(([NEVER], Json(list::page(&claims, &query))).into_response())
}

/// How a job is submitted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct SubmitQuery {
    /// Say what would happen, and make nothing.
    pub dry_run: bool,
}

/// What would be made, and what would happen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobTrial)]
pub struct Trial {
    /// Charge and start; `null` while no treaty is in force, or the server is too busy to say.
    pub preview: Option<Preview>,
    /// Why the cluster would not take it; `null`: it would.
    pub refused: Option<String>,
    /// The objects, as YAML.
    pub manifest: String,
}

/// Submit a job
///
/// A request with the same `Idempotency-Key` makes one job, however often it is sent.
#[utoipa::path(
    post, path = "/api/v1/projects/{project}/jobs", tag = "jobs", security(("key" = []), ("session" = [])),
    params(
        ("project" = String, Path, description = "Project"), SubmitQuery,
        ("Idempotency-Key" = Option<String>, Header, max_length = 200, description = "Any text of at most 200 characters"),
    ),
    request_body = JobRequest,
    responses(
        (status = 200, description = "What would happen", body = Trial),
        (status = 201, description = "It is there", body = JobView),
        (status = 400, description = "The document cannot be read", content_type = "application/problem+json"),
        (status = 401, description = "Neither a session nor a key that is known", content_type = "application/problem+json"),
        (status = 403, description = "The key may only read, or the request comes from another site", content_type = "application/problem+json"),
        (status = 404, description = "No such project of yours", content_type = "application/problem+json"),
        (status = 409, description = "The cluster refused it, and says why", content_type = "application/problem+json"),
        (status = 413, description = "The document is too large", content_type = "application/problem+json"),
        (status = 415, description = "The document is no JSON", content_type = "application/problem+json"),
        (status = 422, description = "Fields are not as they should be; `errors` has a pointer for each", content_type = "application/problem+json"),
        (status = 503, description = "The cluster does not answer; nothing was made", content_type = "application/problem+json"),
    ),
)]
pub async fn submit(
    State(app): State<Shared>,
    caller: Caller,
    Path(project): Path<String>,
    query: Result<Query<SubmitQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Json<JobRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Error::BadRequest(rejection.body_text()))?;
    let object = project_of(&app, &caller, &project)?;
    if !query.dry_run {
        caller.may_submit(&project)?;
    }
    let Json(request) = body.map_err(unreadable)?;
    let words = Words(Language::of_request(None, &headers));
    let ask = submit::ask_of(&app, &request, Vec::new()).map_err(|faults| {
        Error::Invalid(faults.iter().map(|fault| (fault.field.pointer(), fault.sentence(words))).collect())
    })?;
    let token = token(&headers, &caller)?;
    let now = Timestamp::now();
    if query.dry_run {
        let checked = submit::check(&app, &caller.person, &object, ask, &token, now).await?;
        let refused = match submit::outcome_of_trial(&checked) {
            Some(Outcome::Refused(sentence)) => Some(sentence),
            Some(Outcome::Kept) => return Err(Error::ClusterUnavailable.into()),
            Some(Outcome::Made) | None => None,
        };
        let trial = Trial { preview: checked.preview, refused, manifest: manifest::yaml(&checked.objects) };
        return Ok(([NEVER], Json(trial)).into_response());
    }
    let as_person = AsPerson::new(&app.acting, &caller.person, &project)?;
    let made = as_person.make(&manifest::objects(&ask, &project, &token), &token, false).await;
    match submitting::outcome(made, &ask.name) {
        Outcome::Made => {}
        Outcome::Refused(sentence) => return Err(Error::ClusterRefused(sentence).into()),
        Outcome::Kept => return Err(Error::ClusterUnavailable.into()),
    }
    let (view, _) = page_of(&app, &caller.person, &project, &ask.name).await?;
    let location = format!("/api/v1/projects/{project}/jobs/{}", ask.name);
    Ok((StatusCode::CREATED, [NEVER, (header::LOCATION, location.as_str())], Json(view)).into_response())
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(rejection: JsonRejection) -> Error {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::NotJson,
        _ => Error::BadRequest(rejection.body_text()),
    }
}

/// What makes a second sending of the same request the same: one person's text is not another's.
fn token(headers: &HeaderMap, caller: &Caller) -> Result<String, Error> {
    let Some(key) = headers.get("idempotency-key") else { return random() };
    let key = key.to_str().ok().filter(|key| key.len() <= IDEMPOTENCY_CHARS_MOST);
    let key = key.ok_or_else(|| {
        Error::BadRequest("Idempotency-Key is no text of at most 200 characters".to_owned())
    })?;
    Ok(hash(&format!("{}\n{key}", caller.person.user_name())))
}

/// One job
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/jobs/{name}", tag = "jobs", security(("key" = []), ("session" = [])),
    params(("project" = String, Path, description = "Project"), ("name" = String, Path, description = "Name")),
    responses(
        (status = 200, description = "The job", body = JobView),
        (status = 401, description = "Neither a session nor a key that is known", content_type = "application/problem+json"),
        (status = 404, description = "No such job of yours", content_type = "application/problem+json"),
        (status = 503, description = "The cluster does not answer", content_type = "application/problem+json"),
    ),
)]
pub async fn one(
    State(app): State<Shared>,
    caller: Caller,
    Path((project, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    caller.may_read(&project)?;
    let (view, _) = page_of(&app, &caller.person, &project, &name).await?;
    Ok(([NEVER], Json(view)).into_response())
}

/// Cancel a job
///
/// Its pods are ended and it is deleted. What it used stays on the account.
#[utoipa::path(
    delete, path = "/api/v1/projects/{project}/jobs/{name}", tag = "jobs", security(("key" = []), ("session" = [])),
    params(("project" = String, Path, description = "Project"), ("name" = String, Path, description = "Name")),
    responses(
        (status = 204, description = "It is being deleted"),
        (status = 401, description = "Neither a session nor a key that is known", content_type = "application/problem+json"),
        (status = 403, description = "The key may only read, or the request comes from another site", content_type = "application/problem+json"),
        (status = 404, description = "No such job of yours", content_type = "application/problem+json"),
        (status = 409, description = "The cluster refused it, and says why", content_type = "application/problem+json"),
        (status = 503, description = "The cluster does not answer", content_type = "application/problem+json"),
    ),
)]
pub async fn cancel(
    State(app): State<Shared>,
    caller: Caller,
    Path((project, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    project_of(&app, &caller, &project)?;
    caller.may_submit(&project)?;
    let as_person = AsPerson::new(&app.acting, &caller.person, &project)?;
    let work = as_person.work(&name).await.map_err(Error::from)?;
    as_person.delete(&work).await.map_err(Error::from)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Which log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Pod; absent: the first of the job.
    pub pod: Option<String>,
    /// Lines from the end, 1 to 10,000.
    #[serde(default = "lines")]
    #[param(minimum = 1, maximum = 10_000)]
    pub lines: i64,
}

const fn lines() -> i64 {
    500
}

/// The last lines that a pod of a job wrote
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/jobs/{name}/logs", tag = "jobs", security(("key" = []), ("session" = [])),
    params(("project" = String, Path, description = "Project"), ("name" = String, Path, description = "Name"), LogQuery),
    responses(
        (status = 200, description = "At most 4 MiB", body = String, content_type = "text/plain"),
        (status = 400, description = "A parameter cannot be read", content_type = "application/problem+json"),
        (status = 401, description = "Neither a session nor a key that is known", content_type = "application/problem+json"),
        (status = 404, description = "No such job or pod of yours", content_type = "application/problem+json"),
        (status = 409, description = "There is no log, and the cluster says why", content_type = "application/problem+json"),
        (status = 503, description = "The cluster does not answer", content_type = "application/problem+json"),
    ),
)]
pub async fn logs(
    State(app): State<Shared>,
    caller: Caller,
    Path((project, name)): Path<(String, String)>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Error::BadRequest(rejection.body_text()))?;
    if !(1..=LOG_LINES_MOST).contains(&query.lines) {
        return Err(Error::BadRequest(format!("lines is from 1 to {LOG_LINES_MOST}")).into());
    }
    project_of(&app, &caller, &project)?;
    let as_person = AsPerson::new(&app.acting, &caller.person, &project)?;
    let text = async {
        let work = as_person.work(&name).await?;
        let pod = match query.pod {
            Some(pod) if as_person.has_pod(&work, &pod).await? => pod,
            Some(_) => return Err(CallError::NotFound),
            None => {
                let pods = as_person.pods(&work).await?;
                pods.first().and_then(|pod| pod.metadata.name.clone()).ok_or(CallError::NotFound)?
            }
        };
        as_person.logs(&pod, query.lines, LOG_BYTES).await
    };
    let text = text.await.map_err(Error::from)?;
    Ok(([NEVER, (header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

struct AsJson;

impl Render for AsJson {
    fn state(&self, view: &JobView) -> String {
        serde_json::to_string(view).unwrap_or_default()
    }
}

/// The states of a job as they come
///
/// Server-sent events: `state` with the job as JSON, at once and at every change; `interrupted` while the cluster does not
/// answer; `end` when nothing will change any more; `gone` when the job was deleted.
#[utoipa::path(
    get, path = "/api/v1/projects/{project}/jobs/{name}/events", tag = "jobs", security(("key" = []), ("session" = [])),
    params(("project" = String, Path, description = "Project"), ("name" = String, Path, description = "Name")),
    responses(
        (status = 200, description = "A stream", body = String, content_type = "text/event-stream"),
        (status = 401, description = "Neither a session nor a key that is known", content_type = "application/problem+json"),
        (status = 404, description = "No such job of yours", content_type = "application/problem+json"),
        (status = 429, description = "Too many streams are open", content_type = "application/problem+json"),
        (status = 503, description = "The cluster does not answer", content_type = "application/problem+json"),
    ),
)]
pub async fn events(
    State(app): State<Shared>,
    caller: Caller,
    Path((project, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    project_of(&app, &caller, &project)?;
    let as_person = AsPerson::new(&app.acting, &caller.person, &project)?;
    as_person.work(&name).await.map_err(Error::from)?;
    let stream = states(app, &caller.person, &project, &name, AsJson)?;
    Ok(([NEVER], Sse::new(stream).keep_alive(KeepAlive::default())).into_response())
}

//! The form in two steps, what is kept, and the list.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use concord_api::Project;
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Deserialize;

use super::page;
use crate::app::Shared;
use crate::auth::Principal;
use crate::error::Error;
use crate::frame::{Frame, Person};
use crate::jobs::catalogue::Template;
use crate::jobs::cluster::{AsPerson, CallError, Work};
use crate::jobs::fault::{Fault, Field};
use crate::jobs::form::JobForm;
use crate::jobs::keys::random;
use crate::jobs::list::{self, Wanted};
use crate::jobs::manifest;
use crate::jobs::pages::{KeptPage, ListPage, NewPage, PreviewView, STARTING_POINTS, Say, fields};
use crate::jobs::projects::{names_of, project_of};
use crate::jobs::submit::{self, Checked, Outcome};
use crate::pages::render;
use crate::store::submissions::Submission;

/// What the list is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ListQuery {
    project: String,
    state: String,
    page: String,
}

/// My jobs. A filter that makes no sense filters nothing.
pub async fn list(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Query(query): Query<ListQuery>,
) -> Result<Response, Error> {
    let projects: Vec<String> = names_of(&app.pool, &person)?;
    let wanted = Wanted::ALL.into_iter().find(|wanted| wanted.name() == query.state).unwrap_or_default();
    let project = Some(query.project).filter(|name| projects.contains(name)).unwrap_or_default();
    let shown: Vec<&String> =
        projects.iter().filter(|name| project.is_empty() || **name == project).collect();
    let claims = app.pool.claims.state_filter(|claim| {
        claim.metadata.namespace.as_ref().is_some_and(|namespace| shown.contains(&namespace))
    });
    let asked = list::Query { state: wanted, page: query.page.parse().unwrap_or(1) };
    let found = list::page(&claims, &asked);
    let kept = app.store.pending_submissions(&person.user_name()).await?;
    let is_live = app.pool.is_live();
    let say = Say(frame.words);
    Ok(page(render(&ListPage { frame, say, page: found, projects, project, wanted, kept, is_live })?)
        .into_response())
}

/// What the form is opened with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OpenQuery {
    project: String,
    template: String,
    /// Name of a job of that project that is to be submitted again.
    again: String,
    /// Token of a kept job that is to be changed.
    kept: String,
}

/// The form: empty, from a template, from an earlier job, or as it was kept.
pub async fn open(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Query(query): Query<OpenQuery>,
) -> Result<Response, Error> {
    let mut form = if !query.kept.is_empty() {
        let kept = kept_of(&app, &person, &query.kept).await?;
        serde_json::from_str(&kept.form).unwrap_or_default()
    } else if !query.again.is_empty() {
        let project = project_of(&app.pool, &person, &query.project)?;
        let as_person = AsPerson::new(&app.acting, &person, &project.name_any())?;
        let request = match as_person.work(&query.again).await? {
            Work::Job(job) => manifest::request_of_job(&job),
            Work::Service(deployment) => manifest::request_of_deployment(&deployment),
        };
        let mut form = JobForm::of(&request.ok_or(Error::NotFound)?);
        form.name = next_name(&form.name);
        form
    } else {
        let template = Template::of_name(&query.template).or(STARTING_POINTS.first());
        template.map(|template| JobForm::of(&template.request())).unwrap_or_default()
    };
    if form.project.is_empty() {
        form.project = query.project;
    }
    if form.token.is_empty() {
        form.token = random()?;
    }
    shown(&app, frame, &person, &form, Answer::default())
}

/// `train` -> `train-2`, `train-2` -> `train-3`: the old one may still be there.
fn next_name(name: &str) -> String {
    let numbered = name.rsplit_once('-').and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
    match numbered {
        Some((stem, number)) => format!("{stem}-{}", number.saturating_add(1)),
        None => format!("{name}-2"),
    }
}

/// What is told above the form.
#[derive(Default)]
struct Answer {
    status: Option<StatusCode>,
    faults: Vec<Fault>,
    checked: Option<Checked>,
    refused: Option<String>,
}

/// Both buttons of the form.
pub async fn send(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    form: Result<Form<JobForm>, FormRejection>,
) -> Result<Response, Error> {
    let Form(mut form) = form.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        _ => Error::BadRequest(rejection.body_text()),
    })?;
    if form.token.len() != 64 || !form.token.bytes().all(|b| b.is_ascii_hexdigit()) {
        form.token = random()?;
    }
    let now = Timestamp::now();
    let (request, mut unread) = form.read();
    let project = project_of(&app.pool, &person, &form.project);
    let project: Option<Arc<Project>> = match project {
        Ok(project) => Some(project),
        Err(Error::NotFound) => {
            unread.push(Fault::new(Field::Project, "project-unknown"));
            None
        }
        Err(error) => return Err(error),
    };
    let ask = submit::ask_of(&app, &request, unread);
    let (ask, project) = match (ask, project) {
        (Ok(ask), Some(project)) => (ask, project),
        (Err(faults), _) => {
            let status = Some(StatusCode::UNPROCESSABLE_ENTITY);
            return shown(&app, frame, &person, &form, Answer { status, faults, ..Answer::default() });
        }
        (Ok(_), None) => return Err(Error::NotFound),
    };
    if form.action == "submit" {
        return match submit::submit(&app, &person, &project.name_any(), &ask, &form, now).await? {
            Outcome::Made => Ok(Redirect::to(&address(&project.name_any(), &ask.name)).into_response()),
            Outcome::Kept => Ok(Redirect::to(&format!("/jobs/kept/{}", form.token)).into_response()),
            Outcome::Refused(sentence) => {
                let answer = Answer {
                    status: Some(StatusCode::CONFLICT),
                    refused: Some(sentence),
                    ..Answer::default()
                };
                shown(&app, frame, &person, &form, answer)
            }
        };
    }
    let checked = submit::check(&app, &person, &project, ask, &form.token, now).await?;
    let refused = match submit::outcome_of_trial(&checked) {
        Some(Outcome::Refused(sentence)) => Some(sentence),
        _ => None,
    };
    shown(&app, frame, &person, &form, Answer { checked: Some(checked), refused, ..Answer::default() })
}

fn address(project: &str, name: &str) -> String {
    format!("/projects/{project}/jobs/{name}")
}

/// The form with everything that was typed.
fn shown(
    app: &Shared,
    frame: Frame,
    person: &Principal,
    form: &JobForm,
    answer: Answer,
) -> Result<Response, Error> {
    let projects: Vec<String> = names_of(&app.pool, person)?;
    let classes = submit::classes(app);
    let Answer { status, faults, checked, refused } = answer;
    let preview = checked.as_ref().map(|checked| PreviewView {
        preview: checked.preview.as_ref(),
        yaml: manifest::yaml(&checked.objects),
        hidden: hidden(form),
        unreachable: matches!(checked.trial, Err(CallError::Unreachable)),
    });
    let say = Say(frame.words);
    let fields = fields(form, &faults, &projects, &classes, frame.words);
    let html = render(&NewPage {
        frame,
        say,
        templates: STARTING_POINTS,
        token: &form.token,
        fields,
        preview,
        refused,
    })?;
    Ok((status.unwrap_or(StatusCode::OK), page(html)).into_response())
}

/// The second step submits what was checked, not what is being typed.
fn hidden(form: &JobForm) -> Vec<(&'static str, String)> {
    let fields = Field::ALL.into_iter().map(|field| (field.name(), form.typed(field).to_owned()));
    std::iter::once(("token", form.token.clone())).chain(fields).collect()
}

async fn kept_of(app: &Shared, person: &Principal, token: &str) -> Result<Submission, Error> {
    let found = app.store.submission(&person.user_name(), token).await?;
    found.filter(|kept| kept.state == "pending").ok_or(Error::NotFound)
}

/// A job that waits here.
pub async fn kept(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path(token): Path<String>,
) -> Result<Response, Error> {
    let kept = kept_of(&app, &person, &token).await?;
    kept_page(frame, kept, false)
}

fn kept_page(frame: Frame, kept: Submission, tried_again: bool) -> Result<Response, Error> {
    let objects: Vec<serde_json::Value> = serde_json::from_str(&kept.objects).unwrap_or_default();
    let say = Say(frame.words);
    let html = render(&KeptPage { frame, say, kept, yaml: manifest::yaml(&objects), tried_again })?;
    // The page says what is wrong; for programs and caches it is the cluster that is unavailable.
    Ok((StatusCode::SERVICE_UNAVAILABLE, page(html)).into_response())
}

/// Sends it again.
pub async fn send_kept(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path(token): Path<String>,
) -> Result<Response, Error> {
    let kept = kept_of(&app, &person, &token).await?;
    match submit::send(&app, &person, &kept, Timestamp::now()).await? {
        Outcome::Made => Ok(Redirect::to(&address(&kept.project, &kept.name)).into_response()),
        Outcome::Kept => kept_page(frame, kept, true),
        Outcome::Refused(sentence) => {
            let form: JobForm = serde_json::from_str(&kept.form).unwrap_or_default();
            let answer =
                Answer { status: Some(StatusCode::CONFLICT), refused: Some(sentence), ..Answer::default() };
            shown(&app, frame, &person, &form, answer)
        }
    }
}

/// Forgets it.
pub async fn discard(
    State(app): State<Shared>,
    Person(person): Person,
    Path(token): Path<String>,
) -> Result<Response, Error> {
    let kept = kept_of(&app, &person, &token).await?;
    app.store.discard_submission(&person.user_name(), &kept.token).await?;
    Ok(Redirect::to("/jobs").into_response())
}

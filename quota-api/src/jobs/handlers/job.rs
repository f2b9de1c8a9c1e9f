//! One job: its page, its stream, its logs, its end.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use concord_api::GpuClaim;
use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use serde::Deserialize;
use serde_json::Value;

use crate::app::Shared;
use crate::auth::Principal;
use crate::error::Error;
use crate::frame::{Frame, Person};
use crate::jobs::cite::citation;
use crate::jobs::cluster::{AsPerson, CallError, Work};
use crate::jobs::live::{Render, states};
use crate::jobs::manifest;
use crate::jobs::pages::{CancelPage, CitePage, JobPage, LiveFragment, LogsPage, Say};
use crate::jobs::picture::Version;
use crate::jobs::projects::project_of;
use crate::jobs::view::{JobView, Seen};
use crate::pages::render;

/// Lines and bytes of a pod's log that a page shows.
const LOG_LINES: i64 = 500;
const LOG_BYTES: i64 = 256 * 1024;
/// The page of a job runs our own script, which opens one connection to us; nothing else does.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The project is the person's, and what is asked there is asked as the person.
fn as_person(app: &Shared, person: &Principal, project: &str) -> Result<AsPerson, Error> {
    project_of(&app.pool, person, project)?;
    AsPerson::new(&app.acting, person, project)
}

/// A job. While the cluster does not answer, what its claim last said.
pub async fn page_of(
    app: &Shared,
    person: &Principal,
    project: &str,
    name: &str,
) -> Result<(JobView, Option<Seen>), Error> {
    let now = Timestamp::now();
    let (mut view, workload_uid, seen) = match as_person(app, person, project)?.see(name).await {
        Ok(seen) => (JobView::of(project, &seen, now), seen.work.uid().map(str::to_owned), Some(seen)),
        Err(CallError::Unreachable) => {
            let key = ObjectRef::<GpuClaim>::new(name).within(project);
            let claim = app.pool.claims.get(&key).ok_or(Error::ClusterUnavailable)?;
            (JobView::of_claim_alone(&claim, now), Some(claim.spec.workload.uid.clone()), None)
        }
        Err(error) => return Err(error.into()),
    };
    app.add_energy(&mut view, workload_uid.as_deref()).await?;
    Ok((view, seen))
}

/// A job's page.
pub async fn page(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path((project, name)): Path<(String, String)>,
) -> Result<Response, Error> {
    let (view, seen) = page_of(&app, &person, &project, &name).await?;
    let yaml = seen.as_ref().map(|seen| shown_yaml(&seen.work)).unwrap_or_default();
    let say = Say(frame.words);
    let html = render(&JobPage { frame, say, view: &view, yaml, interrupted: seen.is_none() })?;
    let mut response = super::page(html).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    Ok(response)
}

/// The object as it is in the cluster, without what only the cluster's own programs read.
fn shown_yaml(work: &Work) -> String {
    let object = match work {
        Work::Job(job) => serde_json::to_value(job),
        Work::Service(deployment) => serde_json::to_value(deployment),
    };
    let mut object = object.unwrap_or(Value::Null);
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    manifest::yaml(&[object])
}

struct Html(Say);

impl Render for Html {
    fn state(&self, view: &JobView) -> String {
        render(&LiveFragment { say: self.0, view }).unwrap_or_default()
    }
}

/// The stream that keeps a job's page up to date.
pub async fn live(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path((project, name)): Path<(String, String)>,
) -> Result<Response, Error> {
    as_person(&app, &person, &project)?.work(&name).await?;
    let stream = states(app, &person, &project, &name, Html(Say(frame.words)))?;
    Ok(([super::NEVER], Sse::new(stream).keep_alive(KeepAlive::default())).into_response())
}

/// Asks whether it is meant.
pub async fn ask_cancel(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path((project, name)): Path<(String, String)>,
) -> Result<Response, Error> {
    let seen = as_person(&app, &person, &project)?.see(&name).await?;
    let view = JobView::of(&project, &seen, Timestamp::now());
    let uid = seen.work.uid().unwrap_or_default().to_owned();
    Ok(super::page(render(&CancelPage { frame, view: &view, uid })?).into_response())
}

/// Which one was seen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Meant {
    uid: String,
}

/// Deletes it, if it is still the one that was seen.
pub async fn cancel(
    State(app): State<Shared>,
    Person(person): Person,
    Path((project, name)): Path<(String, String)>,
    Form(meant): Form<Meant>,
) -> Result<Response, Error> {
    let as_person = as_person(&app, &person, &project)?;
    match as_person.work(&name).await {
        Ok(work) if work.uid() == Some(meant.uid.as_str()) => as_person.delete(&work).await?,
        Ok(_) => {
            return Err(Error::ClusterRefused("another job has this name now; look at it first".to_owned()));
        }
        // A second click finds nothing, and that is what was wanted.
        Err(CallError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Redirect::to(&format!("/jobs?project={project}")).into_response())
}

/// The last lines of a pod of the job.
pub async fn logs(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path((project, name, pod)): Path<(String, String, String)>,
) -> Result<Response, Error> {
    let as_person = as_person(&app, &person, &project)?;
    let work = as_person.work(&name).await?;
    if !as_person.has_pod(&work, &pod).await? {
        return Err(Error::NotFound);
    }
    let text = match as_person.logs(&pod, LOG_LINES, LOG_BYTES).await {
        Ok(text) => Ok(text),
        Err(CallError::Refused(cause)) => Err(cause),
        Err(error) => return Err(error.into()),
    };
    let (project, name, pod) = (project.as_str(), name.as_str(), pod.as_str());
    Ok(super::page(render(&LogsPage { frame, project, name, pod, lines: LOG_LINES, text })?).into_response())
}

/// How to cite it.
pub async fn cite(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path((project, name)): Path<(String, String)>,
) -> Result<Response, Error> {
    let (view, _) = page_of(&app, &person, &project, &name).await?;
    let treaty = app.pool.treaty().map(|treaty| Version::of(&treaty));
    let origin = app.login.as_ref().map(|login| login.origin.as_str()).unwrap_or_default();
    let link = format!("{origin}/projects/{project}/jobs/{name}");
    let citation = citation(&view, treaty.as_ref(), &link, Timestamp::now());
    Ok(super::page(render(&CitePage { frame, view: &view, citation })?).into_response())
}

//! What an applicant does: begin, write, check, submit, follow, appeal, withdraw.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use concord_api::application::{Appeal, Application, ApplicationSpec, Attachment};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde::Deserialize;
use serde_json::json;

use super::form::{ApplicationForm, FieldError, read};
use super::pages::{self, Checked, DraftPage};
use super::{files, view};
use crate::acting::in_time;
use crate::app::{App, Shared};
use crate::auth::Principal;
use crate::error::{Error, chain};
use crate::frame::{Frame, Person};
use crate::store::drafts::{DRAFTS_MAX, Draft};
use crate::store::notices::Contact;

/// Shortest reason of an appeal, as the kind demands it.
const APPEAL_CHARS: std::ops::RangeInclusive<usize> = 20..=5_000;

/// Where one may apply, own drafts and applications.
pub async fn landing(State(app): State<Shared>, frame: Frame) -> Result<Response, Error> {
    let (mut drafts, mut own) = (Vec::new(), Vec::new());
    if let Some(person) = &frame.person {
        let user = person.user_name();
        drafts = app.store.drafts(&user).await?;
        own = self::own(&app, &user);
    }
    Ok(never_cached(pages::landing(frame, view::parties(&app), &drafts, &own)?))
}

/// Applications that this person submitted.
pub(super) fn own(app: &App, user: &str) -> Vec<Arc<Application>> {
    view::all(app).into_iter().filter(|a| a.spec.applicant_user == user).collect()
}

/// What a new draft begins with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Beginning {
    party: String,
    /// Project whose grant is to be renewed or extended.
    project: String,
    kind: String,
}

/// Begins a draft.
pub async fn begin(
    State(app): State<Shared>,
    Person(person): Person,
    Form(beginning): Form<Beginning>,
) -> Result<Redirect, Error> {
    let user = person.user_name();
    let id = files::random_id()?;
    let earlier = view::all(&app).into_iter().find(|a| {
        !beginning.project.is_empty() && a.spec.project == beginning.project && a.spec.applicant_user == user
    });
    let form = match earlier {
        Some(earlier) => ApplicationForm { kind: beginning.kind, ..again(&earlier.spec) },
        None => {
            ApplicationForm { kind: "New".to_owned(), party: beginning.party, ..ApplicationForm::default() }
        }
    };
    if !app.store.add_draft(&id, &user, &text_of(&form)?, Timestamp::now()).await? {
        return Err(Error::BadRequest(format!(
            "You have {DRAFTS_MAX} drafts already; delete one at /apply, then begin another."
        )));
    }
    Ok(Redirect::to(&format!("/apply/drafts/{id}")))
}

/// The form of an earlier application, for another one: nothing is asked twice.
fn again(spec: &ApplicationSpec) -> ApplicationForm {
    let name_of = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let people: Vec<&str> = spec.people.iter().map(|person| person.name.as_str()).collect();
    ApplicationForm {
        project: spec.project.clone(),
        title: spec.title.clone(),
        summary: spec.summary.clone(),
        justification: spec.justification.clone(),
        organisation: spec.organisation.clone(),
        organisation_kind: name_of(&json!(spec.applicant.organisation_kind)),
        country: spec.applicant.country.clone(),
        purpose: name_of(&json!(spec.applicant.purpose)),
        dual_use: spec.declaration.dual_use.clone().unwrap_or_default(),
        data_class: spec.applicant.data_class.clone().unwrap_or_default(),
        party: spec.request.party.clone(),
        gpu_hours: spec.request.gpu_hours.to_string(),
        most_gpus: spec.request.most_gpus.to_string(),
        days: spec.request.days.to_string(),
        people: people.join("\n"),
        ..ApplicationForm::default()
    }
}

/// The form of a draft.
pub async fn draft(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let draft = own_draft(&app, &id, &person).await?;
    if let Some(application) = &draft.application {
        return Ok(Redirect::to(&format!("/apply/{application}")).into_response());
    }
    let form = serde_json::from_str(&draft.body).unwrap_or_default();
    show(&app, frame, draft, form, Checked::NotYet).await
}

/// The form as it was sent, and what to do with it.
#[derive(Debug, Deserialize)]
pub struct Sent {
    #[serde(flatten)]
    form: ApplicationForm,
    /// `save`, `check` or `submit`.
    #[serde(default)]
    step: String,
}

/// Keeps what was typed, whatever it is; then checks or submits it.
pub async fn save(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path(id): Path<String>,
    Form(Sent { form, step }): Form<Sent>,
) -> Result<Response, Error> {
    let now = Timestamp::now();
    let draft = own_draft(&app, &id, &person).await?;
    if let Some(application) = &draft.application {
        return Ok(Redirect::to(&format!("/apply/{application}")).into_response());
    }
    app.store.change_draft(&id, &draft.owner, &text_of(&form)?, now).await?;
    if !matches!(step.as_str(), "check" | "submit") {
        return show(&app, frame, draft, form, Checked::Saved).await;
    }
    let files = app.store.attachments(&id).await?.into_iter();
    let files: Vec<Attachment> =
        files.map(|file| Attachment { name: file.name, sha256: file.sha256, bytes: file.bytes }).collect();
    let spec = match read(&form, &draft.owner, frame.language().code(), files) {
        Ok(spec) => spec,
        Err(errors) => return show(&app, frame, draft, form, Checked::Wrong(errors)).await,
    };
    let Some(assessment) = view::assessment(&app, &spec, now) else {
        return show(&app, frame, draft, form, Checked::NoTreaty).await;
    };
    if step == "check" || !assessment.faults.is_empty() {
        return show(&app, frame, draft, form, Checked::Told(assessment)).await;
    }
    match submit(&app, &person, &draft, spec).await {
        Ok(name) => {
            remember_address(&app, &person, frame.language().code(), now).await;
            Ok(Redirect::to(&format!("/apply/{name}")).into_response())
        }
        // What was typed stands on the page again, and in the store.
        Err(error) => show(&app, frame, draft, form, Checked::NotSent(error.to_string())).await,
    }
}

/// Makes the object, as the applicant. Doing it twice makes one: it is named after the draft.
async fn submit(
    app: &App,
    person: &Principal,
    draft: &Draft,
    spec: ApplicationSpec,
) -> Result<String, Error> {
    let name = format!("app-{}", draft.id);
    let api: Api<Application> = Api::all(app.acting.as_person(person)?);
    let made = in_time(api.create(&PostParams::default(), &Application::new(&name, spec))).await;
    match made {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        made => drop(made?),
    }
    app.store.close_draft(&draft.id, &name).await?;
    Ok(name)
}

/// Where to tell the applicant the answer. The application stands also when this fails.
async fn remember_address(app: &App, person: &Principal, language: &str, now: Timestamp) {
    let Some(address) = person.email.clone() else { return };
    let contact = Contact { address, language: language.to_owned() };
    if let Err(error) = app.store.set_contact(&person.user_name(), &contact, now).await {
        tracing::warn!(error = chain(&error), "the applicant's address was not kept");
    }
}

/// Throws a draft away.
pub async fn delete(
    State(app): State<Shared>,
    Person(person): Person,
    Path(id): Path<String>,
) -> Result<Redirect, Error> {
    app.store.drop_draft(&id, &person.user_name()).await?;
    Ok(Redirect::to("/apply"))
}

/// An application, as its applicant sees it.
pub async fn application(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    let found = match view::find(&app, &name) {
        Ok(found) => found,
        // Just submitted: the watch has not brought it yet.
        Err(_) => just_submitted(&app, &name, &person).await?,
    };
    if !found.concerns(&person.user_name()) {
        return Err(Error::NotFound);
    }
    let own = found.spec.applicant_user == person.user_name();
    Ok(never_cached(pages::application(frame, &found, own, Timestamp::now(), "")?))
}

/// Waits shortly for the watch.
async fn just_submitted(app: &App, name: &str, person: &Principal) -> Result<Arc<Application>, Error> {
    let draft = app.store.draft_of_application(name).await?;
    draft.filter(|draft| draft.owner == person.user_name()).ok_or(Error::NotFound)?;
    for _ in 0..40 {
        if let Ok(found) = view::find(app, name) {
            return Ok(found);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Err(Error::ClusterUnavailable)
}

/// Reason of an appeal.
#[derive(Debug, Deserialize)]
pub struct Reason {
    #[serde(default)]
    reason: String,
}

/// Appeals against a refusal.
pub async fn appeal(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Path(name): Path<String>,
    Form(Reason { reason }): Form<Reason>,
) -> Result<Response, Error> {
    let found = own_application(&app, &name, &person)?;
    let reason = reason.trim();
    if !APPEAL_CHARS.contains(&reason.chars().count()) {
        let page = pages::application(frame, &found, true, Timestamp::now(), reason)?;
        return Ok((axum::http::StatusCode::UNPROCESSABLE_ENTITY, never_cached(page)).into_response());
    }
    let appeal = Appeal { reason: reason.to_owned(), at: Time(Timestamp::now()) };
    change(&app, &person, &name, &json!({"spec": {"appeal": appeal}})).await?;
    Ok(Redirect::to(&format!("/apply/{name}")).into_response())
}

/// Takes an application back.
pub async fn withdraw(
    State(app): State<Shared>,
    Person(person): Person,
    Path(name): Path<String>,
) -> Result<Redirect, Error> {
    own_application(&app, &name, &person)?;
    change(&app, &person, &name, &json!({"spec": {"withdrawn": true}})).await?;
    Ok(Redirect::to(&format!("/apply/{name}")))
}

async fn change(app: &App, person: &Principal, name: &str, patch: &serde_json::Value) -> Result<(), Error> {
    let api: Api<Application> = Api::all(app.acting.as_person(person)?);
    let changed = in_time(api.patch(name, &PatchParams::default(), &Patch::Merge(patch))).await?;
    view::wait_for(app, &changed).await;
    Ok(())
}

fn own_application(app: &App, name: &str, person: &Principal) -> Result<Arc<Application>, Error> {
    let found = view::find(app, name)?;
    // To strangers it does not exist.
    if found.spec.applicant_user == person.user_name() { Ok(found) } else { Err(Error::NotFound) }
}

async fn own_draft(app: &App, id: &str, person: &Principal) -> Result<Draft, Error> {
    app.store.draft(id, &person.user_name()).await?.ok_or(Error::NotFound)
}

async fn show(
    app: &App,
    frame: Frame,
    draft: Draft,
    form: ApplicationForm,
    checked: Checked,
) -> Result<Response, Error> {
    let attachments = app.store.attachments(&draft.id).await?;
    let treaty = app.pool.treaty();
    let classes = treaty.iter().flat_map(|treaty| treaty.spec.eligibility.iter());
    let data_classes = classes.flat_map(|e| e.data_classes.iter().map(|class| class.name.clone())).collect();
    let status = checked.status();
    let page = DraftPage {
        frame,
        id: draft.id,
        form,
        checked,
        attachments,
        parties: view::parties(app),
        data_classes,
    };
    Ok((status, never_cached(pages::draft(&page)?)).into_response())
}

fn text_of(form: &ApplicationForm) -> Result<String, Error> {
    serde_json::to_string(form).map_err(|error| {
        tracing::error!(%error, "a form cannot be kept");
        Error::Internal
    })
}

pub(super) fn never_cached(html: String) -> Response {
    ([(axum::http::header::CACHE_CONTROL, "private, no-store")], Html(html)).into_response()
}

/// For the pages: the fields that are wrong.
pub type FieldErrors = Vec<FieldError>;

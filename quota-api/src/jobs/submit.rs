//! Submitting: what is sent to the cluster is first kept in the database, so that neither a double click makes two jobs
//! nor a cluster that does not answer loses one.

use concord_api::Project;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use super::ask::{Ask, JobRequest, validate};
use super::cluster::{AsPerson, CallError};
use super::fault::Fault;
use super::form::JobForm;
use super::preview::Preview;
use super::{manifest, with_picture};
use crate::app::Shared;
use crate::auth::Principal;
use crate::error::Error;
use crate::store::submissions::{KEPT_MOST, Submission};

/// What a check found.
pub struct Checked {
    /// The ask.
    pub ask: Ask,
    /// Its objects.
    pub objects: Vec<Value>,
    /// What will happen; `None` while no treaty is in force, or the server is too busy to say.
    pub preview: Option<Preview>,
    /// What the cluster said to a trial.
    pub trial: Result<(), CallError>,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is there.
    Made,
    /// The cluster refused it; nothing was made.
    Refused(String),
    /// The cluster did not answer; it is kept here.
    Kept,
}

/// The ask that a form or request comes to in a project.
///
/// # Errors
/// What is wrong with it.
pub fn ask_of(app: &Shared, request: &JobRequest, unread: Vec<Fault>) -> Result<Ask, Vec<Fault>> {
    let rules = app.pool.rules();
    let classes = rules.as_ref().map(|(_, rules)| rules.classes()).unwrap_or_default();
    match validate(request, classes) {
        Ok(ask) if unread.is_empty() => Ok(ask),
        checked => {
            let mut faults = unread;
            // A field that cannot be read is told of once.
            let known: Vec<_> = faults.iter().map(|fault| fault.field).collect();
            faults.extend(checked.err().into_iter().flatten().filter(|fault| !known.contains(&fault.field)));
            faults.sort_by_key(|fault| fault.field);
            Err(faults)
        }
    }
}

/// The classes between which there is a choice.
#[must_use]
pub fn classes(app: &Shared) -> Vec<String> {
    let names: Vec<String> = app
        .pool
        .rules()
        .iter()
        .flat_map(|(_, rules)| rules.classes())
        .map(|class| class.name.clone())
        .collect();
    if names.len() > 1 { names } else { Vec::new() }
}

/// What a trial says of the real thing.
#[must_use]
pub fn outcome_of_trial(checked: &Checked) -> Option<Outcome> {
    match &checked.trial {
        Ok(()) => None,
        Err(error) => Some(outcome_of(error, &checked.ask.name)),
    }
}

/// Works out what will happen to an ask, and asks the cluster whether it would be taken, as the person.
///
/// # Errors
/// A defect.
pub async fn check(
    app: &Shared,
    person: &Principal,
    project: &Project,
    ask: Ask,
    token: &str,
    now: Timestamp,
) -> Result<Checked, Error> {
    let name = project.name_any();
    let objects = manifest::objects(&ask, &name, token);
    let as_person = AsPerson::new(&app.acting, person, &name)?;
    let (asked, spec, in_project) = (ask.clone(), project.spec.clone(), name.clone());
    let preview = with_picture(app.clone(), now, move |picture| picture.preview(&asked, &in_project, &spec));
    let (preview, trial) = tokio::join!(preview, as_person.make(&objects, token, true));
    Ok(Checked { ask, objects, preview: preview?.flatten(), trial })
}

/// Keeps the ask, then makes it in the cluster.
///
/// # Errors
/// When it can neither be kept nor made; what was typed is then still in the browser.
pub async fn submit(
    app: &Shared,
    person: &Principal,
    project: &str,
    ask: &Ask,
    form: &JobForm,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let (owner, now_ms) = (person.user_name(), now.as_millisecond());
    let objects = manifest::objects(ask, project, &form.token);
    let known = app.store.submission(&owner, &form.token).await?;
    if known.is_some_and(|known| known.state == "sent" && known.name == ask.name && known.project == project)
    {
        return Ok(Outcome::Made);
    }
    if app.store.pending_submissions(&owner).await?.len() >= KEPT_MOST {
        return Err(Error::TooManyAtOnce("jobs wait here to be sent"));
    }
    let kept = Submission {
        token: form.token.clone(),
        owner,
        project: project.to_owned(),
        name: ask.name.clone(),
        form: serde_json::to_string(form).map_err(|_| Error::Internal)?,
        objects: serde_json::to_string(&objects).map_err(|_| Error::Internal)?,
        state: "pending".to_owned(),
        message: None,
        created_ms: now_ms,
    };
    app.store.keep_submission(&kept, now_ms).await?;
    send(app, person, &kept, now).await
}

/// Sends what is kept.
///
/// # Errors
/// When the database does not answer.
pub async fn send(
    app: &Shared,
    person: &Principal,
    kept: &Submission,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let objects: Vec<Value> = serde_json::from_str(&kept.objects).map_err(|error| {
        tracing::error!(%error, "a kept job cannot be read");
        Error::Internal
    })?;
    let as_person = AsPerson::new(&app.acting, person, &kept.project)?;
    let outcome = outcome(as_person.make(&objects, &kept.token, false).await, &kept.name);
    let now_ms = now.as_millisecond();
    let (state, message) = match &outcome {
        Outcome::Made => ("sent", None),
        Outcome::Refused(sentence) => ("refused", Some(sentence.as_str())),
        Outcome::Kept => return Ok(outcome),
    };
    app.store.settle_submission(&kept.owner, &kept.token, state, message, now_ms).await?;
    Ok(outcome)
}

/// What an answer of the cluster means to the person.
#[must_use]
pub fn outcome(made: Result<(), CallError>, name: &str) -> Outcome {
    made.map_or_else(|error| outcome_of(&error, name), |()| Outcome::Made)
}

fn outcome_of(error: &CallError, name: &str) -> Outcome {
    match error {
        CallError::Unreachable => Outcome::Kept,
        CallError::Exists => {
            Outcome::Refused(format!("{name:?} exists already in this project; choose another name"))
        }
        CallError::NotFound => {
            Outcome::Refused("you may not submit in this project any more, or the project is gone".to_owned())
        }
        CallError::Refused(sentence) => Outcome::Refused(sentence.clone()),
    }
}

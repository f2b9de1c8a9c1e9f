//! `/me/keys`: a person makes and revokes keys.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::page as answer;
use crate::app::Shared;
use crate::auth::Principal;
use crate::error::Error;
use crate::frame::{Frame, Person};
use crate::jobs::keys::{PREFIX, hash, random};
use crate::jobs::pages::{Control, FieldView, KeysPage, Say};
use crate::jobs::projects::names_of;
use crate::language::Words;
use crate::pages::render;
use crate::store::api_keys::{KEYS_MOST, KeyRow};

const LABEL_CHARS_MOST: usize = 80;
const DAYS: std::ops::RangeInclusive<i64> = 1..=365;
/// What the form proposes.
const DAYS_USUAL: &str = "90";

/// What was typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct KeyForm {
    label: String,
    scope: String,
    project: String,
    days: String,
}

/// Which fields are wrong, and how: keys of texts.
type Faults = Vec<(&'static str, &'static str)>;

/// Keys and the form for another.
pub async fn page(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
) -> Result<Response, Error> {
    // A key never knows of a group longer than its person does.
    let owner = person.user_name();
    app.store.refresh_keys(&owner, &as_json(&person)?).await?;
    let form = KeyForm { days: DAYS_USUAL.to_owned(), scope: "read".to_owned(), ..KeyForm::default() };
    shown(&app, frame, &person, &form, &Vec::new(), None).await
}

/// Makes one.
pub async fn make(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Form(form): Form<KeyForm>,
) -> Result<Response, Error> {
    let now = Timestamp::now();
    let projects = names_of(&app.pool, &person)?;
    let (faults, days) = check(&form, &projects);
    let owner = person.user_name();
    let mut faults = faults;
    if faults.is_empty() && app.store.keys_of(&owner, now.as_millisecond()).await?.len() >= KEYS_MOST {
        faults.push(("label", "keys-fault-many"));
    }
    if !faults.is_empty() {
        return shown(&app, frame, &person, &form, &faults, None).await;
    }
    let secret = format!("{PREFIX}{}", random()?);
    let expires = now.checked_add(SignedDuration::from_hours(24 * days)).map_err(|_| Error::Internal)?;
    let key = KeyRow {
        id: random()?.chars().take(16).collect(),
        hash: hash(&secret),
        owner,
        person: as_json(&person)?,
        label: form.label.trim().to_owned(),
        scope: form.scope.clone(),
        project: Some(form.project.clone()).filter(|project| !project.is_empty()),
        created_ms: now.as_millisecond(),
        expires_ms: expires.as_millisecond(),
        used_ms: None,
        revoked_ms: None,
    };
    app.store.insert_key(&key).await?;
    let fresh = KeyForm { days: DAYS_USUAL.to_owned(), scope: "read".to_owned(), ..KeyForm::default() };
    shown(&app, frame, &person, &fresh, &Vec::new(), Some(secret)).await
}

fn check(form: &KeyForm, projects: &[String]) -> (Faults, i64) {
    let mut faults = Vec::new();
    let label = form.label.trim();
    if label.is_empty() || label.chars().count() > LABEL_CHARS_MOST || label.chars().any(char::is_control) {
        faults.push(("label", "keys-fault-label"));
    }
    if !["read", "submit"].contains(&form.scope.as_str()) {
        faults.push(("scope", "keys-fault-scope"));
    }
    if !form.project.is_empty() && !projects.contains(&form.project) {
        faults.push(("project", "keys-fault-project"));
    }
    let days = form.days.trim().parse().ok().filter(|days| DAYS.contains(days));
    if days.is_none() {
        faults.push(("days", "keys-fault-days"));
    }
    (faults, days.unwrap_or(1))
}

/// Ends one.
pub async fn revoke(
    State(app): State<Shared>,
    Person(person): Person,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let now_ms = Timestamp::now().as_millisecond();
    // A second click finds nothing, and that is what was wanted; a stranger's key is not found either.
    app.store.revoke_key(&person.user_name(), &id, now_ms).await?;
    Ok(Redirect::to("/me/keys").into_response())
}

fn as_json(person: &Principal) -> Result<String, Error> {
    serde_json::to_string(person).map_err(|_| Error::Internal)
}

async fn shown(
    app: &Shared,
    frame: Frame,
    person: &Principal,
    form: &KeyForm,
    faults: &Faults,
    made: Option<String>,
) -> Result<Response, Error> {
    let now_ms = Timestamp::now().as_millisecond();
    let keys = app.store.keys_of(&person.user_name(), now_ms).await?;
    let fields = fields(form, faults, &names_of(&app.pool, person)?, frame.words);
    let say = Say(frame.words);
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, answer(render(&KeysPage { frame, say, keys, made, fields })?)).into_response())
}

fn fields(form: &KeyForm, faults: &Faults, projects: &[String], words: Words) -> Vec<FieldView> {
    let field = |name: &'static str, value: &str, control| FieldView {
        name,
        label: words.get(format!("keys-{name}")),
        hint: match name {
            "label" | "days" => words.get(format!("keys-hint-{name}")),
            _ => String::new(),
        },
        value: value.to_owned(),
        errors: faults.iter().filter(|(field, _)| *field == name).map(|(_, text)| words.get(text)).collect(),
        control,
        optional: false,
    };
    let scope = ["read", "submit"]
        .map(|scope| (scope.to_owned(), words.get(format!("keys-scope-{scope}")), form.scope == scope));
    let all = std::iter::once((String::new(), words.get("keys-all-projects"), form.project.is_empty()));
    let one = projects.iter().map(|name| (name.clone(), name.clone(), form.project == *name));
    vec![
        field("label", &form.label, Control::Line),
        field("scope", &form.scope, Control::Choice(scope.to_vec())),
        field("project", &form.project, Control::Choice(all.chain(one).collect())),
        field("days", &form.days, Control::Number),
    ]
}

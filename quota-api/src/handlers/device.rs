//! `/device`: a person allows a machine's `kubectl` to act as the person, by a code that the machine shows.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use super::login::{NEVER, configured};
use crate::app::Shared;
use crate::error::Error;
use crate::frame::{Frame, Person, Visit};
use crate::pages::render;
use crate::store::devices::{Grant, Waiting};
use crate::tokens::device::{MISSES_MAX, shown_code, typed_code};

/// For people with a code.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/device", get(form).post(answer))
}

#[derive(Template)]
#[template(path = "device.html")]
struct CodeForm<'a> {
    code: &'a str,
    /// Whether the code does not exist.
    is_wrong: bool,
    frame: Frame,
}

#[derive(Template)]
#[template(path = "device-confirm.html")]
struct Confirm {
    code: String,
    created: Timestamp,
    user_name: String,
    frame: Frame,
}

#[derive(Template)]
#[template(path = "device-done.html")]
struct Done {
    is_allowed: bool,
    frame: Frame,
}

/// The link that a machine may show has the code in it.
#[derive(Deserialize)]
pub struct Link {
    user_code: Option<String>,
}

/// What is posted: a code, and then also the answer.
#[derive(Deserialize)]
pub struct Typed {
    user_code: String,
    answer: Option<String>,
}

/// Asks for the code. A link with the code in it only fills the field: looking it up is a step that a person takes.
pub async fn form(
    State(app): State<Shared>,
    frame: Frame,
    _: Person,
    Query(link): Query<Link>,
) -> Result<impl IntoResponse, Error> {
    configured(&app)?;
    let code =
        link.user_code.as_deref().and_then(typed_code).map(|code| shown_code(&code)).unwrap_or_default();
    Ok(([NEVER], Html(render(&CodeForm { code: &code, is_wrong: false, frame })?)))
}

/// Looks the code up, asks, and takes the answer.
pub async fn answer(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Visit(session): Visit,
    Form(typed): Form<Typed>,
) -> Result<impl IntoResponse, Error> {
    if session.misses >= MISSES_MAX {
        return Err(Error::TooMany);
    }
    let now = Timestamp::now();
    let waiting = match typed_code(&typed.user_code) {
        Some(code) => app.store.devices().waiting(&code, now).await?,
        None => None,
    };
    let Some(Waiting { user_code, created }) = waiting else {
        app.store.sessions().count_miss(&session.handle).await?;
        let code: String = typed.user_code.chars().take(40).collect();
        return Ok(([NEVER], Html(render(&CodeForm { code: &code, is_wrong: true, frame })?)));
    };
    let is_allowed = match typed.answer.as_deref() {
        Some("allow") => true,
        Some("refuse") => false,
        _ => {
            let user_name = person.user_name();
            let page = Confirm { code: shown_code(&user_code), created, user_name, frame };
            return Ok(([NEVER], Html(render(&page)?)));
        }
    };
    let grant = Grant { principal: person, sid: session.sid, until: session.expires };
    let decided = app.store.devices().decide(&user_code, is_allowed.then_some(&grant), now).await?;
    if !decided {
        return Ok(([NEVER], Html(render(&CodeForm { code: "", is_wrong: true, frame })?)));
    }
    tracing::info!(allowed = is_allowed, "a person answered a device code");
    Ok(([NEVER], Html(render(&Done { is_allowed, frame })?)))
}

impl Confirm {
    fn time(&self) -> String {
        self.created.strftime("%Y-%m-%d %H:%M UTC").to_string()
    }
}

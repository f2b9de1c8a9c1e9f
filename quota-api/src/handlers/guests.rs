//! `/guest`: somebody without an institution asks to be let in. `/guests`: a reviewer answers.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use super::login::{NEVER, configured};
use crate::app::{App, Shared};
use crate::auth::Principal;
use crate::error::Error;
use crate::frame::{Frame, Person, Visit};
use crate::may::Deed;
use crate::pages::render;
use crate::store::guests::{Guest, State as GuestState};

/// Shortest and longest reason, in characters; one sentence at least, a page at most.
const REASON_CHARS: (usize, usize) = (20, 2000);

/// For guests and those who let them in.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/guest", get(form).post(ask)).route("/guests", get(list).post(decide))
}

#[derive(Template)]
#[template(path = "guest.html")]
struct Ask {
    request: Option<Guest>,
    /// What was typed.
    reason: String,
    is_wrong: bool,
    frame: Frame,
}

impl Ask {
    fn is(&self, state: GuestState) -> bool {
        self.request.as_ref().is_some_and(|request| request.state == state)
    }

    fn waits(&self) -> bool {
        self.is(GuestState::Asked)
    }

    fn is_in(&self) -> bool {
        self.is(GuestState::Approved)
    }

    fn refusal(&self) -> Option<&str> {
        self.request
            .as_ref()
            .filter(|_| self.is(GuestState::Refused))
            .map(|request| request.decision.as_deref().unwrap_or(""))
    }
}

#[derive(Template)]
#[template(path = "guests.html")]
struct List {
    waiting: Vec<Guest>,
    /// On whom a decision was tried without a reason, and what was typed.
    wrong: Option<(String, String)>,
    frame: Frame,
}

impl List {
    fn is_wrong(&self, guest: &Guest) -> bool {
        self.wrong.as_ref().is_some_and(|(user_name, _)| *user_name == guest.user_name)
    }

    fn typed(&self, guest: &Guest) -> &str {
        self.wrong.as_ref().filter(|_| self.is_wrong(guest)).map_or("", |(_, typed)| typed)
    }

    fn time(time: &Timestamp) -> String {
        time.strftime("%Y-%m-%d %H:%M UTC").to_string()
    }
}

/// What a guest posts.
#[derive(Deserialize)]
pub struct Reason {
    reason: String,
}

/// What a reviewer posts.
#[derive(Deserialize)]
pub struct Decision {
    user_name: String,
    reason: String,
    answer: String,
}

async fn request(app: &App, principal: &Principal) -> Result<Option<Guest>, Error> {
    if !configured(app)?.is_guest(principal) {
        // People of an institution have nothing to ask for here.
        return Err(Error::NotFound);
    }
    Ok(app.store.guests().find(&principal.user_name()).await?)
}

async fn form(
    State(app): State<Shared>,
    frame: Frame,
    Visit(session): Visit,
) -> Result<impl IntoResponse, Error> {
    let request = request(&app, &session.principal).await?;
    Ok(([NEVER], Html(render(&Ask { request, reason: String::new(), is_wrong: false, frame })?)))
}

async fn ask(
    State(app): State<Shared>,
    frame: Frame,
    Visit(session): Visit,
    Form(Reason { reason }): Form<Reason>,
) -> Result<Response, Error> {
    let request = request(&app, &session.principal).await?;
    if !is_reason(&reason) {
        let page = render(&Ask { request, reason, is_wrong: true, frame })?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, [NEVER], Html(page)).into_response());
    }
    // A second request while one waits changes nothing, and the page says that one waits.
    app.store.guests().ask(&session.principal, reason.trim(), Timestamp::now()).await?;
    Ok(([NEVER], Redirect::to("/guest")).into_response())
}

async fn reviewer(app: &App, person: &Principal) -> Result<(), Error> {
    if app.rights.may(&app.acting, person, Deed::Review).await {
        Ok(())
    } else {
        Err(Error::NotAllowed("reviewers alone let guests in; your account is shown at /me".to_owned()))
    }
}

async fn list(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
) -> Result<impl IntoResponse, Error> {
    reviewer(&app, &person).await?;
    let waiting = app.store.guests().waiting().await?;
    Ok(([NEVER], Html(render(&List { waiting, wrong: None, frame })?)))
}

async fn decide(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
    Form(Decision { user_name, reason, answer }): Form<Decision>,
) -> Result<Response, Error> {
    reviewer(&app, &person).await?;
    let approved = match answer.as_str() {
        "approve" => true,
        "refuse" => false,
        _ => return Err(Error::NotFound),
    };
    if !is_reason(&reason) {
        let waiting = app.store.guests().waiting().await?;
        let page = render(&List { waiting, wrong: Some((user_name, reason)), frame })?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, [NEVER], Html(page)).into_response());
    }
    let by = person.user_name();
    app.store.guests().decide(&user_name, approved, &by, reason.trim(), Timestamp::now()).await?;
    tracing::info!(approved, "a reviewer decided on a guest");
    Ok(([NEVER], Redirect::to("/guests")).into_response())
}

fn is_reason(text: &str) -> bool {
    let chars = text.trim().chars().count();
    (REASON_CHARS.0..=REASON_CHARS.1).contains(&chars)
}

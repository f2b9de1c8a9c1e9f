//! What a person's own applications are due when: an answer, the end of a grant.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use concord_api::application::Application;
use jiff::Timestamp;
use kube::ResourceExt;

use super::apply::own;
use super::view;
use crate::app::Shared;
use crate::calendar::{self, Entry};
use crate::error::Error;
use crate::frame::{Frame, Person};
use crate::handlers::login::NEVER;

/// A date of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Key of what is due.
    pub what: &'static str,
    /// Name of the application.
    pub application: String,
    /// Its title.
    pub title: String,
}

/// What is due from now on, the next first.
pub fn due<'a>(own: impl IntoIterator<Item = &'a Application>, now: Timestamp) -> Vec<Due> {
    let mut dates: Vec<Due> = own.into_iter().flat_map(of).filter(|due| due.at > now).collect();
    dates.sort_by(|a, b| (a.at, &a.application).cmp(&(b.at, &b.application)));
    dates
}

fn of(application: &Application) -> impl Iterator<Item = Due> {
    let status = application.status.as_ref();
    let promised = status.and_then(|status| status.promised_by.as_ref()).map(|at| at.0);
    let answer = promised.filter(|_| view::is_open(application)).map(|at| (at, "due-answer"));
    let grant = application.answer().and_then(|decision| decision.grant.as_ref());
    let ends = grant.map(|grant| (grant.until.0, "due-grant-ends"));
    answer.into_iter().chain(ends).map(|(at, what)| Due {
        at,
        what,
        application: application.name_any(),
        title: application.spec.title.clone(),
    })
}

/// The same for a calendar program.
pub async fn file(
    State(app): State<Shared>,
    frame: Frame,
    Person(person): Person,
) -> Result<Response, Error> {
    let now = Timestamp::now();
    let own = own(&app, &person.user_name());
    let entry = |due: Due| Entry {
        id: format!("{}/{}/{}", due.application, due.what, due.at.as_second()),
        start: due.at,
        end: None,
        title: format!("{}: {}", frame.words.get(due.what), due.title),
        page: app.address(&format!("/apply/{}", due.application)),
        said_at: now,
    };
    let entries: Vec<Entry> = due(own.iter().map(AsRef::as_ref), now).into_iter().map(entry).collect();
    let text = calendar::file(&frame.words.get("due-title"), &entries);
    Ok(([NEVER, (CONTENT_TYPE, "text/calendar; charset=utf-8")], text).into_response())
}

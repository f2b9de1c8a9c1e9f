//! What every page needs around its content, and who asks: extractors for handlers.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::Timestamp;

use crate::app::{App, Shared};
use crate::auth::Principal;
use crate::error::Error;
use crate::language::{Language, Words};
use crate::store::sessions::Session;

/// Header, language and switch of a page.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// Texts.
    pub words: Words,
    /// Address of the page without its host, for the language switch.
    pub path: String,
    /// Whether this server has a login.
    pub login: bool,
    /// Who is logged in.
    pub person: Option<Principal>,
}

impl Frame {
    /// Languages for the switch.
    #[must_use]
    pub fn languages(&self) -> [Language; 5] {
        Language::ALL
    }

    /// Language of the page.
    #[must_use]
    pub fn language(&self) -> Language {
        self.words.0
    }

    /// Whether the address is this one or below it, for `aria-current`.
    #[must_use]
    pub fn is_at(&self, path: &str) -> bool {
        let rest = self.path.strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || (path != "/" && rest.starts_with('/')))
    }
}

impl FromRequestParts<Shared> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Infallible> {
        let words = Words(Language::of_request(parts.uri.query(), &parts.headers));
        // Public pages do not need the database: without it, nobody is logged in on them.
        let session = session(parts, app).await.unwrap_or_default();
        let person = session.map(|session| session.principal);
        Ok(Self { words, path: parts.uri.path().to_owned(), login: app.login.is_some(), person })
    }
}

/// The session in which something is asked, also of a guest whom nobody has let in yet; a request without one is refused.
pub struct Visit(pub Session);

impl FromRequestParts<Shared> for Visit {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Error> {
        if app.login.is_none() {
            return Err(Error::LoginNotConfigured);
        }
        session(parts, app).await?.map(Self).ok_or(Error::NotLoggedIn)
    }
}

/// Who asks; a request without a session is refused, and so is a guest whom nobody has let in yet.
pub struct Person(pub Principal);

impl FromRequestParts<Shared> for Person {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Error> {
        let Visit(session) = Visit::from_request_parts(parts, app).await?;
        admit(app, &session.principal).await?;
        Ok(Self(session.principal))
    }
}

/// Refuses a guest whom nobody has let in yet.
pub(crate) async fn admit(app: &App, principal: &Principal) -> Result<(), Error> {
    let is_guest = app.login.as_ref().is_none_or(|login| login.is_guest(principal));
    if is_guest && !app.store.guests().is_approved(&principal.user_name()).await? {
        return Err(Error::GuestFirst);
    }
    Ok(())
}

/// What one request has learned of its session, so that it asks the database once.
#[derive(Clone)]
struct Known(Option<Session>);

async fn session(parts: &mut Parts, app: &App) -> Result<Option<Session>, Error> {
    let Some(login) = &app.login else { return Ok(None) };
    if let Some(Known(session)) = parts.extensions.get::<Known>() {
        return Ok(session.clone());
    }
    let session = login.session(&app.store, &parts.headers, Timestamp::now()).await?;
    parts.extensions.insert(Known(session.clone()));
    Ok(session)
}

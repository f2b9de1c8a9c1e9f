//! What every page needs around its content, and who asks: extractors for handlers.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::Timestamp;
use openidconnect::url::form_urlencoded;

use crate::app::{App, Shared};
use crate::auth::{ADMITTED, Principal};
use crate::error::Error;
use crate::language::{Language, Words};
use crate::store::sessions::Session;

/// Header, language and switch of a page.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// Texts.
    pub words: Words,
    /// Address of the page without its host and query.
    pub path: String,
    /// Its query without `?`; empty when there is none.
    pub query: String,
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

    /// Value of `aria-current` for a link of the navigation: the page itself, or a page below it.
    #[must_use]
    pub fn current(&self, path: &str) -> &'static str {
        if self.path == path { "page" } else { "true" }
    }

    /// Address that chooses a language, remembers it and comes back here.
    #[must_use]
    pub fn switch(&self, language: &Language) -> String {
        // A language in the address would beat the one just chosen.
        let kept: Vec<&str> =
            self.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("lang=")).collect();
        let mut back = self.path.clone();
        if !kept.is_empty() {
            back.push('?');
            back.push_str(&kept.join("&"));
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("to", language.code())
            .append_pair("return", &back)
            .finish();
        format!("/language?{query}")
    }

    /// Release of this server.
    #[must_use]
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
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
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        Ok(Self { words, path, query, login: app.login.is_some(), person })
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
        admitted(app, session.principal).await.map(Self)
    }
}

/// The person with the rights of now: a guest whom nobody has let in yet is refused, one who was let in has the group for it.
pub(crate) async fn admitted(app: &App, mut principal: Principal) -> Result<Principal, Error> {
    if app.login.as_ref().is_none_or(|login| login.is_guest(&principal)) {
        if !app.store.guests().is_approved(&principal.user_name()).await? {
            return Err(Error::GuestFirst);
        }
        principal.groups = vec![ADMITTED.to_owned()];
    }
    Ok(principal)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_switch_comes_back_to_the_same_page_and_drops_the_language_in_its_address() {
        let frame = Frame {
            path: "/use/history".to_owned(),
            query: "span=week&lang=de&by=member".to_owned(),
            ..Frame::default()
        };
        assert_eq!(
            frame.switch(&Language::Fr),
            "/language?to=fr&return=%2Fuse%2Fhistory%3Fspan%3Dweek%26by%3Dmember"
        );
    }

    #[test]
    fn a_page_is_current_itself_and_within_its_section() {
        let frame = Frame { path: "/treaty/history".to_owned(), ..Frame::default() };
        assert!(frame.is_at("/treaty") && !frame.is_at("/tre") && !frame.is_at("/"));
        assert_eq!((frame.current("/treaty"), frame.current("/treaty/history")), ("true", "page"));
    }
}

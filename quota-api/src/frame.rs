//! What every page needs around its content, and who asks: extractors for handlers.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::Timestamp;

use crate::app::Shared;
use crate::auth::Principal;
use crate::error::Error;
use crate::language::{Language, Words};

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
        let person = person(parts, app);
        Ok(Self { words, path: parts.uri.path().to_owned(), login: app.login.is_some(), person })
    }
}

/// Who asks; a request without a session is refused.
pub struct Person(pub Principal);

impl FromRequestParts<Shared> for Person {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Error> {
        if app.login.is_none() {
            return Err(Error::LoginNotConfigured);
        }
        person(parts, app).map(Self).ok_or(Error::NotLoggedIn)
    }
}

fn person(parts: &Parts, app: &Shared) -> Option<Principal> {
    app.login.as_ref().and_then(|login| login.principal(&parts.headers, Timestamp::now()))
}

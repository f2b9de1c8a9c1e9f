//! What every page needs around its content, and who asks: extractors for handlers.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::Timestamp;
use openidconnect::url::form_urlencoded;

use crate::app::Shared;
use crate::auth::Principal;
use crate::error::Error;
use crate::language::{Language, Words};

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
        let person = person(parts, app);
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        Ok(Self { words, path, query, login: app.login.is_some(), person })
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

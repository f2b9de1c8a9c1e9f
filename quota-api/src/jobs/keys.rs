//! Keys of programs. A key acts as the person who made it, with at most its scope; what the person may not, it may not
//! either, because the API server is asked as the person and projects are looked up as the person's.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jiff::Timestamp;

use crate::app::{App, Shared};
use crate::auth::Principal;
use crate::auth::secret::{self, Secret, hex};
use crate::error::{Error, Problem};
use crate::frame::{Person, admitted};

/// How keys begin, so that a leaked one is recognised.
pub const PREFIX: &str = "concord_";
/// Use is noted to the minute: not every request is a write.
const USED_APART_MS: i64 = 60_000;

/// 32 random bytes as hexadecimal.
///
/// # Errors
/// When the system gives none.
pub fn random() -> Result<String, Error> {
    Ok(Secret::random()?.text().to_owned())
}

/// SHA-256 as hexadecimal.
#[must_use]
pub fn hash(text: &str) -> String {
    hex(&secret::hash(text))
}

/// What a key may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Submit and cancel; otherwise only read.
    pub may_submit: bool,
    /// In this project alone.
    pub project: Option<String>,
}

/// Who asks the JSON API: a person by cookie, or a program by key.
#[derive(Debug, Clone)]
pub struct Caller {
    /// As whom the cluster is asked.
    pub person: Principal,
    /// Of a key; `None`: a person with a session, who may all that the person may.
    pub scope: Option<Scope>,
}

impl Caller {
    /// Whether reading in that project is inside the scope. Another project's key learns nothing of this one.
    ///
    /// # Errors
    /// When it is not.
    pub fn may_read(&self, project: &str) -> Result<(), Error> {
        let only = self.scope.as_ref().and_then(|scope| scope.project.as_deref());
        if only.is_none_or(|only| only == project) { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Whether submitting and cancelling there is inside the scope.
    ///
    /// # Errors
    /// When it is not.
    pub fn may_submit(&self, project: &str) -> Result<(), Error> {
        self.may_read(project)?;
        if self.scope.as_ref().is_none_or(|scope| scope.may_submit) {
            return Ok(());
        }
        Err(Error::KeyTooNarrow("it was made to read only"))
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        if let Some(header) = parts.headers.get(AUTHORIZATION) {
            let key = header.to_str().ok().and_then(bearer).ok_or(Error::KeyUnknown)?;
            return Ok(of_key(app, key, Timestamp::now()).await?);
        }
        let Person(person) = Person::from_request_parts(parts, app).await?;
        Ok(Self { person, scope: None })
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, key) = header.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && key.starts_with(PREFIX)).then_some(key)
}

async fn of_key(app: &App, key: &str, now: Timestamp) -> Result<Caller, Error> {
    let now_ms = now.as_millisecond();
    let found = app.store.key_with_hash(&hash(key), now_ms).await?;
    let row = found.ok_or(Error::KeyUnknown)?;
    let person: Principal = serde_json::from_str(&row.person).map_err(|error| {
        tracing::error!(%error, "a key's person cannot be read");
        Error::Internal
    })?;
    if row.used_ms.is_none_or(|used| used + USED_APART_MS <= now_ms) {
        app.store.touch_key(&row.id, now_ms).await?;
    }
    // A guest whom nobody lets in any more is nobody by key either.
    let person = admitted(app, person).await?;
    let scope = Scope { may_submit: row.scope == "submit", project: row.project };
    Ok(Caller { person, scope: Some(scope) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_keys_are_looked_up() {
        assert_eq!(bearer("Bearer concord_ab"), Some("concord_ab"));
        assert_eq!(bearer("bearer concord_ab"), Some("concord_ab"));
        for odd in ["concord_ab", "Basic concord_ab", "Bearer other", "Bearer  concord_ab", ""] {
            assert_eq!(bearer(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_hash_is_the_known_one_and_secrets_differ() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(random().unwrap(), random().unwrap());
    }
}

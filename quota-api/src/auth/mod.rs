//! Login: OpenID Connect code flow with PKCE, and a session of our own.
//!
//! The browser holds two cookies at most, both random and meaningless: one that binds a login to the browser that began
//! it, one for the session. The server keeps only their hashes. Tokens of the provider are used once, to learn who
//! came, and dropped.

mod cookies;
mod principal;
mod provider;
mod secret;
mod vault;

use axum::http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use openidconnect::url::Url;

pub use cookies::Cookies;
pub use principal::Principal;
pub use provider::{Provider, ProviderConfig};

use crate::error::Error;
use crate::handlers::login::Answer;
use provider::Attempt;
use secret::Secret;
use vault::Vault;

/// Time to type a password and find the second factor.
const ATTEMPT_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Logins begun and not finished; at about 400 bytes each, 4 MB. Beyond it the oldest is forgotten.
const ATTEMPTS_MAX: usize = 10_000;
/// Sessions; at about 2 KB each with many groups, 40 MB. Beyond it the oldest is ended.
const SESSIONS_MAX: usize = 20_000;

/// Everything that login needs.
pub struct Login {
    provider: Provider,
    attempts: Vault<Attempt>,
    /// Who is logged in.
    pub sessions: Vault<Principal>,
    /// How cookies are named and guarded.
    pub cookies: Cookies,
    /// Origin of our own pages.
    pub origin: String,
    session_lifetime: SignedDuration,
}

impl Login {
    /// Login with one provider; it is first contacted when somebody logs in.
    #[must_use]
    pub fn new(provider: Provider, session_lifetime: SignedDuration) -> Self {
        let public = provider.public_url();
        Self {
            attempts: Vault::new(ATTEMPTS_MAX),
            sessions: Vault::new(SESSIONS_MAX),
            cookies: Cookies::new(public.scheme() == "https"),
            origin: public.origin().ascii_serialization(),
            session_lifetime,
            provider,
        }
    }

    /// Where to send the browser, and the cookie that binds the login to it.
    pub(crate) async fn begin(&self, now: Timestamp) -> Result<(Url, HeaderValue), Error> {
        let (url, attempt) = self.provider.begin().await?;
        let binding = Secret::random()?;
        self.attempts.insert(binding.hash(), attempt, now, ATTEMPT_LIFETIME);
        Ok((url, self.cookies.set_login(&binding, ATTEMPT_LIFETIME)?))
    }

    /// Checks that the browser that comes back is the one that left, and opens a session. The cookies to set.
    pub(crate) async fn finish(
        &self,
        headers: &HeaderMap,
        answer: Answer,
        now: Timestamp,
    ) -> Result<[HeaderValue; 2], Error> {
        let Answer { code, state, iss, error } = answer;
        let binding = self
            .cookies
            .login(headers)
            .ok_or(Error::LoginRefused("this browser began no login here, or too long ago"))?;
        let state = state.ok_or(Error::LoginRefused("the state is missing"))?;
        // Only the right state uses the attempt up: a forged link must not spoil a login that is under way.
        let attempt = self.attempts.take_if(&binding, now, |attempt| attempt.has_state(&state));
        let attempt = attempt
            .ok_or(Error::LoginRefused("its state is not that of a login under way in this browser"))?;
        if iss.is_some_and(|iss| iss != self.provider.issuer()) {
            return Err(Error::LoginRefused("it came from another provider"));
        }
        if let Some(error) = error {
            // Only the provider's error code is logged, and no more of it than such codes are long.
            tracing::info!(
                error = error.chars().take(40).collect::<String>(),
                "the provider refused a login"
            );
            return Err(Error::ProviderSaidNo);
        }
        let code = code.ok_or(Error::LoginRefused("the code is missing"))?;
        let principal = self.provider.finish(code, attempt).await?;
        // Who it was is personal and stays out of the log.
        tracing::info!(groups = principal.groups.len(), "a login succeeded");
        // A session always has a fresh id; the one that the browser may still have ends here.
        self.end(headers);
        let id = Secret::random()?;
        self.sessions.insert(id.hash(), principal, now, self.session_lifetime);
        Ok([self.cookies.set_session(&id, self.session_lifetime)?, self.cookies.clear_login()])
    }

    /// Who asks.
    #[must_use]
    pub fn principal(&self, headers: &HeaderMap, now: Timestamp) -> Option<Principal> {
        self.sessions.get(&self.cookies.session(headers)?, now)
    }

    /// Ends the session; the cookie that takes the id from the browser.
    pub(crate) fn end(&self, headers: &HeaderMap) -> HeaderValue {
        if let Some(id) = self.cookies.session(headers) {
            self.sessions.remove(&id);
        }
        self.cookies.clear_session()
    }
}

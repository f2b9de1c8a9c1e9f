//! Login: OpenID Connect code flow with PKCE at one of several providers, and a session of our own.
//!
//! The browser holds two cookies at most, both random and meaningless: one that binds a login to the browser that began it,
//! one for the session. The database keeps only their hashes. Tokens of the provider are used once, to learn who came, and
//! dropped.

mod answer;
pub mod assurance;
mod claims;
mod cookies;
pub(crate) mod logout_token;
mod principal;
mod provider;
pub mod providers_file;
mod public_url;
pub(crate) mod secret;

use axum::http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use openidconnect::url::Url;

pub use cookies::Cookies;
pub use principal::{ADMITTED, Principal, is_plain};
pub use provider::Provider;
pub use public_url::{PublicUrl, own_path};

use crate::error::Error;
use crate::handlers::login::Answer;
use crate::store::Store;
use crate::store::attempts::Attempt;
use crate::store::sessions::{Kind, NewSession, Session};
use secret::Secret;

/// Time to type a password and find the second factor.
const ATTEMPT_LIFETIME: SignedDuration = SignedDuration::from_mins(10);

/// How long somebody stays logged in.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Whatever happens.
    pub session: SignedDuration,
    /// Without a request.
    pub idle: SignedDuration,
}

/// Everything that login needs beside the database.
pub struct Login {
    providers: Vec<Provider>,
    lifetimes: Lifetimes,
    /// How cookies are named and guarded.
    pub cookies: Cookies,
    /// Origin of our own pages.
    pub origin: String,
    /// Where browsers reach us.
    pub public: PublicUrl,
    /// Our name as the issuer of tokens for the API server: the public address, unless the API server reaches us elsewhere.
    pub token_issuer: String,
    /// Where people's `kubectl` finds the API server; without it no kubeconfig is offered.
    pub cluster: Option<ClusterAddress>,
}

/// An API server, as people reach it.
#[derive(Debug, Clone)]
pub struct ClusterAddress {
    /// Address.
    pub server: String,
    /// Its certificate authority, PEM; without it the system's are trusted.
    pub ca_pem: Option<Vec<u8>>,
}

/// A login that succeeded.
pub(crate) struct Welcome {
    /// To set.
    pub(crate) cookies: [HeaderValue; 2],
    /// Page of ours that the person wanted.
    pub(crate) return_to: String,
}

impl Login {
    /// Login with these providers; each is first contacted when somebody logs in there.
    #[must_use]
    pub fn new(providers: Vec<Provider>, public: PublicUrl, lifetimes: Lifetimes) -> Self {
        Self {
            providers,
            lifetimes,
            cookies: Cookies::new(public.is_https()),
            origin: public.origin(),
            token_issuer: public.origin(),
            public,
            cluster: None,
        }
    }

    /// All of them, in the order of the file.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// By its short name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Whether somebody must let the person in first.
    #[must_use]
    pub fn is_guest(&self, principal: &Principal) -> bool {
        // A provider that is no longer configured vouches for nobody.
        self.provider(&principal.provider).is_none_or(|known| known.kind == providers_file::Kind::Guest)
    }

    /// Where to send the browser, and the cookie that binds the login to it.
    pub(crate) async fn begin(
        &self,
        store: &Store,
        provider: &Provider,
        return_to: &str,
        now: Timestamp,
    ) -> Result<(Url, HeaderValue), Error> {
        let (url, departure) = provider.begin().await?;
        let binding = Secret::random()?;
        let attempt = Attempt {
            provider: provider.name.clone(),
            nonce: departure.nonce.secret().clone(),
            verifier: departure.verifier.secret().clone(),
            return_to: return_to.to_owned(),
        };
        let state = secret::hash(departure.state.secret());
        store.attempts().begin(binding.hash(), state, &attempt, now, expiry(now, ATTEMPT_LIFETIME)).await?;
        Ok((url, self.cookies.set_login(&binding, ATTEMPT_LIFETIME)?))
    }

    /// Checks that the browser that comes back is the one that left, and opens a session.
    pub(crate) async fn finish(
        &self,
        store: &Store,
        headers: &HeaderMap,
        provider: &str,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Welcome, Error> {
        let Answer { code, state, iss, error } = answer;
        let binding = self
            .cookies
            .login(headers)
            .ok_or(Error::LoginRefused("this browser began no login here, or too long ago"))?;
        let state = state.ok_or(Error::LoginRefused("the state is missing"))?;
        // Only the right state uses the attempt up: a forged link must not spoil a login that is under way.
        let attempt = store.attempts().take(binding, secret::hash(&state), now).await?;
        let attempt = attempt
            .ok_or(Error::LoginRefused("its state is not that of a login under way in this browser"))?;
        let provider = self
            .provider(provider)
            .filter(|provider| provider.name == attempt.provider)
            .ok_or(Error::LoginRefused("it came from another provider"))?;
        if !provider.is_named_by(iss.as_deref()).await? {
            return Err(Error::LoginRefused("it came from another provider"));
        }
        if let Some(error) = error {
            // Only the provider's error code is logged, and no more of it than such codes are long.
            let error: String = error.chars().filter(|c| !c.is_control()).take(40).collect();
            tracing::info!(provider = provider.name, error, "the provider refused a login");
            return Err(Error::ProviderSaidNo);
        }
        let code = code.ok_or(Error::LoginRefused("the code is missing"))?;
        let arrival = provider.finish(code, attempt.nonce, attempt.verifier, now).await?;
        // Who it was is personal and stays out of the log.
        tracing::info!(
            provider = provider.name,
            groups = arrival.principal.groups.len(),
            "a login succeeded"
        );
        // A session always has a fresh id; the one that the browser may still have ends here.
        self.end(store, headers).await?;
        let id = Secret::random()?;
        let session = NewSession {
            id: id.hash(),
            kind: Kind::Browser,
            principal: &arrival.principal,
            sid: arrival.sid.as_deref(),
            created: now,
            expires: expiry(now, self.lifetimes.session),
        };
        store.sessions().open(&session).await?;
        if let Ok(person) = serde_json::to_string(&arrival.principal) {
            // A key never knows of a group longer than its person does.
            store.refresh_keys(&arrival.principal.user_name(), &person).await?;
        }
        let cookies = [self.cookies.set_session(&id, self.lifetimes.session)?, self.cookies.clear_login()];
        Ok(Welcome { cookies, return_to: attempt.return_to })
    }

    /// The session in which something is asked.
    pub(crate) async fn session(
        &self,
        store: &Store,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<Session>, Error> {
        let Some(id) = self.cookies.session(headers) else { return Ok(None) };
        let idle_since = now.checked_sub(self.lifetimes.idle).unwrap_or(Timestamp::MIN);
        Ok(store.sessions().of_browser(id, now, idle_since).await?)
    }

    /// Who asks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn principal(
        &self,
        store: &Store,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<Principal>, Error> {
        Ok(self.session(store, headers, now).await?.map(|session| session.principal))
    }

    /// Ends the session; the cookie that takes the id from the browser.
    pub(crate) async fn end(&self, store: &Store, headers: &HeaderMap) -> Result<HeaderValue, Error> {
        if let Some(id) = self.cookies.session(headers) {
            store.sessions().end(id).await?;
        }
        Ok(self.cookies.clear_session())
    }

    /// Ends what a provider says has ended; how many sessions.
    pub(crate) async fn obey_logout(&self, store: &Store, token: &str, now: Timestamp) -> Result<u64, Error> {
        let issuer = logout_token::claimed_issuer(token);
        let issuer = issuer.ok_or_else(|| logout_token::refused("it cannot be read"))?;
        let provider = self.providers.iter().find(|provider| provider.issuer() == issuer);
        let provider = provider.ok_or_else(|| logout_token::refused("the issuer is no provider of ours"))?;
        let logout = provider.logout(token, now).await?;
        let number = secret::hash(&format!("{issuer}\n{}", logout.jti));
        let expires = Timestamp::from_second(logout.expires_second).unwrap_or(Timestamp::MAX);
        if !store.sessions().is_first(number, now, expires).await? {
            return Err(logout_token::refused("it came twice"));
        }
        let ended = store.sessions().end_of(&issuer, logout.sub.as_deref(), logout.sid.as_deref()).await?;
        tracing::info!(provider = provider.name, ended, "a provider ended sessions");
        Ok(ended)
    }
}

fn expiry(now: Timestamp, lifetime: SignedDuration) -> Timestamp {
    now.checked_add(lifetime).unwrap_or(Timestamp::MAX)
}

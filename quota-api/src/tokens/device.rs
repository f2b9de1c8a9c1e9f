//! The machine's side of `kubectl`'s login (RFC 8628), and the renewal of its token. Pure where it can be.

use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};

use crate::auth::Principal;
use crate::auth::secret::{Secret, hash};
use crate::error::Error;
use crate::store::Store;
use crate::store::devices::{Grant, Poll};
use crate::store::sessions::{Kind, NewSession};

/// Time to walk to a browser.
pub const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// How often a machine may ask.
pub const INTERVAL_SECONDS: i64 = 3;
/// Codes that do not exist that one session may type. Of 20^8 codes at most 10,000 wait, so ten guesses hit one in 250,000
/// sessions.
pub const MISSES_MAX: i64 = 10;
/// No vowels, so that no word appears, and nothing that looks like something else (RFC 8628 §6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_CHARS: usize = 8;

/// What a machine is given when it asks.
pub struct Asked {
    /// What it polls with.
    pub device_code: Secret,
    /// What the person types.
    pub user_code: String,
}

/// What a machine is given in the end.
pub struct Tokens {
    /// For the API server.
    pub token: String,
    /// For the next token.
    pub renewal: Secret,
}

/// Why there is no token; the words of RFC 6749 and 8628.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has decided yet.
    AuthorizationPending,
    /// Polls too often.
    SlowDown,
    /// The person said no.
    AccessDenied,
    /// Too late, or never known.
    ExpiredToken,
    /// The renewal secret is not good, or was used.
    InvalidGrant,
}

impl Refusal {
    /// As it goes over the wire.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::InvalidGrant => "invalid_grant",
        }
    }
}

/// A machine asks.
///
/// # Errors
/// When too many ask, or the database does not answer.
pub async fn ask(store: &Store, now: Timestamp) -> Result<Asked, Error> {
    let asked = Asked { device_code: Secret::random()?, user_code: user_code()? };
    let expires = now.checked_add(CODE_LIFETIME).unwrap_or(now);
    if store.devices().ask(asked.device_code.hash(), &asked.user_code, now, expires).await? {
        Ok(asked)
    } else {
        tracing::warn!("no further device code: too many wait for a person");
        Err(Error::StoreUnavailable)
    }
}

/// A machine polls.
///
/// # Errors
/// When the database does not answer.
pub async fn poll(
    store: &Store,
    issuer: &str,
    device_code: &str,
    now: Timestamp,
) -> Result<Result<Tokens, Refusal>, Error> {
    let grant = match store.devices().poll(hash(device_code), now, INTERVAL_SECONDS * 1000 - 500).await? {
        Poll::Waiting => return Ok(Err(Refusal::AuthorizationPending)),
        Poll::TooSoon => return Ok(Err(Refusal::SlowDown)),
        Poll::Denied => return Ok(Err(Refusal::AccessDenied)),
        Poll::Gone => return Ok(Err(Refusal::ExpiredToken)),
        Poll::Granted(grant) => *grant,
    };
    let Grant { principal, sid, until } = grant;
    let renewal = Secret::random()?;
    let session = NewSession {
        id: renewal.hash(),
        kind: Kind::Kubectl,
        principal: &principal,
        sid: sid.as_deref(),
        created: now,
        expires: until,
    };
    store.sessions().open(&session).await?;
    Ok(Ok(Tokens { token: super::issue(store, issuer, &principal, now).await?, renewal }))
}

/// A machine wants its next token: for whom, and what the one after it is to be asked with.
///
/// # Errors
/// When the database does not answer.
pub async fn renew(
    store: &Store,
    renewal: &str,
    now: Timestamp,
) -> Result<Option<(Principal, Secret)>, Error> {
    let next = Secret::random()?;
    let session = store.sessions().renew(hash(renewal), next.hash(), now).await?;
    Ok(session.map(|session| (session.principal, next)))
}

/// What a person typed, as it is kept: letters only, in capitals. `None` when it can be no code.
#[must_use]
pub fn typed_code(text: &str) -> Option<String> {
    let letters: String = text
        .chars()
        .filter(|c| !matches!(c, '-' | ' ' | '\u{2013}'))
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let is_code = letters.len() == CODE_CHARS && letters.bytes().all(|byte| LETTERS.contains(&byte));
    is_code.then_some(letters)
}

/// A code as people read it.
#[must_use]
pub fn shown_code(code: &str) -> String {
    match (code.get(..CODE_CHARS / 2), code.get(CODE_CHARS / 2..)) {
        (Some(first), Some(second)) => format!("{first}-{second}"),
        _ => code.to_owned(),
    }
}

fn user_code() -> Result<String, Error> {
    let (random, mut code) = (SystemRandom::new(), String::new());
    while code.len() < CODE_CHARS {
        let mut bytes = [0; 16];
        random.fill(&mut bytes).map_err(|_| Error::Internal)?;
        // Only below the largest multiple of 20, so that all letters are equally likely.
        let letters = bytes.iter().filter(|byte| **byte < 240).map(|byte| LETTERS[usize::from(byte % 20)]);
        code.extend(letters.take(CODE_CHARS - code.len()).map(char::from));
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for typed in ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "WDJB–MJHT"] {
            assert_eq!(typed_code(typed).as_deref(), Some("WDJBMJHT"), "{typed}");
        }
        for odd in ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB-MJH1", "%", "WDJBMJH\u{130}"] {
            assert_eq!(typed_code(odd), None, "{odd}");
        }
        assert_eq!(shown_code("WDJBMJHT"), "WDJB-MJHT");
    }

    #[test]
    fn codes_differ_and_are_codes() {
        let (one, two) = (user_code().unwrap(), user_code().unwrap());
        assert_ne!(one, two);
        assert_eq!(typed_code(&one), Some(one));
    }
}

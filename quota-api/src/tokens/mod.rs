//! Tokens of our own for the API server, so that `kubectl` acts as the person, with groups.
//!
//! Providers put groups into the user info, and the API server reads only a token. So this server, which has read both, signs a
//! token of a quarter of an hour with the person's name and groups; the API server fetches the keys here. `kubectl` gets it by
//! the device flow (RFC 8628): [`device`] is the machine's side, the person's side is a page.

pub mod device;
mod keys;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header, encode};
use serde::Serialize;

use crate::auth::Principal;
use crate::auth::secret::Secret;
use crate::error::Error;
use crate::store::Store;

pub use keys::published;

/// For whom the tokens are, and the name under which `kubectl` asks.
pub const AUDIENCE: &str = "concord-kube";
/// How long a token is good. Nothing can call it back, so a session that was ended is over at the API server after this.
pub const LIFETIME: SignedDuration = SignedDuration::from_mins(15);
/// A clock of the API server that is late by less finds the token valid.
const CLOCK: SignedDuration = SignedDuration::from_secs(30);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    groups: &'a [String],
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: &'a str,
}

/// A token for the person.
///
/// # Errors
/// When the database does not answer.
pub async fn issue(store: &Store, issuer: &str, person: &Principal, now: Timestamp) -> Result<String, Error> {
    let signer = keys::signer(store, now).await?;
    let number = Secret::random()?;
    let claims = Claims {
        iss: issuer,
        aud: AUDIENCE,
        sub: &person.user_name(),
        groups: &person.group_names(),
        iat: now.as_second(),
        nbf: now.checked_sub(CLOCK).unwrap_or(now).as_second(),
        exp: now.checked_add(LIFETIME).unwrap_or(now).as_second(),
        jti: &number.text()[..32],
    };
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(signer.id);
    encode(&header, &claims, &signer.key).map_err(|error| {
        tracing::error!(%error, "a token cannot be signed");
        Error::Internal
    })
}

//! A provider's word that sessions have ended: OpenID Connect Back-Channel Logout 1.0.

use jiff::Timestamp;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::provider::{Description, Look, Provider};
use crate::error::Error;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Difference of clocks that is put up with.
const CLOCK_SECONDS: i64 = 120;
/// The standard recommends two minutes; one that is good for longer is refused, because its number would have to be kept.
const LIFETIME_SECONDS_MAX: i64 = 3600;
/// Longest text that is looked at.
const BYTES_MAX: usize = 16 * 1024;
/// Public keys only.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Whose sessions end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logout {
    /// Number of the token; together with the issuer good for once.
    pub(crate) jti: String,
    /// Until when the number must be remembered.
    pub(crate) expires_second: i64,
    /// Person.
    pub(crate) sub: Option<String>,
    /// The provider's session.
    pub(crate) sid: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Claims {
    iss: String,
    aud: Value,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(default)]
    nbf: Option<i64>,
    sub: Option<String>,
    sid: Option<String>,
    events: Map<String, Value>,
    // Present, of any value: the token was made for something else.
    #[serde(default, deserialize_with = "present")]
    nonce: bool,
}

fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(from).map(|_| true)
}

/// The issuer that a token claims to be of; nothing is verified.
pub(crate) fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    if token.len() > BYTES_MAX {
        return None;
    }
    insecure_decode_claims::<Issuer>(token).ok().map(|claims| claims.iss)
}

impl Provider {
    /// Whose sessions end, if the token is this provider's and for us.
    pub(crate) async fn logout(&self, token: &str, now: Timestamp) -> Result<Logout, Error> {
        let header = decode_header(token).map_err(|error| refused(&error.to_string()))?;
        let description = self.description(Look::Known).await?;
        let mut key = key_for(&header, &keys(&description));
        if matches!(key, Err(NO_KEY)) {
            key = key_for(&header, &keys(&self.description(Look::Again).await?));
        }
        let claims = signed_claims(token, &header, &key.map_err(refused)?).map_err(|why| refused(&why))?;
        check(claims, self.issuer(), self.client_id(), now.as_second()).map_err(refused)
    }
}

const NO_KEY: &str = "the provider has no such key";

fn keys(description: &Description) -> Vec<Jwk> {
    // The library that fetched the keys and the one that uses them here have a type each; JSON is what both read.
    let text = serde_json::to_value(description.jwks()).unwrap_or_default();
    let keys = text.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
    keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect()
}

/// The key that the token names; a token without a name is good only where there is one key.
fn key_for(header: &Header, keys: &[Jwk]) -> Result<Jwk, &'static str> {
    if !ALGORITHMS.contains(&header.alg) {
        return Err("it is signed by a method without public keys");
    }
    let named = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let mut fitting = keys.iter().filter(named);
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key.clone()),
        (None, _) => Err(NO_KEY),
        (Some(_), Some(_)) => Err("it does not say which of several keys it is signed with"),
    }
}

fn signed_claims(token: &str, header: &Header, key: &Jwk) -> Result<Claims, String> {
    if header.crit.is_some() {
        return Err("it has critical fields".to_owned());
    }
    if !header.typ.as_deref().is_none_or(|typ| ["JWT", "logout+jwt", "application/logout+jwt"].contains(&typ))
    {
        return Err("it is of another type".to_owned());
    }
    let key = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
    // The signature only; what the claims must be is checked below, at a time that is a parameter.
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    Ok(decode::<Claims>(token, &key, &validation).map_err(|error| error.to_string())?.claims)
}

/// §2.6 of the standard.
fn check(claims: Claims, issuer: &str, client_id: &str, now_second: i64) -> Result<Logout, &'static str> {
    let Claims { iss, aud, iat, exp, jti, nbf, sub, sid, events, nonce } = claims;
    let is_for_us = match &aud {
        Value::String(aud) => aud == client_id,
        Value::Array(all) => all.iter().any(|aud| aud == client_id),
        _ => false,
    };
    let from = now_second.saturating_add(CLOCK_SECONDS);
    let sub = sub.filter(|sub| !sub.is_empty());
    let sid = sid.filter(|sid| !sid.is_empty());
    match () {
        () if iss != issuer => Err("another issuer"),
        () if !is_for_us => Err("another audience"),
        () if nonce => Err("it has a nonce, so it is an ID token"),
        () if !events.get(EVENT).is_some_and(Value::is_object) => Err("it tells of another event"),
        () if iat > from || nbf.is_some_and(|nbf| nbf > from) => Err("it is from the future"),
        () if exp.saturating_add(CLOCK_SECONDS) <= now_second => Err("it has expired"),
        () if exp.saturating_sub(now_second) > LIFETIME_SECONDS_MAX => Err("it is good for too long"),
        () if jti.is_empty() || jti.len() > 512 => Err("it has no number"),
        () if sub.is_none() && sid.is_none() => Err("it names nobody"),
        () => Ok(Logout { jti, expires_second: exp.saturating_add(CLOCK_SECONDS), sub, sid }),
    }
}

fn refused(why: &str) -> Error {
    tracing::warn!(error = why, "a logout token was refused");
    Error::LogoutRefused
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(change: &Value) -> Result<Logout, String> {
        let mut all = json!({
            "iss": "https://id.example", "aud": "us", "iat": 1000, "exp": 1120, "jti": "n1", "sub": "s",
            "events": {EVENT: {}},
        });
        for (key, value) in change.as_object().unwrap() {
            all[key] = value.clone();
        }
        let claims: Claims = serde_json::from_value(all).map_err(|error| error.to_string())?;
        check(claims, "https://id.example", "us", 1000).map_err(str::to_owned)
    }

    #[test]
    fn a_whole_token_names_whose_sessions_end() {
        let logout = claims(&json!({"sid": "x", "aud": ["us", "others"]})).unwrap();
        assert_eq!(
            (logout.sub.as_deref(), logout.sid.as_deref(), logout.expires_second),
            (Some("s"), Some("x"), 1240)
        );
        assert!(claims(&json!({"sub": null, "sid": "x"})).is_ok());
    }

    #[test]
    fn whatever_else_is_refused() {
        let cases = [
            (json!({"iss": "https://id.example/"}), "another issuer"),
            (json!({"aud": "them"}), "another audience"),
            (json!({"aud": ["them"]}), "another audience"),
            (json!({"aud": {"us": true}}), "another audience"),
            (json!({"nonce": "n"}), "so it is an ID token"),
            (json!({"nonce": null}), "so it is an ID token"),
            (json!({"events": {}}), "another event"),
            (json!({"events": {EVENT: true}}), "another event"),
            (json!({"events": null}), "invalid type"),
            (json!({"iat": 1121}), "from the future"),
            (json!({"nbf": 1121}), "from the future"),
            (json!({"exp": 880}), "expired"),
            (json!({"exp": 4601}), "too long"),
            (json!({"jti": ""}), "no number"),
            (json!({"jti": null}), "invalid type"),
            (json!({"sub": null}), "names nobody"),
            (json!({"sub": ""}), "names nobody"),
        ];
        for (change, expected) in cases {
            let error = claims(&change).unwrap_err();
            assert!(error.contains(expected), "{change}: {error}");
        }
    }
}

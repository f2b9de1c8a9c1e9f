//! What the code that a browser brings back from the provider is worth: a person, or nothing.

use jiff::Timestamp;
use openidconnect::core::{CoreGenderClaim, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthorizationCode, ClaimsVerificationError, IdToken, IdTokenClaims, Nonce,
    OAuth2TokenResponse, PkceCodeVerifier, RequestTokenError, SignatureVerificationError, SubjectIdentifier,
    TokenResponse, UserInfoClaims, UserInfoError,
};

use super::claims::{Facts, person};
use super::principal::{Principal, is_plain};
use super::provider::{Client, Look, OtherClaims, Provider};
use crate::error::Error;

/// Difference of clocks that is put up with.
const CLOCK_SECONDS: i64 = 120;
/// An ID token is made when we ask for it; an older one was kept by somebody.
const AGE_SECONDS_MAX: i64 = 600;
/// Public keys only. With a shared secret, whoever can verify can also sign.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type Token = IdToken<
    OtherClaims,
    CoreGenderClaim,
    openidconnect::core::CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Claims = IdTokenClaims<OtherClaims, CoreGenderClaim>;

/// Who came.
pub(super) struct Arrival {
    pub(super) principal: Principal,
    /// The provider's name for its own session.
    pub(super) sid: Option<String>,
}

impl Provider {
    /// Changes the code into a person. The tokens end here.
    pub(super) async fn finish(
        &self,
        code: String,
        nonce: String,
        verifier: String,
        now: Timestamp,
    ) -> Result<Arrival, Error> {
        let nonce = Nonce::new(nonce);
        let mut client = self.client(Look::Known).await?;
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| self.unavailable("token endpoint", &error))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier));
        let answer = request.request_async(&self.http).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(refusal) => {
                tracing::info!(error = %refusal.error(), "the provider refused a code");
                Error::ProviderSaidNo
            }
            // The body may hold tokens: of the others only the kind is told.
            RequestTokenError::Parse(error, _) => self.unavailable("token endpoint", error.inner()),
            RequestTokenError::Request(error) => self.unavailable("token endpoint", &error),
            RequestTokenError::Other(text) => {
                self.unavailable("token endpoint", &std::io::Error::other(text))
            }
        })?;
        let token = answer.id_token().ok_or_else(|| invalid("no ID token"))?;
        let claims = match verify(&client, token, &nonce, now) {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                client = self.client(Look::Again).await?;
                verify(&client, token, &nonce, now)
            }
            known => known,
        };
        let claims = claims.map_err(|error| invalid(&reason(&error)))?;
        check_parties(claims, self.client_id())?;
        check_access_token(&client, token, claims, answer.access_token())?;
        self.arrival(&client, answer.access_token(), claims).await
    }

    async fn arrival(&self, client: &Client, token: &AccessToken, claims: &Claims) -> Result<Arrival, Error> {
        let subject = claims.subject().as_str();
        if !is_plain(subject) {
            return Err(invalid("the subject is not what OpenID allows"));
        }
        let mut facts = Facts::of_id_token(claims, &self.groups_claim);
        if !facts.are_complete() {
            let further = self.user_info(client, token, claims.subject()).await?;
            facts = facts.or(further.unwrap_or_default());
        }
        let sid = claims.additional_claims().0.get("sid").and_then(|sid| sid.as_str()).map(str::to_owned);
        Ok(Arrival { principal: person(self, subject, facts), sid })
    }

    /// Federations put groups there and not into the ID token. Without an answer the person has no groups, which gives less,
    /// never more; an answer about somebody else is an attack.
    async fn user_info(
        &self,
        client: &Client,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Result<Option<Facts>, Error> {
        let Ok(request) = client.user_info(token.clone(), Some(subject.clone())) else { return Ok(None) };
        let answer: Result<UserInfoClaims<OtherClaims, CoreGenderClaim>, _> =
            request.request_async(&self.http).await;
        match answer {
            Ok(claims) => Ok(Some(Facts::of_user_info(&claims, &self.groups_claim))),
            Err(UserInfoError::ClaimsVerification(error)) => {
                Err(invalid(&format!("user info: {}", reason(&error))))
            }
            Err(error) => {
                tracing::warn!(
                    provider = self.name,
                    error = kind(&error),
                    "the provider's user info cannot be had; the person has no groups"
                );
                Ok(None)
            }
        }
    }
}

fn verify<'a>(
    client: &Client,
    token: &'a Token,
    nonce: &Nonce,
    now: Timestamp,
) -> Result<&'a Claims, ClaimsVerificationError> {
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_issue_time_verifier_fn(move |issued| check_issued(issued.timestamp(), now.as_second()));
    token.claims(&verifier, nonce)
}

fn check_issued(issued_second: i64, now_second: i64) -> Result<(), String> {
    let age_seconds = now_second.saturating_sub(issued_second);
    if age_seconds < -CLOCK_SECONDS {
        return Err("it was issued in the future".to_owned());
    }
    if age_seconds > AGE_SECONDS_MAX {
        return Err("it was issued too long ago".to_owned());
    }
    Ok(())
}

/// OpenID Connect Core §3.1.3.7, 4 and 5: the library leaves the authorised party to us.
fn check_parties(claims: &Claims, client_id: &str) -> Result<(), Error> {
    match claims.authorized_party() {
        Some(party) if party.as_str() != client_id => Err(invalid("it was issued to another client (azp)")),
        None if claims.audiences().len() > 1 => Err(invalid("several audiences and no authorised party")),
        _ => Ok(()),
    }
}

fn check_access_token(
    client: &Client,
    token: &Token,
    claims: &Claims,
    access: &AccessToken,
) -> Result<(), Error> {
    let Some(expected) = claims.access_token_hash() else { return Ok(()) };
    let keys = client.id_token_verifier();
    let algorithm = token.signing_alg().map_err(|error| invalid(&error.to_string()))?;
    let key = token.signing_key(&keys).map_err(|error| invalid(&error.to_string()))?;
    let actual =
        AccessTokenHash::from_token(access, algorithm, key).map_err(|error| invalid(&error.to_string()))?;
    if actual == *expected {
        Ok(())
    } else {
        Err(invalid("the access token is not the one that was issued with the ID token"))
    }
}

fn invalid(why: &str) -> Error {
    tracing::warn!(error = why, "the provider's ID token is not valid");
    Error::LoginRefused("the provider's answer is not valid")
}

/// The library tells the cause of a bad signature one level down.
fn reason(error: &ClaimsVerificationError) -> String {
    match error {
        ClaimsVerificationError::SignatureVerification(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

fn kind<E: std::error::Error>(error: &UserInfoError<E>) -> &'static str {
    match error {
        UserInfoError::ClaimsVerification(_) => "its claims are not valid",
        UserInfoError::Parse(_) => "it cannot be parsed",
        UserInfoError::Request(_) => "the request failed",
        UserInfoError::Response(..) => "the provider refused",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_token_is_neither_from_the_future_nor_old() {
        let at = |issued| check_issued(issued, 10_000);
        assert!(at(10_000).is_ok() && at(10_120).is_ok() && at(9_400).is_ok());
        assert!(at(10_121).is_err() && at(9_399).is_err() && at(i64::MAX).is_err() && at(i64::MIN).is_err());
    }
}

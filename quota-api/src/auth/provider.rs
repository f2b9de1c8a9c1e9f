//! The OpenID provider: where to send a browser, and what the code that it brings back is worth.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::url::Url;
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    StandardErrorResponse, StandardTokenResponse, SubjectIdentifier, TokenResponse, UserInfoClaims, reqwest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;

use super::principal::{Principal, groups};
use super::secret::hash;
use crate::error::Error;

/// How long the provider's description and keys are believed. Keeps a crowd at /login from becoming a crowd at the
/// provider, and a new signing key is known after a minute.
const METADATA_LIFETIME: Duration = Duration::from_secs(60);
/// One answer of the provider.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Claims beyond the standard ones, as they come.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OtherClaims(HashMap<String, Value>);
impl AdditionalClaims for OtherClaims {}

type Fields = IdTokenFields<
    OtherClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Client = openidconnect::Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the operator of the server says about the provider. No `Debug`: it holds the secret.
pub struct ProviderConfig {
    /// Issuer, exactly as the provider writes it.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: String,
    /// Where browsers reach us.
    pub public_url: String,
    /// Scopes beyond `openid`.
    pub extra_scopes: Vec<String>,
    /// Claim that holds the groups.
    pub groups_claim: String,
    /// Further certificate authorities, PEM, for a provider with a private one.
    pub ca_pem: Option<Vec<u8>>,
}

/// One provider.
pub struct Provider {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    redirect: RedirectUrl,
    scopes: Vec<Scope>,
    groups_claim: String,
    http: reqwest::Client,
    metadata: Mutex<Option<(Instant, CoreProviderMetadata)>>,
}

/// A login under way.
pub struct Attempt {
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

impl Attempt {
    /// Compares by hash, so that time tells nothing.
    pub fn has_state(&self, given: &str) -> bool {
        hash(self.state.secret()) == hash(given)
    }
}

impl Provider {
    /// Checks the configuration; does not contact the provider.
    ///
    /// # Errors
    /// With a sentence that names the flag to mend.
    pub fn new(config: ProviderConfig) -> Result<Self, String> {
        let ProviderConfig {
            issuer,
            client_id,
            client_secret,
            public_url,
            extra_scopes,
            groups_claim,
            ca_pem,
        } = config;
        let issuer_url = Url::parse(&issuer).map_err(|e| format!("--issuer {issuer} is no URL: {e}"))?;
        check_transport("--issuer", &issuer_url)?;
        let public =
            Url::parse(&public_url).map_err(|e| format!("--public-url {public_url} is no URL: {e}"))?;
        check_transport("--public-url", &public)?;
        if public.path() != "/" || public.query().is_some() || public.fragment().is_some() {
            return Err(format!(
                "--public-url {public_url} must be an origin without a path, such as https://quota.example.org"
            ));
        }
        let callback = public
            .join("callback")
            .map_err(|e| format!("--public-url {public_url} cannot be extended: {e}"))?;
        // A redirect of the provider's endpoints is never followed: it could lead our secret elsewhere.
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_TIMEOUT)
            .connect_timeout(ANSWER_TIMEOUT);
        for certificate in ca_pem
            .map(|pem| reqwest::Certificate::from_pem_bundle(&pem))
            .transpose()
            .map_err(|e| format!("--issuer-ca-file cannot be read as PEM: {e}"))?
            .unwrap_or_default()
        {
            http = http.add_root_certificate(certificate);
        }
        Ok(Self {
            issuer: IssuerUrl::new(issuer).map_err(|e| format!("--issuer: {e}"))?,
            client_id: ClientId::new(client_id),
            client_secret: ClientSecret::new(client_secret),
            redirect: RedirectUrl::from_url(callback),
            scopes: extra_scopes.into_iter().map(Scope::new).collect(),
            groups_claim,
            http: http.build().map_err(|e| format!("no HTTP client for the provider: {e}"))?,
            metadata: Mutex::new(None),
        })
    }

    /// Issuer.
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// Where browsers reach us; its path is that of the callback.
    pub fn public_url(&self) -> &Url {
        self.redirect.url()
    }

    /// Where to send a browser, and what to remember of it.
    pub(super) async fn begin(&self) -> Result<(Url, Attempt), Error> {
        let client = self.client().await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state, nonce) = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(self.scopes.iter().cloned())
            .set_pkce_challenge(challenge)
            .url();
        Ok((url, Attempt { state, nonce, verifier }))
    }

    /// Changes the code into a person. The tokens end here.
    pub(super) async fn finish(&self, code: String, attempt: Attempt) -> Result<Principal, Error> {
        let Attempt { state: _, nonce, verifier } = attempt;
        let client = self.client().await?;
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|e| unavailable("token endpoint", &e))?;
        let answer = request.set_pkce_verifier(verifier).request_async(&self.http).await.map_err(
            |error| match error {
                RequestTokenError::ServerResponse(refusal) => {
                    tracing::info!(error = %refusal.error(), "the provider refused a code");
                    Error::ProviderSaidNo
                }
                // The body may hold tokens: of the others only the kind is told.
                RequestTokenError::Parse(error, _) => unavailable("token endpoint", &error),
                RequestTokenError::Request(error) => unavailable("token endpoint", &error),
                RequestTokenError::Other(text) => unavailable("token endpoint", &std::io::Error::other(text)),
            },
        )?;
        let id_token = answer.id_token().ok_or_else(|| invalid("no ID token"))?;
        let keys = client.id_token_verifier();
        let claims = id_token.claims(&keys, &nonce).map_err(|e| invalid(&e.to_string()))?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = id_token.signing_alg().map_err(|e| invalid(&e.to_string()))?;
            let key = id_token.signing_key(&keys).map_err(|e| invalid(&e.to_string()))?;
            let actual = AccessTokenHash::from_token(answer.access_token(), algorithm, key)
                .map_err(|e| invalid(&e.to_string()))?;
            if actual != *expected {
                return Err(invalid("the access token is not the one that was issued with the ID token"));
            }
        }
        let groups_of = |claims: &OtherClaims| claims.0.get(&self.groups_claim).cloned();
        let claim = match groups_of(claims.additional_claims()) {
            Some(claim) => Some(claim),
            None => self
                .user_info(&client, answer.access_token(), claims.subject())
                .await
                .as_ref()
                .and_then(groups_of),
        };
        Ok(Principal {
            issuer: claims.issuer().to_string(),
            subject: claims.subject().to_string(),
            groups: groups(claim.as_ref()),
            provider: "id".to_owned(),
            name: None,
            email: None,
            assurance: Vec::new(),
            authentication: None,
        })
    }

    /// Federations put groups there and not into the ID token. Without an answer the person has no groups, which gives
    /// less, never more.
    async fn user_info(
        &self,
        client: &Client,
        token: &AccessToken,
        subject: &SubjectIdentifier,
    ) -> Option<OtherClaims> {
        let request = client.user_info(token.clone(), Some(subject.clone())).ok()?;
        let answer: Result<UserInfoClaims<OtherClaims, CoreGenderClaim>, _> =
            request.request_async(&self.http).await;
        match answer {
            Ok(claims) => Some(claims.additional_claims().clone()),
            Err(error) => {
                tracing::warn!(
                    error = kind(&error),
                    "the provider's user info cannot be had; the person has no groups"
                );
                None
            }
        }
    }

    async fn client(&self) -> Result<Client, Error> {
        let mut known = self.metadata.lock().await;
        let metadata = match &*known {
            Some((at, metadata)) if at.elapsed() < METADATA_LIFETIME => metadata.clone(),
            _ => {
                let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
                let metadata = found.map_err(|error| unavailable("discovery", &error))?;
                *known = Some((Instant::now(), metadata.clone()));
                metadata
            }
        };
        let client = Client::from_provider_metadata(
            metadata,
            self.client_id.clone(),
            Some(self.client_secret.clone()),
        );
        Ok(client.set_redirect_uri(self.redirect.clone()))
    }
}

/// Passwords and codes cross this connection: https, or a provider on the same machine for trying things out.
fn check_transport(flag: &str, url: &Url) -> Result<(), String> {
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => Err(format!("{flag} {url} must begin with https:// (http:// is for localhost only)")),
    }
}

fn unavailable(what: &str, error: &dyn std::error::Error) -> Error {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    tracing::warn!(what, error = text, "the provider cannot be used; check --issuer and the network");
    Error::ProviderUnavailable
}

fn invalid(why: &str) -> Error {
    tracing::warn!(error = why, "the provider's ID token is not valid");
    Error::LoginRefused("the provider's answer is not valid")
}

fn kind<E: std::error::Error>(error: &openidconnect::UserInfoError<E>) -> &'static str {
    match error {
        openidconnect::UserInfoError::ClaimsVerification(_) => "its claims are not valid",
        openidconnect::UserInfoError::Parse(_) => "it cannot be parsed",
        openidconnect::UserInfoError::Request(_) => "the request failed",
        openidconnect::UserInfoError::Response(..) => "the provider refused",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(issuer: &str, public_url: &str) -> Result<Provider, String> {
        Provider::new(ProviderConfig {
            issuer: issuer.to_owned(),
            client_id: "id".to_owned(),
            client_secret: "secret".to_owned(),
            public_url: public_url.to_owned(),
            extra_scopes: Vec::new(),
            groups_claim: "groups".to_owned(),
            ca_pem: None,
        })
    }

    #[test]
    fn plain_http_is_for_one_machine_only() {
        assert!(provider("https://id.example.org", "https://quota.example.org").is_ok());
        assert!(provider("http://localhost:9998/", "http://127.0.0.1:8081").is_ok());
        let refused = [
            ("http://id.example.org", "https://q.example.org"),
            ("https://id.example.org", "http://q.example.org"),
        ];
        for (issuer, public) in refused {
            let error = provider(issuer, public).err().unwrap();
            assert!(error.contains("must begin with https://"), "{error}");
        }
    }

    #[test]
    fn a_public_url_with_a_path_is_refused() {
        let error = provider("https://id.example.org", "https://q.example.org/concord").err().unwrap();
        assert!(error.contains("without a path"), "{error}");
    }
}

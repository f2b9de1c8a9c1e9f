//! An OpenID provider: its description and keys, and where to send a browser. What comes back is read in [`super::answer`].

use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType,
    CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm,
    CoreResponseMode, CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::url::Url;
use openidconnect::{
    AdditionalClaims, AdditionalProviderMetadata, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, ProviderMetadata, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse,
    reqwest,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::providers_file::{Kind, ProviderConfig};
use super::public_url::PublicUrl;
use crate::error::{Error, chain};

/// How long the provider's description and keys are believed. Keeps a crowd at /login from becoming a crowd at the provider.
const DESCRIPTION_LIFETIME: Duration = Duration::from_secs(600);
/// A token signed by an unknown key leads to another look at the provider's keys, but not sooner than this after the last one:
/// forged tokens must not become requests.
const NEXT_LOOK: Duration = Duration::from_secs(5);
/// One answer of the provider.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Claims beyond the standard ones, as they come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OtherClaims(pub(super) Map<String, Value>);
impl AdditionalClaims for OtherClaims {}

/// What a provider says of itself beyond what login needs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Further {
    end_session_endpoint: Option<Url>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}
impl AdditionalProviderMetadata for Further {}

pub(super) type Description = ProviderMetadata<
    Further,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;
pub(super) type Fields = IdTokenFields<
    OtherClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
pub(super) type Client = openidconnect::Client<
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

/// One provider.
pub struct Provider {
    /// Prefix of its people in the cluster.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Whom it lets in.
    pub kind: Kind,
    pub(super) vouched: Vec<String>,
    pub(super) groups_claim: String,
    pub(super) client_id: ClientId,
    pub(super) http: reqwest::Client,
    issuer: IssuerUrl,
    client_secret: ClientSecret,
    redirect: RedirectUrl,
    after_logout: String,
    scopes: Vec<Scope>,
    known: Mutex<Option<(Instant, Description)>>,
}

/// How fresh a description must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The known one will do for a while.
    Known,
    /// A key was missing in the known one.
    Again,
}

/// What must be remembered of a login under way.
pub(super) struct Departure {
    pub(super) state: CsrfToken,
    pub(super) nonce: Nonce,
    pub(super) verifier: PkceCodeVerifier,
}

impl Provider {
    /// Takes the configuration; does not contact the provider.
    ///
    /// # Errors
    /// With a sentence that names the field to mend.
    pub fn new(config: ProviderConfig, public: &PublicUrl) -> Result<Self, String> {
        let ProviderConfig {
            name,
            title,
            issuer,
            client_id,
            client_secret,
            scopes,
            groups_claim,
            ca_pem,
            kind,
            vouched,
        } = config;
        // A redirect of the provider's endpoints is never followed: it could lead our secret elsewhere.
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_TIMEOUT)
            .connect_timeout(ANSWER_TIMEOUT);
        for certificate in ca_pem
            .map(|pem| reqwest::Certificate::from_pem_bundle(&pem))
            .transpose()
            .map_err(|error| format!("caFile of provider {name} cannot be read as PEM: {error}"))?
            .unwrap_or_default()
        {
            http = http.add_root_certificate(certificate);
        }
        let redirect = RedirectUrl::new(public.callback(&name));
        Ok(Self {
            issuer: IssuerUrl::new(issuer).map_err(|error| format!("issuer of provider {name}: {error}"))?,
            client_id: ClientId::new(client_id),
            client_secret: ClientSecret::new(client_secret),
            redirect: redirect.map_err(|error| format!("name of provider {name}: {error}"))?,
            after_logout: public.at("/"),
            scopes: scopes.into_iter().map(Scope::new).collect(),
            groups_claim,
            http: http.build().map_err(|error| format!("no HTTP client for provider {name}: {error}"))?,
            known: Mutex::new(None),
            kind,
            vouched,
            name,
            title,
        })
    }

    /// Issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// Our name there.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.client_id.as_str()
    }

    /// Where to send a browser, and what to remember of it.
    pub(super) async fn begin(&self) -> Result<(Url, Departure), Error> {
        let client = self.client(Look::Known).await?;
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
        Ok((url, Departure { state, nonce, verifier }))
    }

    /// Whether an answer names this provider as RFC 9207 wants it.
    pub(super) async fn is_named_by(&self, iss: Option<&str>) -> Result<bool, Error> {
        match iss {
            Some(iss) => Ok(iss == self.issuer()),
            None => {
                let description = self.description(Look::Known).await?;
                Ok(!description.additional_metadata().authorization_response_iss_parameter_supported)
            }
        }
    }

    /// Where a person ends the provider's own session too, if the provider has told of such a page (OpenID Connect
    /// RP-Initiated Logout 1.0). Nothing is asked over the network. No ID token is sent along, because none is kept.
    pub async fn logout_url(&self) -> Option<Url> {
        let known = self.known.lock().await;
        let (_, description) = known.as_ref()?;
        let mut url = description.additional_metadata().end_session_endpoint.clone()?;
        // An address of another kind, such as javascript:, must not become a link of ours.
        super::public_url::check_transport(&url).ok()?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("post_logout_redirect_uri", &self.after_logout);
        Some(url)
    }

    pub(super) async fn client(&self, look: Look) -> Result<Client, Error> {
        let client = Client::from_provider_metadata(
            self.description(look).await?,
            self.client_id.clone(),
            Some(self.client_secret.clone()),
        );
        Ok(client.set_redirect_uri(self.redirect.clone()))
    }

    pub(super) async fn description(&self, look: Look) -> Result<Description, Error> {
        let age_max = match look {
            Look::Known => DESCRIPTION_LIFETIME,
            Look::Again => NEXT_LOOK,
        };
        let mut known = self.known.lock().await;
        if let Some((at, description)) = &*known
            && at.elapsed() < age_max
        {
            return Ok(description.clone());
        }
        let found = Description::discover_async(self.issuer.clone(), &self.http).await;
        let description = found.map_err(|error| self.unavailable("discovery", &error))?;
        *known = Some((Instant::now(), description.clone()));
        Ok(description)
    }

    pub(super) fn unavailable(&self, what: &str, error: &dyn std::error::Error) -> Error {
        tracing::warn!(
            provider = self.name,
            what,
            error = chain(error),
            "the provider cannot be used; check its issuer and the network"
        );
        Error::ProviderUnavailable
    }
}

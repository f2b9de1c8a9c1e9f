//! What `kubectl` and the API server ask: keys, device codes, tokens (RFC 8414, 8628, 6749).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;

use super::login::{NEVER, configured};
use crate::app::Shared;
use crate::error::{Error, Problem};
use crate::frame::admitted;
use crate::tokens::device::{self, Refusal, Tokens};
use crate::tokens::{AUDIENCE, LIFETIME, issue, published};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// For `kubectl` and the API server.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/.well-known/openid-configuration", get(description))
        .route("/jwks", get(keys))
        .route("/device_authorization", post(ask))
        .route("/token", post(token))
}

/// The two that the API server asks, for an address of their own with TLS.
pub fn for_api_server(app: Shared) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(description))
        .route("/jwks", get(keys))
        .with_state(app)
}

/// Who we are as an issuer.
async fn description(State(app): State<Shared>) -> Result<impl IntoResponse, Problem> {
    let login = configured(&app)?;
    Ok(Json(json!({
        "issuer": login.token_issuer,
        "jwks_uri": format!("{}/jwks", login.token_issuer),
        // Required by the standard; people log in at the page, there is no redirect to elsewhere.
        "authorization_endpoint": login.public.at("/login"),
        "device_authorization_endpoint": login.public.at("/device_authorization"),
        "token_endpoint": login.public.at("/token"),
        "grant_types_supported": [DEVICE_GRANT, "refresh_token"],
        "response_types_supported": ["none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "claims_supported": ["iss", "aud", "sub", "groups", "iat", "nbf", "exp", "jti"],
    })))
}

/// The public keys.
async fn keys(State(app): State<Shared>) -> Result<impl IntoResponse, Problem> {
    configured(&app)?;
    Ok(Json(published(&app.store, Timestamp::now()).await?))
}

/// What a machine says when it asks.
#[derive(Deserialize)]
struct Machine {
    client_id: Option<String>,
}

async fn ask(State(app): State<Shared>, Form(machine): Form<Machine>) -> Result<Response, Problem> {
    let login = configured(&app)?;
    if machine.client_id.as_deref() != Some(AUDIENCE) {
        return Ok(refuse("invalid_client"));
    }
    let asked = device::ask(&app.store, Timestamp::now()).await?;
    let code = device::shown_code(&asked.user_code);
    let page = login.public.at("/device");
    let answer = json!({
        "device_code": asked.device_code.text(),
        "user_code": code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={code}"),
        "expires_in": device::CODE_LIFETIME.as_secs(),
        "interval": device::INTERVAL_SECONDS,
    });
    Ok(([NEVER], Json(answer)).into_response())
}

/// What a machine says when it wants a token.
#[derive(Deserialize)]
struct Wanted {
    grant_type: Option<String>,
    client_id: Option<String>,
    device_code: Option<String>,
    refresh_token: Option<String>,
}

async fn token(State(app): State<Shared>, Form(wanted): Form<Wanted>) -> Result<Response, Problem> {
    let login = configured(&app)?;
    if wanted.client_id.as_deref() != Some(AUDIENCE) {
        return Ok(refuse("invalid_client"));
    }
    let now = Timestamp::now();
    let issuer = &login.token_issuer;
    match (wanted.grant_type.as_deref(), wanted.device_code, wanted.refresh_token) {
        (Some(DEVICE_GRANT), Some(code), _) => {
            Ok(match device::poll(&app.store, issuer, &code, now).await? {
                Ok(tokens) => answer(&tokens),
                Err(refusal) => refuse(refusal.code()),
            })
        }
        (Some("refresh_token"), _, Some(renewal)) => {
            let Some((person, renewal)) = device::renew(&app.store, &renewal, now).await? else {
                return Ok(refuse(Refusal::InvalidGrant.code()));
            };
            let person = match admitted(&app, person).await {
                Err(Error::GuestFirst) => return Ok(refuse(Refusal::InvalidGrant.code())),
                known => known?,
            };
            Ok(answer(&Tokens { token: issue(&app.store, issuer, &person, now).await?, renewal }))
        }
        (Some(DEVICE_GRANT | "refresh_token"), ..) => Ok(refuse("invalid_request")),
        _ => Ok(refuse("unsupported_grant_type")),
    }
}

fn answer(tokens: &Tokens) -> Response {
    let body: Value = json!({
        // The same under both names: programs for OpenID look for the second.
        "access_token": tokens.token,
        "id_token": tokens.token,
        "token_type": "Bearer",
        "expires_in": LIFETIME.as_secs(),
        "refresh_token": tokens.renewal.text(),
    });
    ([NEVER], Json(body)).into_response()
}

fn refuse(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, [NEVER], Json(json!({ "error": error }))).into_response()
}

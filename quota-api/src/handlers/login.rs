//! `/login`, `/callback`, `/me` and `/logout`.

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use crate::app::{App, Shared};
use crate::auth::Login;
use crate::error::Error;
use crate::frame::{Frame, Person};
use crate::pages;

/// For people of the pool.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/login", get(begin))
        .route("/callback", get(finish))
        .route("/me", get(me))
        .route("/logout", post(end))
}

/// Nothing of a login may stay in a cache.
const NEVER: (axum::http::HeaderName, &str) = (CACHE_CONTROL, "no-store");

fn configured(app: &App) -> Result<&Login, Error> {
    app.login.as_ref().ok_or(Error::LoginNotConfigured)
}

/// Sends the browser to the provider.
pub async fn begin(State(app): State<Shared>) -> Result<impl IntoResponse, Error> {
    let (url, cookie) = configured(&app)?.begin(Timestamp::now()).await?;
    Ok(([NEVER], AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(url.as_str())))
}

/// What the provider sends back with the browser.
#[derive(Deserialize)]
pub struct Answer {
    /// One-time code.
    pub code: Option<String>,
    /// What we sent along.
    pub state: Option<String>,
    /// The provider's name, if it says it (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
}

/// Ends a login that began here.
pub async fn finish(
    State(app): State<Shared>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<impl IntoResponse, Error> {
    let result = configured(&app)?.finish(&headers, answer, Timestamp::now()).await;
    let outcome = match &result {
        Ok(_) => "succeeded",
        Err(Error::ProviderUnavailable) => "provider_unavailable",
        Err(Error::ProviderSaidNo) => "provider_said_no",
        Err(_) => "refused",
    };
    app.metrics.logins.with_label_values(&[outcome]).inc();
    let cookies = result?;
    Ok(([NEVER], AppendHeaders(cookies.map(|cookie| (SET_COOKIE, cookie))), Redirect::to("/me")))
}

/// Who am I.
pub async fn me(
    State(app): State<Shared>,
    frame: Frame,
    Person(principal): Person,
) -> Result<impl IntoResponse, Error> {
    configured(&app)?;
    Ok(([NEVER], Html(pages::me(&principal, frame)?)))
}

/// Ends the session here; the provider's own session is the provider's.
pub async fn end(State(app): State<Shared>, headers: HeaderMap) -> Result<impl IntoResponse, Error> {
    let cookie = configured(&app)?.end(&headers);
    Ok(([NEVER], AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to("/")))
}

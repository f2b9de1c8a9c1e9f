//! `/login`, `/callback/{provider}`, `/logout`, and `/backchannel-logout` for providers.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;

use crate::app::{App, Shared};
use crate::auth::providers_file::Kind;
use crate::auth::{Login, Provider, own_path};
use crate::error::{Error, Problem};
use crate::frame::Frame;
use crate::pages::render;

/// For people of the pool.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/login", get(begin))
        .route("/callback/{provider}", get(finish))
        .route("/logout", post(end))
        .route("/logged-out", get(ended))
        .route("/backchannel-logout", post(provider_ends))
}

/// Nothing of a login may stay in a cache.
pub(crate) const NEVER: (axum::http::HeaderName, &str) = (CACHE_CONTROL, "no-store");

pub(crate) fn configured(app: &App) -> Result<&Login, Error> {
    app.login.as_ref().ok_or(Error::LoginNotConfigured)
}

/// What a link to the login may say.
#[derive(Deserialize)]
pub struct Wish {
    /// Short name of the provider.
    provider: Option<String>,
    /// Page of ours to come back to.
    #[serde(rename = "return")]
    return_to: Option<String>,
}

/// One line of the choice.
struct Choice<'a> {
    name: &'a str,
    title: &'a str,
    is_guest: bool,
}

impl<'a> Choice<'a> {
    fn of(provider: &'a Provider) -> Self {
        Self { name: &provider.name, title: &provider.title, is_guest: provider.kind == Kind::Guest }
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct Choices<'a> {
    choices: Vec<Choice<'a>>,
    return_to: &'a str,
    frame: Frame,
}

/// Sends the browser to the provider, or lets the person choose one.
pub async fn begin(
    State(app): State<Shared>,
    frame: Frame,
    Query(wish): Query<Wish>,
) -> Result<Response, Error> {
    let login = configured(&app)?;
    let return_to = wish.return_to.as_deref().and_then(own_path).unwrap_or("/me");
    let provider = match (wish.provider, login.providers()) {
        (Some(name), _) => login.provider(&name).ok_or(Error::NotFound)?,
        (None, [only]) => only,
        (None, several) => {
            let choices = several.iter().map(Choice::of).collect();
            return Ok(([NEVER], Html(render(&Choices { choices, return_to, frame })?)).into_response());
        }
    };
    let (url, cookie) = login.begin(&app.store, provider, return_to, Timestamp::now()).await?;
    Ok(([NEVER], AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(url.as_str())).into_response())
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
    Path(provider): Path<String>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<impl IntoResponse, Error> {
    let result = configured(&app)?.finish(&app.store, &headers, &provider, answer, Timestamp::now()).await;
    let outcome = match &result {
        Ok(_) => "succeeded",
        Err(Error::ProviderUnavailable) => "provider_unavailable",
        Err(Error::ProviderSaidNo) => "provider_said_no",
        Err(_) => "refused",
    };
    app.metrics.logins.with_label_values(&[outcome]).inc();
    let welcome = result?;
    let cookies = AppendHeaders(welcome.cookies.map(|cookie| (SET_COOKIE, cookie)));
    Ok(([NEVER], cookies, Redirect::to(&welcome.return_to)))
}

/// Ends the session here. The provider's own session is the provider's: the next page leads there.
pub async fn end(State(app): State<Shared>, headers: HeaderMap) -> Result<impl IntoResponse, Error> {
    let login = configured(&app)?;
    let now = Timestamp::now();
    let provider = login.principal(&app.store, &headers, now).await?.map(|person| person.provider);
    let cookie = login.end(&app.store, &headers).await?;
    let next = match provider {
        Some(provider) => format!("/logged-out?provider={provider}"),
        None => "/logged-out".to_owned(),
    };
    Ok(([NEVER], AppendHeaders([(SET_COOKIE, cookie)]), Redirect::to(&next)))
}

#[derive(Template)]
#[template(path = "logged-out.html")]
struct LoggedOut<'a> {
    there: Option<(&'a str, String)>,
    frame: Frame,
}

/// Where somebody left.
#[derive(Deserialize)]
pub struct Left {
    provider: Option<String>,
}

/// Says that the session has ended, and where the provider's can be ended.
pub async fn ended(
    State(app): State<Shared>,
    frame: Frame,
    Query(left): Query<Left>,
) -> Result<impl IntoResponse, Error> {
    let login = configured(&app)?;
    let provider = left.provider.and_then(|name| login.provider(&name));
    let there = match provider {
        Some(provider) => provider.logout_url().await.map(|url| (provider.title.as_str(), url.to_string())),
        None => None,
    };
    Ok(([NEVER], Html(render(&LoggedOut { there, frame })?)))
}

/// What a provider posts.
#[derive(Deserialize)]
pub struct Told {
    logout_token: String,
}

/// A provider ends sessions (OpenID Connect Back-Channel Logout 1.0).
pub async fn provider_ends(
    State(app): State<Shared>,
    Form(told): Form<Told>,
) -> Result<impl IntoResponse, Problem> {
    configured(&app)?.obey_logout(&app.store, &told.logout_token, Timestamp::now()).await?;
    Ok([NEVER])
}

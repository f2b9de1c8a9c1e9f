//! One error type for every request, shown as a page to people and as a problem document to programs.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// Why a request was not answered as asked. The text is for the person who asked; causes that only an engineer can
/// mend are logged where they happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stores are not filled yet.
    #[error("The data is not there yet; still waiting for {0}. Try again in a few seconds.")]
    NotReady(String),
    /// No OpenID provider is configured.
    #[error("Login is not configured on this server: it was started without --issuer.")]
    LoginNotConfigured,
    /// No session, or it has ended.
    #[error("You are not logged in, or your session has ended. Log in at /login.")]
    NotLoggedIn,
    /// The browser came back with something that does not belong to a login that it began here.
    #[error("This login was refused: {0}. Start again at /login.")]
    LoginRefused(&'static str),
    /// The provider said no.
    #[error(
        "The identity provider did not log you in. Start again at /login, or ask the provider's help desk."
    )]
    ProviderSaidNo,
    /// The provider cannot be reached or answers nonsense.
    #[error("The identity provider cannot be reached at the moment. Try again in a minute.")]
    ProviderUnavailable,
    /// A request from a page of another site.
    #[error("This request came from another site and was refused. Use the form on this server's own page.")]
    OtherSite,
    /// A parameter of the address that cannot be used; the text says what it must be.
    #[error("{0}")]
    BadParameter(&'static str),
    /// One client asks too much.
    #[error("You ask faster than this server answers a single client. Wait a moment and try again.")]
    TooManyRequests,
    /// All clients together ask too much.
    #[error("This server is busy. Try again in a second.")]
    Busy,
    /// Nothing of ours has so long an address.
    #[error("The address is too long; at most 4096 characters are read.")]
    AddressTooLong,
    /// No treaty rules the pool.
    #[error("No treaty is in force, so there is no text of it.")]
    NoTreaty,
    /// No such page.
    #[error("There is no such page. The front page is /.")]
    NotFound,
    /// The cluster said no: a policy, a quota, or the shape of an object.
    #[error("The cluster refused this: {0}")]
    ClusterRefused(String),
    /// A request whose body is longer than anything that is needed here.
    #[error("This is too long. What is long belongs into the container image, not into the request.")]
    TooLarge,
    /// A document of another kind.
    #[error("Send a JSON document, with Content-Type: application/json.")]
    NotJson,
    /// Fields with faults: JSON pointer and sentence.
    #[error("Some fields are not as they should be.")]
    Invalid(Vec<(&'static str, String)>),
    /// A key that is unknown, has ended, or was revoked.
    #[error("This key is not known here, has ended, or was revoked. Make another at /me/keys.")]
    KeyUnknown,
    /// A key that may not do this.
    #[error("This key may not do this: {0}.")]
    KeyTooNarrow(&'static str),
    /// More at once than one person may have.
    #[error("Too many {0} at once. Close some, or wait a little.")]
    TooManyAtOnce(&'static str),
    /// What was sent makes no sense for this address.
    #[error("{0}")]
    BadRequest(String),
    /// The cluster's rights or rules do not let this person do that.
    #[error("The pool's rules do not allow this: {0}")]
    NotAllowed(String),
    /// Somebody else was faster, or it was done already.
    #[error("Meanwhile something has changed: {0}. Look at the page again and repeat what you wanted.")]
    Changed(String),
    /// The cluster cannot be reached.
    #[error(
        "The pool's control plane cannot be reached at the moment. Nothing that you typed is lost; try again in a minute."
    )]
    ClusterUnavailable,
    /// The database cannot be reached.
    #[error("This server's database cannot be reached at the moment. Try again in a minute.")]
    StoreUnavailable,
    /// A defect.
    #[error("Something went wrong here; it has been logged.")]
    Internal,
}

impl Error {
    /// Status code.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::ClusterRefused(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::KeyUnknown => StatusCode::UNAUTHORIZED,
            Self::KeyTooNarrow(_) => StatusCode::FORBIDDEN,
            Self::TooManyAtOnce(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotReady(_) | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::LoginNotConfigured | Self::NotFound | Self::NoTreaty => StatusCode::NOT_FOUND,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::AddressTooLong => StatusCode::URI_TOO_LONG,
            Self::NotLoggedIn => StatusCode::UNAUTHORIZED,
            Self::LoginRefused(_) | Self::BadRequest(_) | Self::BadParameter(_) => StatusCode::BAD_REQUEST,
            Self::ProviderSaidNo | Self::OtherSite | Self::NotAllowed(_) => StatusCode::FORBIDDEN,
            Self::Changed(_) => StatusCode::CONFLICT,
            Self::ClusterUnavailable | Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::ProviderUnavailable => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<crate::store::StoreError> for Error {
    fn from(error: crate::store::StoreError) -> Self {
        tracing::error!(error = chain(&error), "the database did not do what it should");
        Self::StoreUnavailable
    }
}

/// What the API server's answer means for the person in whose name it was asked. Its sentences are those of admission
/// policies and of RBAC, which are written for people.
impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 404 => Self::NotFound,
            kube::Error::Api(status) if status.code == 409 => Self::Changed(status.message.clone()),
            kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422) => {
                Self::NotAllowed(status.message.clone())
            }
            error => {
                tracing::warn!(error = chain(&error), "the API server did not answer as it should");
                Self::ClusterUnavailable
            }
        }
    }
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// What an answer says of an error, before it is known who asked: see [`crate::error_page`].
#[derive(Debug, Clone)]
pub struct Told(pub String);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        let mut response =
            (self.status(), [(header::CACHE_CONTROL, "no-store")], detail.clone()).into_response();
        response.extensions_mut().insert(Told(detail));
        response
    }
}

/// The same error for a program: RFC 9457.
pub struct Problem(pub Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let faults = match &self.0 {
            Error::Invalid(faults) => faults.as_slice(),
            _ => &[],
        };
        problem_with(self.0.status(), &self.0.to_string(), faults)
    }
}

/// Why a request was not answered as asked: RFC 9457.
#[derive(Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Always `about:blank`: the status says the kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: Option<&'static str>,
    /// The status.
    pub status: u16,
    /// What is wrong and what to do, in English.
    pub detail: String,
    /// What is wrong in single fields; absent when that is not the case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

/// What is wrong in one field.
#[derive(Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer to the field in the document that was sent.
    pub pointer: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
}

/// What any route of the API may answer instead.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "for the OpenAPI document")]
pub enum Refusals {
    /// A parameter cannot be used.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(ProblemDocument),
    /// Too many requests of one client; `Retry-After` says how many seconds to wait.
    #[response(status = 429, content_type = "application/problem+json")]
    TooManyRequests(ProblemDocument),
    /// The data is not there yet, or the server is busy; try again in a few seconds.
    #[response(status = 503, content_type = "application/problem+json")]
    NotReady(ProblemDocument),
}

/// A problem document as an answer.
#[must_use]
pub fn problem(status: StatusCode, detail: &str) -> Response {
    problem_with(status, detail, &[])
}

/// The same with what is wrong in single fields.
fn problem_with(status: StatusCode, detail: &str, faults: &[(&'static str, String)]) -> Response {
    let fault = |(pointer, detail): &(&'static str, String)| FieldProblem { pointer, detail: detail.clone() };
    let document = ProblemDocument {
        kind: "about:blank",
        title: status.canonical_reason(),
        status: status.as_u16(),
        detail: detail.to_owned(),
        errors: faults.iter().map(fault).collect(),
    };
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, serde_json::to_string(&document).unwrap_or_default()).into_response()
}

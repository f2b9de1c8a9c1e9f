//! What is asked of a rule, and what it may answer.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request as Incoming;
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

/// A request as a rule sees it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub target: String,
}

/// What becomes of a request.
pub enum Act {
    /// It is passed on.
    Pass,
    /// It is passed on after this time.
    Delay(Duration),
    /// It is passed on and carried out; the answer comes after this time.
    Late(Duration),
    /// It is not passed on; this is the answer.
    Answer(Response),
    /// It is not passed on, and the connection is cut amid the answer.
    Cut,
    /// It is passed on and carried out. The function is called, and then the connection is cut amid the answer.
    Lose(Box<dyn FnOnce() + Send>),
}

impl Request {
    pub(crate) fn of(incoming: &Incoming) -> Self {
        Self { method: incoming.method().clone(), target: incoming.uri().to_string() }
    }

    /// It would change something.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.method != Method::GET && !self.target.contains("dryRun=")
    }

    /// It makes an object of this plural, or lists or watches them.
    #[must_use]
    pub fn is_of_all(&self, plural: &str) -> bool {
        self.target.split('?').next().is_some_and(|path| path.ends_with(&format!("/{plural}")))
    }

    /// It opens a watch.
    #[must_use]
    pub fn is_watch(&self) -> bool {
        self.target.contains("watch=true") || self.target.contains("watch=1")
    }
}

/// An answer of the API server's own kind. With `retry_after_seconds` it has the header `Retry-After`.
#[must_use]
pub fn refusal(code: StatusCode, reason: &str, retry_after_seconds: Option<u32>) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("injected by a test: {reason}"), "reason": reason, "code": code.as_u16(),
    });
    let mut answer = Response::new(Body::from(status.to_string()));
    *answer.status_mut() = code;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after_seconds {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

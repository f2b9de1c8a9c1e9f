//! Acts in Kubernetes as the person who asks: every write goes with impersonation headers, so that the API server's RBAC
//! and policies decide, not this program.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Request};
use kube::Client;
use kube::client::Body;

use crate::auth::Principal;
use crate::error::Error;

const USER: HeaderName = HeaderName::from_static("impersonate-user");
const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
/// Group of everybody whom the API server knows; impersonation does not add it by itself.
const AUTHENTICATED: &str = "system:authenticated";

/// Longest wait for one answer. The client would try again for minutes by itself, and somebody waits for the page.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The answer, or an error that says that none came in time.
///
/// # Errors
/// As the call, or when it took too long.
pub async fn in_time<T>(call: impl Future<Output = kube::Result<T>>) -> kube::Result<T> {
    let answered = tokio::time::timeout(CALL_TIMEOUT, call).await;
    answered.unwrap_or_else(|late| Err(kube::Error::Service(Box::new(late))))
}

/// Makes clients that act as somebody.
#[derive(Clone)]
pub struct Acting {
    own: Client,
}

impl Acting {
    /// From this server's own connection.
    #[must_use]
    pub fn new(own: Client) -> Self {
        Self { own }
    }

    /// A client that is that person; it shares this server's connections.
    ///
    /// # Errors
    /// When the person's name cannot stand in a header; a defect, since names are checked at login.
    pub fn as_person(&self, person: &Principal) -> Result<Client, Error> {
        let header = |text: &str| {
            HeaderValue::from_str(text).map_err(|error| {
                tracing::error!(%error, "a name that cannot be impersonated");
                Error::Internal
            })
        };
        let user = header(&person.user_name())?;
        let mut groups =
            person.group_names().iter().map(|name| header(name)).collect::<Result<Vec<_>, _>>()?;
        groups.push(HeaderValue::from_static(AUTHENTICATED));
        let own = self.own.clone();
        let service = tower::service_fn(move |mut request: Request<Body>| {
            let headers = request.headers_mut();
            // Whatever came before, nobody else is named.
            headers.insert(USER, user.clone());
            headers.remove(GROUP);
            for group in &groups {
                headers.append(GROUP, group.clone());
            }
            let own = own.clone();
            async move { own.send(request).await }
        });
        Ok(Client::new(service, self.own.default_namespace().to_owned()))
    }
}

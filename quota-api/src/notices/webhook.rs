//! Calls to a program of the coalition, such as a chat or a ticket system: what happened to which application, signed, and
//! without anything personal.

use concord_api::application::Application;
use kube::ResourceExt;
use openidconnect::reqwest;
use openidconnect::url::Url;
use ring::hmac;
use serde_json::json;

use super::events::Event;
use crate::auth::secret::hex;

/// Where to call. No `Debug`: it holds the secret.
pub struct Webhook {
    url: Url,
    key: hmac::Key,
    http: reqwest::Client,
}

impl Webhook {
    /// Calls this address; `secret` signs each body, so that the receiver knows who calls.
    ///
    /// # Errors
    /// With a sentence that names the option to mend.
    pub fn new(url: &str, secret: &[u8]) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| format!("--webhook {url} is no URL: {error}"))?;
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && local) {
            return Err(format!("--webhook {url} must begin with https:// (http:// is for localhost only)"));
        }
        if secret.len() < 16 {
            return Err("the secret of --webhook-secret-file is shorter than 16 bytes".to_owned());
        }
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(super::ANSWER_TIMEOUT)
            .build()
            .map_err(|error| format!("no HTTP client for the webhook: {error}"))?;
        Ok(Self { url, key: hmac::Key::new(hmac::HMAC_SHA256, secret), http })
    }

    /// Calls once.
    pub(super) async fn send(&self, application: &Application, event: Event) -> Result<(), String> {
        let status = application.status.as_ref();
        let body = json!({
            "event": event.name(),
            "application": application.name_any(),
            "title": application.spec.title,
            "organisation": application.spec.organisation,
            "party": application.spec.request.party,
            "tier": status.and_then(|status| status.tier.clone()),
            "promisedBy": status.and_then(|status| status.promised_by.clone()),
            "outcome": application.answer().map(|decision| decision.outcome),
        })
        .to_string();
        let signature = hex(hmac::sign(&self.key, body.as_bytes()).as_ref());
        let request = self
            .http
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("x-concord-signature-256", format!("sha256={signature}"))
            .body(body);
        let answer = request.send().await.map_err(|error| crate::error::chain(&error.without_url()))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("answered {}", answer.status())) }
    }
}

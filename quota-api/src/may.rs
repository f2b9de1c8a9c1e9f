//! Whether a person may do something in the cluster. The API server answers, asked as that person; this program has no list of
//! rights of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;

use crate::app::App;
use crate::auth::Principal;

/// An answer is believed this long. Only what a page offers depends on it: what is written is judged anew by the API server.
const ANSWER_LIFETIME: Duration = Duration::from_secs(30);
/// Answers kept; when full, all old ones go.
const ANSWERS_MAX: usize = 10_000;
/// A page must not hang when the API server does.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

type Question = (String, Vec<String>, String, String);

/// Answers of the last seconds.
#[derive(Debug, Clone, Default)]
pub struct Answers(Arc<Mutex<HashMap<Question, (Instant, bool)>>>);

impl Answers {
    fn get(&self, question: &Question) -> Option<bool> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(question).filter(|(at, _)| at.elapsed() < ANSWER_LIFETIME).map(|(_, allowed)| *allowed)
    }

    fn put(&self, question: Question, allowed: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ANSWERS_MAX {
            known.retain(|_, (at, _)| at.elapsed() < ANSWER_LIFETIME);
        }
        if known.len() < ANSWERS_MAX {
            known.insert(question, (Instant::now(), allowed));
        }
    }
}

/// Whether the person may do `verb` on `resource` of `concord.dev`, such as `applications/status`, in all namespaces. Without
/// an answer: no.
pub async fn may(app: &App, principal: &Principal, verb: &str, resource: &str) -> bool {
    let question = (principal.user_name(), principal.group_names(), verb.to_owned(), resource.to_owned());
    if let Some(allowed) = app.acting.answers().get(&question) {
        return allowed;
    }
    match tokio::time::timeout(ANSWER_TIMEOUT, ask(app, principal, verb, resource)).await {
        Ok(Ok(allowed)) => {
            app.acting.answers().put(question, allowed);
            allowed
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, verb, resource, "the API server does not say whether somebody may do this");
            false
        }
        Err(_) => {
            tracing::warn!(verb, resource, "the API server does not answer whether somebody may do this");
            false
        }
    }
}

async fn ask(app: &App, principal: &Principal, verb: &str, resource: &str) -> Result<bool, String> {
    let client = app.acting.as_person(principal).map_err(|error| error.to_string())?;
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some("concord.dev".to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client);
    let answer = api.create(&PostParams::default(), &review).await.map_err(|error| error.to_string())?;
    Ok(answer.status.is_some_and(|status| status.allowed && status.denied != Some(true)))
}

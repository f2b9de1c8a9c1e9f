//! Whether the API server would let a person do something: asked as that person, so that RBAC alone decides which pages
//! and buttons they see. The answer is remembered for a short time; what it allows is asked for again when it is done.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use crate::acting::Acting;
use crate::auth::Principal;

/// A right taken away is seen after this time on pages; the API server refuses at once.
const ANSWER_LIFETIME: Duration = Duration::from_secs(30);
/// Longest wait for an answer; without one, the person may not.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Answers kept; at about 200 bytes each, 2 MB. Beyond it all are forgotten.
const ANSWERS_MAX: usize = 10_000;

/// Something that somebody may do, in `concord.dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Review applications and decide on them.
    Review,
}

impl Deed {
    const fn verb_and_resource(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Review => ("patch", "applications", Some("status")),
        }
    }
}

/// What was answered.
#[derive(Default)]
pub struct Rights {
    answers: Mutex<HashMap<(String, Deed), (Instant, bool)>>,
}

impl Rights {
    /// Whether the person may. No answer is a no.
    pub async fn may(&self, acting: &Acting, person: &Principal, deed: Deed) -> bool {
        // Groups are part of who asks: a new login may bring others.
        // A line break is in no name, so that no two people look alike.
        let key = (format!("{}\n{}", person.user_name(), person.groups.join("\n")), deed);
        if let Some((at, answer)) = self.lock().get(&key)
            && at.elapsed() < ANSWER_LIFETIME
        {
            return *answer;
        }
        let Some(answer) = ask(acting, person, deed).await else { return false };
        let mut answers = self.lock();
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(key, (Instant::now(), answer));
        answer
    }

    // No method panics while it holds the lock.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, Deed), (Instant, bool)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(acting: &Acting, person: &Principal, deed: Deed) -> Option<bool> {
    let (verb, resource, subresource) = deed.verb_and_resource();
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(concord_api::names::GROUP.to_owned()),
                verb: Some(verb.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: subresource.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(acting.as_person(person).ok()?);
    let params = PostParams::default();
    match tokio::time::timeout(ANSWER_TIMEOUT, api.create(&params, &review)).await {
        Ok(Ok(answered)) => Some(answered.status.is_some_and(|status| status.allowed)),
        Ok(Err(error)) => {
            tracing::warn!(%error, ?deed, "the API server does not say what a person may do");
            None
        }
        Err(_) => {
            tracing::warn!(?deed, "the API server does not say in time what a person may do");
            None
        }
    }
}

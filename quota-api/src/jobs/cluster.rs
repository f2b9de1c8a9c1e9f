//! What is asked of the API server about jobs, always as the person: RBAC and admission policies decide, not this program.

use std::collections::BTreeSet;

use concord_api::GpuClaim;
use concord_api::names::{ANNOTATION_CLAIM, ANNOTATION_SUBMISSION};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::view::Seen;
use crate::acting::{Acting, in_time};
use crate::auth::Principal;
use crate::error::Error;

/// Pods of a job that are shown, and Events that are read.
const PODS_MOST: u32 = 100;
const EVENTS_MOST: u32 = 200;
/// Claims of a project that are looked through for those of a service's pods.
const CLAIMS_MOST: u32 = 500;
/// Field manager of what the portal makes.
const MANAGER: &str = "concord-quota-api";
/// Label that the Job controller gives its pods.
const LABEL_JOB: &str = "batch.kubernetes.io/job-name";

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is none, or the person may not know of it.
    #[error("there is no such object")]
    NotFound,
    /// One of that name exists already.
    #[error("an object of this name exists already")]
    Exists,
    /// The API server, a policy or a quota refuses it; the sentence is the API server's.
    #[error("{0}")]
    Refused(String),
    /// No answer in time, or a failure of the server; the cause is logged.
    #[error("the cluster does not answer")]
    Unreachable,
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotFound => Self::NotFound,
            CallError::Exists => Self::ClusterRefused("an object of this name exists already".to_owned()),
            CallError::Refused(sentence) => Self::ClusterRefused(sentence),
            CallError::Unreachable => Self::ClusterUnavailable,
        }
    }
}

/// One project's namespace, as one person.
pub struct AsPerson {
    client: Client,
    project: String,
}

/// The work behind a job's page.
#[derive(Debug, Clone)]
pub enum Work {
    /// A Job.
    Job(Box<Job>),
    /// A Deployment.
    Service(Box<Deployment>),
}

impl Work {
    /// Which object it is; another one of the same name has another.
    #[must_use]
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::Job(job) => job.metadata.uid.as_deref(),
            Self::Service(deployment) => deployment.metadata.uid.as_deref(),
        }
    }
}

impl AsPerson {
    /// For that person; the caller has seen that the project is the person's.
    ///
    /// # Errors
    /// When the person's name cannot be sent; a defect.
    pub fn new(acting: &Acting, person: &Principal, project: &str) -> Result<Self, Error> {
        Ok(Self { client: acting.as_person(person)?, project: project.to_owned() })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        <K as Resource>::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.project)
    }

    /// Makes the objects, the first of which owns the others; or with `dry_run` asks whether that would be allowed. Made
    /// twice with one token, they are there once.
    ///
    /// # Errors
    /// When one of them is refused, or was not answered; then the same call can be made again.
    pub async fn make(&self, objects: &[Value], token: &str, dry_run: bool) -> Result<(), CallError> {
        let mut owner = None;
        for object in objects {
            owner = match object["kind"].as_str() {
                Some("Job") => self.create::<Job>(object, owner, token, dry_run).await?,
                Some("Deployment") => self.create::<Deployment>(object, owner, token, dry_run).await?,
                _ => self.create::<Service>(object, owner, token, dry_run).await?,
            };
        }
        Ok(())
    }

    /// Creates one; who owns the next.
    async fn create<K>(
        &self,
        object: &Value,
        owner: Option<OwnerReference>,
        token: &str,
        dry_run: bool,
    ) -> Result<Option<OwnerReference>, CallError>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>
            + Serialize
            + DeserializeOwned
            + Clone
            + std::fmt::Debug,
        <K as Resource>::DynamicType: Default,
    {
        let mut wanted: K = serde_json::from_value(object.clone()).map_err(|error| {
            tracing::error!(%error, "a manifest that is no object");
            CallError::Unreachable
        })?;
        // A trial makes no owner that exists.
        if let Some(owner) = owner.clone().filter(|_| !dry_run) {
            wanted.owner_references_mut().push(owner);
        }
        let how = PostParams { dry_run, field_manager: Some(MANAGER.to_owned()) };
        let api = self.api::<K>();
        let made = match call(api.create(&how, &wanted)).await {
            Err(CallError::Exists) => {
                let found = call(api.get(&wanted.name_any())).await?;
                let ours = found.annotations().get(ANNOTATION_SUBMISSION).is_some_and(|known| known == token);
                // Sent before, and the answer was lost.
                if ours && !dry_run { found } else { return Err(CallError::Exists) }
            }
            other => other?,
        };
        Ok(owner.or_else(|| made.owner_ref(&K::DynamicType::default())))
    }

    /// The Job of that name, else the Deployment.
    ///
    /// # Errors
    /// When there is neither, or no answer.
    pub async fn work(&self, name: &str) -> Result<Work, CallError> {
        if !is_name(name) {
            return Err(CallError::NotFound);
        }
        match call(self.api::<Job>().get(name)).await {
            Ok(job) => Ok(Work::Job(Box::new(job))),
            Err(CallError::NotFound) => {
                call(self.api::<Deployment>().get(name)).await.map(|found| Work::Service(Box::new(found)))
            }
            Err(error) => Err(error),
        }
    }

    /// The claim of that name.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn claim(&self, name: &str) -> Result<Option<GpuClaim>, CallError> {
        match call(self.api::<GpuClaim>().get(name)).await {
            Ok(claim) => Ok(Some(claim)),
            Err(CallError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The claims of the pods of a service.
    async fn claims_of(&self, pods: &[Pod]) -> Result<Vec<GpuClaim>, CallError> {
        let list = ListParams::default().limit(CLAIMS_MOST);
        let mut claims = call(self.api::<GpuClaim>().list(&list)).await?.items;
        let named: BTreeSet<&String> =
            pods.iter().filter_map(|pod| pod.annotations().get(ANNOTATION_CLAIM)).collect();
        let names: BTreeSet<String> = pods.iter().map(ResourceExt::name_any).collect();
        claims.retain(|claim| names.contains(&claim.spec.workload.name) || named.contains(&claim.name_any()));
        Ok(claims)
    }

    /// Everything that a page shows of the job of that name.
    ///
    /// # Errors
    /// When there is none, or no answer.
    pub async fn see(&self, name: &str) -> Result<Seen, CallError> {
        let work = self.work(name).await?;
        let (pods, events) = tokio::try_join!(self.pods(&work), self.events(name))?;
        let claims = match &work {
            Work::Job(_) => self.claim(name).await?.into_iter().collect(),
            Work::Service(_) => self.claims_of(&pods).await?,
        };
        Ok(Seen { work, claims, pods, events })
    }

    /// The first pods of some work.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn pods(&self, work: &Work) -> Result<Vec<Pod>, CallError> {
        let selector = match work {
            Work::Job(job) => format!("{LABEL_JOB}={}", job.name_any()),
            Work::Service(deployment) => {
                let labels = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.clone());
                let labels = labels.unwrap_or_default();
                // A selector without labels would show all pods.
                if labels.is_empty() {
                    return Ok(Vec::new());
                }
                labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
            }
        };
        let list = ListParams::default().labels(&selector).limit(PODS_MOST);
        Ok(call(self.api::<Pod>().list(&list)).await?.items)
    }

    /// What was told of the objects of that name.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn events(&self, name: &str) -> Result<Vec<Event>, CallError> {
        let list = ListParams::default().fields(&format!("involvedObject.name={name}")).limit(EVENTS_MOST);
        Ok(call(self.api::<Event>().list(&list)).await?.items)
    }

    /// The last lines that a pod wrote.
    ///
    /// # Errors
    /// When there are none: the sentence says why.
    pub async fn logs(&self, pod: &str, lines: i64, bytes: i64) -> Result<String, CallError> {
        if !is_name(pod) {
            return Err(CallError::NotFound);
        }
        let how = LogParams { tail_lines: Some(lines), limit_bytes: Some(bytes), ..LogParams::default() };
        match in_time(self.api::<Pod>().logs(pod, &how)).await {
            Ok(text) => Ok(text),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(CallError::NotFound),
            // A node that cannot be reached is an error of the server here, and no reason to say that the cluster is down.
            Err(kube::Error::Api(status)) if status.code != 404 => Err(CallError::Refused(status.message)),
            Err(error) => Err(told(error)),
        }
    }

    /// Whether that pod belongs to that work: nobody reads another job's logs by this one's address.
    ///
    /// # Errors
    /// When there is no such pod, or no answer.
    pub async fn has_pod(&self, work: &Work, pod: &str) -> Result<bool, CallError> {
        if !is_name(pod) {
            return Err(CallError::NotFound);
        }
        let found = call(self.api::<Pod>().get(pod)).await?;
        let labels = found.labels();
        Ok(match work {
            Work::Job(job) => labels.get(LABEL_JOB) == Some(&job.name_any()),
            Work::Service(deployment) => {
                let wanted = deployment.spec.as_ref().and_then(|spec| spec.selector.match_labels.as_ref());
                wanted.is_some_and(|wanted| {
                    !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
                })
            }
        })
    }

    /// Deletes some work with its pods; only the one that was seen, not another of its name.
    ///
    /// # Errors
    /// When it is gone already, or there was no answer.
    pub async fn delete(&self, work: &Work) -> Result<(), CallError> {
        let (name, uid) = match work {
            Work::Job(job) => (job.name_any(), job.uid()),
            Work::Service(deployment) => (deployment.name_any(), deployment.uid()),
        };
        let how = DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: None }),
            ..DeleteParams::background()
        };
        match work {
            Work::Job(_) => call(self.api::<Job>().delete(&name, &how)).await.map(drop),
            Work::Service(_) => call(self.api::<Deployment>().delete(&name, &how)).await.map(drop),
        }
    }
}

/// A name that an object can have; anything else must not become a part of an address.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    (1..=253).contains(&name.len())
        && name.chars().all(inside)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

async fn call<T>(work: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    in_time(work).await.map_err(told)
}

fn told(error: kube::Error) -> CallError {
    let kube::Error::Api(status) = error else {
        tracing::warn!(%error, "a call to the API server failed");
        return CallError::Unreachable;
    };
    match status.code {
        404 => CallError::NotFound,
        409 if status.reason == "AlreadyExists" => CallError::Exists,
        // What RBAC refuses is as unknown as what does not exist; what a policy or a quota refuses is told.
        403 if status.message.contains(" cannot ") && status.message.contains("User ") => CallError::NotFound,
        400..=499 if status.code != 401 && status.code != 429 => CallError::Refused(status.message),
        code => {
            tracing::warn!(code, message = status.message, "the API server failed");
            CallError::Unreachable
        }
    }
}

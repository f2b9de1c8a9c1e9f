//! Every write to the API server, with a timeout, a counter and a rule for unknown outcomes.

mod pods;

use std::time::Duration;

use concord_api::names::{ANNOTATION_AMENDED_AT, ANNOTATION_AMENDMENT, ANNOTATION_FENCE, OPERATOR};
use concord_api::{
    Amendment, AmendmentStatus, GpuClaim, GpuClaimStatus, Project, ProjectStatus, Treaty, TreatySpec,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::lease::{Fence, Leadership};
use crate::metrics::Metrics;
use crate::upkeep::api_version;
use crate::view::{ClaimView, Key};
use crate::words;

/// A write that takes longer is given up; what it did is then unknown.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a write did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server said no and changed nothing.
    #[error("{verb} {kind} {key} was refused")]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// Of what.
        kind: &'static str,
        /// Which.
        key: String,
        /// Its answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer, or one that leaves open whether anything changed, or somebody else was faster.
    #[error("{verb} {kind} {key}: the outcome is unknown ({detail})")]
    Unknown {
        /// What was tried.
        verb: &'static str,
        /// Of what.
        kind: &'static str,
        /// Which.
        key: String,
        /// What is known.
        detail: String,
    },
    /// Not even sent: the term in which it was decided is over, or the process is to end.
    #[error("{verb} {kind} {key} was not sent: this operator does not act any more")]
    NotLeading {
        /// What was to be done.
        verb: &'static str,
        /// To what.
        kind: &'static str,
        /// Which.
        key: String,
    },
}

/// Writes as the operator, in one term of office.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    metrics: Metrics,
    leadership: Leadership,
    fence: Option<Fence>,
}

impl Writer {
    /// A writer with its own counters, that does not write before [`Self::begin_term`].
    pub const fn new(client: Client, metrics: Metrics, leadership: Leadership) -> Self {
        Self { client, metrics, leadership, fence: None }
    }

    /// What is decided from now on is decided in this term, or in none.
    pub const fn begin_term(&mut self, fence: Option<Fence>) {
        self.fence = fence;
    }

    /// These annotations, and the term in which the write is decided.
    fn fenced(&self, mut annotations: Value) -> Value {
        annotations[ANNOTATION_FENCE] = json!(self.fence.map(|fence| fence.to_string()));
        annotations
    }

    /// The client, for reads.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Makes a claim.
    pub async fn create_claim(&self, claim: &GpuClaim) -> Result<GpuClaim, WriteError> {
        let api: Api<GpuClaim> = Api::namespaced(self.client.clone(), &claim.namespace().unwrap_or_default());
        let params = posting();
        let mut claim = claim.clone();
        let fence = self.fence.map(|fence| (ANNOTATION_FENCE.to_owned(), fence.to_string()));
        claim.annotations_mut().extend(fence);
        self.timed("create", "gpuclaim", &Key::of(&claim).to_string(), api.create(&params, &claim)).await
    }

    /// Asks what the API server would say to this claim, in whatever term.
    pub async fn would_create_claim(&self, claim: &GpuClaim) -> Result<(), WriteError> {
        let api: Api<GpuClaim> = Api::namespaced(self.client.clone(), &claim.namespace().unwrap_or_default());
        let params = PostParams { dry_run: true, ..posting() };
        let key = Key::of(claim).to_string();
        self.counted("try", "gpuclaim", &key, api.create(&params, claim)).await.map(drop)
    }

    /// Replaces a claim's status, if nobody has changed the claim since it was last seen.
    pub async fn set_claim_status(
        &self,
        key: &Key,
        seen: &ClaimView,
        status: GpuClaimStatus,
    ) -> Result<GpuClaim, WriteError> {
        let api: Api<GpuClaim> = Api::namespaced(self.client.clone(), &key.namespace);
        let mut claim = GpuClaim::new(&key.name, seen.spec.clone());
        claim.metadata.namespace = Some(key.namespace.clone());
        claim.metadata.resource_version = Some(seen.resource_version.to_string());
        claim.metadata.uid = Some(seen.uid.clone());
        claim.status = Some(GpuClaimStatus { fence: self.fence.map(|fence| fence.0), ..status });
        let params = posting();
        self.timed("status", "gpuclaim", &key.to_string(), api.replace_status(&key.name, &params, &claim))
            .await
    }

    /// Lets a finished claim go.
    pub async fn remove_finalizer(&self, key: &Key, seen: &ClaimView) -> Result<GpuClaim, WriteError> {
        let api: Api<GpuClaim> = Api::namespaced(self.client.clone(), &key.namespace);
        let version = seen.resource_version.to_string();
        let patch = json!({"metadata": {"finalizers": null, "resourceVersion": version, "uid": seen.uid,
            "annotations": self.fenced(json!({}))}});
        let params = patching();
        self.timed(
            "release",
            "gpuclaim",
            &key.to_string(),
            api.patch(&key.name, &params, &Patch::Merge(patch)),
        )
        .await
    }

    /// Deletes a claim, if nobody has changed it since it was last seen; a finalizer keeps it until it is taken off.
    pub async fn delete_claim(&self, key: &Key, seen: &ClaimView) -> Result<Option<GpuClaim>, WriteError> {
        let api: Api<GpuClaim> = Api::namespaced(self.client.clone(), &key.namespace);
        let preconditions = Preconditions {
            uid: Some(seen.uid.clone()),
            resource_version: Some(seen.resource_version.to_string()),
        };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let answer =
            self.timed("delete", "gpuclaim", &key.to_string(), api.delete(&key.name, &params)).await?;
        Ok(answer.left())
    }

    /// Changes a Job's spec; the UID makes sure that it is the Job that was meant. A Job that is started or stopped is not
    /// under notice any more.
    pub async fn patch_job(&self, key: &Key, uid: &str, spec: Value) -> Result<Job, WriteError> {
        let api: Api<Job> = Api::namespaced(self.client.clone(), &key.namespace);
        let patch = json!({"metadata": {"uid": uid, "annotations": self.fenced(words::annotations(None))}, "spec": spec});
        let params = patching();
        self.timed("patch", "job", &key.to_string(), api.patch(&key.name, &params, &Patch::Merge(patch)))
            .await
    }

    /// Server-side apply of an object that the operator owns as a whole.
    pub async fn apply<K>(
        &self,
        api: &Api<K>,
        kind: &'static str,
        name: &str,
        body: Value,
    ) -> Result<K, WriteError>
    where
        K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let params = PatchParams::apply(OPERATOR).force();
        self.timed("apply", kind, name, api.patch(name, &params, &Patch::Apply(body))).await
    }

    /// Server-side apply of a status of our own kinds.
    pub async fn apply_status<K>(
        &self,
        api: &Api<K>,
        kind: &'static str,
        name: &str,
        status: Value,
    ) -> Result<K, WriteError>
    where
        K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let body =
            json!({"apiVersion": api_version(), "kind": kind, "metadata": {"name": name}, "status": status});
        let params = PatchParams::apply(OPERATOR).force();
        self.timed("status", kind, name, api.patch_status(name, &params, &Patch::Apply(body))).await
    }

    /// A project's status, if nobody has changed the project since it was last seen: its sum of use must not be written
    /// over by an earlier one.
    pub async fn apply_project_status(
        &self,
        seen: &Project,
        status: &ProjectStatus,
    ) -> Result<Project, WriteError> {
        let api: Api<Project> = Api::all(self.client.clone());
        let name = seen.name_any();
        let metadata = json!({"name": name, "resourceVersion": seen.metadata.resource_version});
        let body =
            json!({"apiVersion": api_version(), "kind": "Project", "metadata": metadata, "status": status});
        let params = PatchParams::apply(OPERATOR).force();
        self.timed("status", "Project", &name, api.patch_status(&name, &params, &Patch::Apply(body))).await
    }

    /// Replaces an amendment's status, if nobody has changed the amendment since it was last seen: when ballots were received
    /// must not be written over.
    pub async fn set_amendment_status(
        &self,
        seen: &Amendment,
        status: AmendmentStatus,
    ) -> Result<Amendment, WriteError> {
        let api: Api<Amendment> = Api::all(self.client.clone());
        let name = seen.name_any();
        let next = Amendment { status: Some(status), ..seen.clone() };
        self.timed("status", "amendment", &name, api.replace_status(&name, &posting(), &next)).await
    }

    /// Gives a treaty the text that an amendment made or brought back, if nobody has changed the treaty since it was last seen.
    pub async fn amend_treaty(
        &self,
        seen: &Treaty,
        spec: TreatySpec,
        amendment: &str,
        now: Timestamp,
    ) -> Result<Treaty, WriteError> {
        let api: Api<Treaty> = Api::all(self.client.clone());
        let name = seen.name_any();
        let mut next = Treaty { spec, ..seen.clone() };
        next.metadata.managed_fields = None;
        let fence = self.fence.map(|fence| (ANNOTATION_FENCE.to_owned(), fence.to_string()));
        next.annotations_mut().extend(fence);
        next.annotations_mut().insert(ANNOTATION_AMENDMENT.to_owned(), amendment.to_owned());
        next.annotations_mut().insert(ANNOTATION_AMENDED_AT.to_owned(), now.to_string());
        self.timed("amend", "treaty", &name, api.replace(&name, &posting(), &next)).await
    }

    /// Asks last whether this operator acts: between a decision and its last write seconds may pass.
    async fn timed<T>(
        &self,
        verb: &'static str,
        kind: &'static str,
        key: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, WriteError> {
        if !self.leadership.may_write(self.fence) {
            self.metrics.writes.with_label_values(&[verb, kind, "not sent"]).inc();
            return Err(WriteError::NotLeading { verb, kind, key: key.to_owned() });
        }
        self.counted(verb, kind, key, call).await
    }

    async fn counted<T>(
        &self,
        verb: &'static str,
        kind: &'static str,
        key: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, WriteError> {
        self.metrics.writes_in_flight.inc();
        let timer = self.metrics.write_seconds.with_label_values(&[kind]).start_timer();
        let answer = tokio::time::timeout(WRITE_TIMEOUT, call).await;
        timer.observe_duration();
        self.metrics.writes_in_flight.dec();
        let unknown = |detail: String| WriteError::Unknown { verb, kind, key: key.to_owned(), detail };
        let (outcome, result) = match answer {
            Ok(Ok(value)) => ("ok", Ok(value)),
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409 | 500..) => {
                ("conflict", Err(unknown(status.message.clone())))
            }
            Ok(Err(source @ kube::Error::Api(_))) => (
                "refused",
                Err(WriteError::Refused { verb, kind, key: key.to_owned(), source: Box::new(source) }),
            ),
            Ok(Err(other)) => ("failed", Err(unknown(other.to_string()))),
            Err(_) => ("timeout", Err(unknown(format!("no answer in {} s", WRITE_TIMEOUT.as_secs())))),
        };
        self.metrics.writes.with_label_values(&[verb, kind, outcome]).inc();
        result
    }
}

fn patching() -> PatchParams {
    PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() }
}

fn posting() -> PostParams {
    PostParams { field_manager: Some(OPERATOR.to_owned()), ..PostParams::default() }
}

/// An error with its causes, on one line. Of what the API server answers its sentence is enough: the rest says it again.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(kube::Error::Api(status)) = inner.downcast_ref() {
            return format!("{text}: {}", status.message);
        }
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

//! Claims as the runner makes them, and what it looks at of them.

use concord_api::{ClaimPhase, GpuClaim, claim::conditions};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};

use crate::{
    equivalent::COHORT_LABEL,
    generator::{Queue, Workload},
};

/// A claim to be made.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Namespace, which is its project too.
    pub queue: String,
    /// Member.
    pub member: String,
    /// Name.
    pub name: String,
    /// Cohort whose nodes it asks for.
    pub cohort: String,
    /// GPUs of its only pod.
    pub gpus: i64,
}

impl Ask {
    /// The claim of one workload.
    pub fn new(queue: &Queue, name: String, workload: &Workload) -> Self {
        Self::of_gpus(queue, name, workload.gpus)
    }

    /// A claim of one pod.
    pub fn of_gpus(queue: &Queue, name: String, gpus: i64) -> Self {
        let Queue { name: queue, member, cohort, .. } = queue.clone();
        Self { queue, member, name, cohort, gpus }
    }

    /// The object: work of another controller, which this runner is.
    pub fn object(&self, now: Timestamp) -> Value {
        let Self { queue, member, name, cohort, gpus } = self;
        json!({
            "apiVersion": "concord.dev/v1alpha1", "kind": "GpuClaim",
            "metadata": {"name": name, "namespace": queue},
            "spec": {
                "member": member, "project": queue, "pods": 1, "gpusPerPod": gpus, "gpus": gpus,
                "nodeSelector": {COHORT_LABEL: cohort},
                "workload": {"kind": "External", "name": name},
                "submittedAt": MicroTime(now),
            },
        })
    }

    /// Asks whether it could be made.
    ///
    /// # Errors
    /// When the API server would refuse, or does not answer.
    pub async fn try_to_create(&self, client: &Client) -> anyhow::Result<()> {
        self.post(client, &PostParams { dry_run: true, ..PostParams::default() }).await
    }

    /// Makes it.
    ///
    /// # Errors
    /// When the API server refuses or does not answer.
    pub async fn create(&self, client: &Client) -> anyhow::Result<()> {
        self.post(client, &PostParams::default()).await
    }

    async fn post(&self, client: &Client, params: &PostParams) -> anyhow::Result<()> {
        let claims: Api<GpuClaim> = Api::namespaced(client.clone(), &self.queue);
        let claim = serde_json::from_value(self.object(Timestamp::now()))?;
        claims.create(params, &claim).await?;
        Ok(())
    }
}

/// Reports that the work of a claim as it was seen has completed.
///
/// # Errors
/// When the API server refuses: with a conflict when the claim has changed since.
pub async fn finish(client: &Client, claim: &GpuClaim) -> kube::Result<GpuClaim> {
    let mut claim = claim.clone();
    let end = Condition {
        type_: conditions::FINISHED.to_owned(),
        status: "True".to_owned(),
        reason: conditions::SUCCEEDED.to_owned(),
        message: "by the load runner".to_owned(),
        last_transition_time: Time(Timestamp::now()),
        observed_generation: None,
    };
    let told = &mut claim.status.get_or_insert_default().conditions;
    told.retain(|condition| condition.type_ != conditions::FINISHED);
    told.push(end);
    let name = claim.metadata.name.clone().unwrap_or_default();
    let claims: Api<GpuClaim> =
        Api::namespaced(client.clone(), claim.metadata.namespace.as_deref().unwrap_or_default());
    // A replace costs the API server less than a patch.
    claims.replace_status(&name, &PostParams::default(), &claim).await
}

/// Whether the claim has GPUs that nobody wants back.
pub fn is_admitted(claim: &GpuClaim) -> bool {
    claim.status.as_ref().is_some_and(|status| status.state == ClaimPhase::Admitted)
}

/// When the present admission began; two admissions of a claim differ in it.
pub fn admitted_at(claim: &GpuClaim) -> Option<Timestamp> {
    Some(claim.status.as_ref()?.admitted_at.as_ref()?.0)
}

/// Whether the claim's work has ended and its use is booked.
pub fn is_booked(claim: &GpuClaim) -> bool {
    claim.status.as_ref().is_some_and(|status| status.state.is_finished())
}

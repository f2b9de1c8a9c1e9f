//! Events on Jobs, on pods, or on the claims of other work, so that `kubectl describe job` tells why it was stopped.

use concord_api::claim::WorkloadKind;
use concord_api::names::OPERATOR;
use concord_api::{ClaimPhase, GpuClaim};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource, ResourceExt as _};
use tokio::sync::mpsc;

/// Announcements that may wait to be written; a burst beyond it loses Events, never decisions.
const QUEUE_MAX: usize = 1_000;

/// Publishes Events behind the cycle's back: an Event is never worth a delay of a decision.
pub struct Announcer {
    queue: mpsc::Sender<(Event, ObjectReference)>,
}

impl Announcer {
    /// Starts the task that publishes.
    pub fn new(client: Client) -> Self {
        let (queue, mut waiting) = mpsc::channel::<(Event, ObjectReference)>(QUEUE_MAX);
        let recorder = Recorder::new(client, Reporter { controller: OPERATOR.into(), instance: None });
        tokio::spawn(async move {
            while let Some((event, regarding)) = waiting.recv().await {
                if let Err(error) = recorder.publish(&event, &regarding).await {
                    tracing::debug!(%error, "event not published");
                }
            }
        });
        Self { queue }
    }

    /// Tells a pod why it waits.
    pub fn tell_pod(&self, pod: ObjectReference, reason: &str, note: String) {
        let event = Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(note),
            action: "Gather".to_owned(),
            secondary: None,
        };
        self.queue(event, pod);
    }

    fn queue(&self, event: Event, regarding: ObjectReference) {
        if self.queue.try_send((event, regarding)).is_err() {
            tracing::debug!("event dropped: too many at once");
        }
    }

    /// Tells the Job of a claim, or these pods of it, what the claim's status says.
    pub fn tell(&self, claim: &GpuClaim, pods: Vec<ObjectReference>) {
        let Some(status) = &claim.status else { return };
        let act = match status.state {
            ClaimPhase::Reclaiming => "Notice",
            ClaimPhase::Stopping => "Reclaim",
            ClaimPhase::Queued | ClaimPhase::Admitted | ClaimPhase::Succeeded | ClaimPhase::Failed => "Admit",
        };
        let event = || Event {
            type_: if act == "Admit" { EventType::Normal } else { EventType::Warning },
            reason: status.reason.clone().unwrap_or_default(),
            note: status.message.clone(),
            action: act.to_owned(),
            secondary: Some(claim.object_ref(&())),
        };
        let regarding = match claim.spec.workload.kind {
            WorkloadKind::Job => vec![job_of(claim)],
            WorkloadKind::PodGroup => pods,
            WorkloadKind::External => vec![claim.object_ref(&())],
        };
        for object in regarding {
            self.queue(event(), object);
        }
    }
}

fn job_of(claim: &GpuClaim) -> ObjectReference {
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        name: Some(claim.spec.workload.name.clone()),
        namespace: claim.namespace(),
        uid: Some(claim.spec.workload.uid.clone()),
        ..ObjectReference::default()
    }
}

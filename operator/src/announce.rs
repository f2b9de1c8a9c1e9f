//! Events on claims and their Jobs, so that `kubectl describe` of either tells the story.

use std::sync::Arc;
use std::time::Duration;

use concord_api::GpuClaim;
use concord_api::claim::WorkloadKind;
use concord_api::names::OPERATOR;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::story::Told;

/// Events that may wait to be written; a burst beyond it loses Events, never decisions.
const QUEUE_MAX: usize = 1_000;
/// Pause after each: 50 a second at most, a quarter of what a small API server takes.
const PAUSE: Duration = Duration::from_millis(20);
/// An Event that takes longer is given up.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a note; the API server takes 1,024.
const NOTE_BYTES_MAX: usize = 1_000;
/// Most bytes of an object's name in an Event's name, which is that, the UID and the transition: 253 in all.
const NAME_BYTES_MAX: usize = 150;

/// Publishes Events behind the cycle's back, one at a time and bad news first: an Event is never worth a delay of a decision.
pub struct Announcer {
    warnings: mpsc::Sender<Event>,
    rest: mpsc::Sender<Event>,
    instance: Arc<str>,
    metrics: Metrics,
}

impl Announcer {
    /// Starts the task that publishes in the name of this operator.
    pub fn new(client: Client, instance: &str, metrics: Metrics) -> Self {
        let (warnings, warned) = mpsc::channel::<Event>(QUEUE_MAX);
        let (rest, told) = mpsc::channel::<Event>(QUEUE_MAX);
        tokio::spawn(publish_all(client, warned, told, metrics.clone()));
        Self { warnings, rest, instance: instance.into(), metrics }
    }

    /// Events that wait to be written.
    pub fn waiting(&self) -> usize {
        [&self.warnings, &self.rest].map(|queue| queue.max_capacity() - queue.capacity()).iter().sum()
    }

    /// Tells the claim and its Job.
    pub fn tell(&self, claim: &GpuClaim, told: &Told) {
        let of_claim = claim.object_ref(&());
        let pairs = match claim.spec.workload.kind {
            WorkloadKind::Job => {
                let of_job = job_of(claim);
                vec![(of_claim.clone(), Some(of_job.clone())), (of_job, Some(of_claim))]
            }
            WorkloadKind::PodGroup | WorkloadKind::External => vec![(of_claim, None)],
        };
        for (regarding, related) in pairs {
            let event = event(told, regarding, related, &self.instance);
            let queue = if told.is_warning { &self.warnings } else { &self.rest };
            if queue.try_send(event).is_err() {
                self.metrics.writes.with_label_values(&["create", "event", "dropped"]).inc();
            }
        }
    }
}

async fn publish_all(
    client: Client,
    mut warnings: mpsc::Receiver<Event>,
    mut rest: mpsc::Receiver<Event>,
    metrics: Metrics,
) {
    loop {
        let next = tokio::select! {
            biased;
            warning = warnings.recv() => warning,
            event = rest.recv() => event,
        };
        // Both end together, with the operator.
        let Some(event) = next else { return };
        let events: Api<Event> = Api::namespaced(client.clone(), &event.namespace().unwrap_or_default());
        let params = PostParams { field_manager: Some(OPERATOR.to_owned()), ..PostParams::default() };
        let outcome = match tokio::time::timeout(PUBLISH_TIMEOUT, events.create(&params, &event)).await {
            Ok(Ok(_)) => "ok",
            // Told already, by this operator or another one.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => "known",
            Ok(Err(error)) => {
                tracing::debug!(event = event.name_any(), %error, "event not published");
                "failed"
            }
            Err(_) => "timeout",
        };
        metrics.writes.with_label_values(&["create", "event", outcome]).inc();
        tokio::time::sleep(PAUSE).await;
    }
}

fn event(told: &Told, regarding: ObjectReference, related: Option<ObjectReference>, instance: &str) -> Event {
    let name = format!(
        "{}.{}.{}",
        cut(regarding.name.as_deref().unwrap_or_default(), NAME_BYTES_MAX).trim_end_matches(['.', '-']),
        regarding.uid.as_deref().unwrap_or_default(),
        told.transition
    );
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(told.action.to_owned()),
        event_time: Some(MicroTime(Timestamp::now())),
        note: Some(cut(&told.note, NOTE_BYTES_MAX).to_owned()),
        reason: Some(told.reason.clone()),
        regarding: Some(regarding),
        related,
        reporting_controller: Some(format!("{}/{OPERATOR}", concord_api::names::GROUP)),
        reporting_instance: Some(cut(instance, 128).to_owned()),
        type_: Some(if told.is_warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
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

/// The beginning of a text, in whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

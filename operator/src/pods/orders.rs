//! What a pod is told.

use concord_api::names::{ANNOTATION_CLAIM, ANNOTATION_DELETION_COST, LABEL_HOSTNAME};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::PodView;
use crate::view::Key;
use crate::write::{WriteError, Writer};

/// Writes in flight at once for one gang.
const WRITES_IN_FLIGHT_MAX: usize = 16;

/// What one pod is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodOrder {
    /// Leave our gate, for this node.
    Lift {
        /// Node.
        node: String,
        /// Name of its claim.
        claim: String,
        /// How late its controller takes it away when it needs fewer.
        deletion_cost: i32,
    },
    /// Belong to this claim.
    Assign {
        /// Its name.
        claim: String,
    },
    /// Be taken away earlier or later when its controller needs fewer.
    Price {
        /// Higher is later.
        deletion_cost: i32,
    },
    /// Leave, within its own grace period.
    Delete,
}

/// An order and the pod that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodTask {
    /// The pod.
    pub pod: Key,
    /// Its UID, so that no other one of the same name is told.
    pub uid: String,
    /// Gates of others.
    other_gates: Vec<String>,
    /// The order.
    pub order: PodOrder,
}

impl PodTask {
    /// An order for this pod.
    pub fn new(key: &Key, pod: &PodView, order: PodOrder) -> Self {
        Self { pod: key.clone(), uid: pod.uid.clone(), other_gates: pod.other_gates.clone(), order }
    }

    /// Annotations and spec to be merged; none for a deletion.
    fn patch(&self) -> Option<(Value, Value)> {
        match &self.order {
            PodOrder::Lift { node, claim, deletion_cost } => {
                let gates: Vec<Value> = self.other_gates.iter().map(|name| json!({"name": name})).collect();
                let cost = deletion_cost.to_string();
                Some((
                    json!({ANNOTATION_CLAIM: claim, ANNOTATION_DELETION_COST: cost}),
                    // Of a pod behind a gate Kubernetes lets the choice of nodes be narrowed, and nothing else.
                    json!({"schedulingGates": gates, "nodeSelector": {LABEL_HOSTNAME: node}}),
                ))
            }
            PodOrder::Assign { claim } => Some((json!({ANNOTATION_CLAIM: claim}), json!({}))),
            PodOrder::Price { deletion_cost } => {
                Some((json!({ANNOTATION_DELETION_COST: deletion_cost.to_string()}), json!({})))
            }
            PodOrder::Delete => None,
        }
    }
}

/// Tells the pods, side by side; returns them as they now are, and the first thing that went wrong.
pub async fn carry_out(writer: &Writer, tasks: Vec<PodTask>) -> (Vec<Pod>, Option<WriteError>) {
    let work = tasks.into_iter().map(|task| async move {
        match task.patch() {
            Some((annotations, spec)) => {
                writer.patch_pod(&task.pod, &task.uid, annotations, spec).await.map(Some)
            }
            None => writer.delete_pod(&task.pod, &task.uid).await,
        }
    });
    let answers: Vec<_> = futures::stream::iter(work).buffer_unordered(WRITES_IN_FLIGHT_MAX).collect().await;
    let (mut pods, mut failure) = (Vec::new(), None);
    for answer in answers {
        match answer {
            Ok(pod) => pods.extend(pod),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    (pods, failure)
}

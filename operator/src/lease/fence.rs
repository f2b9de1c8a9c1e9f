//! Whether operators of earlier terms are shut out. The API server's admission compares the number on each write with
//! the lease that it last saw; a new leader asks until the server has seen its lease, and only then looks at the pool.

use concord_api::names::{ANNOTATION_FENCE, OPERATOR_NAMESPACE, POLICY_FENCE};
use concord_api::{GpuClaim, GpuClaimSpec};
use kube::api::ObjectMeta;
use serde_json::json;

use super::Fence;
use crate::write::{WriteError, Writer};

/// True when a write of the term before would be refused, and one of this term would not. Nothing is written: the API
/// server is only asked what it would say.
pub async fn is_in_force(writer: &Writer, fence: Fence) -> bool {
    let before = Fence(fence.0.saturating_sub(1));
    let (Some(old), Some(new)) = (probe(before), probe(fence)) else { return false };
    match writer.would_create_claim(&old).await {
        Ok(()) => {
            tracing::warn!(
                policy = POLICY_FENCE,
                "writes of an earlier term are not refused yet; is the admission policy installed?"
            );
            return false;
        }
        Err(WriteError::Refused { source, .. }) if source.to_string().contains(POLICY_FENCE) => {}
        Err(error) => {
            tracing::warn!(error = crate::write::chain(&error), "the fence cannot be tried");
            return false;
        }
    }
    match writer.would_create_claim(&new).await {
        Ok(()) => true,
        Err(error) => {
            tracing::info!(%fence, error = crate::write::chain(&error), "the API server has not seen the lease yet");
            false
        }
    }
}

fn probe(fence: Fence) -> Option<GpuClaim> {
    let spec: GpuClaimSpec = serde_json::from_value(json!({
        "member": "probe", "project": "probe", "pods": 1, "gpusPerPod": 1, "gpus": 1,
        "job": {"name": "probe", "uid": "probe"}, "submittedAt": "1970-01-01T00:00:00Z",
    }))
    .ok()?;
    let metadata = ObjectMeta {
        name: Some("fence-probe".to_owned()),
        namespace: Some(OPERATOR_NAMESPACE.to_owned()),
        annotations: Some([(ANNOTATION_FENCE.to_owned(), fence.to_string())].into()),
        ..ObjectMeta::default()
    };
    Some(GpuClaim { metadata, spec, status: None })
}

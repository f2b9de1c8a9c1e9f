//! Whether operators of earlier terms are shut out. The API server's admission compares the number on each write with
//! the lease that it last saw; a new leader asks until the server has seen its lease, and only then looks at the pool.

use concord_api::claim::{WorkloadKind, WorkloadReference};
use concord_api::names::{ANNOTATION_FENCE, OPERATOR_NAMESPACE, POLICY_FENCE};
use concord_api::{GpuClaim, GpuClaimSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;

use super::Fence;
use crate::write::{WriteError, Writer};

/// Why a new leader does not act yet.
#[derive(Debug, thiserror::Error)]
pub enum Open {
    /// What earlier operators send is still taken.
    #[error(
        "writes of an earlier term are not refused: the admission policy concord-fence is not installed, or it was removed \
         for a while, after which an API server must be restarted to look at leases again (kubernetes#130887)"
    )]
    Earlier,
    /// Neither would this operator's own be.
    #[error(
        "writes of this term are refused; the API server has not seen the lease yet, or looks at another one"
    )]
    Own(#[source] WriteError),
    /// Nobody knows.
    #[error("the fence cannot be tried")]
    Unknown(#[source] WriteError),
}

/// Fails unless a write of the term before would be refused, and one of this term would not. Nothing is written: the
/// API server is only asked what it would say.
pub async fn is_closed(writer: &Writer, fence: Fence) -> Result<(), Open> {
    let before = Fence(fence.0.saturating_sub(1));
    match writer.would_create_claim(&probe(before)).await {
        Ok(()) => return Err(Open::Earlier),
        Err(WriteError::Refused { source, .. }) if source.to_string().contains(POLICY_FENCE) => {}
        Err(error) => return Err(Open::Unknown(error)),
    }
    writer.would_create_claim(&probe(fence)).await.map_err(Open::Own)
}

/// A claim like any other, of nobody.
fn probe(fence: Fence) -> GpuClaim {
    let nobody = "fence-probe".to_owned();
    let spec = GpuClaimSpec {
        member: nobody.clone(),
        project: nobody.clone(),
        pods: 1,
        gpus_per_pod: 1,
        gpus: 1,
        node_selector: Default::default(),
        run_limit_seconds: None,
        workload: WorkloadReference {
            kind: WorkloadKind::External,
            name: nobody.clone(),
            uid: String::new(),
        },
        submitted_at: MicroTime(Timestamp::UNIX_EPOCH),
    };
    let metadata = ObjectMeta {
        name: Some(nobody),
        namespace: Some(OPERATOR_NAMESPACE.to_owned()),
        annotations: Some([(ANNOTATION_FENCE.to_owned(), fence.to_string())].into()),
        ..ObjectMeta::default()
    };
    GpuClaim { metadata, spec, status: None }
}

//! What every project's namespace is given beside its people: nobody outside reaches its pods, and nobody inside can fill
//! the API server's store. GPUs are not limited here: those are the treaty's.

use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use serde_json::{Value, json};

use crate::write::{WriteError, Writer};

/// Objects that one project may have at once. A finished Job counts until it is deleted.
const OBJECTS_MAX: [(&str, u32); 7] = [
    ("count/jobs.batch", 5_000),
    ("count/deployments.apps", 1_000),
    ("count/statefulsets.apps", 1_000),
    ("count/pods", 10_000),
    ("count/configmaps", 1_000),
    // Nothing of a project listens for the world; the cluster's admin makes doors.
    ("services.loadbalancers", 0),
    ("services.nodeports", 0),
];

/// Makes them, or brings them back to what they should be. False while the API server has not yet counted what is there;
/// until then it refuses everything that is counted.
///
/// # Errors
/// When the API server did not answer or refused.
pub async fn set_up(writer: &Writer, namespace: &str) -> Result<bool, WriteError> {
    let policies: Api<NetworkPolicy> = Api::namespaced(writer.client().clone(), namespace);
    writer.apply(&policies, "networkpolicy", "concord-project", isolation()).await?;
    let quotas: Api<ResourceQuota> = Api::namespaced(writer.client().clone(), namespace);
    let quota = writer.apply(&quotas, "resourcequota", "concord-project", objects()).await?;
    Ok(quota.status.and_then(|status| status.used).is_some())
}

/// The project's pods talk to each other and to whom they like, and are spoken to by nobody else.
fn isolation() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "concord-project"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]},
    })
}

fn objects() -> Value {
    let hard: serde_json::Map<String, Value> =
        OBJECTS_MAX.iter().map(|(name, most)| ((*name).to_owned(), json!(most.to_string()))).collect();
    json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "concord-project"},
        "spec": {"hard": hard},
    })
}

//! What every project's namespace is given beside its people: nobody outside reaches its pods, and nobody inside can fill
//! the API server's store. GPUs are not limited here: those are the treaty's.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceQuota;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use serde_json::{Value, json};

use crate::write::{WriteError, Writer};

/// Objects that one project may have at once, by the object that counts them. Each counter is written at every creation
/// and deletion of what it counts, one after the other: pods come and go by the hundred, and a Job must not be refused
/// because its namespace's pods were being counted.
const OBJECTS_MAX: [(&str, &[(&str, u32)]); 2] = [
    (
        "concord-project",
        &[
            // A finished Job counts until it is deleted.
            ("count/jobs.batch", 5_000),
            ("count/deployments.apps", 1_000),
            ("count/statefulsets.apps", 1_000),
            ("count/configmaps", 1_000),
            ("count/services", 1_000),
            // Nothing of a project listens for the world; the cluster's admin makes doors.
            ("services.loadbalancers", 0),
            ("services.nodeports", 0),
        ],
    ),
    ("concord-project-pods", &[("count/pods", 10_000)]),
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
    let mut counted = true;
    for (name, most) in OBJECTS_MAX {
        let quota = writer.apply(&quotas, "resourcequota", name, objects(name, most)).await?;
        counted &= quota.status.and_then(|status| status.used).is_some();
    }
    Ok(counted)
}

/// The project's pods talk to each other and to whom they like, and are spoken to by nobody else.
fn isolation() -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "concord-project"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]},
    })
}

fn objects(name: &str, most: &[(&str, u32)]) -> Value {
    let hard: BTreeMap<&str, String> = most.iter().map(|(name, most)| (*name, most.to_string())).collect();
    json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": name},
        "spec": {"hard": hard},
    })
}

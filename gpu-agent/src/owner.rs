//! To whom a pod's GPUs are charged: the claim that the operator gave it. Pure.

use std::fmt;

use concord_api::names::ANNOTATION_CLAIM;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

/// Who is charged. Written `namespace/claim/uid of its Job`, the last two empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Owner {
    /// Namespace of the pod and its claim.
    pub namespace: String,
    /// Name of the claim; empty for a pod without one. All of those of a namespace are one owner.
    pub claim: String,
    /// UID of the Job, so that a Job of the same name made later is another owner. Empty for other work.
    pub workload_uid: String,
}

impl Owner {
    /// Pods of a namespace that have no claim.
    #[must_use]
    pub fn without_claim(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), claim: String::new(), workload_uid: String::new() }
    }

    /// Owner of a pod. A Job's claim has the Job's name; other pods carry their claim's name as an annotation.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let namespace = pod.namespace().unwrap_or_default();
        let job = pod
            .owner_references()
            .iter()
            .find(|o| o.controller == Some(true) && o.kind == "Job" && o.api_version == "batch/v1");
        if let Some(job) = job {
            return Self { namespace, claim: job.name.clone(), workload_uid: job.uid.clone() };
        }
        let claim = pod.annotations().get(ANNOTATION_CLAIM).cloned().unwrap_or_default();
        Self { namespace, claim, workload_uid: String::new() }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, claim, workload_uid } = self;
        write!(f, "{namespace}/{claim}/{workload_uid}")
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.to_string()
    }
}

impl TryFrom<String> for Owner {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let [namespace, claim, workload_uid] = parts[..] else {
            return Err(format!("{text:?} is not namespace/claim/uid"));
        };
        let owned = str::to_owned;
        Ok(Self { namespace: owned(namespace), claim: owned(claim), workload_uid: owned(workload_uid) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn owner(metadata: Value) -> String {
        let pod: Pod = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        Owner::of(&pod).to_string()
    }

    #[test]
    fn jobs_by_name_and_uid_others_by_annotation() {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": "u1", "controller": true});
        let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "train", "uid": "u2", "controller": true});
        let claim = json!({"concord.dev/claim": "pod.x.12345678"});
        assert_eq!(owner(json!({"namespace": "lab", "ownerReferences": [job]})), "lab/train/u1");
        // A Job's pod cannot name another claim.
        assert_eq!(
            owner(json!({"namespace": "lab", "ownerReferences": [job], "annotations": claim})),
            "lab/train/u1"
        );
        assert_eq!(
            owner(json!({"namespace": "lab", "ownerReferences": [set], "annotations": claim})),
            "lab/pod.x.12345678/"
        );
        assert_eq!(owner(json!({"namespace": "lab", "ownerReferences": [set]})), "lab//");
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        for text in ["lab/train/u1", "lab//", "lab/gang/"] {
            assert_eq!(Owner::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        assert!(Owner::try_from("lab".to_owned()).is_err());
    }
}

//! Writes to pods: gates lifted, pods stopped, and the notice, where the work that it concerns can read it, on the pods and
//! on their Job.

use concord_api::names::ANNOTATION_RECLAIM_DEADLINE;
use futures::StreamExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, Preconditions};
use serde_json::{Value, json};

use super::{WriteError, Writer, patching};
use crate::view::Key;
use crate::words::{NoticeWords, annotations};

/// Pods of one gang that are told at once.
const PODS_AT_ONCE: usize = 4;
/// A pod that ends while it is told is no failure; a second look shows it.
const ROUNDS_MAX: usize = 2;

impl Writer {
    /// Changes a pod's annotations and spec; the UID makes sure that it is the pod that was meant.
    pub async fn patch_pod(
        &self,
        key: &Key,
        uid: &str,
        annotations: Value,
        spec: Value,
    ) -> Result<Pod, WriteError> {
        let patch = json!({"metadata": {"uid": uid, "annotations": self.fenced(annotations)}, "spec": spec});
        let api = self.pods_in(key);
        self.timed("patch", "pod", &key.to_string(), api.patch(&key.name, &patching(), &Patch::Merge(patch)))
            .await
    }

    /// Deletes a pod, within its grace period; returns it while it is still there.
    pub async fn delete_pod(&self, key: &Key, uid: &str) -> Result<Option<Pod>, WriteError> {
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let api = self.pods_in(key);
        let answer = self.timed("delete", "pod", &key.to_string(), api.delete(&key.name, &params)).await?;
        Ok(answer.left())
    }

    /// True when no pod of the Job is left, finished ones aside.
    pub async fn pods_are_gone(&self, key: &Key, job_uid: &str) -> Result<bool, WriteError> {
        Ok(self.pods_of_job(key, job_uid).await?.iter().all(is_over))
    }

    /// Tells the pods of a Job, and then the Job, which so remembers that all were told: a crash in between is made good.
    pub async fn tell_pods(
        &self,
        key: &Key,
        job_uid: &str,
        notice: Option<&NoticeWords>,
    ) -> Result<Job, WriteError> {
        let mut failure = None;
        for _ in 0..ROUNDS_MAX {
            failure = self.tell_present_pods(key, job_uid, notice).await?;
            if failure.is_none() {
                break;
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        let api: Api<Job> = Api::namespaced(self.client.clone(), &key.namespace);
        let annotations = self.fenced(annotations(notice));
        let patch = json!({"metadata": {"uid": job_uid, "annotations": annotations}});
        self.timed("tell", "job", &key.to_string(), api.patch(&key.name, &patching(), &Patch::Merge(patch)))
            .await
    }

    /// One look at the pods and one write to each that does not know yet; the first failure of those.
    async fn tell_present_pods(
        &self,
        key: &Key,
        job_uid: &str,
        notice: Option<&NoticeWords>,
    ) -> Result<Option<WriteError>, WriteError> {
        let pods = self.pods_of_job(key, job_uid).await?;
        let wanted = notice.map(|n| n.deadline.as_str());
        let told =
            |pod: &Pod| pod.annotations().get(ANNOTATION_RECLAIM_DEADLINE).map(String::as_str) == wanted;
        let (api, annotations) = (self.pods_in(key), self.fenced(annotations(notice)));
        let writes = pods.iter().filter(|pod| !told(pod) && !is_over(pod)).map(|pod| {
            let name = pod.name_any();
            let patch = json!({"metadata": {"uid": pod.uid(), "annotations": annotations}});
            let (api, place) = (&api, format!("{}/{name}", key.namespace));
            async move {
                let patch = Patch::Merge(patch);
                self.timed("tell", "pod", &place, api.patch(&name, &patching(), &patch)).await.err()
            }
        });
        let failures: Vec<Option<WriteError>> =
            futures::stream::iter(writes.collect::<Vec<_>>()).buffer_unordered(PODS_AT_ONCE).collect().await;
        Ok(failures.into_iter().flatten().next())
    }

    async fn pods_of_job(&self, key: &Key, job_uid: &str) -> Result<Vec<Pod>, WriteError> {
        let params = ListParams::default().labels(&format!("batch.kubernetes.io/controller-uid={job_uid}"));
        let api = self.pods_in(key);
        Ok(self.timed("list", "pod", &key.to_string(), api.list(&params)).await?.items)
    }

    fn pods_in(&self, key: &Key) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }
}

fn is_over(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
}

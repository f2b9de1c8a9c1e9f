//! The notice, where the work that it concerns can read it: on the pods and on their Job.

use concord_api::names::{ANNOTATION_RECLAIM_DEADLINE, OPERATOR};
use futures::StreamExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{WriteError, Writer};
use crate::view::Key;
use crate::words::{self, NoticeWords};

/// Pods of one gang that are told at once.
const PODS_AT_ONCE: usize = 4;
/// A pod that ends while it is told is no failure; a second look shows it.
const ROUNDS_MAX: usize = 2;

impl Writer {
    /// The annotations of a write in this term.
    pub(super) fn annotations(&self, notice: Option<&NoticeWords>) -> Value {
        let mut annotations = words::annotations(notice);
        if let (Some(all), Value::Object(fence)) = (annotations.as_object_mut(), self.fence_annotation()) {
            all.extend(fence);
        }
        annotations
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
        let patch = json!({"metadata": {"uid": job_uid, "annotations": self.annotations(notice)}});
        self.timed(
            "tell",
            "job",
            &key.to_string(),
            api.patch(&key.name, &of_operator(), &Patch::Merge(patch)),
        )
        .await
    }

    /// One look at the pods and one write to each that does not know yet; the first failure of those.
    async fn tell_present_pods(
        &self,
        key: &Key,
        job_uid: &str,
        notice: Option<&NoticeWords>,
    ) -> Result<Option<WriteError>, WriteError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = ListParams::default().labels(&format!("batch.kubernetes.io/controller-uid={job_uid}"));
        let pods = self.timed("list", "pod", &key.to_string(), api.list(&params)).await?.items;
        let wanted = notice.map(|n| n.deadline.as_str());
        let told =
            |pod: &Pod| pod.annotations().get(ANNOTATION_RECLAIM_DEADLINE).map(String::as_str) == wanted;
        let over = |pod: &Pod| {
            matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
        };
        let annotations = self.annotations(notice);
        let writes = pods.iter().filter(|pod| !told(pod) && !over(pod)).map(|pod| {
            let name = pod.name_any();
            let patch = json!({"metadata": {"uid": pod.uid(), "annotations": annotations}});
            let (api, place) = (&api, format!("{}/{name}", key.namespace));
            async move {
                let patch = Patch::Merge(patch);
                let params = of_operator();
                self.timed("tell", "pod", &place, api.patch(&name, &params, &patch)).await.err()
            }
        });
        let failures: Vec<Option<WriteError>> =
            futures::stream::iter(writes.collect::<Vec<_>>()).buffer_unordered(PODS_AT_ONCE).collect().await;
        Ok(failures.into_iter().flatten().next())
    }
}

fn of_operator() -> PatchParams {
    PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() }
}

//! Reading again what a write without a clear answer left behind.

use concord_api::GpuClaim;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::{Operator, TICK, all};
use crate::view::Key;

impl Operator {
    /// Reads again what a write of unknown outcome may have changed.
    pub(super) async fn read_uncertain(&mut self) {
        let client = self.writer.client();
        let read = |key: Key| async move {
            let claims: Api<GpuClaim> = Api::namespaced(client.clone(), &key.namespace);
            let jobs: Api<Job> = Api::namespaced(client.clone(), &key.namespace);
            let both = async { tokio::try_join!(claims.get_opt(&key.name), jobs.get_opt(&key.name)) };
            let answer = tokio::time::timeout(TICK, both).await;
            (key, answer)
        };
        let answers = all(std::mem::take(&mut self.world.uncertain).into_iter().map(read)).await;
        for (key, answer) in answers {
            match answer {
                Ok(Ok((claim, job))) => {
                    self.world.replace(&key, claim.as_ref(), job.as_ref());
                    self.read_pods(&key).await;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%key, %error, "cannot read what became of a write; trying again");
                    self.world.uncertain.insert(key);
                }
                Err(_) => {
                    self.world.uncertain.insert(key);
                }
            }
        }
    }

    /// Reads the pods of a claim again.
    async fn read_pods(&mut self, claim: &Key) {
        let pods: Vec<Key> = self.world.pods.of_claim(claim).map(|(pod, _)| pod.clone()).collect();
        let api: Api<Pod> = Api::namespaced(self.writer.client().clone(), &claim.namespace);
        for pod in pods {
            match tokio::time::timeout(TICK, api.get_opt(&pod.name)).await {
                Ok(Ok(Some(read))) => self.world.absorb_pod(&read),
                Ok(Ok(None)) => self.world.forget_pod(&pod),
                Ok(Err(_)) | Err(_) => {
                    self.world.uncertain.insert(claim.clone());
                }
            }
        }
    }
}

//! What one key's writes are, in their order: the claim first, its Job or pods second.

use concord_api::claim::{Placement, WorkloadKind};
use concord_api::{GpuClaim, GpuClaimStatus};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};

use crate::placement;
use crate::pods;
use crate::transitions::{JobOrder, Transition};
use crate::upkeep::Chore;
use crate::view::{ClaimView, JobView, Key};
use crate::world::World;
use crate::write::{WriteError, Writer};

/// What a key's writes gave.
#[derive(Debug, Default)]
pub struct Written {
    /// The claim as it now is.
    pub claim: Option<GpuClaim>,
    /// The Job as it now is.
    pub job: Option<Job>,
    /// Its pods that were told something, as they now are.
    pub pods: Vec<Pod>,
    /// A pod to be told something, its reason and sentence.
    pub tell: Option<(ObjectReference, &'static str, String)>,
    /// What went wrong.
    pub failure: Option<WriteError>,
    /// Nothing failed, but it is too early.
    pub not_yet: bool,
}

/// Writes a claim's new status and then tells its Job.
pub async fn carry_out(writer: &Writer, world: &World, key: Key, transition: Transition) -> (Key, Written) {
    let Transition { status, job: order } = transition;
    let Some(claim) = world.claims.get(&key) else { return (key, Written::default()) };
    let placement = status.placement.clone();
    let mut written = Written::default();
    match set_status(writer, world, &key, claim, status).await {
        Ok(claim) => written.claim = Some(claim),
        Err(error) => {
            written.failure = Some(error);
            return (key, written);
        }
    }
    let outcome = match order {
        JobOrder::Nothing => return (key, written),
        JobOrder::Start => start_job(writer, world, &key, &placement).await,
        JobOrder::Suspend => suspend_job(writer, world, &key).await,
    };
    written.note_job(outcome);
    (key, written)
}

/// What is in the record already goes with the status that is written anyway.
async fn set_status(
    writer: &Writer,
    world: &World,
    key: &Key,
    seen: &ClaimView,
    status: GpuClaimStatus,
) -> Result<GpuClaim, WriteError> {
    writer.set_claim_status(key, seen, world.outbox.without_recorded(key, &seen.uid, status)).await
}

impl Written {
    fn note_job(&mut self, outcome: Result<Option<Job>, WriteError>) {
        match outcome {
            Ok(job) => self.job = job,
            Err(error) => self.failure = Some(error),
        }
    }
}

async fn start_job(
    writer: &Writer,
    world: &World,
    key: &Key,
    on: &[Placement],
) -> Result<Option<Job>, WriteError> {
    let Some(job) = job_of(world, key) else { return Ok(None) };
    writer.patch_job(key, &job.uid, placement::start(on, job.affinity.as_ref())).await.map(Some)
}

async fn suspend_job(writer: &Writer, world: &World, key: &Key) -> Result<Option<Job>, WriteError> {
    let Some(job) = job_of(world, key) else { return Ok(None) };
    writer.patch_job(key, &job.uid, placement::suspend()).await.map(Some)
}

/// The Job that the claim of this key is for; another one may have its name.
fn job_of<'w>(world: &'w World, key: &Key) -> Option<&'w JobView> {
    let workload = &world.claims.get(key)?.spec.workload;
    world.jobs.get(key).filter(|job| workload.kind == WorkloadKind::Job && workload.uid == job.uid)
}

/// Does one thing of upkeep.
pub async fn do_chore(writer: &Writer, world: &World, key: Key, chore: Chore) -> (Key, Written) {
    let mut written = Written::default();
    let claim = world.claims.get(&key);
    let outcome = match (chore, claim) {
        (Chore::CreateClaim(claim), _) => writer.create_claim(&claim).await.map(|c| written.claim = Some(c)),
        (Chore::SetStatus(status), Some(claim)) => {
            set_status(writer, world, &key, claim, *status).await.map(|c| written.claim = Some(c))
        }
        (Chore::SetStatusWhenPodsAreGone(status), Some(claim)) => {
            match writer.pods_are_gone(&key, &claim.spec.workload.uid).await {
                Ok(true) => {
                    set_status(writer, world, &key, claim, *status).await.map(|c| written.claim = Some(c))
                }
                Ok(false) => {
                    written.not_yet = true;
                    Ok(())
                }
                Err(error) => Err(error),
            }
        }
        (Chore::StartJob, Some(claim)) => {
            start_job(writer, world, &key, &claim.status.placement).await.map(|job| written.job = job)
        }
        (Chore::TellPods(notice), Some(claim)) => writer
            .tell_pods(&key, &claim.spec.workload.uid, notice.as_ref())
            .await
            .map(|job| written.job = Some(job)),
        (Chore::SuspendJob, _) => suspend_job(writer, world, &key).await.map(|job| written.job = job),
        (Chore::RemoveFinalizer, Some(claim)) => {
            writer.remove_finalizer(&key, claim).await.map(|c| written.claim = Some(c))
        }
        (Chore::DeleteClaim, Some(claim)) => {
            writer.delete_claim(&key, claim).await.map(|claim| written.claim = claim)
        }
        (Chore::Pods(tasks), _) => {
            let (pods, failure) = pods::carry_out(writer, tasks).await;
            written.pods = pods;
            failure.map_or(Ok(()), Err)
        }
        (Chore::TellPod(pod, reason, note), _) => {
            written.tell = Some((*pod, reason, note));
            Ok(())
        }
        (_, None) => Ok(()),
    };
    written.failure = outcome.err();
    (key, written)
}

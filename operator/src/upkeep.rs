//! What follows from a claim and its work without any decision: claims for new Jobs, the booking of what ended, and
//! the second half of writes that a crash cut off. A pure function of one key's objects, so that a restart simply
//! does what is left to do.

mod external;
mod pods;

use concord_api::claim::{RunEnd, WorkloadKind, WorkloadReference, conditions};
use concord_api::names::{GROUP, LABEL_MEMBER};
use concord_api::snapshot::millis;
use concord_api::{ClaimPhase, GpuClaim, GpuClaimSpec, GpuClaimStatus, Project};
use concord_treaty::snapshot::Saves;
use concord_treaty::units::DurationMillis;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::ObjectMeta;

use crate::pods::PodTask;
use crate::runs::{self, Ending};
use crate::view::{ClaimView, JobView, Key};
use crate::words::{NoticeWords, Words};
use crate::world::World;

/// Keeps a claim until its GPUs are free and its use is booked.
pub const FINALIZER: &str = "concord.dev/booking";

/// One thing to do for one key.
#[derive(Debug, Clone)]
pub enum Chore {
    /// A Job has no claim yet.
    CreateClaim(Box<GpuClaim>),
    /// The claim's story goes on.
    SetStatus(Box<GpuClaimStatus>),
    /// The Job must be started where its claim says.
    StartJob,
    /// The Job must be suspended.
    SuspendJob,
    /// The claim's story goes on as soon as a look at the API shows that no pod of its Job is left.
    SetStatusWhenPodsAreGone(Box<GpuClaimStatus>),
    /// Its pods are told something.
    Pods(Vec<PodTask>),
    /// A pod is told by an Event why it has no claim yet: reason and sentence.
    TellPod(Box<ObjectReference>, &'static str, String),
    /// Nobody needs the claim any more.
    DeleteClaim,
    /// The pods are told that they are to leave, or that they may stay after all.
    TellPods(Option<NoticeWords>),
    /// The claim is finished, booked and deleted: let it go.
    RemoveFinalizer,
}

/// The next chore of a key, if there is one; after it is done, ask again. No claim is let go before all its use is in the public
/// record; the key is touched again when it is.
pub fn next_chore(world: &World, key: &Key, now: Timestamp) -> Option<Chore> {
    let recorded = || world.claims.get(key).is_none_or(|claim| world.outbox.may_forget(key, claim));
    chore_of(world, key, now).filter(|chore| !matches!(chore, Chore::RemoveFinalizer) || recorded())
}

fn chore_of(world: &World, key: &Key, now: Timestamp) -> Option<Chore> {
    if let Some(status) = world.before_late_booking(key) {
        return Some(Chore::SetStatus(Box::new(status.clone())));
    }
    let claim = world.claims.get(key);
    match claim.map(|claim| claim.spec.workload.kind) {
        Some(WorkloadKind::External) => claim.and_then(|claim| external::follow(claim, now)),
        Some(WorkloadKind::PodGroup) => claim.and_then(|claim| pods::follow(world, key, claim, now)),
        None if world.jobs.get(key).is_none() => pods::found(world, key, now),
        Some(WorkloadKind::Job) | None => next_job_chore(world, key, claim, now),
    }
}

fn next_job_chore(world: &World, key: &Key, claim: Option<&ClaimView>, now: Timestamp) -> Option<Chore> {
    match (world.jobs.get(key), claim) {
        (None, None) => None,
        (Some(job), None) => {
            new_claim(world.project_of(&key.namespace)?, key, job, now).map(Chore::CreateClaim)
        }
        (None, Some(claim)) => after_job(claim, now),
        (Some(job), Some(claim)) if job.uid != claim.spec.workload.uid => after_job(claim, now),
        (Some(job), Some(claim)) => follow_job(job, claim, now),
    }
}

/// The Job of this claim does not exist any more; the claim soon will not either, by garbage collection.
fn after_job(claim: &ClaimView, now: Timestamp) -> Option<Chore> {
    if !claim.status.placement.is_empty() {
        return Some(Chore::SetStatusWhenPodsAreGone(Box::new(released(
            &claim.status,
            now,
            "JobDeleted",
            "the Job was deleted",
        ))));
    }
    claim.kept.then_some(Chore::RemoveFinalizer)
}

fn follow_job(job: &JobView, claim: &ClaimView, now: Timestamp) -> Option<Chore> {
    let status = &claim.status;
    if let Some(end) = job.end {
        if status.state.is_finished() {
            return let_go(claim);
        }
        let phase = if end.succeeded { ClaimPhase::Succeeded } else { ClaimPhase::Failed };
        return Some(Chore::SetStatus(Box::new(finished(status, phase, end_of_second(status, end.at, now)))));
    }
    match status.state {
        ClaimPhase::Queued if !job.suspend => Some(Chore::SuspendJob),
        ClaimPhase::Queued => let_go(claim),
        // Deleted while it runs: stopped like a reclaimed one; the Job then gets a new claim.
        ClaimPhase::Admitted | ClaimPhase::Reclaiming if claim.deleting => {
            Some(Chore::SetStatus(Box::new(GpuClaimStatus { state: ClaimPhase::Stopping, ..status.clone() })))
        }
        ClaimPhase::Admitted | ClaimPhase::Reclaiming => follow_running(job, status, now),
        ClaimPhase::Stopping if !job.suspend => Some(Chore::SuspendJob),
        ClaimPhase::Stopping => {
            let since = job.at_rest_since?;
            let next = Box::new(requeued(status, &job.words, now));
            // A suspension older than the admission may be the one before it, not yet replaced by the controller.
            let fresh = status
                .admitted_at
                .as_ref()
                .is_none_or(|admitted| since.as_second() >= admitted.0.as_second());
            Some(if fresh { Chore::SetStatus(next) } else { Chore::SetStatusWhenPodsAreGone(next) })
        }
        ClaimPhase::Succeeded | ClaimPhase::Failed => None,
    }
}

/// What Job and pods tell each other while they run.
fn follow_running(job: &JobView, status: &GpuClaimStatus, now: Timestamp) -> Option<Chore> {
    if job.suspend {
        return Some(Chore::StartJob);
    }
    let notice = NoticeWords::of(status);
    if notice.as_ref().map(|n| n.deadline.as_str()) != job.words.told_deadline.as_deref() {
        return Some(Chore::TellPods(notice));
    }
    job.words.news(status, now).map(|status| Chore::SetStatus(Box::new(status)))
}

fn let_go(claim: &ClaimView) -> Option<Chore> {
    (claim.deleting && claim.kept).then_some(Chore::RemoveFinalizer)
}

fn new_claim(project: &Project, key: &Key, job: &JobView, now: Timestamp) -> Option<Box<GpuClaim>> {
    if job.end.is_some() || job.deleting {
        return None;
    }
    let member = project.spec.member.clone();
    let gang = job.gang;
    let owner = OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        name: key.name.clone(),
        uid: job.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    };
    let spec = GpuClaimSpec {
        member,
        project: key.namespace.clone(),
        pods: i64::from(gang.pods),
        gpus_per_pod: i64::from(gang.gpus_per_pod),
        gpus: i64::from(gang.pods) * i64::from(gang.gpus_per_pod),
        node_selector: job.node_selector.clone(),
        run_limit_seconds: job.run_limit_seconds,
        workload: WorkloadReference { kind: WorkloadKind::Job, name: key.name.clone(), uid: job.uid.clone() },
        submitted_at: submitted(job.created_at, now),
    };
    Some(make_claim(key, vec![owner], spec))
}

/// A claim as the operator makes it: it goes with its owners, but not before it is booked.
fn make_claim(key: &Key, owners: Vec<OwnerReference>, spec: GpuClaimSpec) -> Box<GpuClaim> {
    let metadata = ObjectMeta {
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        labels: Some([(LABEL_MEMBER.to_owned(), spec.member.clone())].into()),
        owner_references: Some(owners),
        finalizers: Some(vec![FINALIZER.to_owned()]),
        ..ObjectMeta::default()
    };
    Box::new(GpuClaim { metadata, spec, status: None })
}

/// Objects are dated to the second. When one was seen at once, our own clock tells more: without it a claim of the same
/// second could come before others that were admitted already, and take the guarantee from them.
fn submitted(created_at: Timestamp, now: Timestamp) -> MicroTime {
    let end_of_second = created_at.checked_add(SignedDuration::from_micros(999_999)).unwrap_or(created_at);
    MicroTime(now.clamp(created_at, end_of_second))
}

/// Ends are known to the second only; when one was seen at once, our own clock is the better one. One before the
/// admission is of a clock that is behind ours: then ours tells the end, as it told the beginning.
fn end_of_second(status: &GpuClaimStatus, second: Timestamp, now: Timestamp) -> Timestamp {
    let end = second.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
    let precedes = status.admitted_at.as_ref().is_some_and(|since| end < since.0);
    if precedes { now } else { now.min(end) }
}

/// The claim's Job has ended; its GPUs are free.
fn finished(status: &GpuClaimStatus, phase: ClaimPhase, ended_at: Timestamp) -> GpuClaimStatus {
    let (reason, message) = match phase {
        ClaimPhase::Succeeded => ("JobSucceeded", "the Job completed"),
        _ => ("JobFailed", "the Job failed; see its own status for why"),
    };
    ended(status, phase, ended_at, reason, message)
}

/// The claim's work has ended, for a reason that its conditions state too.
fn ended(
    status: &GpuClaimStatus,
    phase: ClaimPhase,
    ended_at: Timestamp,
    reason: &str,
    message: &str,
) -> GpuClaimStatus {
    let mut next = booked_end(status, phase, ended_at, reason);
    explain(&mut next, reason, message);
    set_condition(&mut next, conditions::ADMITTED, false, ended_at);
    set_condition(&mut next, conditions::FINISHED, true, ended_at);
    next
}

/// The claim's work has ended; why is the caller's to say.
fn booked_end(
    status: &GpuClaimStatus,
    phase: ClaimPhase,
    ended_at: Timestamp,
    reason: &str,
) -> GpuClaimStatus {
    let ended_at = not_before_its_part(status, ended_at);
    let ending = Ending { end: RunEnd::Finished, reason, clause: None, lost_gpu_milliseconds: 0 };
    let mut next = booked(status, ended_at, ending);
    next.state = phase;
    next.put_back = false;
    next.reserved.clear();
    let since = status.admitted_at.as_ref().filter(|_| !status.placement.is_empty());
    let ran = since.map_or(0, |since| ended_at.as_millisecond() - since.0.as_millisecond());
    next.ran_milliseconds = Some(ran.max(0));
    next.finished_at = Some(MicroTime(ended_at));
    next
}

/// The claim's pods are gone after a reclaim; it stands in line again.
fn requeued(status: &GpuClaimStatus, words: &Words, now: Timestamp) -> GpuClaimStatus {
    let reason = status.reason.as_deref().unwrap_or("Unknown");
    let (clause, lost) = (status.clause.clone(), lost(status, words, now));
    let ending = Ending { end: RunEnd::Reclaimed, reason, clause, lost_gpu_milliseconds: lost };
    let mut next = booked(status, now, ending);
    next.lost_gpu_milliseconds += lost;
    next.state = ClaimPhase::Queued;
    next.reclaims += 1;
    set_condition(&mut next, conditions::ADMITTED, false, now);
    next
}

/// The work was deleted and its pods are gone.
fn released(status: &GpuClaimStatus, now: Timestamp, reason: &str, message: &str) -> GpuClaimStatus {
    ended(status, ClaimPhase::Failed, now, reason, message)
}

/// An end that is known to the second only may lie before a change of account that was decided meanwhile, and is in the record.
fn not_before_its_part(status: &GpuClaimStatus, ended_at: Timestamp) -> Timestamp {
    status.on_account_since.as_ref().map_or(ended_at, |since| ended_at.max(since.0))
}

/// Books the ended admission, once: the placement that it is booked from is cleared in the same write.
fn booked(status: &GpuClaimStatus, ended_at: Timestamp, ending: Ending<'_>) -> GpuClaimStatus {
    let ended_at = not_before_its_part(status, ended_at);
    let reclaimed = ending.end == RunEnd::Reclaimed;
    let gpus: i64 = status.placement.iter().map(|p| p.gpus).sum();
    let ran =
        status.admitted_at.as_ref().map_or(0, |since| ended_at.as_millisecond() - since.0.as_millisecond());
    let used = gpus.saturating_mul(ran.max(0));
    let mut next = status.clone();
    next.used_gpu_milliseconds += used;
    next.reclaimed_gpu_milliseconds += if reclaimed { used } else { 0 };
    runs::end(&mut next, ended_at, ending);
    next.placement.clear();
    next.basis = None;
    next.notice_deadline = None;
    next.notice_for = None;
    next.place = None;
    next.expected_start = None;
    next.saved_at = None;
    next
}

/// GPU-milliseconds of the run that ends now, since its last save.
fn lost(status: &GpuClaimStatus, words: &Words, now: Timestamp) -> i64 {
    let Some(since) = status.admitted_at.as_ref().map(|at| millis(at.0)) else { return 0 };
    let told = words.save_in(status, now).max(status.saved_at.as_ref().map(|at| at.0));
    let every = words.checkpoint_seconds.map(DurationMillis::from_seconds);
    let saved = Saves { every, told_at: told.map(millis) }.last(since, millis(now));
    let gpus: i64 = status.placement.iter().map(|p| p.gpus).sum();
    gpus.saturating_mul(millis(now).since(saved.unwrap_or(since)).0.max(0))
}

/// Sets reason and sentence; the clause is the caller's, if there is one.
pub fn explain(status: &mut GpuClaimStatus, reason: &str, message: &str) {
    status.reason = Some(reason.to_owned());
    status.message = Some(message.to_owned());
    status.clause = None;
}

/// Sets a condition from the status's own reason and sentence.
pub fn set_condition(status: &mut GpuClaimStatus, kind: &str, value: bool, now: Timestamp) {
    let reason = status.reason.clone().unwrap_or_else(|| "Unknown".to_owned());
    let message = status.message.clone().unwrap_or_default();
    concord_api::conditions::set(&mut status.conditions, kind, value, &reason, &message, &Time(now), None);
}

/// API version of our own kinds.
pub fn api_version() -> String {
    format!("{GROUP}/v1alpha1")
}

#[cfg(test)]
mod tests;

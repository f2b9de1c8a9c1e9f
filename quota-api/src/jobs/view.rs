//! A job as it stands, in one value: the page, the stream, the JSON and the citation show this. Pure.

use concord_api::claim::ExpectedStart;
use concord_api::{ClaimBasis, ClaimPhase, GpuClaim, GpuClaimStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::cluster::Work;
use super::manifest::gpus;
use super::preview::Reason;
use crate::energy::Charge;

/// Events that a timeline shows, the newest.
const TIMELINE_MOST: usize = 60;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum JobState {
    /// The operator has not looked at it yet.
    Held,
    /// In line.
    Queued,
    /// Has GPUs; its pods are being started.
    Starting,
    /// Runs.
    Running,
    /// Runs, and was told to leave by a deadline.
    Reclaiming,
    /// Was stopped; its pods are not all gone.
    Stopping,
    /// Completed.
    Succeeded,
    /// Failed.
    Failed,
    /// Is being deleted.
    Deleting,
}

impl JobState {
    /// The end of the keys of its texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Reclaiming => "reclaiming",
            Self::Stopping => "stopping",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }

    /// Class of the style sheet for it.
    #[must_use]
    pub const fn tone(self) -> &'static str {
        match self {
            Self::Running | Self::Starting => "busy",
            Self::Reclaiming => "warn",
            Self::Succeeded => "good",
            Self::Failed => "bad",
            Self::Held | Self::Queued | Self::Stopping | Self::Deleting => "",
        }
    }

    /// Nothing will change any more.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Of a claim alone.
    #[must_use]
    pub fn of_claim(status: &GpuClaimStatus) -> Self {
        match status.state {
            ClaimPhase::Queued => Self::Queued,
            ClaimPhase::Admitted => Self::Running,
            ClaimPhase::Reclaiming => Self::Reclaiming,
            ClaimPhase::Stopping => Self::Stopping,
            ClaimPhase::Succeeded => Self::Succeeded,
            ClaimPhase::Failed => Self::Failed,
        }
    }
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobView {
    /// Project.
    pub project: String,
    /// Name.
    pub name: String,
    /// A service runs until it is deleted; its replicas have claims of their own.
    pub is_service: bool,
    /// Where it stands.
    pub state: JobState,
    /// GPUs in all.
    pub gpus: i64,
    /// Pods at the same time.
    pub pods: i64,
    /// GPUs of each.
    pub gpus_per_pod: i64,
    /// When it was submitted.
    pub submitted_at: Option<Timestamp>,
    /// Where it stands in the treaty's line; of a job the one claim, of a service one for each replica.
    pub claims: Vec<ClaimView>,
    /// Its pods, at most 100.
    pub pods_now: Vec<PodView>,
    /// What happened, the newest last.
    pub timeline: Vec<Happening>,
    /// What it used.
    pub account: Account,
}

/// One claim of a job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobClaim)]
pub struct ClaimView {
    /// Name of the GpuClaim.
    pub name: String,
    /// Where it stands.
    pub state: JobState,
    /// Place in its member's line, from 1.
    pub place: Option<i64>,
    /// Not before.
    pub earliest: Option<Timestamp>,
    /// By this time; absent where nobody can say.
    pub latest: Option<Timestamp>,
    /// Why it stands there.
    pub reason: Option<Reason>,
    /// It runs on GPUs that others have idle, and gives way when they want them back.
    pub is_borrowed: bool,
    /// When it must have left.
    pub notice_deadline: Option<Timestamp>,
    /// GPUs by node.
    pub placement: Vec<Place>,
    /// Since when it has GPUs, or had them last.
    pub admitted_at: Option<Timestamp>,
    /// How often it was stopped and put back in line.
    pub reclaims: i64,
}

/// GPUs on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JobPlace)]
pub struct Place {
    /// Node.
    pub node: String,
    /// GPUs there.
    pub gpus: i64,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JobPod)]
pub struct PodView {
    /// Name.
    pub name: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// Node.
    pub node: Option<String>,
    /// Why it does not run, as Kubernetes says it.
    pub message: Option<String>,
}

/// One entry of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = JobEvent)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// CamelCase code.
    pub reason: String,
    /// For people, in English.
    pub note: String,
    /// It is bad news.
    pub is_warning: bool,
}

/// What a job used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobAccount)]
pub struct Account {
    /// Seconds from submission to the last admission.
    pub waited_seconds: Option<i64>,
    /// Length of the last run; so far, while it runs.
    pub ran_seconds: Option<i64>,
    /// GPU-seconds of all runs; so far, while it runs.
    pub used_gpu_seconds: u64,
    /// Part of these that ended in a reclaim.
    pub reclaimed_gpu_seconds: u64,
    /// Part of these that the reclaims destroyed: after the last save of the work.
    pub lost_gpu_seconds: u64,
    /// Part of the used GPU-seconds that no reclaim destroyed, in percent; `null` before anything was used.
    pub kept_percent: Option<f64>,
    /// Energy of its GPUs so far, as node agents charged it within the last minute; `null`: not measured.
    pub joules: Option<f64>,
    /// Part of these that is an estimate, because it shared GPUs.
    pub estimated_joules: Option<f64>,
    /// These GPUs are simulated and their joules made up.
    pub is_energy_simulated: bool,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What the API server said of a job.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The Job or Deployment.
    pub work: Work,
    /// Its claims.
    pub claims: Vec<GpuClaim>,
    /// Its pods.
    pub pods: Vec<Pod>,
    /// Events of it and its claims.
    pub events: Vec<Event>,
}

impl JobView {
    /// The job at that time.
    #[must_use]
    pub fn of(project: &str, seen: &Seen, now: Timestamp) -> Self {
        let Seen { work, claims, pods, events } = seen;
        let (metadata, template, count) = match work {
            Work::Job(job) => {
                let spec = job.spec.as_ref();
                let parallelism = spec.and_then(|spec| spec.parallelism).unwrap_or(1);
                let completions = spec.and_then(|spec| spec.completions).unwrap_or(parallelism);
                (&job.metadata, spec.map(|spec| &spec.template), i64::from(parallelism.min(completions)))
            }
            Work::Service(deployment) => {
                let spec = deployment.spec.as_ref();
                let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
                (&deployment.metadata, spec.map(|spec| &spec.template), i64::from(replicas))
            }
        };
        let containers = template.and_then(|template| template.spec.as_ref()).map(|spec| &spec.containers);
        let gpus_per_pod = containers.map_or(0, |containers| containers.iter().map(gpus).sum());
        let submitted_at = metadata.creation_timestamp.as_ref().map(|time| time.0);
        let state = state(seen);
        let mut timeline: Vec<Happening> = events.iter().filter_map(happening).collect();
        timeline.sort();
        timeline.dedup();
        timeline.drain(..timeline.len().saturating_sub(TIMELINE_MOST));
        Self {
            project: project.to_owned(),
            name: metadata.name.clone().unwrap_or_default(),
            is_service: matches!(work, Work::Service(_)),
            state,
            gpus: gpus_per_pod * count,
            pods: count,
            gpus_per_pod,
            submitted_at,
            claims: claims.iter().map(claim).collect(),
            pods_now: pods.iter().map(pod).collect(),
            timeline,
            account: account(claims, submitted_at, now),
        }
    }
}

impl Account {
    /// With what node agents charged.
    #[allow(clippy::cast_precision_loss, reason = "exact below 9 TJ")]
    pub fn add_energy(&mut self, charge: Option<Charge>, is_simulated: bool) {
        let Some(Charge { measured_millijoules, estimated_millijoules }) = charge else { return };
        self.joules = Some((measured_millijoules + estimated_millijoules) as f64 / 1_000.0);
        self.estimated_joules = Some(estimated_millijoules as f64 / 1_000.0);
        self.is_energy_simulated = is_simulated;
    }
}

impl JobView {
    /// What a claim alone says, while the cluster does not answer.
    #[must_use]
    pub fn of_claim_alone(of: &GpuClaim, now: Timestamp) -> Self {
        let claims = std::slice::from_ref(of);
        let submitted_at = Some(of.spec.submitted_at.0);
        Self {
            project: of.namespace().unwrap_or_default(),
            name: of.spec.workload.name.clone(),
            is_service: false,
            state: of.status.as_ref().map_or(JobState::Queued, JobState::of_claim),
            gpus: of.spec.gpus,
            pods: of.spec.pods,
            gpus_per_pod: of.spec.gpus_per_pod,
            submitted_at,
            claims: vec![claim(of)],
            pods_now: Vec::new(),
            timeline: Vec::new(),
            account: account(claims, submitted_at, now),
        }
    }
}

fn state(seen: &Seen) -> JobState {
    let Seen { work, claims, pods, .. } = seen;
    let deleting = match work {
        Work::Job(job) => job.metadata.deletion_timestamp.is_some(),
        Work::Service(deployment) => deployment.metadata.deletion_timestamp.is_some(),
    };
    if deleting {
        return JobState::Deleting;
    }
    if let Work::Job(job) = work
        && let Some(ended) = ended(job)
    {
        return ended;
    }
    let states: Vec<JobState> =
        claims.iter().filter_map(|claim| claim.status.as_ref()).map(JobState::of_claim).collect();
    // Of a service what matters most: a replica that must leave, then one that runs.
    let order = [JobState::Reclaiming, JobState::Running, JobState::Stopping, JobState::Queued];
    let found = order.into_iter().find(|state| states.contains(state));
    let runs = pods.iter().any(|pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running"));
    match found.or(states.first().copied()) {
        // A Job that asks for no GPUs has no claim and is held by nobody.
        None if runs => JobState::Running,
        None => JobState::Held,
        Some(JobState::Running) if !runs => JobState::Starting,
        Some(state) => state,
    }
}

fn ended(job: &k8s_openapi::api::batch::v1::Job) -> Option<JobState> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let holds = |kind: &str| conditions.iter().any(|c| c.type_ == kind && c.status == "True");
    if holds("Complete") {
        return Some(JobState::Succeeded);
    }
    holds("Failed").then_some(JobState::Failed)
}

fn claim(claim: &GpuClaim) -> ClaimView {
    let unseen = GpuClaimStatus::default();
    let status = claim.status.as_ref().unwrap_or(&unseen);
    let ExpectedStart { earliest, latest } = status.expected_start.clone().unwrap_or_default();
    let reason = status.reason.clone().map(|code| Reason {
        code,
        sentence: status.message.clone().unwrap_or_default(),
        clause: status.clause.clone().unwrap_or_default(),
    });
    ClaimView {
        name: claim.name_any(),
        state: JobState::of_claim(status),
        place: status.place,
        earliest: earliest.map(|time| time.0),
        latest: latest.map(|time| time.0),
        reason,
        is_borrowed: status.basis == Some(ClaimBasis::Borrowed) && !status.placement.is_empty(),
        notice_deadline: status.notice_deadline.as_ref().map(|time| time.0),
        placement: status.placement.iter().map(|p| Place { node: p.node.clone(), gpus: p.gpus }).collect(),
        admitted_at: status.admitted_at.as_ref().map(|time| time.0),
        reclaims: status.reclaims,
    }
}

fn pod(pod: &Pod) -> PodView {
    let status = pod.status.as_ref();
    let waiting = status.and_then(|status| status.container_statuses.as_ref()).and_then(|all| {
        let state = all.first()?.state.as_ref()?;
        let waiting = state.waiting.as_ref().and_then(|w| w.message.clone().or_else(|| w.reason.clone()));
        let failed = state.terminated.as_ref().filter(|t| t.exit_code != 0);
        waiting.or_else(|| failed.map(|t| format!("exit code {}", t.exit_code)))
    });
    PodView {
        name: pod.name_any(),
        phase: status.and_then(|status| status.phase.clone()).unwrap_or_else(|| "Unknown".to_owned()),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        message: waiting.or_else(|| status.and_then(|status| status.reason.clone())),
    }
}

fn happening(event: &Event) -> Option<Happening> {
    let at = event.event_time.as_ref().map(|time| time.0);
    let at = at.or_else(|| event.last_timestamp.as_ref().map(|time| time.0));
    let at = at.or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))?;
    Some(Happening {
        at,
        reason: event.reason.clone().unwrap_or_default(),
        note: event.message.clone().unwrap_or_default(),
        is_warning: event.type_.as_deref() == Some("Warning"),
    })
}

fn account(claims: &[GpuClaim], submitted_at: Option<Timestamp>, now: Timestamp) -> Account {
    let mut account = Account::default();
    let seconds = |milliseconds: i64| u64::try_from(milliseconds / 1_000).unwrap_or(0);
    let (mut used, mut lost) = (0_i64, 0_i64);
    for claim in claims {
        let Some(status) = &claim.status else { continue };
        let admitted_at = status.admitted_at.as_ref().map(|time| time.0);
        let has_gpus = !status.placement.is_empty();
        let running =
            admitted_at.filter(|_| has_gpus).map_or(0, |since| now.duration_since(since).as_millis());
        let running = i64::try_from(running).unwrap_or(0).max(0);
        used += status.used_gpu_milliseconds + running * claim.spec.gpus;
        lost += status.lost_gpu_milliseconds;
        account.reclaimed_gpu_seconds += seconds(status.reclaimed_gpu_milliseconds);
        let since = submitted_at.unwrap_or(claim.spec.submitted_at.0);
        account.waited_seconds =
            account.waited_seconds.max(admitted_at.map(|at| at.duration_since(since).as_secs().max(0)));
        let ran = status.ran_milliseconds.or_else(|| has_gpus.then_some(running)).map(|ms| ms / 1_000);
        account.ran_seconds = account.ran_seconds.max(ran);
        account.finished_at = account.finished_at.max(status.finished_at.as_ref().map(|time| time.0));
    }
    account.used_gpu_seconds = seconds(used);
    account.lost_gpu_seconds = seconds(lost);
    #[allow(clippy::cast_precision_loss, reason = "percent for people")]
    if used > 0 {
        account.kept_percent = Some(((used - lost) as f64 / used as f64 * 1_000.0).round() / 10.0);
    }
    account
}

//! What will happen to an ask, before it is submitted: charge, start, the reason and clause that would delay it, and what
//! would change that. Nothing is decided here: the ask is put into the operator's own snapshot as one more claim, and the
//! engine explains it. Pure.

use concord_api::claim::{WorkloadKind, WorkloadReference};
use concord_api::snapshot::{Meaning, SeenClaim, meaning_of};
use concord_api::{GpuClaimSpec, ProjectSpec};
use concord_treaty::explain::{Bound, By, Explanation, Range, State, WhatIf, explain};
use concord_treaty::snapshot::{Basis, Gang, Snapshot};
use concord_treaty::units::{ClaimId, DurationMillis, TimestampMillis};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::{Ask, JobKind};
use super::charge::{Estimate, estimate};
use super::picture::Picture;

/// Replicas of a service that are put into the snapshot; the answer is for the last of them.
const REPLICAS_MOST: u32 = 32;

/// What will happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobPreview)]
pub struct Preview {
    /// Name of the treaty in force.
    pub treaty: String,
    /// Generation of its text.
    pub treaty_generation: i64,
    /// GPUs in all.
    pub gpus: u32,
    /// The most that it can cost; `null` without a run limit, for then nobody can say.
    pub most: Option<Estimate>,
    /// GPU-seconds of every hour that it runs, and their price.
    pub per_hour: Estimate,
    /// GPU-hours that were granted to the project, where they are limited.
    pub balance: Option<Balance>,
    /// When it would start, and why not now.
    pub outlook: Outlook,
}

/// GPU-hours of a project with a grant on a reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobBalance)]
pub struct Balance {
    /// Granted.
    pub granted_gpu_seconds: u64,
    /// Left now.
    pub left_gpu_seconds: u64,
    /// Left after the job, if it costs the most that it can; `null` without a run limit.
    pub left_after_gpu_seconds: Option<u64>,
}

/// Where the ask would stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobVerdict)]
pub enum Verdict {
    /// It would start at once, inside the guarantee.
    StartsGuaranteed,
    /// It would start at once, on GPUs that others have idle, and give way when they want them back.
    StartsBorrowed,
    /// It would wait.
    Waits,
    /// It could never start.
    Refused,
}

/// When an ask would start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobOutlook)]
pub struct Outlook {
    /// Where it would stand.
    pub verdict: Verdict,
    /// Why it would stand there.
    pub reason: Option<Reason>,
    /// Place in its member's line, from 1.
    pub place: Option<u32>,
    /// Not before this time.
    pub earliest: Option<Timestamp>,
    /// By this time, if nothing new arrives; absent where nobody can say.
    pub latest: Option<Timestamp>,
    /// By when the treaty promises a start, for a claim that is due.
    pub promised: Option<Timestamp>,
    /// What would make it start earlier, the largest gain first.
    pub changes: Vec<Change>,
    /// What else the reader should know.
    pub notes: Vec<String>,
}

/// Why something stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JobReason)]
pub struct Reason {
    /// CamelCase code.
    pub code: String,
    /// A sentence, in English.
    pub sentence: String,
    /// Clause of the treaty, or `capacity`.
    pub clause: String,
}

/// What would make it start earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobChange)]
pub struct Change {
    /// CamelCase code.
    pub code: String,
    /// The change, in English.
    pub sentence: String,
    /// Only the members can make it, by changing the treaty.
    pub by_members: bool,
    /// It would start at once.
    pub starts_now: bool,
    /// Not before this time.
    pub earliest: Option<Timestamp>,
    /// By this time.
    pub latest: Option<Timestamp>,
}

impl Picture {
    /// What will happen to an ask of a project. `None` when the project's member is not in the treaty.
    #[must_use]
    pub fn preview(&self, ask: &Ask, project: &str, spec: &ProjectSpec) -> Option<Preview> {
        let (snapshot, asked) = self.with(ask, project, spec)?;
        let explanation = explain(&self.rules, &snapshot, &asked, self.now)?;
        let class = match (&ask.class, self.rules.classes()) {
            (Some(class), classes) => classes.iter().find(|known| known.name == class.name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let gang = Gang { pods: ask.pods, gpus_per_pod: ask.gpus_per_pod };
        let cost = |runs| estimate(gang, runs, class, &self.snapshot.nodes);
        let most = ask.run_limit_seconds.map(|seconds| cost(DurationMillis::from_seconds(seconds)));
        Some(Preview {
            treaty: self.treaty.name.clone(),
            treaty_generation: self.treaty.generation,
            gpus: gang.gpus(),
            most,
            per_hour: cost(DurationMillis::from_seconds(3_600)),
            balance: self.balance(project, spec, most),
            outlook: outlook(explanation),
        })
    }

    fn balance(&self, project: &str, spec: &ProjectSpec, most: Option<Estimate>) -> Option<Balance> {
        let used = u64::try_from(*self.used.get(project)? / 1_000).unwrap_or(0);
        let granted = u64::try_from(spec.grant.as_ref()?.gpu_hours).ok()?.saturating_mul(3_600);
        let left = granted.saturating_sub(used);
        Some(Balance {
            granted_gpu_seconds: granted,
            left_gpu_seconds: left,
            left_after_gpu_seconds: most.map(|most| left.saturating_sub(most.gpu_seconds)),
        })
    }

    /// The snapshot with the claims that the operator would make of the ask, and the last of them. A Job is one claim; each
    /// replica of a service is one.
    fn with(&self, ask: &Ask, project: &str, spec: &ProjectSpec) -> Option<(Snapshot, ClaimId)> {
        let is_service = ask.kind == JobKind::Inference;
        let count = if is_service { ask.pods.min(REPLICAS_MOST) } else { 1 };
        let pods = if is_service { 1 } else { ask.pods };
        let claim = GpuClaimSpec {
            member: spec.member.clone(),
            project: project.to_owned(),
            pods: i64::from(pods),
            gpus_per_pod: i64::from(ask.gpus_per_pod),
            gpus: i64::from(pods) * i64::from(ask.gpus_per_pod),
            node_selector: ask.class.as_ref().map(|class| class.node_labels.clone()).unwrap_or_default(),
            run_limit_seconds: ask.run_limit_seconds,
            workload: WorkloadReference {
                kind: if is_service { WorkloadKind::PodGroup } else { WorkloadKind::Job },
                name: ask.name.clone(),
                uid: String::new(),
            },
            submitted_at: MicroTime(Timestamp::from_millisecond(self.now.0).ok()?),
        };
        let mut claims = self.snapshot.claims.to_vec();
        let mut last = None;
        for replica in 0..count {
            // No object has a name with this letter, so that it cannot be one that exists.
            let id = ClaimId::from(format!("{project}/{}~{replica:02}", ask.name).as_str());
            let seen = SeenClaim {
                id: id.clone(),
                spec: &claim,
                status: None,
                deleting: false,
                project: Some(spec),
            };
            let Meaning::Claim(meant) = meaning_of(&self.rules, &self.quotas, &seen) else { return None };
            claims.push(*meant);
            last = Some(id);
        }
        claims.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let snapshot = Snapshot { claims: claims.into(), ..self.snapshot.clone() };
        Some((snapshot, last?))
    }
}

fn outlook(explanation: Explanation) -> Outlook {
    let Explanation { state, reason, line, promise, start, what_ifs, notes, .. } = explanation;
    let verdict = match state {
        State::Starts { basis: Basis::Borrowed, .. } => Verdict::StartsBorrowed,
        State::Starts { .. } => Verdict::StartsGuaranteed,
        State::Refused => Verdict::Refused,
        _ => Verdict::Waits,
    };
    let (earliest, latest) = start.map_or((None, None), |start| times(&start.range));
    Outlook {
        verdict,
        reason: reason.map(|reason| Reason {
            code: reason.code,
            sentence: reason.sentence,
            clause: reason.clause,
        }),
        place: line.map(|line| line.place).filter(|place| *place > 0),
        earliest,
        latest,
        promised: promise.and_then(|promise| time(promise.latest_start)),
        changes: what_ifs.into_iter().map(change).collect(),
        notes,
    }
}

fn change(what_if: WhatIf) -> Change {
    let (earliest, latest) = times(&what_if.start);
    Change {
        code: what_if.code.to_owned(),
        sentence: what_if.sentence,
        by_members: what_if.by == By::Members,
        starts_now: what_if.starts_now,
        earliest,
        latest,
    }
}

fn times(range: &Range) -> (Option<Timestamp>, Option<Timestamp>) {
    let not_before = match &range.earliest {
        Bound::At { at } | Bound::NotBefore { at } => Some(*at),
        Bound::Unknown { not_before, .. } => Some(*not_before),
        Bound::Never => None,
    };
    (not_before.and_then(time), range.latest.time().and_then(time))
}

fn time(at: TimestampMillis) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.0).ok()
}

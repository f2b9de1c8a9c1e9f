//! The jobs of a person's projects, from the watched claims: one pass over them, and no call to the API server. Pure.
//!
//! A Job that the operator has not seen yet has no claim; it appears within a second or two of its submission.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use concord_api::GpuClaim;
use concord_api::claim::WorkloadKind;
use jiff::Timestamp;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::view::JobState;

/// Rows of a page.
pub const PAGE_ROWS: usize = 50;
/// Beyond it nobody pages; a filter is what helps.
pub const PAGES_MOST: usize = 1_000;

/// Which jobs are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobFilter)]
pub enum Wanted {
    /// All.
    #[default]
    All,
    /// Those in line.
    Waiting,
    /// Those that have GPUs.
    Running,
    /// Those that have ended.
    Ended,
}

impl Wanted {
    /// All, in the order of the filter.
    pub const ALL: [Self; 4] = [Self::All, Self::Waiting, Self::Running, Self::Ended];

    /// Name in the address and in the keys of texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Ended => "ended",
        }
    }

    const fn takes(self, state: JobState) -> bool {
        match self {
            Self::All => true,
            Self::Waiting => matches!(state, JobState::Held | JobState::Queued),
            Self::Ended => state.has_ended(),
            Self::Running => !state.has_ended() && !matches!(state, JobState::Held | JobState::Queued),
        }
    }
}

/// Which page of which jobs.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Which jobs.
    #[serde(default)]
    #[param(inline)]
    pub state: Wanted,
    /// Page, from 1.
    #[serde(default = "first")]
    #[param(minimum = 1, maximum = 1_000)]
    pub page: usize,
}

const fn first() -> usize {
    1
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobRow)]
pub struct Row {
    /// Project.
    pub project: String,
    /// Name of the Job, of the Deployment, or of what else asks for GPUs.
    pub name: String,
    /// It has a page of its own; false for pods and gangs that something else makes.
    pub has_page: bool,
    /// Where it stands.
    pub state: JobState,
    /// GPUs that it asks for; of a service those of all its replicas.
    pub gpus: i64,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// Not before this time; only while it waits.
    pub earliest: Option<Timestamp>,
    /// By this time.
    pub latest: Option<Timestamp>,
    /// Why it waits: CamelCase code.
    pub reason: Option<String>,
    /// When it must have left.
    pub notice_deadline: Option<Timestamp>,
}

/// One page of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobList)]
pub struct Page {
    /// The newest first.
    pub jobs: Vec<Row>,
    /// Jobs on all pages.
    pub total: usize,
    /// This page, from 1.
    pub page: usize,
    /// The next page, if there is one.
    pub next_page: Option<usize>,
}

/// The page of the jobs of these claims.
#[must_use]
pub fn page(claims: &[Arc<GpuClaim>], query: &Query) -> Page {
    let mut rows: Vec<Row> = rows(claims).into_iter().filter(|row| query.state.takes(row.state)).collect();
    rows.sort_by(|a, b| b.submitted_at.cmp(&a.submitted_at).then_with(|| a.name.cmp(&b.name)));
    let (total, page) = (rows.len(), query.page.clamp(1, PAGES_MOST));
    let jobs: Vec<Row> = rows.into_iter().skip((page - 1) * PAGE_ROWS).take(PAGE_ROWS).collect();
    let next_page = (page * PAGE_ROWS < total && page < PAGES_MOST).then_some(page + 1);
    Page { jobs, total, page, next_page }
}

fn rows(claims: &[Arc<GpuClaim>]) -> Vec<Row> {
    let mut services: BTreeMap<(String, String), Row> = BTreeMap::new();
    let mut rows = Vec::new();
    for claim in claims {
        let row = row(claim);
        match service_of(claim) {
            Some(name) => {
                let key = (row.project.clone(), name.to_owned());
                services.entry(key).and_modify(|known| merge(known, &row)).or_insert_with(|| Row {
                    name: name.to_owned(),
                    has_page: true,
                    ..row
                });
            }
            None => rows.push(row),
        }
    }
    // A service is shown once, by the Job of its name if there is one: both cannot be meant.
    let known: BTreeSet<(String, String)> =
        rows.iter().map(|row| (row.project.clone(), row.name.clone())).collect();
    rows.extend(services.into_iter().filter(|(key, _)| !known.contains(key)).map(|(_, row)| row));
    rows
}

fn row(claim: &GpuClaim) -> Row {
    let status = claim.status.as_ref();
    let expected = status.and_then(|status| status.expected_start.clone()).unwrap_or_default();
    Row {
        project: claim.namespace().unwrap_or_default(),
        name: claim.spec.workload.name.clone(),
        has_page: claim.spec.workload.kind == WorkloadKind::Job,
        state: status.map_or(JobState::Queued, JobState::of_claim),
        gpus: claim.spec.gpus,
        submitted_at: claim.spec.submitted_at.0,
        earliest: expected.earliest.map(|time| time.0),
        latest: expected.latest.map(|time| time.0),
        reason: status.and_then(|status| status.reason.clone()),
        notice_deadline: status.and_then(|status| status.notice_deadline.as_ref()).map(|time| time.0),
    }
}

/// The Deployment of which a claim's pod is a replica, by the pod's name: `<deployment>-<hash of its template>-<5 letters>`.
fn service_of(claim: &GpuClaim) -> Option<&str> {
    let workload = &claim.spec.workload;
    if workload.kind != WorkloadKind::PodGroup || workload.uid.is_empty() {
        return None;
    }
    // What Kubernetes makes such suffixes of: no vowels, and nothing that looks like another letter.
    let random = |text: &str| text.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b));
    let (rest, pod) = workload.name.rsplit_once('-')?;
    let (name, hash) = rest.rsplit_once('-')?;
    (pod.len() == 5 && random(pod) && (6..=10).contains(&hash.len()) && random(hash)).then_some(name)
}

/// Of several replicas the row tells of the one that matters most to people.
fn merge(known: &mut Row, other: &Row) {
    let rank = |state: JobState| match state {
        JobState::Reclaiming => 0,
        JobState::Running => 1,
        JobState::Stopping => 2,
        JobState::Queued => 3,
        _ => 4,
    };
    let gpus = known.gpus + other.gpus;
    let submitted_at = known.submitted_at.min(other.submitted_at);
    if rank(other.state) < rank(known.state) {
        let Row { project, name, has_page, .. } = known.clone();
        *known = Row { project, name, has_page, ..other.clone() };
    }
    known.gpus = gpus;
    known.submitted_at = submitted_at;
}

#[cfg(test)]
mod tests {
    use concord_api::{ClaimPhase, GpuClaimStatus};
    use serde_json::json;

    use super::*;

    fn claim(kind: &str, name: &str, second: i64, state: ClaimPhase) -> Arc<GpuClaim> {
        let at = Timestamp::from_second(second).unwrap().to_string();
        let object = json!({"metadata": {"name": name, "namespace": "lab"},
            "spec": {"member": "a", "project": "lab", "pods": 1, "gpusPerPod": 2, "gpus": 2,
                "workload": {"kind": kind, "name": name, "uid": "u"}, "submittedAt": at}});
        let mut claim: GpuClaim = serde_json::from_value(object).unwrap();
        claim.status = Some(GpuClaimStatus { state, ..GpuClaimStatus::default() });
        Arc::new(claim)
    }

    fn names(found: &Page) -> Vec<(&str, JobState, i64, bool)> {
        found.jobs.iter().map(|row| (row.name.as_str(), row.state, row.gpus, row.has_page)).collect()
    }

    #[test]
    fn replicas_are_one_row_and_tell_of_what_matters_most() {
        let claims = [
            claim("PodGroup", "serve-6b7d9c8f5-x2k4z", 10, ClaimPhase::Queued),
            claim("PodGroup", "serve-6b7d9c8f5-b7n9q", 20, ClaimPhase::Admitted),
            claim("PodGroup", "store-0", 30, ClaimPhase::Admitted),
            claim("Job", "train", 40, ClaimPhase::Succeeded),
        ];
        let all = page(&claims, &Query::default());
        assert_eq!(
            names(&all),
            [
                ("train", JobState::Succeeded, 2, true),
                ("store-0", JobState::Running, 2, false),
                ("serve", JobState::Running, 4, true)
            ]
        );
        assert_eq!(all.jobs[2].submitted_at.as_second(), 10);
    }

    #[test]
    fn each_job_is_on_one_page_of_the_filter_that_takes_it() {
        let claims: Vec<Arc<GpuClaim>> = (0..120)
            .map(|n| {
                let state = if n % 2 == 0 { ClaimPhase::Queued } else { ClaimPhase::Failed };
                claim("Job", &format!("job-{n:03}"), n, state)
            })
            .collect();
        let of = |state, number| page(&claims, &Query { state, page: number });
        let (first, second) = (of(Wanted::Waiting, 1), of(Wanted::Waiting, 2));
        assert_eq!(
            (first.jobs.len(), first.next_page, second.jobs.len(), second.next_page),
            (50, Some(2), 10, None)
        );
        assert_eq!((first.total, first.jobs[0].name.as_str()), (60, "job-118"));
        assert_eq!(of(Wanted::Ended, 0).page, 1, "there is no page 0");
        assert_eq!((of(Wanted::Running, 1).total, of(Wanted::All, 9).jobs.len()), (0, 0));
        let states = [
            JobState::Held,
            JobState::Queued,
            JobState::Starting,
            JobState::Running,
            JobState::Reclaiming,
            JobState::Stopping,
            JobState::Succeeded,
            JobState::Failed,
            JobState::Deleting,
        ];
        for state in states {
            let takes = Wanted::ALL.iter().filter(|w| **w != Wanted::All && w.takes(state)).count();
            assert_eq!(takes, 1, "{state:?}");
        }
    }
}

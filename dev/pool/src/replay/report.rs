//! The figures of a replay, as they are written to `report.json`. Only measured and simulated numbers, each said to be
//! which.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    comparison::Comparison,
    selection::Selection,
    statistics::{Summary, peak_per_second},
    trace::PlannedJob,
    usage::Usage,
};
use crate::audit::Findings;

/// Span over which the peak rate of admissions is taken.
const PEAK_WINDOW_MS: i64 = 10_000;
/// A job counts as later than alone only beyond the notice and this much of the pool's time, so that the latency of a
/// loaded machine, which the speed multiplies, is not taken for a broken promise.
pub const LATENCY_ALLOWANCE_MS: f64 = 10_000.0;

/// What one replay showed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// What is real and what is not.
    pub note: &'static str,
    /// Number of the replay in this pool.
    pub run: u32,
    /// The part of the trace and the speed.
    pub selection: String,
    /// Seconds of the trace in a second of the pool.
    pub speed: u32,
    /// Jobs.
    pub jobs: JobFigures,
    /// Seconds from the first submission to the end of the last job.
    pub wall_seconds: f64,
    /// Longest time by which a submission was late, in seconds of the pool.
    pub latest_submission_seconds: f64,
    /// Share of GPU time in use by bound pods, until the last job ended.
    pub utilisation: f64,
    /// The same, simulated in partitions.
    pub utilisation_partitioned: f64,
    /// The same, simulated under the treaty without latency.
    pub utilisation_without_latency: f64,
    /// Waits in seconds of the trace: the pool first, then each member.
    pub waits: Vec<WaitFigures>,
    /// Stops of running jobs in the simulation without latency.
    pub reclaims_without_latency: u64,
    /// Admissions per second of the pool: mean over the wall time.
    pub admissions_per_second_mean: f64,
    /// The same: most in any ten seconds.
    pub admissions_per_second_peak: f64,
    /// GPU-seconds of the pool that complete runs needed.
    pub run_gpu_seconds: f64,
    /// What the programs used during the replay.
    pub usage: BTreeMap<String, Usage>,
    /// Kills of the operator, and the seed of their moments.
    pub operator_kills: u32,
    /// See above.
    pub seed: u64,
    /// What the audit found.
    pub audit: Findings,
}

/// Jobs by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobFigures {
    /// Submitted.
    pub submitted: usize,
    /// Complete.
    pub finished: usize,
    /// Neither complete nor known to have failed.
    pub lost: usize,
    /// Failed.
    pub failed: usize,
    /// Already running in the trace when the window starts.
    pub carried_in: usize,
    /// Run shorter than in the trace.
    pub cut: usize,
}

/// Waits of one member's jobs. Wait: end minus submission minus run time, so all time lost for any reason.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitFigures {
    /// Member, or `all`.
    pub member: String,
    /// Measured in the pool.
    pub measured: Summary,
    /// Simulated, the member alone on its own nodes.
    pub partitioned: Summary,
    /// Simulated under the same treaty without latency.
    pub without_latency: Summary,
    /// Measured: jobs that ended later than alone by more than the notice and 10 s of the pool.
    pub later_than_alone: usize,
    /// Simulated without latency: jobs that ended later than alone by more than the notice.
    pub later_than_alone_without_latency: usize,
}

/// What was measured of one job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measured {
    /// Submission, milliseconds from the start of the replay.
    pub submitted_ms: Option<u64>,
    /// End, on the same clock.
    pub complete_ms: Option<u64>,
    /// It failed.
    pub failed: bool,
}

/// Everything that the figures are made from.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// Number of the replay.
    pub run: u32,
    /// What was chosen.
    pub selection: &'a Selection,
    /// The jobs.
    pub jobs: &'a [PlannedJob],
    /// What was measured, in the order of the jobs.
    pub measured: &'a [Measured],
    /// Jobs carried in and cut.
    pub carried_in_and_cut: (usize, usize),
    /// The simulations.
    pub comparison: &'a Comparison,
    /// Notice of the treaty.
    pub notice_ms: f64,
    /// Starts of all admissions, milliseconds.
    pub admissions_ms: Vec<i64>,
    /// GPU-milliseconds of pods before the replay, which are not its own.
    pub pod_gpu_ms_before: u64,
    /// CPU and memory.
    pub usage: BTreeMap<String, Usage>,
    /// Kills, and their seed.
    pub kills: (u32, u64),
    /// The audit.
    pub findings: Findings,
}

impl Report {
    /// Computes the figures.
    pub fn of(evidence: Evidence<'_>) -> Self {
        let Evidence { run, selection, jobs, measured, carried_in_and_cut, comparison, .. } = &evidence;
        let wall_ms = measured.iter().filter_map(|job| job.complete_ms).max().unwrap_or(0).max(1) as f64;
        let findings = evidence.findings.clone();
        let used = findings.pod_gpu_milliseconds.saturating_sub(evidence.pod_gpu_ms_before) as f64;
        let capacity = findings.capacity_gpus;
        let late =
            |(job, seen): (&PlannedJob, &Measured)| Some(seen.submitted_ms?.saturating_sub(job.submit_ms));
        let latest = jobs.iter().zip(*measured).filter_map(late).max().unwrap_or(0);
        let ran = jobs.iter().zip(*measured).filter(|(_, seen)| seen.complete_ms.is_some());
        Self {
            note: "Nodes and GPUs are simulated; the control plane, the Jobs and the operator are real.",
            run: *run,
            selection: selection.to_string(),
            speed: selection.speed,
            jobs: count(measured, *carried_in_and_cut),
            wall_seconds: wall_ms / 1_000.0,
            latest_submission_seconds: latest as f64 / 1_000.0,
            utilisation: used / (f64::from(capacity.max(1)) * wall_ms),
            utilisation_partitioned: comparison.partitioned.utilisation(capacity.max(1)),
            utilisation_without_latency: comparison.ideal.utilisation(capacity.max(1)),
            waits: waits(&evidence),
            reclaims_without_latency: comparison.ideal.reclaims,
            admissions_per_second_mean: evidence.admissions_ms.len() as f64 * 1_000.0 / wall_ms,
            admissions_per_second_peak: peak_per_second(evidence.admissions_ms.clone(), PEAK_WINDOW_MS),
            run_gpu_seconds: ran
                .map(|(job, _)| f64::from(job.gpus()) * job.runtime_ms as f64 / 1_000.0)
                .sum(),
            usage: evidence.usage.clone(),
            operator_kills: evidence.kills.0,
            seed: evidence.kills.1,
            audit: findings,
        }
    }

    /// Everything was submitted, everything ended well, and the audit found nothing.
    pub fn is_clean(&self) -> bool {
        self.audit.is_clean() && self.jobs.finished == self.jobs.submitted
    }
}

fn count(measured: &[Measured], (carried_in, cut): (usize, usize)) -> JobFigures {
    let mut figures = JobFigures { carried_in, cut, ..JobFigures::default() };
    for job in measured {
        figures.submitted += usize::from(job.submitted_ms.is_some());
        match job {
            Measured { complete_ms: Some(_), .. } => figures.finished += 1,
            Measured { failed: true, .. } => figures.failed += 1,
            _ => figures.lost += 1,
        }
    }
    figures
}

/// Of the whole pool first, then by member in alphabetical order.
fn waits(evidence: &Evidence<'_>) -> Vec<WaitFigures> {
    let mut members: Vec<&str> = evidence.jobs.iter().map(|job| job.row.member.as_str()).collect();
    members.sort_unstable();
    members.dedup();
    let mut rows = vec![wait_row(evidence, None)];
    rows.extend(members.into_iter().map(|member| wait_row(evidence, Some(member))));
    rows
}

fn wait_row(evidence: &Evidence<'_>, member: Option<&str>) -> WaitFigures {
    let Evidence { jobs, measured, comparison, notice_ms, selection, .. } = evidence;
    let mut columns: [Vec<f64>; 3] = Default::default();
    let (mut later, mut later_simulated) = (0, 0);
    for (index, job) in jobs.iter().enumerate().filter(|(_, job)| member.is_none_or(|m| m == job.row.member))
    {
        let seen = measured[index];
        let wait = seen
            .complete_ms
            .zip(seen.submitted_ms)
            .map(|(end, start)| (end as f64 - start as f64 - job.runtime_ms as f64).max(0.0));
        let alone = comparison.partitioned.waits_ms[index];
        let ideal = comparison.ideal.waits_ms[index];
        // A job that never starts alone is never later in the pool.
        let beyond = |wait: Option<f64>, margin: f64| wait.zip(alone).is_some_and(|(w, a)| w > a + margin);
        later += usize::from(beyond(wait, notice_ms + LATENCY_ALLOWANCE_MS));
        later_simulated += usize::from(beyond(ideal, *notice_ms));
        for (column, figure) in columns.iter_mut().zip([wait, alone, ideal]) {
            column.extend(figure.map(|millis| selection.trace_seconds(millis)));
        }
    }
    let [measured, partitioned, without_latency] = columns.map(Summary::of);
    WaitFigures {
        member: member.unwrap_or("all").to_owned(),
        measured,
        partitioned,
        without_latency,
        later_than_alone: later,
        later_than_alone_without_latency: later_simulated,
    }
}

#[cfg(test)]
mod tests {
    use super::{Evidence, Measured, Report};
    use crate::{
        audit::Findings,
        replay::{
            comparison::{Comparison, Simulated},
            selection::Selection,
            trace::{PlannedJob, Row},
        },
    };

    #[test]
    fn waits_are_in_trace_seconds_and_lost_jobs_are_counted() {
        let job = |job, member: &str| PlannedJob {
            row: Row { job, member: member.into(), submit_s: 0, runtime_s: 1_000, gpus: 8 },
            pods: 1,
            gpus_per_pod: 8,
            submit_ms: 0,
            runtime_ms: 10_000,
        };
        let jobs = [job(0, "a"), job(1, "b"), job(2, "b")];
        let seen = |end| Measured { submitted_ms: Some(500), complete_ms: end, failed: false };
        let measured = [seen(Some(12_500)), seen(Some(40_500)), seen(None)];
        let simulated =
            |waits: [f64; 3]| Simulated { waits_ms: waits.map(Some).into(), ..Simulated::default() };
        let comparison =
            Comparison { partitioned: simulated([0.0, 5_000.0, 0.0]), ideal: simulated([0.0, 0.0, 0.0]) };
        let selection = Selection { speed: 100, ..Selection::default() };
        let report = Report::of(Evidence {
            run: 1,
            selection: &selection,
            jobs: &jobs,
            measured: &measured,
            carried_in_and_cut: (1, 0),
            comparison: &comparison,
            notice_ms: 1_000.0,
            admissions_ms: vec![0, 1, 20_000],
            pod_gpu_ms_before: 1_000,
            usage: Default::default(),
            kills: (0, 1),
            findings: Findings { capacity_gpus: 8, pod_gpu_milliseconds: 163_000, ..Findings::default() },
        });
        assert_eq!((report.jobs.submitted, report.jobs.finished, report.jobs.lost), (3, 2, 1));
        assert!(!report.is_clean(), "a job is lost");
        assert_eq!(report.utilisation, 0.5);
        assert_eq!(report.run_gpu_seconds, 160.0);
        assert_eq!(report.admissions_per_second_peak, 0.2);
        let rows: Vec<_> = report.waits.iter().map(|row| (row.member.as_str(), row.measured.mean)).collect();
        assert_eq!(rows, [("all", 1_600.0), ("a", 200.0), ("b", 3_000.0)]);
        assert_eq!((report.waits[0].later_than_alone, report.waits[1].later_than_alone), (1, 0));
    }
}

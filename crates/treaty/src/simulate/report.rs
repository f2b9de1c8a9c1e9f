//! Figures for people from what a policy made of a trace. Only here are there fractions; nothing decides by them.

use serde::Serialize;

use super::floor::{self, FloorAccount};
use super::{Run, TraceJob, Trial};
use crate::units::{DurationMillis, Gpus, TimestampMillis};

/// Run times below this count as this in a slowdown, so that a short job's small wait does not dominate.
pub const SLOWDOWN_BOUND: DurationMillis = DurationMillis::from_seconds(600);

/// Everything that a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Comparison<'a> {
    /// The trace.
    pub jobs: &'a [TraceJob],
    /// What the policy made of it.
    pub trial: &'a Trial,
    /// The same jobs with every member on nodes of its own.
    pub alone: &'a Trial,
    /// Guaranteed GPUs by member.
    pub guarantees: &'a [Gpus],
    /// GPUs of each node of the pool.
    pub capacities: &'a [Gpus],
    /// Lateness that the treaty allows.
    pub notice: DurationMillis,
}

/// What a policy made of a trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Of all jobs.
    pub all: Figures,
    /// By member, in the treaty's order.
    pub by_member: Vec<Figures>,
    /// From the first arrival to the last end.
    pub makespan_s: f64,
    /// GPU-time of complete runs as a part (0 to 1) of all GPU-time of the pool from the first arrival to the last end.
    pub utilisation: f64,
    /// Like `utilisation`, with the runs that were stopped.
    pub occupancy: f64,
    /// Runs that were stopped and put back in line.
    pub reclaims: u64,
    /// GPU-seconds of runs that were stopped.
    pub lost_gpu_s: f64,
    /// Guarantees, from the starts and ends alone.
    #[serde(flatten)]
    pub floor: FloorAccount,
}

/// Figures of a set of jobs. Times in seconds; a wait is everything between arrival and end but the complete run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Jobs of the trace.
    pub jobs: u64,
    /// Of them, those that never ended because no node has their shape.
    pub never_ended: u64,
    /// Wait of those that ended.
    pub wait_s: Spread,
    /// Time from arrival to end of those that ended.
    pub jct_s: Spread,
    /// Mean of completion by run time, both at least [`SLOWDOWN_BOUND`].
    pub bounded_slowdown: f64,
    /// Against the member's own nodes alone.
    pub worse_than_alone: Worse,
}

/// Mean and order statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Median: element `n / 2` of the sorted values, from 0.
    pub p50: f64,
    /// Element `0.99 n`, rounded down, of the sorted values.
    pub p99: f64,
    /// Largest.
    pub max: f64,
}

/// Jobs that ended later than they would have ended on their member's own nodes alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Worse {
    /// Jobs that would have ended alone: the others cannot be worse off.
    pub comparable_jobs: u64,
    /// Jobs that ended later, or not at all.
    pub jobs: u64,
    /// Part of the comparable jobs, 0 to 1.
    pub share: f64,
    /// Most seconds by which one ended later; one that never ended is not in it.
    pub worst_s: f64,
    /// Jobs that ended later by more than the notice, or not at all.
    pub beyond_notice_jobs: u64,
}

impl Comparison<'_> {
    /// Makes the report of one pool.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report_with(floor::measure(self))
    }

    /// Makes the report of several pools, whose floors were measured one by one.
    #[must_use]
    pub fn report_with(&self, floor: FloorAccount) -> Report {
        let rows: Vec<Row<'_>> = (self.jobs.iter().zip(&self.trial.outcomes).zip(&self.alone.outcomes))
            .map(|((job, outcome), alone)| Row { job, ended: outcome.finished_at, alone: alone.finished_at })
            .collect();
        let of_member = |member: usize| -> Figures {
            let own: Vec<&Row<'_>> = rows.iter().filter(|row| row.job.member.index() == member).collect();
            figures(&own, self.notice)
        };
        let first = self.jobs.first().map_or(TimestampMillis(0), |job| job.submitted_at);
        let last = self.trial.runs.iter().map(|run| run.ended_at).max().unwrap_or(first);
        let makespan_s = seconds(last.since(first));
        let available_gpu_s = self.capacities.iter().map(|&gpus| f64::from(gpus)).sum::<f64>() * makespan_s;
        let lost_gpu_s = self.trial.outcomes.iter().map(|o| o.lost_gpu_millis as f64).sum::<f64>() / 1000.0;
        let useful_gpu_s = self.trial.runs.iter().filter(|run| run.completed).map(gpu_seconds).sum::<f64>();
        Report {
            all: figures(&rows.iter().collect::<Vec<_>>(), self.notice),
            by_member: (0..self.guarantees.len()).map(of_member).collect(),
            makespan_s,
            utilisation: ratio(useful_gpu_s, available_gpu_s),
            occupancy: ratio(useful_gpu_s + lost_gpu_s, available_gpu_s),
            reclaims: self.trial.outcomes.iter().map(|o| u64::from(o.reclaims)).sum(),
            lost_gpu_s,
            floor,
        }
    }
}

impl Spread {
    /// Of values in any order; zero of none.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let Some(&max) = values.last() else { return Self::default() };
        let p99 = values[(count * 99 / 100).min(count - 1)];
        Self { mean: values.iter().sum::<f64>() / count as f64, p50: values[count / 2], p99, max }
    }
}

/// One job, and when it ended here and alone.
struct Row<'a> {
    job: &'a TraceJob,
    ended: Option<TimestampMillis>,
    alone: Option<TimestampMillis>,
}

fn figures(rows: &[&Row<'_>], notice: DurationMillis) -> Figures {
    let completion =
        |row: &&Row<'_>| Some((seconds(row.job.runtime), seconds(row.ended?.since(row.job.submitted_at))));
    let ended: Vec<(f64, f64)> = rows.iter().filter_map(completion).collect();
    let bound = seconds(SLOWDOWN_BOUND);
    let slowdown = |(runtime, completion): &(f64, f64)| (completion / runtime.max(bound)).max(1.0);
    Figures {
        jobs: rows.len() as u64,
        never_ended: (rows.len() - ended.len()) as u64,
        wait_s: Spread::of(ended.iter().map(|(runtime, completion)| completion - runtime).collect()),
        jct_s: Spread::of(ended.iter().map(|(_, completion)| *completion).collect()),
        bounded_slowdown: ratio(ended.iter().map(slowdown).sum(), ended.len() as f64),
        worse_than_alone: worse_than_alone(rows, notice),
    }
}

fn worse_than_alone(rows: &[&Row<'_>], notice: DurationMillis) -> Worse {
    let mut worse = Worse::default();
    for row in rows {
        let Some(alone) = row.alone else { continue };
        worse.comparable_jobs += 1;
        let late = row.ended.map(|ended| ended.since(alone));
        if late != Some(DurationMillis(0)) {
            worse.jobs += 1;
            worse.beyond_notice_jobs += u64::from(late.is_none_or(|late| late > notice));
            worse.worst_s = worse.worst_s.max(late.map_or(0.0, seconds));
        }
    }
    worse.share = ratio(worse.jobs as f64, worse.comparable_jobs as f64);
    worse
}

fn gpu_seconds(run: &Run) -> f64 {
    f64::from(run.gpus()) * seconds(run.ended_at.since(run.started_at))
}

/// Seconds, with their fraction, of a duration.
#[must_use]
pub fn seconds(duration: DurationMillis) -> f64 {
    duration.0 as f64 / 1000.0
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// GPUs in use from each instant at which that changes, by time.
#[must_use]
pub fn gpus_in_use(trial: &Trial) -> Vec<(TimestampMillis, Gpus)> {
    let mut changes: Vec<(TimestampMillis, i64)> = Vec::with_capacity(trial.runs.len() * 2);
    for run in &trial.runs {
        let gpus = i64::from(run.gpus());
        changes.extend([(run.started_at, gpus), (run.ended_at, -gpus)]);
    }
    changes.sort_unstable();
    let mut in_use = 0;
    let mut step = |group: &[(TimestampMillis, i64)]| {
        in_use += group.iter().map(|(_, gpus)| gpus).sum::<i64>();
        (group[0].0, Gpus::try_from(in_use).unwrap_or(0))
    };
    changes.chunk_by(|a, b| a.0 == b.0).map(&mut step).collect()
}

//! The trace file, and the jobs that a selection takes from it. Only [`read`] touches the disk.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::selection::Selection;

/// One row of the trace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// Number of the row.
    pub job: u32,
    /// Member that submitted it.
    pub member: String,
    /// Submission, seconds from the start of the trace.
    pub submit_s: u64,
    /// Run time in seconds.
    pub runtime_s: u64,
    /// GPUs of the gang.
    pub gpus: u32,
}

/// A job to be submitted; times in milliseconds of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedJob {
    /// The row behind it.
    pub row: Row,
    /// Pods of the gang.
    pub pods: u32,
    /// GPUs of each pod.
    pub gpus_per_pod: u32,
    /// Submission, from the start of the replay.
    pub submit_ms: u64,
    /// Run time.
    pub runtime_ms: u64,
}

impl PlannedJob {
    /// GPUs of the whole gang.
    pub fn gpus(&self) -> u32 {
        self.pods * self.gpus_per_pod
    }
}

/// The jobs of a replay in the order of submission, and what was done to them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Workload {
    /// The jobs.
    pub jobs: Vec<PlannedJob>,
    /// Time in which the carried-in ones are submitted, before the window starts.
    pub lead_in_ms: u64,
    /// How many were already running when the window starts.
    pub carried_in: usize,
    /// How many run shorter than in the trace.
    pub cut: usize,
}

/// Between two submissions of carried-in jobs: ten a second, less than a small machine admits, so that the window does
/// not start with a jam that the trace does not have.
const LEAD_IN_STEP_MS: u64 = 100;

/// GPUs of a node; larger gangs take whole nodes.
pub const NODE_GPUS: u32 = 8;

/// Reads a gzip-compressed trace.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let file = File::open(path).with_context(|| format!("cannot open the trace {}", path.display()))?;
    parse(flate2::read::GzDecoder::new(file)).with_context(|| format!("in the trace {}", path.display()))
}

/// Parses rows with a heading.
pub fn parse(text: impl Read) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for row in csv::Reader::from_reader(text).deserialize() {
        let row: Row = row?;
        let shape = row.gpus > 0 && (row.gpus <= NODE_GPUS || row.gpus.is_multiple_of(NODE_GPUS));
        ensure!(shape, "job {}: a gang of {} GPUs fills no nodes of {NODE_GPUS}", row.job, row.gpus);
        ensure!(row.runtime_s > 0, "job {}: runs for no time", row.job);
        rows.push(row);
    }
    Ok(rows)
}

/// Takes the jobs of the window, and those that were running when it starts, so that the pool starts as loaded as it was.
/// The latter are submitted one after the other in a lead-in, with what was left of their run time.
pub fn select(rows: &[Row], selection: &Selection) -> Workload {
    let (start, end) = (selection.start_seconds(), selection.end_seconds());
    let most = u64::from(selection.max_runtime_hours) * 3_600;
    let limit = selection.jobs.map_or(usize::MAX, |jobs| jobs as usize);
    let left = |row: &Row| (row.submit_s + row.runtime_s).saturating_sub(start.max(row.submit_s));
    // Running ones come first: rows are sorted by submission.
    let chosen = rows.iter().filter(|row| row.submit_s < end && left(row) > 0).take(limit);
    let chosen: Vec<&Row> = chosen.collect();
    let carried_in = chosen.iter().filter(|row| row.submit_s < start).count();
    let lead_in_ms = carried_in as u64 * LEAD_IN_STEP_MS;
    let plan = |(position, row): (usize, &&Row)| {
        let (pods, gpus_per_pod) = gang(row.gpus);
        let submit_ms = match row.submit_s.checked_sub(start) {
            Some(since_start) => lead_in_ms + selection.pool_millis(since_start),
            None => position as u64 * LEAD_IN_STEP_MS,
        };
        let runtime_ms = selection.pool_millis(left(row).min(most)).max(1);
        PlannedJob { row: Row::clone(row), pods, gpus_per_pod, submit_ms, runtime_ms }
    };
    Workload {
        lead_in_ms,
        carried_in,
        cut: chosen.iter().filter(|row| left(row) > most).count(),
        jobs: chosen.iter().enumerate().map(plan).collect(),
    }
}

/// Pods and GPUs of each: one pod while it fits a node, else one pod for every node.
fn gang(gpus: u32) -> (u32, u32) {
    if gpus <= NODE_GPUS { (1, gpus) } else { (gpus / NODE_GPUS, NODE_GPUS) }
}

#[cfg(test)]
mod tests {
    use super::{parse, select};
    use crate::replay::selection::Selection;

    const TRACE: &str = "job,member,submit_s,runtime_s,gpus\n\
        0,a,100,600,1\n1,a,86000,600,8\n2,b,86400,7200,16\n3,b,86500,600,64\n4,a,90000,600,1\n";

    fn selection() -> Selection {
        Selection { start_day: 1, hours: 1, speed: 100, max_runtime_hours: 1, ..Selection::default() }
    }

    #[test]
    fn a_window_takes_what_starts_in_it_and_what_runs_already() {
        let workload = select(&parse(TRACE.as_bytes()).unwrap(), &selection());
        let jobs =
            workload.jobs.iter().map(|j| (j.row.job, j.pods, j.gpus_per_pod, j.submit_ms, j.runtime_ms));
        // Job 0 ended before, job 4 comes after; job 1 has 200 s left; job 2 is cut from 2 h to 1 h.
        let expected = [(1, 1, 8, 0, 2_000), (2, 2, 8, 100, 36_000), (3, 8, 8, 1_100, 6_000)];
        assert_eq!(jobs.collect::<Vec<_>>(), expected);
        assert_eq!((workload.carried_in, workload.cut, workload.lead_in_ms), (1, 1, 100));
    }

    #[test]
    fn a_limit_keeps_the_first_jobs() {
        let workload = select(&parse(TRACE.as_bytes()).unwrap(), &Selection { jobs: Some(2), ..selection() });
        assert_eq!(workload.jobs.iter().map(|job| job.row.job).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(workload.cut, 1);
    }

    #[test]
    fn a_shape_that_fills_no_nodes_is_refused_by_name() {
        let error = parse("job,member,submit_s,runtime_s,gpus\n7,a,1,1,12\n".as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "job 7: a gang of 12 GPUs fills no nodes of 8");
    }
}

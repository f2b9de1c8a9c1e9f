//! One replay from the first submission to the report. The parts that decide nothing and compute nothing themselves.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use concord_api::Treaty;
use k8s_openapi::api::batch::v1::Job;
use kube::{Api, ResourceExt, api::ListParams};
use tokio::task::JoinHandle;

use super::{
    comparison, manifest,
    progress::{Standing, show},
    report::{Evidence, Measured, Report},
    selection::Selection,
    statistics::Random,
    submit::{Board, submit_all},
    trace::{self, PlannedJob, Workload},
    usage::Meter,
};
use crate::{
    ControlPlane, Progress,
    audit::Audit,
    pool::{self, AUDITOR, OPERATOR},
    supervise::Supervised,
};

/// Between two looks at the programs' CPU time and memory.
const LOOK: Duration = Duration::from_secs(1);
/// Between two progress lines, on a terminal and in a file.
const LINE_ON_TERMINAL: Duration = Duration::from_secs(2);
const LINE_IN_FILE: Duration = Duration::from_secs(15);
/// Without any job ending for the longest run time and this much, the replay is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(120);
/// Time in which the last claims must say what their Jobs already do.
const BOOKING_LIMIT: Duration = Duration::from_secs(60);

/// What to replay and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which part of the trace.
    pub selection: Selection,
    /// The trace.
    pub trace: PathBuf,
    /// Kill the operator so many times.
    pub kills: u32,
    /// Seed of the moments; the selection's if absent.
    pub seed: Option<u64>,
}

/// Replays; the pool must be up.
pub async fn run(plane: &mut ControlPlane, order: &Order, progress: &Progress) -> Result<Report> {
    let selection = order.selection;
    let trace = order.trace.clone();
    let workload =
        tokio::task::spawn_blocking(move || anyhow::Ok(trace::select(&trace::read(&trace)?, &selection)));
    let Workload { jobs, lead_in_ms, carried_in, cut } = workload.await??;
    ensure!(!jobs.is_empty(), "no job in {selection}");
    let treaty = treaty_in_force(plane).await?;
    let run = next_run(plane).await?;
    progress.line(format!(
        "replay {run}: {selection}: {} jobs; {carried_in} of them were running at the start and are submitted in the first \
         {} s; {cut} run longer in the trace and are cut to {} h",
        jobs.len(),
        lead_in_ms / 1_000,
        selection.max_runtime_hours
    ));
    let (document, jobs) = (treaty.spec.document(), Arc::new(jobs));
    let planned = Arc::clone(&jobs);
    let comparison = tokio::task::spawn_blocking(move || comparison::compare(&document, run, &planned));
    let comparison = comparison.await?.context("the simulation of the same jobs failed")?;
    progress.line(format!(
        "simulated first: it takes {} s under the treaty without latency, {} s in partitions",
        comparison.ideal.makespan_ms / 1_000,
        comparison.partitioned.makespan_ms / 1_000
    ));

    let audit = Audit::start(pool::client(plane, AUDITOR).await?).await?;
    let mut researchers = BTreeMap::new();
    for member in &treaty.spec.members {
        researchers.insert(member.name.clone(), pool::client(plane, &pool::researcher(&member.name)).await?);
    }
    let (board, start, audit_start_ms) = (Board::new(jobs.len()), Instant::now(), audit.now_ms());
    let gpu_ms_before = audit.state().books.gpu_ms();
    let submission =
        tokio::spawn(submit_all(researchers, Arc::clone(&jobs), run, selection, start, board.clone()));
    let seed = order.seed.unwrap_or(selection.seed);
    let mut follower = Follower {
        plane,
        audit: &audit,
        keys: jobs.iter().map(|job| key(run, job)).collect(),
        board: &board,
        start,
        kills: kill_moments(order.kills, seed, comparison.ideal.makespan_ms),
        killed: 0,
        meter: Meter::default(),
        operator_starts: 0,
        stuck_after: Duration::from_millis(jobs.iter().map(|job| job.runtime_ms).max().unwrap_or(0))
            + STUCK_AFTER,
    };
    if order.kills > 0 {
        progress.line(format!(
            "the operator will be killed {} times at random moments, seed {seed}",
            order.kills
        ));
    }
    let followed = follower.follow(submission).await;
    let (killed, usage, keys) = (follower.killed, follower.meter.usage().clone(), follower.keys);
    followed?;

    let measured = measured(&audit, &keys, &board, audit_start_ms);
    let admissions_ms = admissions(&audit, &keys);
    let needs = keys.iter().zip(jobs.iter().map(|job| u64::from(job.gpus()) * job.runtime_ms));
    let findings = audit.findings(needs)?;
    Ok(Report::of(Evidence {
        run,
        selection: &selection,
        jobs: &jobs,
        measured: &measured,
        carried_in_and_cut: (carried_in, cut),
        comparison: &comparison,
        notice_ms: treaty.spec.reclaim.notice_seconds as f64 * 1_000.0,
        admissions_ms,
        pod_gpu_ms_before: gpu_ms_before,
        usage,
        kills: (killed, seed),
        findings,
    }))
}

fn key(run: u32, job: &PlannedJob) -> String {
    format!("{}/{}", manifest::namespace(&job.row.member), manifest::name(run, job))
}

async fn treaty_in_force(plane: &ControlPlane) -> Result<Treaty> {
    let treaties =
        Api::<Treaty>::all(pool::client(plane, AUDITOR).await?).list(&ListParams::default()).await?;
    treaties
        .items
        .into_iter()
        .find(Treaty::is_in_force)
        .context("no treaty is in force; see `kubectl get treaties`")
}

/// One more than the last replay whose Jobs are still there.
async fn next_run(plane: &ControlPlane) -> Result<u32> {
    let jobs: Api<Job> = Api::all(pool::client(plane, AUDITOR).await?);
    let earlier = jobs.list_metadata(&ListParams::default().labels(manifest::REPLAY_RUN)).await?;
    let run = |labels: &BTreeMap<String, String>| labels.get(manifest::REPLAY_RUN)?.parse::<u32>().ok();
    Ok(earlier.iter().filter_map(|job| run(job.labels())).max().unwrap_or(0) + 1)
}

/// Moments between the first tenth and the last tenth of the expected time, latest first.
fn kill_moments(count: u32, seed: u64, makespan_ms: u64) -> Vec<Duration> {
    let mut random = Random::new(seed);
    let span = (makespan_ms / 10 * 8).max(1);
    let mut moments: Vec<_> =
        (0..count).map(|_| Duration::from_millis(makespan_ms / 10 + random.below(span))).collect();
    moments.sort_unstable();
    moments.reverse();
    moments
}

/// Looks at the pool every second until all jobs have ended.
struct Follower<'a> {
    plane: &'a mut ControlPlane,
    audit: &'a Audit,
    keys: Vec<String>,
    board: &'a Board,
    start: Instant,
    kills: Vec<Duration>,
    killed: u32,
    meter: Meter,
    operator_starts: u32,
    stuck_after: Duration,
}

impl Follower<'_> {
    async fn follow(&mut self, submission: JoinHandle<Result<()>>) -> Result<()> {
        let terminal = std::io::stderr().is_terminal();
        let every = if terminal { LINE_ON_TERMINAL } else { LINE_IN_FILE };
        let mut ticks = tokio::time::interval(LOOK);
        let mut submission = Some(submission);
        let (mut next_line, mut ended, mut ended_at) = (Duration::ZERO, 0, Instant::now());
        loop {
            ticks.tick().await;
            if submission.as_ref().is_some_and(JoinHandle::is_finished)
                && let Some(finished) = submission.take()
            {
                finished.await??;
            }
            self.look();
            let standing = Standing::of(&self.audit.state(), self.board, self.keys.iter());
            let elapsed = self.start.elapsed();
            let all = submission.is_none() && standing.ended == self.keys.len();
            let done = all && (standing.booked == self.keys.len() || ended_at.elapsed() > BOOKING_LIMIT);
            if elapsed >= next_line || done {
                next_line = elapsed + every;
                show(&standing.line(elapsed.as_secs()), terminal);
            }
            if done {
                show("", terminal);
                return Ok(());
            }
            if standing.ended != ended {
                (ended, ended_at) = (standing.ended, Instant::now());
            }
            let log = self.plane.processes().log(OPERATOR);
            ensure!(
                ended_at.elapsed() < self.stuck_after,
                "no job has ended for {} s; {} of {} have; see {}",
                ended_at.elapsed().as_secs(),
                standing.ended,
                self.keys.len(),
                log.display()
            );
        }
    }

    /// CPU and memory of all programs, and the operator's next kill if its moment has come.
    fn look(&mut self) {
        let records: Vec<_> = self.plane.processes().records().cloned().collect();
        for record in records.iter().filter(|record| record.name != OPERATOR) {
            self.meter.sample(&record.name, record.pid, false);
        }
        // Between two starts there is a second without an operator.
        let Ok(operator) = Supervised::load(&pool::operator_state(self.plane.data_dir())) else { return };
        let fresh = self.operator_starts != 0 && operator.starts != self.operator_starts;
        self.operator_starts = operator.starts;
        self.meter.sample(OPERATOR, operator.process.pid, fresh);
        if self.kills.last().is_some_and(|moment| *moment <= self.start.elapsed()) && operator.kill() {
            self.kills.pop();
            self.killed += 1;
            let at = self.start.elapsed().as_secs_f64();
            show("", std::io::stderr().is_terminal());
            eprintln!("operator killed (kill -9, pid {}) after {at:.1} s", operator.process.pid);
        }
    }
}

fn measured(audit: &Audit, keys: &[String], board: &Board, audit_start_ms: u64) -> Vec<Measured> {
    let state = audit.state();
    let of = |(key, submitted_ms): (&String, Option<u64>)| {
        let story = state.stories.jobs.get(key);
        Measured {
            submitted_ms,
            complete_ms: story.and_then(|story| story.complete_at_ms?.checked_sub(audit_start_ms)),
            failed: story.is_some_and(|story| story.last.failed),
        }
    };
    keys.iter().zip(board.submitted()).map(of).collect()
}

fn admissions(audit: &Audit, keys: &[String]) -> Vec<i64> {
    let state = audit.state();
    keys.iter()
        .filter_map(|key| state.stories.claims.get(key))
        .flat_map(|story| story.admissions.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::kill_moments;

    #[test]
    fn kills_fall_into_the_middle_and_repeat_with_the_seed() {
        let moments = kill_moments(20, 7, 100_000);
        assert_eq!(moments, kill_moments(20, 7, 100_000));
        assert_ne!(moments, kill_moments(20, 8, 100_000));
        assert!(moments.iter().all(|moment| (10_000..90_000).contains(&moment.as_millis())));
        assert!(moments.is_sorted_by(|a, b| a >= b), "the next one is taken from the end");
    }
}

//! Figures of the operator itself: fail-over, restart and memory, latency of a decision and of a reclaim.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use concord_pool::{ControlPlane, Progress, pool::PoolState, probe::Probe, replay::statistics::Summary};
use k8s_openapi::jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::{
    backlog::{self, Lookout, admitted_after, make, until_running},
    claims::{Ask, is_admitted},
    concord::Concord,
    generator::Queue,
    meter::pid_of,
    plane,
    usage::Usage,
};

const OPERATOR: &str = "concord-operator";
const STANDBY: &str = "standby";
const POLL: Duration = Duration::from_millis(5);

/// One figure, for a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The value with its unit.
    pub value: String,
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, value: impl Into<String>) -> Self {
        Self { what: what.into(), value: value.into() }
    }

    fn seconds(what: impl Into<String>, value: Duration) -> Self {
        Self::new(what, format!("{:.2} s", value.as_secs_f64()))
    }

    pub(crate) fn milliseconds(what: &str, summary: Summary) -> Self {
        let Summary { count, p50, p99, max, .. } = summary;
        Self::new(
            format!("{what} ({count} times)"),
            format!("p50 {p50:.0} ms, p99 {p99:.0} ms, max {max:.0} ms"),
        )
    }
}

/// Time without an operator when the one that acts is killed and another stands by, amid a backlog.
///
/// # Errors
/// When the control plane or the operator does not do its part.
pub async fn failover(
    control: &mut ControlPlane,
    operator: PathBuf,
    backlog_claims: usize,
    lease_seconds: u32,
    progress: &Progress,
) -> Result<Vec<Figure>> {
    const GPUS: i64 = 64;
    let load = backlog::pool(2, GPUS);
    let concord = Concord::install(control, operator, &load, lease_seconds, progress).await?;
    let runner = plane::client(control, plane::RUNNER).await?;
    let asks = (0..backlog_claims).map(|at| Ask::of_gpus(&load.queues[at % 2], format!("claim-{at}"), 1));
    make(&runner, asks.collect(), progress).await?;
    let running = until_running(&runner, usize::try_from(GPUS * 2)?).await?;
    concord.start_operator(control, STANDBY).await?;
    let mut lookout = Lookout::stand(&runner, None).await?;
    progress.line("killing the operator that acts");
    let (killed_at, began) = (Timestamp::now(), Instant::now());
    kill(pid_of(control, OPERATOR)?)?;
    // GPUs become free, but nobody is there to give them away.
    backlog::end(&runner, running).await?;
    let (_, first) = lookout.next(|claim| admitted_after(claim, killed_at)).await?;
    Ok(vec![
        Figure::new("claims in line", backlog_claims.to_string()),
        Figure::new("lease", format!("{lease_seconds} s")),
        Figure::seconds("kill -9 to the first admission by the standby", first.duration_since(began)),
    ])
}

/// Time from the start of an operator to its readiness and to its first decision, and its memory, with many claims.
///
/// # Errors
/// When the control plane or the operator does not do its part.
pub async fn restart(
    control: &mut ControlPlane,
    operator: PathBuf,
    claims: usize,
    progress: &Progress,
) -> Result<Vec<Figure>> {
    const GPUS: i64 = 64;
    let load = backlog::pool(2, GPUS);
    let concord = Concord::install(control, operator, &load, 15, progress).await?;
    let runner = plane::client(control, plane::RUNNER).await?;
    let asks = (0..claims).map(|at| Ask::of_gpus(&load.queues[at % 2], format!("claim-{at}"), 1));
    make(&runner, asks.collect(), progress).await?;
    let running = until_running(&runner, usize::try_from(GPUS * 2)?).await?;
    let before = Usage::of(pid_of(control, OPERATOR)?)?;
    // Stopped with SIGTERM: the lease is released, so that no time is spent on waiting for its end.
    stop(control, OPERATOR).await?;
    let mut lookout = Lookout::stand(&runner, None).await?;
    // GPUs that are free when it comes back, so that its first decision shows.
    backlog::end(&runner, running).await?;
    progress.line(format!("starting the operator again, with {claims} claims"));
    let (started_at, began) = (Timestamp::now(), Instant::now());
    let state = concord.spawn_operator(control, OPERATOR)?;
    let ready = until_ready(control, &state).await?.duration_since(began);
    let (_, first) = lookout.next(|claim| admitted_after(claim, started_at)).await?;
    let decided = first.duration_since(began);
    // A minute of its ordinary life: reports to those who wait.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let after = Usage::of(pid_of(control, OPERATOR)?)?;
    Ok(vec![
        Figure::new("claims", claims.to_string()),
        Figure::seconds("start until ready", ready),
        Figure::seconds("start until the first admission is seen", decided),
        Figure::new("CPU of the start and 20 s", format!("{:.1} s", after.cpu_seconds())),
        Figure::new("peak memory after a restart", format!("{:.0} MiB", after.peak_rss_mebibytes)),
        Figure::new("peak memory while they were made", format!("{:.0} MiB", before.peak_rss_mebibytes)),
    ])
}

/// Time from making a claim to its admission, and to taking back one GPU for it, in a pool full of running claims.
///
/// # Errors
/// When the control plane or the operator does not do its part.
pub async fn latency(
    control: &mut ControlPlane,
    operator: PathBuf,
    running: usize,
    trials: usize,
    progress: &Progress,
) -> Result<Vec<Figure>> {
    // One member uses all but a few GPUs of its own and everything of the other, which lends it.
    let half = i64::try_from(running / 2)?;
    let spare = i64::try_from(trials)?;
    let mut load = backlog::pool(2, half);
    load.queues[0].nominal_gpus += spare;
    let concord = Concord::install(control, operator, &load, 15, progress).await?;
    let runner = plane::client(control, plane::RUNNER).await?;
    let asks = (0..running).map(|at| Ask::of_gpus(&load.queues[0], format!("claim-{at}"), 1));
    make(&runner, asks.collect(), progress).await?;
    until_running(&runner, running).await?;
    let before = Usage::of(pid_of(control, OPERATOR)?)?;
    progress.line(format!("{running} claims run; {trials} more, one after another"));
    let direct = submit(&runner, &load.queues[0], "more", trials).await?;
    progress.line(format!("{trials} claims of the member whose GPUs are lent, one after another"));
    let reclaimed = submit(&runner, &load.queues[1], "own", trials).await?;
    let after = Usage::of(pid_of(control, OPERATOR)?)?.since(&before);
    drop(concord);
    Ok(vec![
        Figure::new("claims that run", running.to_string()),
        Figure::milliseconds("submit to admission seen, GPUs free", direct),
        Figure::milliseconds(
            "submit to admission seen, one borrowed GPU taken back first, notice 0",
            reclaimed,
        ),
        Figure::new("operator CPU for both", format!("{:.1} s", after.cpu_seconds())),
    ])
}

async fn submit(runner: &kube::Client, queue: &Queue, prefix: &str, trials: usize) -> Result<Summary> {
    let mut times = Vec::with_capacity(trials);
    for trial in 0..trials {
        let name = format!("{prefix}-{trial}");
        let mut lookout = Lookout::stand(runner, Some(&format!("metadata.name={name}"))).await?;
        let began = Instant::now();
        Ask::of_gpus(queue, name, 1).create(runner).await?;
        let (_, seen) = lookout.next(is_admitted).await?;
        times.push(seen.duration_since(began).as_secs_f64() * 1_000.0);
    }
    Ok(Summary::of(times))
}

async fn until_ready(control: &mut ControlPlane, state: &PoolState) -> Result<Instant> {
    let probe = Probe::new(kube::Config::new(state.operator_url("").parse()?), "/readyz")?;
    let started = Instant::now();
    while probe.ask().await.is_err() {
        control.processes().ensure_alive(OPERATOR)?;
        anyhow::ensure!(started.elapsed() < backlog::PATIENCE, "the operator does not get ready");
        tokio::time::sleep(POLL).await;
    }
    Ok(Instant::now())
}

fn kill(pid: i32) -> Result<()> {
    let pid = Pid::from_raw(pid).context("no such process")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

/// As a person stops it: SIGTERM, and its end is waited for.
async fn stop(control: &mut ControlPlane, name: &str) -> Result<()> {
    tokio::task::block_in_place(|| control.processes().stop(name))
}

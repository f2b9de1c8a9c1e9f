//! Concord on a control plane of ours: installed as the chart installs it, with nodes, treaty and projects for a load.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use concord_api::{Project, conditions, names::OPERATOR_USER};
use concord_pool::{
    ControlPlane, Identity, Launch, Progress, pool::PoolState, probe::Probe, probe::until_healthy, setup,
};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client, api::ListParams};

use crate::{
    calls,
    claims::Ask,
    drive::drive,
    equivalent,
    generator::{Load, Queue},
    meter::{Reading, pid_of},
    plane,
    report::Outcome,
    usage::Usage,
};

const POLL: Duration = Duration::from_millis(100);
/// A thousand projects take about a minute on two cores.
const PROJECTS_LIMIT: Duration = Duration::from_secs(600);
const POLICY_LIMIT: Duration = Duration::from_secs(60);

/// Concord, ready for a load.
pub struct Concord {
    program: PathBuf,
    lease_seconds: u32,
    /// Nodes of the pool.
    pub nodes: Vec<Node>,
    /// May do everything.
    pub admin: Client,
}

impl Concord {
    /// Installs it, makes nodes, treaty and projects, starts one operator and waits until it has seen to all of them.
    ///
    /// # Errors
    /// When the API server refuses something, or the operator does not get ready.
    pub async fn install(
        plane: &mut ControlPlane,
        program: PathBuf,
        load: &Load,
        lease_seconds: u32,
        progress: &Progress,
    ) -> Result<Self> {
        let admin = plane::client(plane, Identity::ADMIN).await?;
        plane::install_concord(&admin).await?;
        plane::grant_everything(&admin, plane::RUNNER).await?;
        calls::count_writes_of(&admin, OPERATOR_USER).await?;
        let nodes = equivalent::nodes(load);
        plane::create_nodes(&admin, &nodes).await?;
        setup::apply(&admin, &equivalent::treaty(load, 0)).await?;
        let projects: Vec<_> =
            load.queues.iter().map(|queue| equivalent::project(queue, plane::RUNNER)).collect();
        plane::apply_all(&admin, &projects).await?;
        let concord = Self { program, lease_seconds, nodes, admin };
        concord.start_operator(plane, "concord-operator").await?;
        let started = Instant::now();
        concord.until_projects_are_ready(plane, load.queues.len()).await?;
        let first = load.queues.first().context("a load without queues")?;
        until_claims_can_be_made(&plane::client(plane, plane::RUNNER).await?, first).await?;
        progress.line(format!(
            "Concord: {} nodes, {} projects ready after {:.1} s",
            concord.nodes.len(),
            load.queues.len(),
            started.elapsed().as_secs_f64()
        ));
        Ok(concord)
    }

    /// Starts one more operator under a name of its own, and waits until it answers that it is ready or stands by.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start_operator(&self, plane: &mut ControlPlane, name: &str) -> Result<PoolState> {
        let state = self.spawn_operator(plane, name)?;
        let probe = Probe::new(kube::Config::new(state.operator_url("").parse()?), "/readyz")?;
        until_healthy(plane.processes(), name, &probe).await?;
        Ok(state)
    }

    /// Starts one and does not wait.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn_operator(&self, plane: &mut ControlPlane, name: &str) -> Result<PoolState> {
        let port = concord_pool::free_port()?;
        let launch = Launch::new(name, self.program.clone())
            .arg("run")
            .flag("name", name)
            .flag("listen", format!("127.0.0.1:{port}"))
            .flag("lease-seconds", self.lease_seconds)
            .env("KUBECONFIG", plane.kubeconfig(plane::OPERATOR).display().to_string());
        plane.spawn(&launch)?;
        Ok(PoolState { operator_port: port, ..PoolState::default() })
    }

    async fn until_projects_are_ready(&self, plane: &mut ControlPlane, count: usize) -> Result<()> {
        let (projects, started): (Api<Project>, _) = (Api::all(self.admin.clone()), Instant::now());
        loop {
            let list = projects.list(&ListParams::default()).await?;
            let is_ready = |project: &&Project| {
                project.status.as_ref().is_some_and(|status| conditions::holds(&status.conditions, "Ready"))
            };
            let ready = list.iter().filter(is_ready).count();
            if ready >= count {
                return Ok(());
            }
            plane::count_objects(&self.admin).await?;
            plane.processes().ensure_alive("concord-operator")?;
            if started.elapsed() > PROJECTS_LIMIT {
                let log = plane.processes().last_log_lines("concord-operator", 20);
                bail!("{ready} of {count} projects are ready; the operator's log ends with\n{log}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Runs a load to its end.
    ///
    /// # Errors
    /// When claims cannot be made, or do not all end within the limit.
    pub async fn run(
        &self,
        plane: &mut ControlPlane,
        load: &Load,
        limit: Duration,
        progress: &Progress,
    ) -> Result<Outcome> {
        let runner = plane::client(plane, plane::RUNNER).await?;
        let before = Reading::take(plane, &self.admin).await?;
        let pid = pid_of(plane, "concord-operator")?;
        let usage = || {
            let usage = Usage::of(pid).unwrap_or_default();
            format!("operator {:.0} s of CPU, {:.0} MiB", usage.cpu_seconds(), usage.peak_rss_mebibytes)
        };
        let driven = drive(&runner, load, &self.nodes, limit, progress, usage).await;
        let driven = driven.with_context(|| {
            let log = plane.processes().last_log_lines("concord-operator", 20);
            format!("the operator's log ends with\n{log}")
        })?;
        let usage = Usage::of(pid)?;
        let spent = Reading::take(plane, &self.admin).await?.since(&before);
        let ledger = &driven.ledger;
        Ok(Outcome {
            scheduler: "Concord".to_owned(),
            workloads: load.workloads(),
            finished: driven.finished,
            wall_seconds: driven.wall.as_secs_f64(),
            usage,
            api_server: spent.api_server,
            etcd: spent.etcd,
            writes: spent.counters.writes,
            requests: spent.counters.requests,
            admission_milliseconds: ledger.admission_milliseconds(),
            admissions: ledger.admissions(),
            evictions: ledger.evictions(),
            faults: ledger.faults(true),
        })
    }
}

/// The API server looks at a changed policy and at a new right some time after they were stored.
async fn until_claims_can_be_made(runner: &Client, queue: &Queue) -> Result<()> {
    let (probe, started) = (Ask::of_gpus(queue, "probe".to_owned(), 1), Instant::now());
    while let Err(error) = probe.try_to_create(runner).await {
        if started.elapsed() > POLICY_LIMIT {
            return Err(error.context("the runner may not make claims"));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

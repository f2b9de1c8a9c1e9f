//! `run`: starts the parts and waits for an end.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::arguments::{Estimates, Run};
use concord_gpu_agent::health::{APPLICATION_XIDS, INFORMATIVE_XIDS};
use concord_gpu_agent::kubelet::{self, NodePods};
use concord_gpu_agent::metrics::{self, Counters, Making, Site, Sources};
use concord_gpu_agent::node_state::NodeState;
use concord_gpu_agent::sampler::{self, Order, Sampler};
use concord_gpu_agent::state_file::StateFile;
use concord_gpu_agent::{cluster, grid, serve};

const SECONDS_PER_YEAR: f64 = 365.25 * 86_400.0;
/// Time for the last write of the accounts; a call that hangs must not hold up the end.
const END: Duration = Duration::from_secs(3);

/// Runs until told to stop.
pub fn run(options: Run) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    // One thread: what is asked at once is little, and NVML has threads of its own.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(options))
}

async fn serve(options: Run) -> anyhow::Result<()> {
    let listen = options.listen;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: is another exporter there? choose --listen"))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, "concord-gpu-agent starts");
    let counters = Counters::new()?;
    let grid = Arc::default();
    let mapping = options.pod_resources.as_ref().map(|_| kubelet::Shared::default());
    let (file, node) = kept(&options, &counters);
    let sampler = sampler::start(
        sampler::Options {
            library: options.library.nvml_library.clone(),
            interval: Duration::from_secs(options.interval_seconds),
            boot_id: boot_id(),
            processes: options.processes,
            idle_milliwatts: options.idle_watts.map(milliwatts),
            harmless_xids: harmless(&options),
            settle: Duration::from_secs(options.settle_seconds),
            file,
            node,
            mapping: mapping.clone(),
            grid: Arc::clone(&grid),
        },
        counters.clone(),
    )?;
    let latest = sampler.latest.clone();
    let estimates = estimates(&options.estimates);
    let sources =
        Sources { latest: latest.clone(), mapping: mapping.clone(), grid: Arc::clone(&grid), estimates };
    let registry = metrics::registry(&counters, sources)?;
    let scrapes = counters.scrape_seconds.clone();
    let mut parts = JoinSet::new();
    parts.spawn(
        async move { serve::serve(listener, registry, scrapes, latest).await.context("cannot serve") },
    );
    if let Some(place) = &options.estimates.grid_intensity {
        let follow = grid::follow(grid::Place::from(place.as_str()), grid, counters.clone());
        parts.spawn(async move {
            follow.await;
            Ok(())
        });
    }
    follow_cluster(&options, &sampler, mapping, &counters, &mut parts).await?;
    wait(sampler, parts).await
}

/// Starts what talks to the kubelet and to the API server.
async fn follow_cluster(
    options: &Run,
    sampler: &Sampler,
    mapping: Option<kubelet::Shared>,
    counters: &Counters,
    parts: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let pods = options.node.as_ref().map(|_| Arc::new(NodePods::default()));
    if let (Some(node), Some(pods)) = (options.node.clone(), pods.clone()) {
        let client = cluster::client().await?;
        let (to_pods, to_node, name) = (client.clone(), client.clone(), node.clone());
        parts.spawn(async move {
            cluster::follow_pods(to_pods, &name, pods).await;
            Ok(())
        });
        let (name, orders) = (node.clone(), sampler.orders.clone());
        parts.spawn(async move {
            cluster::follow_release(to_node, &name, orders).await;
            Ok(())
        });
        let (latest, tolerated, counters) =
            (sampler.latest.clone(), options.tolerate.clone(), counters.clone());
        parts.spawn(async move {
            cluster::report(client, &node, latest, &tolerated, &counters).await;
            Ok(())
        });
    }
    if let (Some(socket), Some(mapping)) = (options.pod_resources.clone(), mapping) {
        let (latest, counters) = (sampler.latest.clone(), counters.clone());
        parts.spawn(async move { kubelet::follow(&socket, mapping, pods, latest, counters).await });
    }
    Ok(())
}

async fn wait(sampler: Sampler, mut parts: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    let Sampler { latest: _, orders, mut ended, thread } = sampler;
    let (mut terminate, mut interrupt) =
        (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
    let (mut release, mut resume) =
        (signals(SignalKind::user_defined1())?, signals(SignalKind::user_defined2())?);
    loop {
        tokio::select! {
            part = parts.join_next() => match part {
                Some(Ok(Err(error))) => return Err(error),
                Some(Err(error)) => bail!("a part of the agent died: {error}"),
                // A watch that ended by itself; the others go on.
                _ => {}
            },
            said = &mut ended => match said {
                Ok(why) => bail!("{why}"),
                Err(_) => bail!("the thread that reads NVML died; its last words are above"),
            },
            _ = release.recv() => drop(orders.send(Order::Release)),
            _ = resume.recv() => drop(orders.send(Order::Resume)),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let _ = orders.send(Order::Stop);
    if tokio::time::timeout(END, ended).await.is_err() {
        tracing::warn!("NVML does not return; the accounts are kept as of the last read");
    } else {
        let _ = thread.join();
    }
    Ok(())
}

fn signals(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot wait for signals")
}

/// The accounts as they were kept.
fn kept(options: &Run, counters: &Counters) -> (Option<StateFile>, NodeState) {
    let Some(directory) = &options.state_directory else { return (None, NodeState::default()) };
    let file = StateFile::new(directory, options.node.as_deref().unwrap_or_default());
    let (outcome, node) = match file.load() {
        Ok(Some(node)) => ("restored", node),
        Ok(None) => ("none", NodeState::default()),
        Err(error) => {
            tracing::error!("accounts start at zero: {error}");
            (error.label(), NodeState::default())
        }
    };
    counters.state_loads.with_label_values(&[outcome]).inc();
    (Some(file), node)
}

/// Without it, as in some sandboxes, every start of the agent is a boot: energy while it was away is then not counted.
fn boot_id() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map_or_else(|_| format!("unknown-{}", std::process::id()), |id| id.trim().to_owned())
}

fn harmless(options: &Run) -> Vec<u64> {
    let usual = || [&APPLICATION_XIDS[..], &INFORMATIVE_XIDS[..]].concat();
    options.harmless_xids.clone().unwrap_or_else(usual)
}

fn estimates(given: &Estimates) -> metrics::Estimates {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (source, period) = (text(&given.pue_source), text(&given.pue_period));
    let site = given.pue.map(|pue| Site { pue, source, period });
    let making = given.embodied_grams.zip(given.lifetime_years).map(|(grams_per_gpu, years)| Making {
        grams_per_gpu,
        lifetime_seconds: years * SECONDS_PER_YEAR,
        source: text(&given.embodied_source),
    });
    metrics::Estimates { site, making }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and a GPU's power is small"
)]
fn milliwatts(watts: f64) -> u64 {
    (watts * 1_000.0) as u64
}

//! `concord-operator`: keeps the treaty on a Kubernetes cluster.

mod act;
mod announce;
mod cycle;
mod metrics;
mod observe;
mod placement;
mod projects;
mod report;
mod serve;
mod standing;
mod transitions;
mod upkeep;
mod view;
mod watched;
mod world;
mod write;

use std::io::IsTerminal;
use std::net::SocketAddr;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio::sync::watch;

/// Allocates a pool's GPUs between the members of a treaty.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "The cluster is found as kubectl finds it: KUBECONFIG, ~/.kube/config, or the pod's service account.\n\nTry it on a local pool: make up"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run until told to stop (SIGTERM or Ctrl-C).
    Run {
        /// Address of /metrics, /healthz and /readyz.
        #[arg(long, env = "CONCORD_LISTEN", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Log lines as JSON.
        #[arg(long, env = "CONCORD_LOG_JSON")]
        log_json: bool,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Command::Run { listen, log_json } = Arguments::parse().command;
    start_log(log_json);
    let mut config =
        kube::Config::infer().await.context("no cluster found: set KUBECONFIG or run inside a cluster")?;
    // The client would retry a write for minutes by itself; the cycle retries with what is true by then.
    config.default_retry = false;
    let client = kube::Client::try_from(config).context("the cluster's configuration cannot be used")?;
    let metrics = metrics::Metrics::new()?;
    let (readiness, ready) = watch::channel(vec!["start"]);
    let operator =
        cycle::Operator::new(write::Writer::new(client.clone(), metrics.clone()), metrics.clone(), readiness);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, "concord-operator starts");
    tokio::select! {
        () = operator.run(observe::sightings(&client)) => anyhow::bail!("the watches ended"),
        served = serve::serve(listen, metrics, ready) => served.with_context(|| format!("cannot serve on {listen}")),
        told = stop_signal() => {
            tracing::info!("told to stop; everything decided so far stands in the API server");
            told.context("cannot wait for signals")
        }
    }
}

async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}

fn start_log(json: bool) {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,kube=warn".into());
    let colour = std::io::stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    if json { log.json().init() } else { log.init() }
}

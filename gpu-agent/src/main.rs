//! `concord-gpu-agent`: reads a node's GPUs through NVML and publishes what it read.
#![forbid(unsafe_code)]

mod metrics;
mod nvml;
mod readiness;
mod reading;
mod sampler;
mod serve;
mod state;
mod table;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};

use nvml::{CallErrors, Session};

/// Reads power, energy, utilisation and memory of a node's NVIDIA GPUs, once or for Prometheus.
#[derive(Parser)]
#[command(
    version,
    about,
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = "A value that NVML does not give is null or absent, never zero.\n\nExamples:\n  concord-gpu-agent --once --output table\n  concord-gpu-agent run --listen 0.0.0.0:9400"
)]
struct Arguments {
    /// Print the GPUs once and exit; the exit code is not 0 when they cannot be read.
    #[arg(long, required = true)]
    once: bool,
    /// Form of what --once prints.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    library: Library,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve /metrics, /healthz and /readyz until told to stop (SIGTERM or Ctrl-C).
    Run {
        /// Address to listen on.
        #[arg(long, env = "CONCORD_LISTEN", default_value = "127.0.0.1:9400")]
        listen: SocketAddr,
        /// Seconds between two reads of all GPUs.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
        interval_seconds: u64,
        #[command(flatten)]
        library: Library,
    },
}

#[derive(Args)]
struct Library {
    /// Load this NVML instead of the system's libnvidia-ml.so.1.
    #[arg(long, value_name = "PATH")]
    nvml_library: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// One object with a list of devices.
    Json,
    /// Columns for people.
    Table,
}

fn main() -> anyhow::Result<()> {
    let Arguments { once: _, output, library, command } = Arguments::parse();
    match command {
        None => print_once(output, library),
        Some(Command::Run { listen, interval_seconds, library }) => {
            let filter =
                tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
            let colours = std::io::stderr().is_terminal();
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_ansi(colours)
                .with_writer(std::io::stderr)
                .init();
            run(listen, Duration::from_secs(interval_seconds), library)
        }
    }
}

fn print_once(output: Output, library: Library) -> anyhow::Result<()> {
    let Library { nvml_library } = library;
    let session = Session::open(nvml_library.as_deref())?;
    let mut errors = CallErrors::default();
    let node = session.read(&mut errors)?;
    match output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&node)?),
        Output::Table => print!("{}", table::render(&node)),
    }
    if errors.lost_device() {
        bail!("a GPU did not answer ({errors}); see `nvidia-smi` and the kernel log");
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn run(listen: SocketAddr, interval: Duration, library: Library) -> anyhow::Result<()> {
    let Library { nvml_library } = library;
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: is another exporter there? choose --listen"))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, "concord-gpu-agent starts");
    let counters = metrics::Counters::new()?;
    let sampler = sampler::start(nvml_library, interval, counters.clone())?;
    let registry = metrics::registry(&counters, sampler.latest.clone())?;
    tokio::select! {
        served = serve::serve(listener, registry, sampler.latest) => served.context("cannot serve"),
        _ = sampler.ended => bail!("the thread that reads NVML died; its last words are above"),
        told = stop_signal() => told.context("cannot wait for signals"),
    }
}

async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}

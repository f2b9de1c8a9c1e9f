//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "A value that NVML does not give is null, - or absent, never zero.

Examples:
  concord-gpu-agent --once                   what the GPUs of this machine say now
  concord-gpu-agent --once --output json | jq '.devices[].energy_joules'
  concord-gpu-agent run                      metrics on 127.0.0.1:9400, no more
  concord-gpu-agent run --node \"$NODE_NAME\" \\
    --pod-resources /var/lib/kubelet/pod-resources/kubelet.sock
                                             joules per claim, and the GpuNode
  concord-gpu-agent metrics                  every metric, with its meaning";

const RUN: &str = "What is measured: the GPU's own energy counter, and power. A claim that
alone holds a whole GPU is charged measured energy; shared GPUs and MIG
instances are estimates, and each series says by which rule.

While it runs: SIGUSR1 closes NVML, so that the driver can be replaced; SIGUSR2
opens it again. The node's label concord.dev/release-nvml=true does the same.
SIGTERM keeps the accounts and ends.";

/// Reads power, energy, health and use of a node's NVIDIA GPUs, once for people, or all the time for Prometheus.
#[derive(Parser)]
#[command(version, about, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Arguments {
    /// Print the GPUs once and exit; the exit code is not 0 when they cannot be read.
    #[arg(long, required = true)]
    pub once: bool,
    /// Form of what --once prints.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    #[command(flatten)]
    pub library: Library,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Serve /metrics, /healthz and /readyz until told to stop (SIGTERM or Ctrl-C).
    #[command(after_help = RUN)]
    Run(Box<Run>),
    /// Print what /metrics serves, as the table of docs/node-agent.md.
    Metrics,
}

/// Options of `run`.
#[derive(Args)]
pub struct Run {
    /// Address to listen on.
    #[arg(long, env = "CONCORD_LISTEN", default_value = "127.0.0.1:9400")]
    pub listen: SocketAddr,
    /// Seconds between two reads of all GPUs.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub interval_seconds: u64,
    #[command(flatten)]
    pub library: Library,
    /// Name of this node; with it the agent watches the node's pods and writes its `GpuNode`.
    #[arg(long, env = "NODE_NAME")]
    pub node: Option<String>,
    /// The kubelet's pod-resources socket; with it energy is charged to those who hold devices. Mount its directory.
    #[arg(long, value_name = "PATH")]
    pub pod_resources: Option<PathBuf>,
    /// Directory in which the accounts are kept, so that counters go on after a restart.
    #[arg(long, value_name = "PATH")]
    pub state_directory: Option<PathBuf>,
    /// Seconds after which it is known who held a device; energy is charged so late.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=300))]
    pub settle_seconds: u64,
    /// Read the use of processes too, to split GPUs that are shared in time. Needs the node's process ids (hostPID).
    #[arg(long)]
    pub processes: bool,
    /// Power of an idle GPU in watts; without it the lowest that was seen while nobody held the GPU.
    #[arg(long, value_parser = positive)]
    pub idle_watts: Option<f64>,
    /// XIDs that take no GPU out, instead of those of applications.
    #[arg(long, value_delimiter = ',')]
    pub harmless_xids: Option<Vec<u64>>,
    /// Reasons that take no GPU out, such as `RowRemapPending`.
    #[arg(long, value_delimiter = ',')]
    pub tolerate: Vec<String>,
    #[command(flatten)]
    pub estimates: Estimates,
}

/// Facts that nothing here measures. Each needs its source.
#[derive(Args)]
#[command(next_help_heading = "Estimates")]
pub struct Estimates {
    /// Intensity of the grid: a file or URL, CSV or JSON with `from`, `to`, `grams_per_kilowatt_hour`.
    #[arg(long, value_name = "PATH|URL")]
    pub grid_intensity: Option<String>,
    /// The site's power usage effectiveness.
    #[arg(long, value_parser = at_least_one, requires_all = ["pue_source", "pue_period"])]
    pub pue: Option<f64>,
    /// Who says so.
    #[arg(long)]
    pub pue_source: Option<String>,
    /// For which time, such as 2026.
    #[arg(long)]
    pub pue_period: Option<String>,
    /// Grams of CO2 equivalents of making one GPU.
    #[arg(long, value_parser = positive, requires_all = ["embodied_source", "lifetime_years"])]
    pub embodied_grams: Option<f64>,
    /// Who says so.
    #[arg(long)]
    pub embodied_source: Option<String>,
    /// Years over which the making is written off.
    #[arg(long, value_parser = positive)]
    pub lifetime_years: Option<f64>,
}

/// Which NVML.
#[derive(Args)]
pub struct Library {
    /// Load this NVML instead of the system's libnvidia-ml.so.1.
    #[arg(long, value_name = "PATH")]
    pub nvml_library: Option<PathBuf>,
}

/// Form of a reading.
#[derive(Clone, Copy, ValueEnum)]
pub enum Output {
    /// One object with a list of devices.
    Json,
    /// Columns for people.
    Table,
}

fn positive(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("it must be above 0".to_owned()) }
}

fn at_least_one(text: &str) -> Result<f64, String> {
    positive(text)
        .and_then(|value| if value >= 1.0 { Ok(value) } else { Err("it must be 1 or more".to_owned()) })
}

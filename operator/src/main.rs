//! `concord-operator`: keeps the treaty on a Kubernetes cluster.

mod act;
mod amendments;
mod announce;
mod applications;
mod cycle;
mod forecast;
mod hours;
mod lease;
mod metrics;
mod observe;
mod picture;
mod placement;
mod pods;
mod projects;
mod quiet;
mod quotas;
mod record;
mod report;
mod review;
mod runs;
mod serve;
mod standing;
mod story;
mod transitions;
mod upkeep;
mod view;
mod watched;
mod words;
mod world;
mod write;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::sync::{mpsc, watch};

use lease::Leadership;
use serve::Readiness;

/// Longest wait for the end of writes under way; each takes 10 s at most.
const END_LIMIT: Duration = Duration::from_secs(12);

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
    Run(Run),
    /// Print what /metrics serves, as the table of docs/operations.md.
    Metrics,
    /// Make the key that signs the public record, and print the public one.
    RecordKey(RecordKey),
}

#[derive(Args)]
struct RecordKey {
    /// Name of the record, which every checkpoint states: a host and path, such as pool.example.org/record.
    origin: String,
    /// New file for the private key; one that is there is never replaced.
    file: PathBuf,
}

#[derive(Args)]
struct Run {
    /// Address of /metrics, /healthz and /readyz.
    #[arg(long, env = "CONCORD_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How log lines are written; the variable `RUST_LOG` says what is logged.
    #[arg(long, env = "CONCORD_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Namespace of the lease. The admission policy concord-fence looks for it in this one.
    #[arg(long, env = "POD_NAMESPACE", default_value = concord_api::names::OPERATOR_NAMESPACE)]
    namespace: String,
    /// Name of this process's host or pod; something random is added.
    #[arg(long, env = "POD_NAME")]
    name: Option<String>,
    /// Another operator takes over after so many seconds without a sign of life of the one that acts.
    #[arg(long, env = "CONCORD_LEASE_SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u32).range(3..=600))]
    lease_seconds: u32,
    /// Address at which the API server asks about new treaties and quotas (HTTPS, POST /review). Without it they are
    /// looked at once they are stored.
    #[arg(long, env = "CONCORD_REVIEW_LISTEN")]
    review_listen: Option<SocketAddr>,
    /// Folder of the public record; all operators of a pool write to the same. Without it nothing is recorded.
    #[arg(long, env = "CONCORD_RECORD", requires = "record_key")]
    record: Option<String>,
    /// File of the private key that signs the record, made by `record-key`.
    #[arg(long, env = "CONCORD_RECORD_KEY", requires = "record")]
    record_key: Option<PathBuf>,
    /// Entries wait so long for others, and are then recorded together: each time leaves a small file for ever.
    #[arg(long, env = "CONCORD_RECORD_EVERY_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    record_every_seconds: u64,
    /// Where the agent of a node serves its metrics, as node=http://host:port; its counters of energy go to the record. May be repeated.
    #[arg(long, value_name = "NODE=URL", env = "CONCORD_AGENTS", value_delimiter = ',', requires = "record")]
    agents: Vec<record::readings::Agent>,
    /// Agents are read so often; one forgets a claim an hour after its end.
    #[arg(long, env = "CONCORD_ENERGY_EVERY_SECONDS", default_value_t = 1_800, value_parser = clap::value_parser!(u64).range(1..=1_800))]
    energy_every_seconds: u64,
    /// The GPUs are simulated, and the record says so.
    #[arg(long, env = "CONCORD_AGENTS_SIMULATED")]
    agents_simulated: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(arguments) => {
            start_log(arguments.log_format);
            run(arguments).await
        }
        Command::Metrics => {
            let table = metrics::Metrics::new()?.table();
            std::io::stdout().write_all(table.as_bytes()).context("cannot print")
        }
        Command::RecordKey(RecordKey { origin, file }) => {
            let public = record::key::make(&origin, &file)?;
            writeln!(std::io::stdout(), "{public}").context("cannot print")
        }
    }
}

async fn run(arguments: Run) -> anyhow::Result<()> {
    let Run { listen, log_format: _, namespace, name, lease_seconds, review_listen, .. } = &arguments;
    let (listen, lease_seconds, review_listen) = (*listen, *lease_seconds, *review_listen);
    let (namespace, name) = (namespace.clone(), name.clone());
    let mut config =
        kube::Config::infer().await.context("no cluster found: set KUBECONFIG or run inside a cluster")?;
    // The client would retry a write for minutes by itself; the cycle retries with what is true by then.
    config.default_retry = false;
    let client = kube::Client::try_from(config).context("the cluster's configuration cannot be used")?;
    let metrics = metrics::Metrics::new()?;
    let record = start_record(&arguments, &metrics)?;
    let (term, held) = watch::channel(None);
    let (stop, stopping) = watch::channel(false);
    let (readiness, ready) = watch::channel(Readiness { waits_for: vec!["start"], stands_by: true });
    let leadership = Leadership::new(held, stopping);
    let timing = lease::Timing::of_seconds(lease_seconds);
    let reviewing = review(review_listen, client.clone(), namespace.clone());
    let place = lease::Place { namespace, identity: lease::identity(name), timing };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, identity = place.identity, "concord-operator starts");
    let announcer = announce::Announcer::new(client.clone(), &place.identity, metrics.clone());
    let keeper = lease::Keeper::new(client.clone(), place, metrics.clone(), term);
    let writer = write::Writer::new(client, metrics.clone(), leadership.clone());
    let operator = cycle::Operator::new(writer, announcer, metrics.clone(), readiness, leadership, record);
    let mut cycles = tokio::spawn(operator.run());
    let mut keeping = pin!(keeper.keep());
    let told = tokio::select! {
        // Writes may be on their way of which nobody hears any more; the lease ends by itself.
        ended = &mut cycles => return ended.context("a defect ended the cycle").and_then(|()| anyhow::bail!("the watches ended")),
        served = serve::serve(listen, metrics, ready) => served.with_context(|| format!("cannot serve on {listen}")),
        reviewed = reviewing => reviewed,
        () = &mut keeping => Ok(()),
        told = stop_signal() => {
            tracing::info!("told to stop; everything decided so far stands in the API server");
            told.context("cannot wait for signals")
        }
    };
    // No write begins from here on. Those under way end before another operator may act; the lease is kept meanwhile.
    stop.send_replace(true);
    tokio::select! {
        () = keeping => {}
        ended = tokio::time::timeout(END_LIMIT, cycles) => if matches!(ended, Ok(Ok(()))) {
            keeper.release().await;
        },
    }
    told
}

/// The writer of the public record runs beside the cycle.
fn start_record(arguments: &Run, metrics: &metrics::Metrics) -> anyhow::Result<cycle::Record> {
    let (Some(place), Some(key)) = (&arguments.record, &arguments.record_key) else {
        tracing::warn!("no public record is kept; give --record and --record-key to keep one");
        return Ok(cycle::Record::none());
    };
    let recorder = record::Recorder {
        store: record::place::open(place)?,
        signer: record::key::read(key)?,
        pause: Duration::from_secs(arguments.record_every_seconds),
        metrics: metrics.clone(),
    };
    let (orders, given) = mpsc::unbounded_channel();
    let (tell, done) = mpsc::unbounded_channel();
    tokio::spawn(recorder.run(given, tell));
    let (read, energy) = mpsc::unbounded_channel();
    let every = Duration::from_secs(arguments.energy_every_seconds);
    tokio::spawn(record::readings::read(arguments.agents.clone(), every, read));
    Ok(cycle::Record::kept(orders, done, energy, arguments.agents_simulated))
}

async fn review(listen: Option<SocketAddr>, client: kube::Client, namespace: String) -> anyhow::Result<()> {
    match listen {
        Some(listen) => review::serve(listen, client, &namespace).await,
        None => std::future::pending().await,
    }
}

async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}

fn start_log(format: LogFormat) {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,kube=warn".into());
    let colour = std::io::stderr().is_terminal();
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

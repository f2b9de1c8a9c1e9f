//! `concord-load`: Concord and Kueue under Kueue's own load test, and the operator's own figures.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use concord_load::{
    agent,
    concord::Concord,
    figures::{self, Figure},
    generator::Load,
    kueue::Kueue,
    plane,
    report::{Comparison, load_average, machine},
};
use concord_pool::{Progress, pool};

/// Runs schedulers on a real API server under a load and says how they did.
#[derive(Debug, Parser)]
#[command(
    after_help = "Try:\n  concord-load compare --load smoke                      a minute: does everything work?\n  \
    concord-load compare --load baseline                   15,000 workloads, Concord and then Kueue\n  \
    concord-load compare --load large-scale --only concord 50,000 workloads in 1,000 queues\n  \
    concord-load compare --load my/generator.yaml --kueue-qps 50,300\n  \
    concord-load failover; concord-load restart; concord-load latency; concord-load agent\n\n\
    Every run starts an empty etcd and kube-apiserver of its own, without controllers. Both schedulers run one after\n\
    the other, never at once. A busy machine makes every time longer: look at the CPU seconds and the writes first.\n\
    docs/load.md says how it works and what differs between the two set-ups."
)]
struct Arguments {
    /// Folder for control planes and logs; what an earlier run left there is removed.
    #[arg(long, global = true, env = "CONCORD_LOAD", default_value = ".load")]
    data: PathBuf,
    /// The operator's program; by default the one beside this program.
    #[arg(long, global = true)]
    operator: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The same load for Concord and for Kueue, one after the other; prints a table.
    Compare(Compare),
    /// Kill the operator that acts, amid claims in line, and wait for what the standby starts first.
    Failover {
        /// Claims in line.
        #[arg(long, default_value_t = 10_000)]
        claims: usize,
        /// Length of the lease, which is most of the time.
        #[arg(long, default_value_t = 15)]
        lease_seconds: u32,
    },
    /// Stop the operator, start it again amid many claims, and wait for its first decision; its memory too.
    Restart {
        /// Claims in line.
        #[arg(long, default_value_t = 100_000)]
        claims: usize,
    },
    /// Time from making a claim to its admission in a pool full of running claims, with and without a reclaim.
    Latency {
        /// Claims that run.
        #[arg(long, default_value_t = 4_000)]
        running: usize,
        /// Claims that are made, one after another, of each sort.
        #[arg(long, default_value_t = 100)]
        trials: usize,
    },
    /// Joules that the node agent charges beside those that a scenario of simulated GPUs implies; five minutes.
    Joules,
    /// Cost of the node agent on a node of simulated GPUs: CPU, memory, time of a scrape.
    Agent {
        /// GPUs of the node.
        #[arg(long, default_value_t = 8)]
        gpus: usize,
        /// MIG instances of each, held by a pod each; 0: each GPU is held as a whole.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u8).range(0..=7))]
        instances: u8,
        /// How long.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
}

#[derive(Debug, Args)]
struct Compare {
    /// `smoke` (60 workloads), `tenth` (of baseline), `baseline` or `large-scale` (of Kueue's module), or a generator file.
    #[arg(long, env = "LOAD", default_value = "baseline")]
    load: String,
    /// Run one scheduler alone.
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// Requests a second that minimalkueue allows itself, a run for each: 50 is in its source, 300 is what Kueue ships.
    #[arg(long, value_delimiter = ',', default_values_t = [50, 300])]
    kueue_qps: Vec<u32>,
    /// Give up a run after so many seconds.
    #[arg(long, default_value_t = 3_600)]
    limit_seconds: u64,
    /// Write comparison.json and comparison.md there.
    #[arg(long, default_value = "load-report")]
    report: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    Concord,
    Kueue,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("concord-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Arguments { data, operator, command }: Arguments) -> Result<()> {
    let progress = Progress::default();
    let operator = operator.map_or_else(|| pool::beside_this_program("concord-operator"), Ok)?;
    ensure!(operator.is_file(), "no program at {}; `make build` builds it", operator.display());
    match command {
        Command::Compare(order) => compare(&data, operator, &order, &progress).await,
        Command::Failover { claims, lease_seconds } => {
            let mut control = plane::start(&empty(&data, "failover")?, &progress).await?;
            let found = figures::failover(&mut control, operator, claims, lease_seconds, &progress).await?;
            print(&found);
            control.stop().await
        }
        Command::Restart { claims } => {
            let mut control = plane::start(&empty(&data, "restart")?, &progress).await?;
            print(&figures::restart(&mut control, operator, claims, &progress).await?);
            control.stop().await
        }
        Command::Latency { running, trials } => {
            let mut control = plane::start(&empty(&data, "latency")?, &progress).await?;
            print(&figures::latency(&mut control, operator, running, trials, &progress).await?);
            control.stop().await
        }
        Command::Joules => {
            let (agent, library) = agent::programs()?;
            let mut control = plane::start(&empty(&data, "joules")?, &progress).await?;
            print(&agent::conservation::compare(&mut control, &agent, &library, &progress).await?);
            control.stop().await
        }
        Command::Agent { gpus, instances, seconds } => {
            let (agent, library) = agent::programs()?;
            let mut control = plane::start(&empty(&data, "agent")?, &progress).await?;
            let size = agent::Size { gpus, instances: instances.into() };
            let length = Duration::from_secs(seconds);
            print(&agent::cost(&mut control, &agent, &library, size, length, &progress).await?);
            control.stop().await
        }
    }
}

fn print(figures: &[Figure]) {
    println!("{}; load average {:.1}\n\n| what | measured |\n|---|---|", machine(), load_average());
    for Figure { what, value } in figures {
        println!("| {what} | {value} |");
    }
}

async fn compare(data: &Path, operator: PathBuf, order: &Compare, progress: &Progress) -> Result<()> {
    let limit = Duration::from_secs(order.limit_seconds);
    let mut kueues = Vec::new();
    // Kueue's sources also hold its loads.
    let named = matches!(order.load.as_str(), "baseline" | "large-scale");
    let mut file = PathBuf::from(&order.load);
    if order.only != Some(Only::Concord) {
        for qps in &order.kueue_qps {
            kueues.push(Kueue::ensure(Some(*qps), &data.join("build"), progress)?);
        }
    }
    if named {
        file = Kueue::generator_file(&order.load)?;
    } else if matches!(order.load.as_str(), "smoke" | "tenth") {
        file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("loads/{}.yaml", order.load));
    }
    let load = Load::read(&file)?;
    let mut comparison = Comparison::new(&load.name, load.ideal_milliseconds(), load_average());
    progress.line(format!(
        "load {}: {} workloads in {} queues",
        load.name,
        load.workloads(),
        load.queues.len()
    ));
    if order.only != Some(Only::Kueue) {
        let folder = empty(data, "concord")?;
        let mut control = plane::start(&folder, progress).await?;
        let concord = Concord::install(&mut control, operator, &load, 15, progress).await?;
        comparison.outcomes.push(concord.run(&mut control, &load, limit, progress).await?);
        // What follows may take an hour more, or be stopped.
        write_report(&order.report, &comparison)?;
        control.stop().await?;
    }
    for (position, kueue) in kueues.iter().enumerate() {
        let folder = empty(data, &format!("kueue-{position}"))?;
        let mut control = plane::start(&folder, progress).await?;
        comparison.outcomes.push(kueue.run(&mut control, &file, &load, limit, progress).await?);
        write_report(&order.report, &comparison)?;
        control.stop().await?;
    }
    println!("{comparison}");
    let faults: usize = comparison.outcomes.iter().map(|outcome| outcome.faults.len()).sum();
    if faults > 0 {
        bail!("{faults} faults; see the table");
    }
    Ok(())
}

fn write_report(folder: &Path, comparison: &Comparison) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::write(folder.join("comparison.json"), serde_json::to_string_pretty(comparison)?)?;
    fs::write(folder.join("comparison.md"), comparison.markdown()?)?;
    Ok(())
}

/// A folder of that name with nothing in it. Only folders that this program has made are emptied.
fn empty(data: &Path, name: &str) -> Result<PathBuf> {
    let folder = data.join(name);
    if folder.join("tokens.csv").is_file() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    let absent = !folder.exists() || fs::read_dir(&folder)?.next().is_none();
    ensure!(
        absent,
        "{} holds something that this program has not made; name another --data",
        folder.display()
    );
    Ok(folder)
}

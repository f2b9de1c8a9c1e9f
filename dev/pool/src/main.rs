//! `concord-pool`: starts the local pool, replays a trace on it, audits it, stops it.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use concord_pool::{
    ControlPlane, Identity, Processes, Progress,
    agents::{self, Agents},
    audit::Audit,
    energy::Energy,
    pool::{self, AUDITOR, Blueprint, OPERATOR, PoolState},
    prerequisites, record,
    replay::{self, Order, Report, Selection},
    status, supervise,
};

/// A Kubernetes control plane with simulated GPU nodes on this machine, Concord on it, and real jobs to run.
#[derive(Debug, Parser)]
#[command(
    after_help = "Try:\n  concord-pool up                    everything, and the default replay (about ten minutes)\n  \
    concord-pool up --no-replay        everything, and submit jobs yourself\n  \
    concord-pool replay --replay hours=2,speed=600 --kill-operator 3\n  \
    concord-pool audit --for 60s       count GPUs for a minute, trusting nobody\n  \
    concord-pool down                  stop and remove everything\n\nNodes and GPUs are simulated; everything else is real."
)]
struct Arguments {
    /// Folder for everything that the pool writes.
    #[arg(long, global = true, env = "CONCORD_POOL", default_value = ".pool")]
    data: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start what is not running: control plane, nodes, treaty, operator, projects; then replay.
    Up {
        /// Only start; submit nothing.
        #[arg(long)]
        no_replay: bool,
        /// The operator's program; by default the one beside this program.
        #[arg(long)]
        operator: Option<PathBuf>,
        /// Run the node agent on so many nodes, with a simulated driver.
        #[arg(long, default_value_t = 4)]
        agents: usize,
        /// The treaty; the members bring as many nodes of 8 GPUs as it guarantees them.
        #[arg(long)]
        treaty: Option<PathBuf>,
        /// The projects, one named MEMBER-lab for each member.
        #[arg(long)]
        projects: Option<PathBuf>,
        #[command(flatten)]
        replay: ReplayArguments,
    },
    /// Replay a part of the trace on the running pool.
    Replay(ReplayArguments),
    /// Watch the API with an auditor's rights and count GPUs by node, member and in total.
    Audit {
        /// How long, such as 60s or 5m.
        #[arg(long = "for", value_parser = duration, default_value = "60s")]
        length: Duration,
    },
    /// Programs, nodes, treaty, claims, operator.
    Status,
    /// The last lines of every log, or of one.
    Logs {
        /// Name of the program, as `status` shows it.
        name: Option<String>,
        /// How many lines.
        #[arg(long, default_value_t = 20)]
        lines: usize,
    },
    /// Stop everything and remove its data.
    Down {
        /// Keep the data for the next `up`.
        #[arg(long)]
        keep: bool,
    },
    /// Keep a program running; used by `up` for the operator.
    #[command(hide = true)]
    Supervise {
        /// File that names the running process.
        #[arg(long)]
        state: PathBuf,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct ReplayArguments {
    /// Part of the trace and speed: key=value,... of start-day, hours, speed (trace seconds in a second), jobs (at
    /// most), max-runtime-hours (longer runs are cut), seed.
    #[arg(long = "replay", env = "REPLAY", default_value_t)]
    selection: Selection,
    /// Kill the operator (kill -9) so many times at random moments.
    #[arg(long, default_value_t = 0)]
    kill_operator: u32,
    /// Seed of those moments; by default the seed of --replay.
    #[arg(long)]
    seed: Option<u64>,
    /// Trace to replay; by default dev/traces/itp.csv.gz.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Print the report as a table or as JSON; report.json is written in both cases.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("concord-pool: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(Arguments { data, command }: Arguments) -> Result<()> {
    let progress = Progress::default();
    match command {
        Command::Up { no_replay, operator, agents, treaty, projects, replay } => {
            prerequisites::check()?;
            let policies = pool::repository().join("policies");
            let blueprint = Blueprint {
                data: data.clone(),
                treaty: treaty.unwrap_or_else(|| policies.join("open-pool.yaml")),
                projects: projects.unwrap_or_else(|| policies.join("projects.yaml")),
                operator: operator.map_or_else(|| pool::beside_this_program(OPERATOR), Ok)?,
                quota_api: pool::beside_this_program(pool::QUOTA_API)?,
                agents: Agents::beside_this_program(agents)?,
            };
            let mut plane = pool::up(&blueprint, &progress).await?;
            if no_replay {
                where_to_look(&plane);
                return Ok(());
            }
            replay_and_report(&mut plane, replay, &progress).await
        }
        Command::Replay(arguments) => {
            let mut plane = attach(&data)?;
            replay_and_report(&mut plane, arguments, &progress).await
        }
        Command::Audit { length } => audit(&attach(&data)?, length).await,
        Command::Status => status::status(&data).await,
        Command::Logs { name, lines } => logs(&Processes::attach(&data)?, name.as_deref(), lines),
        Command::Down { keep } => pool::down(&data, keep, &progress).await,
        Command::Supervise { state, mut command } => {
            let program = PathBuf::from(command.remove(0));
            supervise::supervise(state, program, command).await
        }
    }
}

fn attach(data: &PathBuf) -> Result<ControlPlane> {
    let plane = ControlPlane::attach(data).context("is the pool running? `make up` starts it")?;
    if Processes::attach(data)?.names().any(|name| name == OPERATOR) {
        return Ok(plane);
    }
    bail!("the operator is not running in {}; `make up` starts the pool", data.display())
}

async fn replay_and_report(
    plane: &mut ControlPlane,
    arguments: ReplayArguments,
    progress: &Progress,
) -> Result<()> {
    let ReplayArguments { selection, kill_operator, seed, trace, output } = arguments;
    let trace = trace.unwrap_or_else(|| pool::repository().join("dev/traces/itp.csv.gz"));
    let order = Order { selection, trace, kills: kill_operator, seed };
    let report: Report = replay::run(plane, &order, progress).await?;
    let energy = energy(plane).await?;
    let client = plane.client(Identity::ADMIN).await?;
    let recorded = record::compare(&pool::record(plane.data_dir()), &client, energy.as_ref()).await?;
    let json = serde_json::to_string_pretty(&report)?;
    let file = plane.data_dir().join("report.json");
    std::fs::write(&file, &json).with_context(|| format!("cannot write {}", file.display()))?;
    match output {
        Output::Table => {
            println!("\n{report}\nThe same as JSON: {}", file.display());
            if let Some(energy) = &energy {
                println!("\n{energy}");
            }
            println!("\n{recorded}");
            where_to_look(plane);
        }
        Output::Json => println!("{json}"),
    }
    if !recorded.is_sound() {
        bail!(
            "the public record is not sound or not complete; see above and `concord verify {}`",
            pool::record(plane.data_dir()).display()
        );
    }
    if report.is_clean() {
        return Ok(());
    }
    bail!(
        "the replay did not go well: {}; see the audit above and `make logs`",
        report.audit.complaints().join("; ")
    )
}

/// What the agents booked; `None` without agents.
async fn energy(plane: &ControlPlane) -> Result<Option<Energy>> {
    let state = PoolState::load(plane.data_dir());
    let texts = agents::metrics(&state.agent_ports).await?;
    let energy = Energy::of(texts.values().map(String::as_str))?;
    let file = plane.data_dir().join("energy.json");
    std::fs::write(&file, serde_json::to_string_pretty(&energy)?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok((!state.agent_ports.is_empty()).then_some(energy))
}

fn where_to_look(plane: &ControlPlane) {
    let state = PoolState::load(plane.data_dir());
    println!("\nLook around (nodes and GPUs are simulated, everything else is real):");
    println!("  export KUBECONFIG={}", plane.kubeconfig(Identity::ADMIN).display());
    println!("  export PATH={}:$PATH", plane.toolchain().bin().display());
    println!(
        "  kubectl get gpuclaims -A              every claim: member, GPUs, state, place in line, reason"
    );
    println!("  kubectl describe treaty               the rules, and who uses what now");
    println!("  kubectl get projects,nodes            who works here, and on what");
    println!("  {}    the public pages: who uses what; also /api/v1/use", state.quota_api_url("/"));
    println!("  {}    the operator's metrics", state.operator_url("/metrics"));
    for (node, port) in state.agent_ports.iter().take(1) {
        println!(
            "  http://127.0.0.1:{port}/metrics    the agent on {node}: power, energy, joules of claims (SIMULATED GPUs)"
        );
    }
    println!(
        "  cargo run -p concord-cli -- verify {}    check the public record",
        pool::record(plane.data_dir()).display()
    );
    println!("  make status, make logs, make replay REPLAY=hours=2,speed=600, make down");
}

async fn audit(plane: &ControlPlane, length: Duration) -> Result<()> {
    let audit = Audit::start(pool::client(plane, AUDITOR).await?).await?;
    eprintln!("auditing for {} s", length.as_secs());
    tokio::time::sleep(length).await;
    // Jobs and claims that are on their way are no faults here, so only sums are judged.
    let mut findings = audit.findings(std::iter::empty())?;
    findings.count_claims(&audit.state().stories);
    println!("{}", serde_json::to_string_pretty(&findings)?);
    if findings.is_clean() { Ok(()) } else { bail!("{}", findings.complaints().join("; ")) }
}

fn logs(processes: &Processes, name: Option<&str>, lines: usize) -> Result<()> {
    let ended = processes.ended().iter().map(|record| record.name.as_str());
    let known: Vec<&str> = processes.names().chain(ended).collect();
    if let Some(name) = name.filter(|name| !known.contains(name)) {
        bail!("no program {name}; there are: {}", known.join(", "));
    }
    for known in known.into_iter().filter(|known| name.is_none_or(|name| name == *known)) {
        let log = processes.log(known);
        println!("--- {known} ({})\n{}", log.display(), processes.last_log_lines(known, lines));
    }
    Ok(())
}

/// `90`, `90s`, `5m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, factor) = match text.chars().last() {
        Some('s') => (&text[..text.len() - 1], 1),
        Some('m') => (&text[..text.len() - 1], 60),
        Some('h') => (&text[..text.len() - 1], 3_600),
        _ => (text, 1),
    };
    let seconds: u64 = number.parse().map_err(|_| format!("{text:?} is not a time such as 60s, 5m or 1h"))?;
    Ok(Duration::from_secs(seconds.saturating_mul(factor)))
}

#[cfg(test)]
mod tests {
    use super::{Arguments, duration};
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
        assert_eq!(duration("5m").unwrap().as_secs(), 300);
        assert!(duration("soon").is_err() && duration("").is_err());
    }
}

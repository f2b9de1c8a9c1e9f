//! Starts and stops the local pool.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use concord_pool::{
    ControlPlane, Identity, Lifetime, Options, Processes, Progress, SimulatedNode, nodes, prerequisites,
};

/// A Kubernetes control plane with simulated GPU nodes on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder for everything that the pool writes.
    #[arg(long, global = true, env = "CONCORD_POOL", default_value = ".pool")]
    data: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build what is missing, start everything, return when it is ready.
    Up {
        /// Only the control plane and nodes, nothing of Concord.
        #[arg(long)]
        bare: bool,
        /// Number of simulated nodes with 8 GPUs each.
        #[arg(long, default_value_t = 12)]
        nodes: usize,
    },
    /// Stop everything; the data stays for the next `up`.
    Down,
    /// What is running.
    Status,
    /// The last lines of every log, or of one.
    Logs {
        /// Name of the program, as `status` shows it.
        name: Option<String>,
        /// How many lines.
        #[arg(long, default_value_t = 20)]
        lines: usize,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { data, command } = Arguments::parse();
    match command {
        Command::Up { bare: _, nodes } => up(data, nodes).await,
        Command::Down => {
            let mut processes = Processes::attach(&data)?;
            tokio::task::spawn_blocking(move || processes.stop_all()).await?
        }
        Command::Status => status(&Processes::attach(&data)?),
        Command::Logs { name, lines } => logs(&Processes::attach(&data)?, name.as_deref(), lines),
    }
}

async fn up(data: PathBuf, count: usize) -> Result<()> {
    prerequisites::check()?;
    let options = Options {
        lifetime: Lifetime::Detached,
        identities: ["operator", "replay", "auditor"].map(Identity::new).into(),
        ..Options::new(data)
    };
    let plane = ControlPlane::start(options).await?;
    let client = plane.client(Identity::ADMIN).await?;
    let members = ["alba", "brava", "cora"];
    let wanted: Vec<SimulatedNode> = (0..count)
        .map(|index| SimulatedNode {
            name: format!("node-{index:04}"),
            owner: members[index % members.len()].to_owned(),
            gpu_class: "a100".to_owned(),
            rack: format!("rack-{:03}", index / 16),
            gpus: 8,
        })
        .collect();
    nodes::create(&client, &wanted).await?;
    nodes::wait_ready(&client, count, |_, _| ()).await?;
    Progress::default().line(format!("{count} simulated nodes are ready"));
    println!("export KUBECONFIG={}", plane.kubeconfig(Identity::ADMIN).display());
    println!("export PATH={}:$PATH", plane.toolchain().bin().display());
    Ok(())
}

fn status(processes: &Processes) -> Result<()> {
    for record in processes.records() {
        println!(
            "{:<28} running, pid {:<8} log {}",
            record.name,
            record.pid,
            processes.log(&record.name).display()
        );
    }
    for record in processes.ended() {
        println!("{:<28} HAS ENDED             log {}", record.name, processes.log(&record.name).display());
    }
    match (processes.records().count(), processes.ended()) {
        (0, []) => println!("nothing is running"),
        (_, []) => (),
        (_, ended) => bail!("{} programs have ended though nobody stopped them", ended.len()),
    }
    Ok(())
}

fn logs(processes: &Processes, name: Option<&str>, lines: usize) -> Result<()> {
    let ended = processes.ended().iter().map(|record| record.name.as_str());
    for known in processes.names().chain(ended).filter(|known| name.is_none_or(|name| name == *known)) {
        println!("--- {known}\n{}", processes.last_log_lines(known, lines));
    }
    Ok(())
}

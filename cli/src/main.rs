//! `concord`: the treaty on the command line. Each command is a module of its own.
#![forbid(unsafe_code)]

mod commands;

use clap::{Parser, Subcommand};

/// GPUs that several members own together, shared under a treaty.
#[derive(Debug, Parser)]
#[command(name = "concord", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Simulate(Box<Simulate>),
}

/// What a trace would have seen under a treaty; `simulate pack`: how well a rule fills nodes of many kinds.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Simulate {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    trace: Option<commands::simulate::Arguments>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// How well a placement rule fills nodes of many kinds
    Pack(commands::simulate_pack::Args),
}

fn main() -> anyhow::Result<()> {
    let Command::Simulate(simulate) = Arguments::parse().command;
    match (simulate.part, simulate.trace) {
        (Some(Part::Pack(arguments)), _) => commands::simulate_pack::run(arguments),
        (None, Some(arguments)) => commands::simulate::run(&arguments),
        (None, None) => anyhow::bail!("name a treaty and a trace; see concord simulate --help"),
    }
}

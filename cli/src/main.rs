//! `concord`: the treaty on the command line.
#![forbid(unsafe_code)]

mod commands;

use clap::{Parser, Subcommand};

/// Governments that share one GPU datacenter under a treaty.
#[derive(Debug, Parser)]
#[command(name = "concord", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Simulate(commands::simulate::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Simulate(arguments) => commands::simulate::run(&arguments),
    }
}

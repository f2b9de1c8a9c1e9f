//! `concord`: simulate from the command line. Each command is a module of its own.
#![forbid(unsafe_code)]

mod commands;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "concord", version, about = "GPUs that several members own together, shared under a treaty")]
struct Command {
    #[command(subcommand)]
    command: Top,
}

#[derive(Debug, Subcommand)]
enum Top {
    /// What would happen, without a cluster
    #[command(subcommand)]
    Simulate(Simulate),
}

#[derive(Debug, Subcommand)]
enum Simulate {
    /// How well a placement rule fills nodes of many kinds
    Pack(commands::simulate_pack::Args),
}

fn main() -> anyhow::Result<()> {
    match Command::parse().command {
        Top::Simulate(Simulate::Pack(args)) => commands::simulate_pack::run(args),
    }
}

//! `concord`: the treaty on the desk of a member-state admin. Checks texts before they are proposed and tells what a
//! change does. Also works as `kubectl concord` when installed as `kubectl-concord`.
//!
//! This file is a table of commands; each has a module of its own.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

mod check;
mod diff;
mod files;
mod nodes;
mod print;
mod render;

/// Exit code for texts with errors.
const FAULTY: u8 = 1;
/// Exit code for wrong use, unreadable files and the like.
const UNUSABLE: u8 = 2;

/// Reads and compares treaties on shared GPUs.
#[derive(Parser)]
#[command(name = "concord", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  concord check policies/                          every treaty in a folder
  concord check treaty.yaml --nodes 185            and whether 185 nodes of 8 GPUs can keep it
  kubectl get treaty -o yaml NAME | concord check - the one in force
  concord diff old.yaml new.yaml --nodes 185       what a change does to each member

Exit codes: 0 fine, 1 errors in a treaty, 2 wrong use.";

#[derive(Subcommand)]
enum Command {
    /// Check treaties: every fault at once, each with its place and what to type instead
    Check(check::Arguments),
    /// Tell what a changed treaty does to each member, in words and numbers
    Diff(diff::Arguments),
    /// Print completions for a shell: source <(concord completion bash)
    Completion(print::CompletionArguments),
    /// Print the manual page: concord man | man -l -
    Man,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Completion(arguments) => print::completion(&arguments, &mut Arguments::command()),
        Command::Man => print::manual(Arguments::command()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAULTY),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("concord: {error:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}

/// Somebody looked at the first lines only: `concord check … | head`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

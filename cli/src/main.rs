//! `concord`: the treaty on the desk of a member-state admin. Checks texts before they are proposed, tells what a
//! change does, replays traces under a treaty, and checks a pool's public record. Also works as `kubectl concord` when installed as
//! `kubectl-concord`.
//!
//! This file is a table of commands; each has a module of its own.
#![forbid(unsafe_code)]

mod commands;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Exit code for texts with errors, and for records with which something is wrong.
const FAULTY: u8 = 1;
/// Exit code for wrong use, unreadable files and the like.
const UNUSABLE: u8 = 2;

/// Reads, compares and tries out treaties on shared GPUs.
#[derive(Debug, Parser)]
#[command(name = "concord", version, arg_required_else_help = true, after_help = EXAMPLES)]
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
  concord simulate --treaty treaty.yaml --trace jobs.csv.gz --nodes 185 --policy all --partition
  concord propose new.yaml --treaty two-states --matter annex --name more-gpus
  concord ratify more-gpus --member north --vote yes --key north.key
  concord explain climate/train                    why it waits and until when, asked through kubectl
  concord verify https://pool.example.org/record --key pool.key
                                                   whether the pool's record is true, and its promises were kept

Exit codes: 0 fine, 1 errors in a treaty or something wrong with a record, 2 wrong use.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Check treaties: every fault at once, each with its place and what to type instead
    Check(commands::check::Arguments),
    /// Tell what a changed treaty does to each member, in words and numbers
    Diff(commands::diff::Arguments),
    Simulate(Box<Simulate>),
    /// Propose a new text of a treaty as an amendment, and show who gains and loses by it
    Propose(Box<commands::propose::Arguments>),
    /// Vote on an amendment or ratify it, with the signature of a member
    Ratify(commands::ratify::Arguments),
    /// List amendments: how each stands, what is next, whose signature is missing
    Amendments(commands::amendments::Arguments),
    /// Make a key by which a member votes and ratifies
    Key(commands::key::Arguments),
    /// Tell why a claim waits, when it will start, and what would change it
    Explain(Box<commands::explain::Arguments>),
    /// Check a pool's public record: signed, unchanged, adding up, and what became of the treaty's promises
    Verify(Box<commands::verify::Arguments>),
    /// Prove to anybody that one thing is in a public record
    Proof(commands::proof::Arguments),
    /// Make the account of a member or a project from a public record
    Statement(commands::statement::Arguments),
    /// Print the jobs of a public record as a trace, to try another treaty on what was really asked
    Trace(commands::trace::Arguments),
    /// Get a token from the portal for kubectl, which runs this by itself; see the kubeconfig on the portal's page My account
    Login(commands::login::Arguments),
    /// Print completions for a shell: source <(concord completion bash)
    Completion(commands::print::CompletionArguments),
    /// Print the manual page: concord man | man -l -
    Man,
}

/// Replay a trace of jobs under a treaty, and compare with policies without one
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    long_about = commands::simulate::ABOUT,
    after_long_help = commands::simulate::EXAMPLES
)]
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

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAULTY),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("concord: {}", printable(&format!("{error:#}")));
            ExitCode::from(UNUSABLE)
        }
    }
}

/// False: the texts have errors, or something is wrong with a record.
fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Check(arguments) => commands::check::run(&arguments),
        Command::Diff(arguments) => commands::diff::run(&arguments),
        Command::Simulate(simulate) => simulate.run().map(|()| true),
        Command::Propose(arguments) => commands::propose::run(&arguments),
        Command::Ratify(arguments) => commands::ratify::run(&arguments),
        Command::Amendments(arguments) => commands::amendments::run(&arguments),
        Command::Key(arguments) => commands::key::run(&arguments),
        Command::Explain(arguments) => commands::explain::run(&arguments).map(|()| true),
        Command::Verify(arguments) => commands::verify::run(&arguments),
        Command::Proof(arguments) => commands::proof::run(&arguments).map(|()| true),
        Command::Statement(arguments) => commands::statement::run(&arguments).map(|()| true),
        Command::Trace(arguments) => commands::trace::run(&arguments).map(|()| true),
        Command::Login(arguments) => commands::login::run(&arguments).map(|()| true),
        Command::Completion(arguments) => commands::print::completion(&arguments, &mut Arguments::command()),
        Command::Man => commands::print::manual(Arguments::command()),
    }
}

impl Simulate {
    fn run(self) -> anyhow::Result<()> {
        match (self.part, self.trace) {
            (Some(Part::Pack(arguments)), _) => commands::simulate_pack::run(arguments),
            (None, Some(arguments)) => commands::simulate::run(&arguments),
            (None, None) => anyhow::bail!("name a treaty and a trace; see concord simulate --help"),
        }
    }
}

/// What went wrong may quote a file or a server that nobody trusts, and a terminal must not obey it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Somebody looked at the first lines only: `concord check … | head`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let of = |cause: &(dyn std::error::Error + 'static)| {
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(json)
    };
    error.chain().any(|cause| of(cause) == Some(std::io::ErrorKind::BrokenPipe))
}

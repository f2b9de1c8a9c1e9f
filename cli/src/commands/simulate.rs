//! `concord simulate`: what a trace of jobs would have seen under a treaty, and under policies without one.
//!
//! This file says what can be asked and in which order it is done; reading the trace is left to [`trace`], the replays
//! to [`trials`], and showing the result to [`table`] and [`chart`].

mod chart;
pub(super) mod decided;
pub(super) mod notes;
pub(super) mod pool;
mod svg;
mod table;
pub(super) mod trace;
pub(super) mod treaty_file;
mod trials;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use jiff::civil::{Date, DateTime};

use super::nodes::NodeArguments;
use pool::Pool;
use trials::Question;

/// What `concord simulate --help` begins with.
pub const ABOUT: &str = "\
Replay a trace of jobs under a treaty, and compare with policies without one

The trace is a CSV file, plain or gzipped, with one line for each gang. It begins with the line
  job,member,submit_s,runtime_s,gpus
and may have more columns, in any order:
  class                   of GPUs, where the treaty has several
  within                  rack or row in which all of the gang's nodes must lie
  node_labels             that its nodes must have: a=b;c=d
  institution, project, person
                          on whose behalf inside its member, for --quota and --awards;
                          or all three in one column, path: a/b/c
  organisation_kind, country, purpose, data_class
                          what its applicant states, where the treaty has conditions
A member may be a reserve. Jobs that arrive in the same second keep the order of the file.

Everything that the treaty says follows the clock of the trace: shares, suspensions, reserves,
budgets, windows. What acts on nothing is told as a note.";

/// What it ends with.
pub const EXAMPLES: &str = "\
Examples:
  concord simulate --treaty t.yaml --trace jobs.csv --nodes 185
  concord simulate --treaty t.yaml --trace jobs.csv.gz --nodes h100=32,a100=64 --on 2027-03-30
  concord simulate --treaty t.yaml --trace jobs.csv --node-file nodes.csv --quota north.yaml
  concord simulate --treaty t.yaml --trace jobs.csv --nodes 185 --policy all --svg all.svg

docs/simulate.md tells what each column, figure and note means.";

/// Arguments of `concord simulate`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Treaty, as a YAML file
    #[arg(long, value_name = "FILE")]
    treaty: PathBuf,
    /// Trace, plain or gzipped; "-" is standard input
    #[arg(long, value_name = "CSV")]
    trace: PathBuf,
    // These four are those of `NodeArguments`: what is flattened into an optional set of arguments cannot itself flatten.
    /// Number of nodes; with classes one number for each: h100=32,a100=64
    #[arg(long, value_delimiter = ',', value_name = "N|CLASS=N", conflicts_with = "node_file")]
    nodes: Vec<String>,
    /// GPUs of each of these nodes
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    gpus_per_node: u32,
    /// CSV file of nodes with the columns name, gpus and labels (a=b;c=d), of which topology.concord.dev/rack and /row say
    /// where a node stands
    #[arg(long, value_name = "FILE")]
    node_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = decided::QUOTA)]
    quota: Vec<PathBuf>,
    #[arg(long, value_name = "FILE", help = decided::AWARDS)]
    awards: Option<PathBuf>,
    /// A member's decision to open a reserve, at a second of the trace; may be repeated
    #[arg(long, value_name = "RESERVE=MEMBER@SECOND", value_parser = decided::parse_opening)]
    open: Vec<decided::OpeningArgument>,
    /// Day on which the trace begins, YYYY-MM-DD
    #[arg(long, value_name = "DAY")]
    on: Option<Date>,
    /// When second 0 of the trace happens, YYYY-MM-DDTHH:MM in the treaty's time zone; otherwise the first instant of the
    /// day given by --on, of the treaty's first day, or of 2026-01-01
    #[arg(long, value_name = "TIME", conflicts_with = "on")]
    start: Option<DateTime>,
    /// What decides who starts
    #[arg(long, value_enum, default_value_t = PolicyArgument::Treaty)]
    policy: PolicyArgument,
    /// Give every member nodes of its own, worth its guarantee, instead of one pool; not for the treaty
    #[arg(long)]
    partition: bool,
    /// Names in the trace that differ from the treaty's: TRACE=TREATY,...
    #[arg(long, value_name = "MAP", value_delimiter = ',', value_parser = parse_pair)]
    members: Vec<(String, String)>,
    /// Use this notice instead of the treaty's
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..=604_800))]
    notice_seconds: Option<i64>,
    /// Order of the line alone with which the treaty's promise is compared; the treaty's if not given
    #[arg(long, value_enum)]
    alone: Option<AloneArgument>,
    /// Leave out jobs that arrive before this second of the trace
    #[arg(long, value_name = "SECOND", default_value_t = 0)]
    from: i64,
    /// Leave out jobs that arrive in or after this second of the trace
    #[arg(long, value_name = "SECOND")]
    until: Option<i64>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Also draw the result into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PolicyArgument {
    /// The treaty
    Treaty,
    /// By arrival; nobody passes the first
    Fifo,
    /// Shortest run time first
    Sjf,
    /// By arrival; whoever fits passes those who do not
    Skip,
    /// EASY backfill with known run times
    Easy,
    /// The treaty, and the others both in one pool and in partitions
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AloneArgument {
    /// By arrival; nobody passes the first
    Submission,
    /// By arrival; whoever fits passes those who do not
    FirstFit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

pub(super) fn parse_pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(from, to)| !from.is_empty() && !to.is_empty());
    let (from, to) = pair.ok_or_else(|| format!("{text:?} is not NAME-IN-TRACE=NAME-IN-TREATY"))?;
    Ok((from.to_owned(), to.to_owned()))
}

/// Runs the command.
///
/// # Errors
/// A file that cannot be read or written, a faulty treaty, or a faulty trace: up to 20 faults of it at once.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let file = treaty_file::read(&arguments.treaty)?;
    let nodes = NodeArguments {
        nodes: arguments.nodes.clone(),
        gpus_per_node: arguments.gpus_per_node,
        node_file: arguments.node_file.clone(),
        on: arguments.on,
    };
    let decided = decided::Decided {
        quotas: arguments.quota.clone(),
        awards: arguments.awards.clone(),
        openings: arguments.open.clone(),
    };
    let pool = Pool::new(&file, &nodes, arguments.start, &decided)?;
    let wanted = trace::Wanted {
        treaty: &file.treaty,
        members: &arguments.members,
        pool: &pool,
        from_s: arguments.from,
        until_s: arguments.until,
    };
    let trace = trace::read(&arguments.trace, &wanted)?;
    let notes: Vec<String> = pool.notes.iter().cloned().chain(notes::of_trace(&pool, &trace)).collect();
    for note in &notes {
        eprintln!("note: {note}");
    }
    let question = Question {
        treaty: &file.treaty,
        trace: &trace,
        pool: &pool,
        notice_seconds: arguments.notice_seconds,
        alone: arguments.alone,
        notes: &notes,
    };
    let answer = trials::run(&question, arguments.policy, arguments.partition)?;
    let mut out = std::io::stdout().lock();
    match arguments.output {
        Output::Table => write!(out, "{}", table::tables(&answer))?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut out, &answer)?;
            writeln!(out)?;
        }
    }
    if let Some(path) = &arguments.svg {
        let drawing = chart::draw(&question, &answer);
        std::fs::write(path, drawing).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

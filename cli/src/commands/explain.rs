//! `concord explain`: why a claim waits, when it will start, and what would change it.
//!
//! The claim is one of a cluster ([`cluster`], read from a file or from [`kubectl`]) or a job of a trace at some second
//! ([`trace`]); the explanation itself is the engine's ([`concord_treaty::explain`]).

mod cluster;
mod kubectl;
mod object;
mod text;
mod trace;
mod words;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use concord_treaty::explain::Explanation;

use super::simulate::decided::{self, Decided, OpeningArgument, parse_opening};
use words::Clock;

/// Arguments of `concord explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// NAMESPACE/NAME, job/NAME, pod/NAME, gpuclaim/NAME or NAME of a claim; with --trace the name of a job
    claim: String,
    /// Namespace of the claim
    #[arg(long, short, value_name = "NAMESPACE", conflicts_with = "trace")]
    namespace: Option<String>,
    /// Output of `kubectl get treaties,memberquotas,projects,gpuclaims,nodes -A -o json`; - is standard input. Without it kubectl is asked
    #[arg(long, value_name = "FILE", conflicts_with = "trace")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = decided::QUOTA)]
    quota: Vec<PathBuf>,
    #[arg(long, value_name = "FILE", help = decided::AWARDS)]
    awards: Option<PathBuf>,
    /// A member's decision to open a reserve, at a second of the trace or a time; may be repeated
    #[arg(long, value_name = "RESERVE=MEMBER@TIME", value_parser = parse_opening)]
    open: Vec<OpeningArgument>,
    /// Time to explain: a second of the trace, or of a cluster a time such as 2027-01-31T12:00:00Z, now if not given
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    kubectl: kubectl::KubectlOptions,
    #[command(flatten)]
    trace: trace::TraceOptions,
}

const EXAMPLES: &str = "\
Examples:
  kubectl concord explain job/train -n climate        asks the cluster
  kubectl get treaties,memberquotas,projects,gpuclaims,nodes -A -o json | concord explain climate/train --from -
  concord explain 24744 --treaty treaty.yaml --trace jobs.csv.gz --nodes 185 --at 1766747";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For programs; times are milliseconds
    Json,
}

/// An explanation and the clock by which people read it.
struct Explained {
    explanation: Explanation,
    clock: Clock,
}

/// An explanation as JSON.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'e> {
    /// Second 0 of the trace by the clock of all other times.
    #[serde(skip_serializing_if = "Option::is_none")]
    zero_millis: Option<i64>,
    #[serde(flatten)]
    explanation: &'e Explanation,
}

impl Explained {
    const fn printed(&self) -> Printed<'_> {
        let zero_millis = match self.clock {
            Clock::Seconds { zero } => Some(zero.0),
            Clock::Utc => None,
        };
        Printed { zero_millis, explanation: &self.explanation }
    }
}

impl Arguments {
    fn decided(&self) -> Decided {
        Decided { quotas: self.quota.clone(), awards: self.awards.clone(), openings: self.open.clone() }
    }
}

/// Explains the claim.
///
/// # Errors
/// Wrong use, a file that cannot be read or is faulty, or a claim that is not there; names like it are suggested.
pub fn run(arguments: &Arguments) -> Result<()> {
    let explained = match &arguments.trace.trace {
        Some(_) => of_trace(arguments)?,
        None => of_cluster(arguments)?,
    };
    let mut out = std::io::stdout().lock();
    match arguments.output {
        Output::Table => write!(out, "{}", text::render(&explained.explanation, explained.clock))?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut out, &explained.printed())?;
            writeln!(out)?;
        }
    }
    Ok(())
}

fn of_trace(arguments: &Arguments) -> Result<Explained> {
    let at = arguments.at.as_deref().context("name the second of the trace to explain: --at SECOND")?;
    let at_s: i64 =
        at.parse().ok().filter(|s| trace::SECONDS.contains(s)).with_context(|| {
            format!("--at {at:?} is not a second of a trace; write a whole number from 0 on")
        })?;
    trace::explain(&arguments.trace, &arguments.decided(), &arguments.claim, at_s)
}

fn of_cluster(arguments: &Arguments) -> Result<Explained> {
    if arguments.trace.is_used() {
        bail!("--treaty, --nodes, --start and --members are for a trace; name it: --trace CSV");
    }
    let now = match &arguments.at {
        None => jiff::Timestamp::now(),
        Some(text) => text.parse().with_context(|| {
            format!("--at {text:?} is not a time; write for example 2027-01-31T12:00:00Z")
        })?,
    };
    let (name, text) = match &arguments.from {
        Some(path) => cluster::read(path)?,
        None => ("kubectl get".to_owned(), kubectl::get(&arguments.kubectl)?),
    };
    let wanted = cluster::Wanted::parse(&arguments.claim, arguments.namespace.as_deref())?;
    cluster::explain((&name, &text), &wanted, &arguments.decided(), now)
}

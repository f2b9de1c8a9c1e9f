//! `concord simulate pack`: fills the nodes of a file with the pods of another, policy by policy and seed by seed.
//!
//! The method is that of Weng et al., USENIX ATC 2023: pods in random order, more drawn from the same file with
//! replacement until 130 % of the GPUs are asked for, nobody leaves. Reading is in [`openb`], one run in [`fill`],
//! means and the table in [`report`].

mod fill;
mod openb;
mod report;

use std::io::Write;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result};
use clap::ValueEnum;
use concord_treaty::packing::{Policy, Workload};

/// What to simulate.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Nodes: CSV with `cpu_milli`, `memory_mib`, `gpu`, `model`; a name in .gz is unpacked
    #[arg(long)]
    nodes: PathBuf,
    /// Pods: CSV with `cpu_milli`, `memory_mib`, `num_gpu`, `gpu_milli` and perhaps `gpu_spec`, models with | between
    #[arg(long)]
    pods: PathBuf,
    /// Placement rule
    #[arg(long, value_enum, default_value_t = Policies::All)]
    policy: Policies,
    /// Order of the pods: one run with this seed
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Orders of the pods: one run with each seed, first..last with both
    #[arg(long, default_value = "42..51")]
    seeds: Seeds,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// One policy or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
enum Policies {
    /// Any node that fits
    Random,
    /// Least left of processors and GPUs
    BestFit,
    /// Least growth of fragmentation for the next pod (ATC 2023)
    Fgd,
    /// Concord's rule
    Concord,
    /// All four in the same run
    All,
}

/// Form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For programs, units in the names of the fields
    Json,
}

/// Seeds, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seeds(RangeInclusive<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (first, last) = text.split_once("..")?;
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        match parse() {
            Some((first, last)) if first <= last => Ok(Self(first..=last)),
            _ => Err(format!("{text} is not a range of seeds; write first..last, for example 42..51")),
        }
    }
}

impl Policies {
    fn list(self) -> Vec<Policy> {
        match self {
            Self::Random => vec![Policy::Random],
            Self::BestFit => vec![Policy::BestFit],
            Self::Fgd => vec![Policy::Fgd],
            Self::Concord => vec![Policy::Concord],
            Self::All => Policy::ALL.to_vec(),
        }
    }
}

/// Simulates, reports progress on standard error, and prints the result.
///
/// # Errors
/// When a file cannot be read, a row of it cannot be used (file, line, field and what to write instead), or the result
/// cannot be printed.
pub fn run(args: Args) -> Result<()> {
    let mut models = openb::ModelNames::default();
    let nodes = openb::read_nodes(&args.nodes, &mut models)?;
    let pods = openb::read_pods(&args.pods, &mut models)?;
    let workload = Workload::new(pods.iter().copied());
    let seeds = args.seed.map_or(args.seeds.0, |seed| seed..=seed);

    let mut report = report::Report::new(&nodes, &pods, &workload);
    for policy in args.policy.list() {
        let mut runs = Vec::new();
        for seed in seeds.clone() {
            let run = fill::fill(policy, seed, &nodes, &pods, &workload)?;
            eprintln!(
                "{policy:8} seed {seed}: {} pods, {:.1} s",
                run.pods,
                run.pods as f64 * run.microseconds_per_pod / 1e6
            );
            runs.push(run);
        }
        report.add(policy, runs);
    }
    let text = match args.output {
        Output::Table => report.table(),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes()).context("cannot write the result")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_seeds_have_both_ends() {
        assert_eq!("42..51".parse::<Seeds>().unwrap().0.count(), 10);
        assert_eq!("7..7".parse::<Seeds>().unwrap().0.count(), 1);
        for bad in ["", "42", "51..42", "a..b", "1..", "-1..2"] {
            assert!(bad.parse::<Seeds>().unwrap_err().contains("42..51"), "{bad}");
        }
    }
}

//! A job of a trace at some second: the trace is replayed under the treaty until then.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use concord_treaty::engine::Rules;
use concord_treaty::explain::near_names;
use concord_treaty::simulate::{Replay, TraceJob};
use concord_treaty::snapshot::{Claim, ClaimState, Node, Snapshot};
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{ClaimId, Gpus, TimestampMillis};

use super::Explained;
use super::words::Clock;
use crate::commands::nodes::NodeArguments;
use crate::commands::simulate::pool::Pool;
use crate::commands::simulate::{parse_pair, trace, treaty_file};

/// Seconds that a trace can have: a thousand years.
pub const SECONDS: std::ops::RangeInclusive<i64> = 0..=31_557_600_000;

/// What is replayed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options for a job of a trace")]
pub struct TraceOptions {
    /// Trace, plain or gzipped, with the columns of `concord simulate`; "-" is standard input
    #[arg(long, value_name = "CSV", requires_all = ["treaty", "nodes", "at"])]
    pub trace: Option<PathBuf>,
    /// Treaty, as a YAML file
    #[arg(long, value_name = "FILE")]
    treaty: Option<PathBuf>,
    /// Nodes of the pool
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    nodes: Option<u32>,
    /// GPUs of each node
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    gpus_per_node: u32,
    /// Names in the trace that differ from the treaty's: TRACE=TREATY,...
    #[arg(long, value_name = "MAP", value_delimiter = ',', value_parser = parse_pair)]
    members: Vec<(String, String)>,
}

impl TraceOptions {
    /// Whether anything was said of a trace.
    pub const fn is_used(&self) -> bool {
        self.trace.is_some() || self.treaty.is_some() || self.nodes.is_some() || !self.members.is_empty()
    }
}

/// Explains the job of that name at that second.
///
/// # Errors
/// A faulty treaty or trace, or a job that is not there then.
pub fn explain(options: &TraceOptions, name: &str, at_s: i64) -> Result<Explained> {
    let path = options.trace.as_ref().context("name a trace: --trace CSV")?;
    let treaty = treaty_file::read(options.treaty.as_ref().context("name a treaty: --treaty FILE")?)?;
    let nodes = NodeArguments {
        nodes: vec![options.nodes.context("state the nodes: --nodes N")?.to_string()],
        gpus_per_node: options.gpus_per_node,
        node_file: None,
        on: None,
    };
    ensure!(
        treaty.classes().len() <= 1,
        "jobs of a trace name no class of GPUs, and the treaty has {}; explain it with a treaty of one class",
        treaty.classes().len()
    );
    let pool = Pool::new(&treaty, &nodes, None)?;
    let wanted =
        trace::Wanted { treaty: &treaty, members: &options.members, pool: &pool, from_s: 0, until_s: None };
    let mut trace = trace::read(path, &wanted)?;
    for note in &trace.notes {
        eprintln!("note: {note}");
    }
    let zero = pool.begin();
    for job in &mut trace.jobs {
        job.submitted_at = TimestampMillis(job.submitted_at.0 + zero.0);
    }
    let job = find(&trace, name, at_s, zero)?;
    let nodes = pool.all_nodes();
    let now = TimestampMillis(zero.0 + at_s * 1000);
    let snapshot = replay(&treaty, &nodes, &trace.jobs, job, now);
    let id = &trace.jobs[job].id;
    let explanation = concord_treaty::explain::explain(&treaty, &snapshot, id, now)
        .with_context(|| format!("job {name} is not in the replay"))?;
    let by_id = trace.names();
    let mut explanation =
        explanation.with_names(|id| by_id.get(id).map_or_else(|| id.clone(), |name| ClaimId::from(*name)));
    explanation.notes.push("the run times of the trace are taken as stated limits".to_owned());
    Ok(Explained { explanation, clock: Clock::Seconds { zero } })
}

fn find(trace: &trace::Trace, name: &str, at_s: i64, zero: TimestampMillis) -> Result<usize> {
    let Some(id) = trace.id_of(name) else {
        let names = trace.names();
        let near = near_names(name, names.values().copied());
        match near.as_slice() {
            [] => bail!("the trace has no job {name}"),
            near => bail!("the trace has no job {name}; did you mean {}?", near.join(" or ")),
        }
    };
    let Some(at) = trace.jobs.iter().position(|job| job.id == id) else {
        bail!("job {name} is refused: a gang larger than one node must fill whole nodes");
    };
    let arrives_s = (trace.jobs[at].submitted_at.0 - zero.0) / 1000;
    ensure!(arrives_s <= at_s, "job {name} arrives at second {arrives_s}, after --at {at_s}");
    Ok(at)
}

/// The pool at that time. The job that is asked for stays in sight also when nothing of it matters any more.
fn replay(
    treaty: &Treaty,
    nodes: &[Node],
    jobs: &[TraceJob],
    asked: usize,
    now: TimestampMillis,
) -> Snapshot {
    let mut terms = Terms::of(treaty, nodes, now);
    let capacities: Vec<Gpus> = nodes.iter().map(|n| n.gpus).collect();
    let pool = terms.pools.remove(0);
    let mut replay = Replay::new(Rules::of(&pool.treaty, &[]), &capacities, jobs);
    while replay.peek().is_some_and(|next| next <= now) {
        replay.next_instant();
        while replay.decide() {}
    }
    let mut snapshot = replay.observe(nodes);
    let job = &jobs[asked];
    if let Err(at) = snapshot.claims.binary_search_by(|c| c.id.cmp(&job.id)) {
        let state = ClaimState::Finished { runtime: job.runtime };
        let claim = Claim::new(job.id.clone(), job.member, job.gang, job.submitted_at);
        snapshot.claims.insert(at, Claim { state, expected_runtime: Some(job.runtime), ..claim });
    }
    snapshot
}

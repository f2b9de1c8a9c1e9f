//! A job of a trace at some second: the trace is replayed under the treaty until then.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use concord_treaty::explain::near_names;
use concord_treaty::simulate::{Replay, TraceJob};
use concord_treaty::snapshot::{Claim, ClaimState, Phase, Snapshot};
use concord_treaty::units::{ClaimId, DurationMillis, TimestampMillis};

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
    #[arg(long, value_name = "CSV", requires_all = ["treaty", "at"])]
    pub trace: Option<PathBuf>,
    /// Treaty, as a YAML file
    #[arg(long, value_name = "FILE")]
    treaty: Option<PathBuf>,
    #[command(flatten)]
    nodes: NodeArguments,
    /// Names in the trace that differ from the treaty's: TRACE=TREATY,...
    #[arg(long, value_name = "MAP", value_delimiter = ',', value_parser = parse_pair)]
    members: Vec<(String, String)>,
}

impl TraceOptions {
    /// Whether anything was said of a trace.
    pub fn is_used(&self) -> bool {
        self.trace.is_some() || self.treaty.is_some() || self.nodes.stated() || !self.members.is_empty()
    }
}

/// Explains the job of that name at that second.
///
/// # Errors
/// A faulty treaty or trace, or a job that is not there then.
pub fn explain(options: &TraceOptions, name: &str, at_s: i64) -> Result<Explained> {
    let path = options.trace.as_ref().context("name a trace: --trace CSV")?;
    let treaty = treaty_file::read(options.treaty.as_ref().context("name a treaty: --treaty FILE")?)?;
    let pool = Pool::new(&treaty, &options.nodes, None)?;
    let wanted =
        trace::Wanted { treaty: &treaty, members: &options.members, pool: &pool, from_s: 0, until_s: None };
    let trace = trace::read(path, &wanted)?;
    for note in &trace.notes {
        eprintln!("note: {note}");
    }
    let job = find(&trace, name, at_s)?;
    let snapshot = replay(&pool, &trace.jobs, job, TimestampMillis(at_s * 1000));
    let zero = pool.begin();
    let now = zero.after(DurationMillis::from_seconds(at_s));
    let id = &trace.jobs[job].id;
    let explanation = concord_treaty::explain::explain(&treaty, &snapshot, id, now)
        .with_context(|| format!("job {name} is not in the replay"))?;
    let by_id = trace.names();
    let mut explanation =
        explanation.with_names(|id| by_id.get(id).map_or_else(|| id.clone(), |name| ClaimId::from(*name)));
    explanation.notes.push("the run times of the trace are taken as stated limits".to_owned());
    if !treaty.windows().is_empty() {
        explanation.notes.push("the replay until then knows no windows".to_owned());
    }
    Ok(Explained { explanation, clock: Clock::Seconds { zero } })
}

fn find(trace: &trace::Trace, name: &str, at_s: i64) -> Result<usize> {
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
    let arrives_s = trace.jobs[at].submitted_at.0 / 1000;
    ensure!(arrives_s <= at_s, "job {name} arrives at second {arrives_s}, after --at {at_s}");
    Ok(at)
}

/// The pool at that time of the trace, by the clock of the treaty. The job that is asked for stays in sight also when
/// nothing of it matters any more.
fn replay(pool: &Pool, jobs: &[TraceJob], asked: usize, at: TimestampMillis) -> Snapshot {
    let replay = Replay::of_pools(pool.simulated(|rules| rules), jobs);
    let mut replay = replay.with_past(pool.terms.clone(), pool.begin());
    while replay.peek().is_some_and(|next| next <= at) {
        replay.next_instant();
        while replay.decide() {}
    }
    let mut snapshot = replay.observe(&pool.all_nodes());
    let job = &jobs[asked];
    if let Err(at) = snapshot.claims.binary_search_by(|c| c.id.cmp(&job.id)) {
        let state = ClaimState::Finished { runtime: job.runtime };
        let claim = Claim::new(job.id.clone(), job.member, job.gang, job.submitted_at);
        let (expected_runtime, class) = (Some(job.runtime), job.class);
        snapshot.claims.insert(at, Claim { state, expected_runtime, class, ..claim });
    }
    for claim in &mut snapshot.claims {
        begin_later(claim, DurationMillis(pool.begin().0));
    }
    snapshot
}

/// From the clock of the trace to that of the treaty.
fn begin_later(claim: &mut Claim, by: DurationMillis) {
    let later = |at: &mut TimestampMillis| *at = at.after(by);
    later(&mut claim.submitted_at);
    claim.due.iter_mut().for_each(|due| later(&mut due.since));
    if let ClaimState::Holding(holding) = &mut claim.state {
        later(&mut holding.since);
        holding.saved_at.iter_mut().for_each(later);
        if let Phase::Noticed { deadline } = &mut holding.phase {
            later(deadline);
        }
    }
}

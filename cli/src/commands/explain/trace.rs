//! A job of a trace at some second: the trace is replayed under the treaty until then.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use concord_treaty::explain::near_names;
use concord_treaty::simulate::{Ask, Replay, TraceJob};
use concord_treaty::snapshot::{Claim, ClaimState, Phase, Snapshot};
use concord_treaty::units::{ClaimId, DurationMillis, TimestampMillis};

use jiff::civil::DateTime;

use super::Explained;
use super::words::Clock;
use crate::commands::nodes::NodeArguments;
use crate::commands::simulate::decided::Decided;
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
    /// When second 0 of the trace happens, YYYY-MM-DDTHH:MM in the treaty's time zone; otherwise the first instant of the
    /// day given by --on, of the treaty's first day, or of 2026-01-01
    #[arg(long, value_name = "TIME", conflicts_with = "on")]
    start: Option<DateTime>,
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

/// Explains the job of that name at that second, with what people decided beside the treaty.
///
/// # Errors
/// A faulty treaty, quota or trace, or a job that is not there then.
pub fn explain(options: &TraceOptions, decided: &Decided, name: &str, at_s: i64) -> Result<Explained> {
    let path = options.trace.as_ref().context("name a trace: --trace CSV")?;
    let file = treaty_file::read(options.treaty.as_ref().context("name a treaty: --treaty FILE")?)?;
    let treaty = &file.treaty;
    let pool = Pool::new(&file, &options.nodes, options.start, decided)?;
    let wanted = trace::Wanted { treaty, members: &options.members, pool: &pool, from_s: 0, until_s: None };
    let trace = trace::read(path, &wanted)?;
    for note in pool.notes.iter().chain(&trace.notes) {
        eprintln!("note: {note}");
    }
    let asked = find(&trace, name, at_s)?;
    let snapshot = replay(&pool, &trace, asked, TimestampMillis(at_s * 1000));
    let zero = pool.setting.begin;
    let now = zero.after(DurationMillis::from_seconds(at_s));
    let explanation = concord_treaty::explain::explain(treaty, &snapshot, &asked.0.id, now)
        .with_context(|| format!("job {name} is not in the replay"))?;
    let by_id = trace.names();
    let mut explanation =
        explanation.with_names(|id| by_id.get(id).map_or_else(|| id.clone(), |name| ClaimId::from(*name)));
    explanation.notes.push("the run times of the trace are taken as stated limits".to_owned());
    Ok(Explained { explanation, clock: Clock::Seconds { zero } })
}

fn find<'t>(trace: &'t trace::Trace, name: &str, at_s: i64) -> Result<(&'t TraceJob, &'t Ask)> {
    let Some(id) = trace.id_of(name) else {
        let names = trace.names();
        let near = near_names(name, names.values().copied());
        match near.as_slice() {
            [] => bail!("the trace has no job {name}"),
            near => bail!("the trace has no job {name}; did you mean {}?", near.join(" or ")),
        }
    };
    let mut admitted = trace.jobs.iter().zip(&trace.asks);
    let mut others = trace.not_eligible.iter().map(|(job, ask)| (job, ask));
    let is_asked = |(job, _): &(&TraceJob, &Ask)| job.id == id;
    let Some(found) = admitted.find(is_asked).or_else(|| others.find(is_asked)) else {
        bail!("job {name} is refused: a gang larger than one node must fill whole nodes");
    };
    let arrives_s = found.0.submitted_at.0 / 1000;
    ensure!(arrives_s <= at_s, "job {name} arrives at second {arrives_s}, after --at {at_s}");
    Ok(found)
}

/// The pool at that time of the trace, by the clock of the treaty. The job that is asked for stays in sight also when
/// nothing of it matters any more, or the treaty does not admit it.
fn replay(pool: &Pool, trace: &trace::Trace, (job, ask): (&TraceJob, &Ask), at: TimestampMillis) -> Snapshot {
    let setting = &pool.setting;
    let mut replay = Replay::under(setting, &trace.jobs, &trace.asks);
    while replay.peek().is_some_and(|next| next <= at) {
        replay.next_instant();
        while replay.decide() {}
    }
    let awards = replay.awards();
    let mut snapshot = replay.observe(&pool.nodes_by_class.concat());
    let asks: BTreeMap<&ClaimId, &Ask> = trace.jobs.iter().map(|job| &job.id).zip(&trace.asks).collect();
    for claim in &mut snapshot.claims {
        claim.applicant = asks.get(&claim.id).and_then(|ask| ask.applicant.clone());
    }
    if let Err(at) = snapshot.claims.binary_search_by(|c| c.id.cmp(&job.id)) {
        let claim = ask.claim(job);
        let finished = ClaimState::Finished { runtime: job.runtime };
        let is_admitted = asks.contains_key(&job.id);
        let state = if is_admitted { finished } else { claim.state.clone() };
        snapshot.claims.insert(at, Claim { state, ..claim });
    }
    for claim in &mut snapshot.claims {
        begin_later(claim, DurationMillis(setting.begin.0));
    }
    Snapshot {
        openings: setting.openings.clone(),
        ..snapshot.with_quotas(setting.quotas.clone()).with_awards(awards)
    }
}

/// From the clock of the trace to that of the treaty.
fn begin_later(claim: &mut Claim, by: DurationMillis) {
    let later = |at: &mut TimestampMillis| *at = at.after(by);
    later(&mut claim.submitted_at);
    claim.due.iter_mut().for_each(|due| later(&mut due.since));
    if let ClaimState::Holding(holding) = &mut claim.state {
        later(&mut holding.since);
        holding.saves.told_at.iter_mut().for_each(later);
        if let Phase::Noticed { deadline } = &mut holding.phase {
            later(deadline);
        }
    }
}

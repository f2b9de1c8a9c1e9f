//! `concord trace`: the jobs of a public record as a trace, so that another treaty can be tried on what was really asked.

use std::io::Write;

use anyhow::{Context, Result, bail};
use concord_audit::history::History;
use concord_audit::span::Span;
use concord_audit::workload::{Asked, asked};
use concord_ledger::files;
use concord_ledger::head::open;
use concord_ledger::tiles;
use jiff::{SignedDuration, Timestamp};

use super::record::{Source, wait};

/// Arguments of `concord trace`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Jobs that were submitted in so many days before the newest entry
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=36_500))]
    days: i64,
}

const EXAMPLES: &str = "\
Who would gain and who would lose by another text, on the jobs of the last 30 days:
  concord trace https://pool.example.org/record > jobs.csv
  concord simulate --treaty new.yaml --trace jobs.csv --nodes 185

A job of the trace is a claim of the record: what it ran, less what stops destroyed, is what it needs. What never ran is not in a record.";

/// Prints the trace.
///
/// # Errors
/// When the record cannot be reached or is not whole.
pub fn run(arguments: &Arguments) -> Result<()> {
    let jobs = wait(read(arguments))?;
    print(&jobs, std::io::stdout().lock())
}

async fn read(arguments: &Arguments) -> Result<Vec<Asked>> {
    let record = arguments.source.open().await?;
    let note = tiles::read(&record.store, &files::checkpoint()).await.context("there is no record")?;
    let newest = open(&record.verifier, &note).context("the checkpoint is not to be believed")?;
    let mut history = History::new(Span::default());
    let whole = record.read(newest, None, &mut history).await?;
    if let Some(finding) = whole.findings.first() {
        bail!("the record is not sound: {finding}; see concord verify");
    }
    let Some((_, last)) = history.time() else { bail!("the record is empty") };
    let since = last.checked_sub(SignedDuration::from_hours(24 * arguments.days)).unwrap_or(Timestamp::MIN);
    let jobs = asked(&history).into_iter().filter(|job| job.submitted_at_millis >= since.as_millisecond());
    Ok(jobs.collect())
}

/// The columns of `concord simulate`; seconds count from the first submission.
fn print(jobs: &[Asked], out: impl Write) -> Result<()> {
    let has_classes = jobs.iter().any(|job| job.class.is_some());
    let mut writer = csv::Writer::from_writer(out);
    let names = ["job", "member", "submit_s", "runtime_s", "gpus"];
    writer.write_record(names.into_iter().chain(has_classes.then_some("class")))?;
    let first = jobs.first().map_or(0, |job| job.submitted_at_millis);
    for job in jobs {
        let submit = (job.submitted_at_millis - first) / 1_000;
        // A job of no length is none.
        let runtime = job.runtime_millis.div_ceil(1_000).max(1);
        let fields = [
            job.job.clone(),
            job.party.clone(),
            submit.to_string(),
            runtime.to_string(),
            job.gpus.to_string(),
        ];
        writer.write_record(
            fields.into_iter().chain(has_classes.then(|| job.class.clone().unwrap_or_default())),
        )?;
    }
    Ok(writer.flush()?)
}

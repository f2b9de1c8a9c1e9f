//! `concord statement`: the account of one member, or of one of its projects, from the record alone.

mod html;
mod text;

use std::io::Write;

use anyhow::{Context, Result, bail};
use concord_audit::audit::audit;
use concord_audit::history::History;
use concord_audit::span::Span;
use concord_audit::statement::{self, Line, Statement};
use concord_ledger::entry::EndKind;
use concord_ledger::files;
use concord_ledger::head::open;
use concord_ledger::tiles;
use jiff::Timestamp;
use serde::Serialize;

use super::dates;
use super::record::{Source, wait};

/// Arguments of `concord statement`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Member or reserve
    #[arg(long, value_name = "NAME")]
    party: String,
    /// One of its projects: by name, if its opening is beside the record, or by the commitment to its name
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// From this day or time on
    #[arg(long, value_name = "DATE", value_parser = dates::start)]
    from: Timestamp,
    /// Until the end of this day, or until this time
    #[arg(long, value_name = "DATE", value_parser = dates::end)]
    until: Timestamp,
    /// How it is printed
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  concord statement https://pool.example.org/record --party north --from 2026-01-01 --until 2026-03-31
  concord statement ./record --party north --project climate --from 2026-01-01 --until 2026-12-31 -o html > climate.html

A statement as PDF: open the HTML in a browser and print it.";

/// How a statement is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// Sums
    Text,
    /// Run by run
    Csv,
    /// Sums and runs on a page of its own, to be printed
    Html,
    /// Everything, in GPU-milliseconds
    Json,
}

/// A statement, and the record from which it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    /// Name of the log.
    origin: String,
    /// Entries, and their fingerprint.
    size: u64,
    root: String,
    /// By which it was believed.
    key: String,
    /// Whether the reader brought the key.
    is_key_brought: bool,
    #[serde(flatten)]
    statement: Statement,
}

/// Prints the statement.
///
/// # Errors
/// When the record cannot be reached or is not sound, or knows no such party.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.from >= arguments.until {
        bail!("--until is not after --from");
    }
    let told = wait(state(arguments))?;
    let mut out = std::io::stdout().lock();
    match arguments.output {
        Output::Text => write!(out, "{}", text::render(&told))?,
        Output::Csv => csv(&told.statement.lines, &mut out)?,
        Output::Html => write!(out, "{}", html::render(&told))?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut out, &told)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

async fn state(arguments: &Arguments) -> Result<Told> {
    let record = arguments.source.open().await?;
    let note = tiles::read(&record.store, &files::checkpoint()).await.context("there is no record")?;
    let tree = open(&record.verifier, &note).context("the checkpoint is not to be believed")?;
    let span = Span { since: Some(arguments.from), until: Some(arguments.until) };
    let mut history = History::new(span);
    let whole = record.read(tree, None, &mut history).await?;
    if let Some(finding) = whole.findings.first() {
        bail!("the record is not sound: {finding}; see concord verify");
    }
    let texts = record.texts(&history).await?;
    let report = audit(&mut history, &texts);
    if let Some(finding) = report.findings.iter().find(|finding| !finding.kind.is_promise()) {
        bail!("the record is not sound: {}; see concord verify", finding.what);
    }
    let openings = record.openings(statement::projects(&history, &arguments.party)).await?;
    let project = arguments.project.as_deref();
    let statement = statement::of(&history, &report, &arguments.party, project, &openings)?;
    Ok(Told {
        origin: record.verifier.origin().to_owned(),
        size: whole.newest.size,
        root: whole.newest.root.to_string(),
        key: record.key,
        is_key_brought: record.is_key_brought,
        statement,
    })
}

/// What ended, in words.
fn end(line: &Line) -> String {
    let of = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    match line.end {
        EndKind::Finished => "finished".to_owned(),
        EndKind::Rebooked => "went on, on another account".to_owned(),
        EndKind::Reclaimed => format!("taken back for {} by {}", of(&line.end_party), of(&line.end_clause)),
    }
}

/// One line a run; numbers in whole GPU-milliseconds, so that they can be added up exactly.
fn csv(lines: &[Line], out: &mut impl Write) -> Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "claim",
        "run",
        "project",
        "class",
        "clause",
        "borrowed",
        "gpus",
        "from",
        "until",
        "gpu_milliseconds",
        "lost_gpu_milliseconds",
        "end",
    ])?;
    for line in lines {
        writer.write_record([
            &cell(&line.claim),
            &line.run.to_string(),
            &cell(&line.project),
            &cell(line.class.as_deref().unwrap_or_default()),
            &cell(&line.clause),
            &line.borrowed.to_string(),
            &line.gpus.to_string(),
            &line.from.to_string(),
            &line.until.to_string(),
            &line.gpu_millis.to_string(),
            &line.lost_gpu_millis.to_string(),
            &cell(&end(line)),
        ])?;
    }
    writer.flush()?;
    Ok(())
}

/// A text that a spreadsheet does not take for a formula, whatever the record says.
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

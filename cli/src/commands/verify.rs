//! `concord verify`: whether a public record is what its log has signed, adds up, and keeps the treaty's promises.
//!
//! Signatures and hashes are the business of `concord-ledger`, accounts and promises that of `concord-audit`; this module asks
//! both and tells a reader.

mod kept;
mod offline;
mod pages;
mod text;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use concord_audit::audit::audit;
use concord_audit::finding::{Findings, Kind};
use concord_audit::history::History;
use concord_audit::report::{Check, Outcome, Report};
use concord_audit::span::Span;
use concord_ledger::files;
use concord_ledger::head::open;
use concord_ledger::tiles;
use concord_ledger::verify::Report as OfRecord;
use concord_ledger::witness::{Witness, Word};
use jiff::Timestamp;
use serde::Serialize;

use super::dates;
use super::record::{KeyArgument, Record, Source, small_file, wait};
use kept::Kept;

/// Arguments of `concord verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Folder of the record, or its address such as `https://pool.example.org/record`
    #[arg(value_name = "DIR|URL", required_unless_present = "proof")]
    record: Option<String>,
    #[command(flatten)]
    key: KeyArgument,
    /// A witness's public key, or a file with it; may be repeated
    #[arg(long, value_name = "FILE|KEY")]
    witness: Vec<String>,
    /// Where you keep the checkpoint that you have seen; the new one replaces it. Without it a file of your state folder
    #[arg(long, value_name = "FILE", conflicts_with = "forget")]
    remember: Option<PathBuf>,
    /// Compare with no checkpoint, and keep none
    #[arg(long)]
    forget: bool,
    /// Address of the pool's portal, to compare what its public pages show with the record
    #[arg(long, value_name = "URL")]
    pages: Option<String>,
    /// Accounts and promises from this day or time on; the record itself is always checked whole
    #[arg(long, value_name = "DATE", value_parser = dates::start)]
    since: Option<Timestamp>,
    /// Accounts and promises until the end of this day, or until this time
    #[arg(long, value_name = "DATE", value_parser = dates::end)]
    until: Option<Timestamp>,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    offline: offline::Offline,
}

const EXAMPLES: &str = "\
Examples:
  concord verify https://pool.example.org/record --key pool.key     everything, by a key that you have from somebody else
  concord verify ./record --since 2026-01-01 --until 2026-03-31     a copy, with the accounts of a quarter
  concord verify --proof award.tlog-proof --entry award.json --key pool.key
                                                                    one entry, without the record

Exit codes: 0 sound, 1 something is wrong or a promise was broken, 2 could not be checked.";

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs: GPU-milliseconds, millijoules, times in UTC
    Json,
}

/// In one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Verdict {
    Sound,
    PromisesBroken,
    NotSound,
}

/// Everything that is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    verdict: Verdict,
    /// Name of the log.
    origin: String,
    /// The key by which it was believed.
    key: String,
    /// Whether the reader brought that key.
    is_key_brought: bool,
    /// Entries that the log has signed, and their fingerprint.
    size: u64,
    root: String,
    /// What others say of the checkpoint.
    witnesses: Vec<Witnessed>,
    /// Whole or not.
    record: Vec<Check>,
    /// What the pages show like the record; `None`: nobody asked.
    pages: Option<Vec<String>>,
    #[serde(flatten)]
    report: Report,
}

/// What a witness says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Witnessed {
    name: String,
    /// When it has signed this checkpoint.
    signed_at: Option<Timestamp>,
}

/// Checks and prints. `Ok(true)`: nothing is wrong.
///
/// # Errors
/// Wrong use, or a record that cannot be reached.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let Some(record) = &arguments.record else { return offline::run(&arguments.offline, &arguments.key) };
    let source = Source::of(record.clone(), arguments.key.clone());
    let verified = wait(verify(arguments, &source))?;
    let mut out = std::io::stdout().lock();
    match arguments.output {
        Output::Text => write!(out, "{}", text::render(&verified))?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut out, &verified)?;
            writeln!(out)?;
        }
    }
    Ok(verified.verdict == Verdict::Sound)
}

async fn verify(arguments: &Arguments, source: &Source) -> Result<Verified> {
    let record = source.open().await?;
    let witnesses = arguments.witness.iter().map(|key| witness(key)).collect::<Result<Vec<Witness>>>()?;
    let note = tiles::read(&record.store, &files::checkpoint()).await.context("there is no record")?;
    let span = Span { since: arguments.since, until: arguments.until };
    let mut history = History::new(span);
    let newest = match open(&record.verifier, &note) {
        Ok(newest) => newest,
        Err(error) => {
            return Ok(unbelieved(
                &record,
                &mut history,
                &format!("the checkpoint is not to be believed: {error}"),
            ));
        }
    };
    let mut findings = Findings::default();
    let words = words(&witnesses, &note, &mut findings);
    let kept =
        if arguments.forget { Kept::nowhere() } else { Kept::of(arguments.remember.as_deref(), &record)? };
    let old = kept.read(&record.verifier, &mut findings)?;
    let whole = record.read(newest, old.as_ref(), &mut history).await?;
    for finding in &whole.findings {
        findings.add(finding.into(), || finding.to_string());
    }
    if whole.more > 0 {
        findings.add(Kind::Tampered, || format!("{} findings like these are not listed", whole.more));
    }
    let texts = record.texts(&history).await?;
    let mut report = audit(&mut history, &texts);
    let pages = compare(arguments, &history, &mut findings).await?;
    let checks = checks(&record, &whole, &kept, old.map(|old| old.size), &findings);
    lead(&mut report, findings);
    let verdict = verdict(&report);
    if verdict != Verdict::NotSound {
        kept.keep(&whole.newest.note)?;
    }
    Ok(Verified {
        verdict,
        origin: record.verifier.origin().to_owned(),
        key: record.key,
        is_key_brought: record.is_key_brought,
        size: whole.newest.size,
        root: whole.newest.root.to_string(),
        witnesses: words,
        record: checks,
        pages,
        report,
    })
}

/// Holds the pages against the record, if their address was given.
async fn compare(
    arguments: &Arguments,
    history: &History,
    findings: &mut Findings,
) -> Result<Option<Vec<String>>> {
    let Some(address) = &arguments.pages else { return Ok(None) };
    let (first, last) = history.time().context("the record is empty: the pages cannot be compared")?;
    let (from, until) = (arguments.since.unwrap_or(first), arguments.until.unwrap_or(last));
    let pages = pages::ask(address, from, until).await?;
    Ok(Some(concord_audit::pages::compare(history, &pages, findings)))
}

/// Nothing else can be said of a record whose checkpoint is not the log's.
fn unbelieved(record: &Record, history: &mut History, why: &str) -> Verified {
    let mut findings = Findings::default();
    findings.add(Kind::Tampered, || why.to_owned());
    let mut report = audit(history, &concord_audit::texts::Texts::default());
    report.checks.clear();
    lead(&mut report, findings);
    let what = format!("the checkpoint is signed by the log's key, {}", record.key);
    Verified {
        verdict: Verdict::NotSound,
        origin: record.verifier.origin().to_owned(),
        key: record.key.clone(),
        is_key_brought: record.is_key_brought,
        size: 0,
        root: String::new(),
        witnesses: Vec::new(),
        record: vec![Check { what, outcome: Outcome::Fails }],
        pages: None,
        report,
    }
}

/// Puts what is wrong with the record as such before what is wrong in it.
fn lead(report: &mut Report, mut findings: Findings) {
    findings.append(Findings {
        listed: std::mem::take(&mut report.findings),
        counts: std::mem::take(&mut report.finding_counts),
    });
    (report.findings, report.finding_counts) = (findings.listed, findings.counts);
}

fn verdict(report: &Report) -> Verdict {
    match (report.finding_counts.is_empty(), report.finding_counts.keys().all(|kind| kind.is_promise())) {
        (true, _) => Verdict::Sound,
        (false, true) => Verdict::PromisesBroken,
        (false, false) => Verdict::NotSound,
    }
}

fn witness(key: &str) -> Result<Witness> {
    let is_key = key.splitn(3, '+').count() == 3 && !key.starts_with(['.', '/']);
    let text = if is_key { key.to_owned() } else { small_file(key.as_ref())? };
    Ok(Witness::of_text(&text)?)
}

fn words(witnesses: &[Witness], note: &[u8], findings: &mut Findings) -> Vec<Witnessed> {
    let mut say = |witness: &Witness| {
        let name = witness.name().to_owned();
        let signed_at = match witness.word(note) {
            Word::Signed(at) => Some(at),
            Word::Silent => None,
            Word::Forged => {
                findings.add(Kind::Witness, || format!("{name} has not signed the line in its name"));
                None
            }
        };
        Witnessed { name, signed_at }
    };
    witnesses.iter().map(&mut say).collect()
}

fn checks(
    record: &Record,
    whole: &OfRecord,
    kept: &Kept,
    old: Option<u64>,
    findings: &Findings,
) -> Vec<Check> {
    let failed = |kinds: &[Kind]| kinds.iter().any(|kind| findings.counts.contains_key(kind));
    let check = |what: String, kinds: &[Kind]| {
        let outcome = if failed(kinds) { Outcome::Fails } else { Outcome::Holds };
        Check { what, outcome }
    };
    let size = text::count(whole.newest.size);
    let seen = match old {
        Some(old) => check(
            format!("it continues the {} entries that you have seen before", text::count(old)),
            &[Kind::Forked],
        ),
        None if failed(&[Kind::Forked]) => {
            check("it continues what you have seen before".to_owned(), &[Kind::Forked])
        }
        None => Check { what: kept.why_not().to_owned(), outcome: Outcome::Unknown },
    };
    vec![
        check(format!("the checkpoint is signed by the log's key, {}", record.key), &[]),
        check(
            format!("all {size} entries are there and are those that were signed"),
            &[Kind::Tampered, Kind::Missing],
        ),
        seen,
        check(
            "every entry can be read, is recorded once, and adds up in itself".to_owned(),
            &[Kind::Unreadable, Kind::Repeated, Kind::FalseSum],
        ),
    ]
}

//! `concord proof`: a file that proves to anybody, without the record, that one thing is recorded.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use concord_ledger::files;
use concord_ledger::head::open;
use concord_ledger::proof::Proof;
use concord_ledger::tiles;
use concord_ledger::verify::walk;

use super::record::{Source, wait};

/// Arguments of `concord proof`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Id of what is recorded, such as decision/UID of an application or usage/UID/1 of a claim
    id: String,
    /// Where the proof goes, by custom a name that ends in .tlog-proof; the entry goes beside it, as .json. Without it the proof is printed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  concord proof https://pool.example.org/record decision/2b1c -o award.tlog-proof
  concord verify --proof award.tlog-proof --entry award.json --key pool.key";

/// Finds the entry, checks its proof and writes it.
///
/// # Errors
/// When the record cannot be reached or is not sound, or has no such entry.
pub fn run(arguments: &Arguments) -> Result<()> {
    let (proof, entry) = wait(prove(arguments))?;
    let mut out = std::io::stdout().lock();
    let Some(file) = &arguments.output else {
        out.write_all(&proof)?;
        return Ok(());
    };
    let beside = file.with_extension("json");
    ensure!(beside != *file, "the entry goes to {}: name another file for the proof", beside.display());
    fs::write(file, proof).with_context(|| format!("cannot write {}", file.display()))?;
    fs::write(&beside, entry).with_context(|| format!("cannot write {}", beside.display()))?;
    writeln!(out, "The proof is in {}, the entry in {}.", file.display(), beside.display())?;
    Ok(())
}

async fn prove(arguments: &Arguments) -> Result<(Vec<u8>, Vec<u8>)> {
    let record = arguments.source.open().await?;
    let note = tiles::read(&record.store, &files::checkpoint()).await.context("there is no record")?;
    let tree = open(&record.verifier, &note).context("the checkpoint is not to be believed")?;
    let mut found = None;
    let report = walk(&record.store, tree.clone(), None, |index, entry| {
        if entry.id == arguments.id && found.is_none() {
            found = Some(index);
        }
    });
    if let Some(finding) = report.await?.findings.first() {
        bail!("the record is not sound, and proves nothing: {finding}; see concord verify");
    }
    let index = found.with_context(|| format!("the record has no entry {}", arguments.id))?;
    let entry = tiles::entry(&record.store, tree.size, index).await?;
    let proof = Proof::of(&record.store, &tree, index).await?;
    // What is given to others is checked as they will.
    proof.check(&record.verifier, &entry)?;
    Ok((proof.bytes(), entry))
}

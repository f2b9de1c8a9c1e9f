//! One entry by its proof, without the record.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use concord_ledger::bundle::ENTRY_BYTES_MAX;
use concord_ledger::entry::Entry;
use concord_ledger::proof::Proof;

use crate::commands::record::KeyArgument;

/// Longest proof: 63 hashes and a checkpoint with a hundred signatures.
const PROOF_BYTES_MAX: u64 = 1 << 20;

/// Arguments of the check of one entry.
#[derive(Debug, clap::Args)]
pub struct Offline {
    /// Check one entry by its proof, as `concord proof` writes it, without the record
    #[arg(long, value_name = "FILE", requires = "entry", conflicts_with_all = ["record", "remember", "forget", "since", "until"])]
    proof: Option<PathBuf>,
    /// The entry that the proof is of
    #[arg(long, value_name = "FILE", requires = "proof")]
    entry: Option<PathBuf>,
}

/// Checks and prints. `Ok(true)`: it is proven.
///
/// # Errors
/// When a file cannot be read, or no key was brought.
pub fn run(arguments: &Offline, key: &KeyArgument) -> Result<bool> {
    let (proof, entry) =
        arguments.proof.as_deref().zip(arguments.entry.as_deref()).context("name --proof and --entry")?;
    let verifier = key.verifier()?;
    let bytes = read(entry, ENTRY_BYTES_MAX as u64 + 1)?;
    // An editor may have added a line break.
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let tree = Proof::read(&read(proof, PROOF_BYTES_MAX)?)
        .and_then(|proof| Ok((proof.check(&verifier, bytes)?, proof)));
    let mut out = std::io::stdout().lock();
    match tree {
        Ok((tree, proof)) => {
            let (origin, index, size) = (verifier.origin(), proof.index, tree.size);
            writeln!(out, "PROVEN: {origin} has recorded exactly this, as entry {index} of {size}.")?;
            match Entry::read(bytes) {
                Ok(entry) => writeln!(out, "It is {}, of {}.", entry.id, entry.at)?,
                Err(error) => writeln!(out, "What it means this program cannot say: {error}.")?,
            }
            Ok(true)
        }
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            writeln!(out, "NOT PROVEN: {error}{cause}.")?;
            Ok(false)
        }
    }
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let length = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    ensure!(length <= most, "{} has {length} bytes; at most {most} make sense", path.display());
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

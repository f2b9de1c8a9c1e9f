//! What a stranger runs, with the log's public key and nothing else: every signature, hash and entry, from the files alone.
//!
//! This module says whether the record is *whole*: signed, unchanged, complete, each entry well-formed and true to itself.
//! What the entries come to together (accounts, promises, capacity) is the business of `concord-audit`, which takes them from
//! [`walk`].

mod entry;
mod finding;
mod part;

pub use finding::Finding;

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tlog_tiles::Hash;

use crate::edge::{Edge, Written};
use crate::entry::Entry;
use crate::files;
use crate::head::{BadCheckpoint, Signed, open};
use crate::key::LogVerifier;
use crate::tiles::{self, ReadError, Store};

/// Bundles read at once.
const AT_ONCE: usize = 16;
/// Findings that are listed; of a record that was rewritten every entry is one.
pub const FINDINGS_MAX: usize = 100;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The newest checkpoint, against which all was checked.
    pub newest: Signed,
    /// Entries that could be read.
    pub read: u64,
    /// What is not as it should be, [`FINDINGS_MAX`] at most; empty: the record is whole.
    pub findings: Vec<Finding>,
    /// Further findings that are not listed.
    pub more: u64,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store does not answer, or there is no record.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The checkpoint is not this log's.
    #[error("the checkpoint is not to be believed")]
    Checkpoint(#[from] BadCheckpoint),
}

/// Checks a whole log; `remembered` is an older checkpoint that the reader has kept.
///
/// # Errors
/// When the store does not answer or the checkpoint is not the log's; a file that is missing or damaged is a finding.
pub async fn verify(
    store: &Store,
    verifier: &LogVerifier,
    remembered: Option<&Signed>,
) -> Result<Report, VerifyError> {
    let newest = open(verifier, &tiles::read(store, &files::checkpoint()).await?)?;
    Ok(walk(store, newest, remembered, |_, _| {}).await?)
}

/// Checks the log up to a checkpoint that [`open`] has believed, and gives every entry that can be read to `each`, with its
/// index, in order. On a runtime with several threads the files are read and taken apart beside each other.
///
/// # Errors
/// When the store does not answer.
pub async fn walk(
    store: &Store,
    newest: Signed,
    remembered: Option<&Signed>,
    mut each: impl FnMut(u64, Entry),
) -> Result<Report, ReadError> {
    let mut report = Report { newest, read: 0, findings: Vec::new(), more: 0 };
    let size = report.newest.size;
    if let Some(old) = remembered.filter(|old| old.size > size) {
        report.find(Finding::Shorter { size, remembered: old.size });
    }
    let mut edge = Edge::default();
    let mut ids = HashSet::new();
    let mut parts = stream::iter(tiles::bundles(size))
        .map(|(number, width)| part::start(store.clone(), number, width))
        .buffered(AT_ONCE);
    while let Some(part) = parts.try_next().await? {
        part.findings.into_iter().for_each(|finding| report.find(finding));
        let first = edge.size();
        if part.hashes.is_empty() {
            report.find(Finding::Unread { from: first });
            return Ok(report);
        }
        for (entry, index) in part.entries.into_iter().zip(first..) {
            match entry {
                Ok(entry) => {
                    report.count(index, &entry, &mut ids);
                    each(index, entry);
                }
                Err(error) => report.find(Finding::Entry { index, why: error.to_string() }),
            }
        }
        report.remember(remembered, &edge, &part.hashes);
        // Those of level 0 were compared beside their bundles.
        for tile in edge.grow(&part.hashes).into_iter().filter(|tile| tile.level > 0) {
            report.compare(store, &tile).await?;
        }
    }
    // Partial tiles are only served for sizes that were signed: of those at least the newest.
    for tile in edge.unfinished().into_iter().filter(|tile| tile.level > 0) {
        report.compare(store, &tile).await?;
    }
    if edge.root().ok() != Some(report.newest.root) {
        report.find(Finding::Root);
    }
    Ok(report)
}

impl Report {
    fn find(&mut self, finding: Finding) {
        if self.findings.contains(&finding) {
            return;
        }
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    fn count(&mut self, index: u64, entry: &Entry, ids: &mut HashSet<[u8; 16]>) {
        self.read += 1;
        // Half of a hash: a million ids take 30 MB instead of 100.
        let mut short = [0; 16];
        short.copy_from_slice(&Sha256::digest(entry.id.as_bytes())[..16]);
        if !ids.insert(short) {
            self.find(Finding::Twice { index, id: entry.id.clone() });
        }
        entry::faults(index, entry, |finding| self.find(finding));
    }

    /// Holds the tree against what the reader has kept, when these leaves contain its end.
    fn remember(&mut self, remembered: Option<&Signed>, before: &Edge, leaves: &[Hash]) {
        let first = before.size();
        let within = first..=first + leaves.len() as u64;
        let Some(old) = remembered.filter(|old| within.contains(&old.size)) else { return };
        let rest = usize::try_from(old.size - first).unwrap_or(usize::MAX);
        let mut edge = before.clone();
        edge.grow(&leaves[..rest]);
        if edge.root().ok() != Some(old.root) {
            self.find(Finding::Fork { size: old.size });
        }
    }

    async fn compare(&mut self, store: &Store, tile: &Written) -> Result<(), ReadError> {
        match tiles::tile(store, tile.level, tile.number, tile.width()).await {
            Ok(stored) if stored == tile.hashes => {}
            Ok(_) => {
                let path = files::tile(tile.level, tile.number, tile.width()).to_string();
                self.find(Finding::Tile { path });
            }
            Err(error) => self.find(Finding::of_file(error)?),
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;

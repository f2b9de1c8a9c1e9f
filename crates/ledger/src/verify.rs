//! What a stranger runs, with the log's public key and nothing else: every signature, hash and sum, from the files alone.

use std::collections::{BTreeMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use crate::edge::{Edge, Written};
use crate::entry::{Entry, Event};
use crate::files;
use crate::head::{BadCheckpoint, Signed, open};
use crate::key::LogVerifier;
use crate::tiles::{self, ReadError, Store};

/// Bundles read at once.
const AT_ONCE: usize = 16;
/// Findings that are told.
const FINDINGS_MAX: usize = 100;

/// What the record says when everything in it is true.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Entries.
    pub size: u64,
    /// Use by member or reserve.
    pub parties: BTreeMap<String, PartyUse>,
    /// What is not as it should be; empty: the record is sound.
    pub findings: Vec<Finding>,
}

/// Use of one party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartyUse {
    /// On its own account.
    pub guaranteed_gpu_milliseconds: u64,
    /// Borrowed from others.
    pub borrowed_gpu_milliseconds: u64,
    /// Runs.
    pub runs: u64,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The tree of the entries is not the one that was signed.
    #[error("the entries are not those that the log has signed")]
    Root,
    /// A stored tile is another one.
    #[error("{path} does not belong to the entries")]
    Tile {
        /// Which.
        path: String,
    },
    /// What was remembered is no beginning of this log.
    #[error(
        "the first {size} entries are not those of the checkpoint that you remember: the log tells different people different things"
    )]
    Fork {
        /// Entries of what was remembered.
        size: u64,
    },
    /// The log is shorter than what was remembered.
    #[error(
        "the log has {size} entries, and you remember {remembered}: something was taken away, or this copy is old"
    )]
    Shorter {
        /// As it is.
        size: u64,
        /// As it was.
        remembered: u64,
    },
    /// An entry that cannot be read.
    #[error("entry {index}: {why}")]
    Entry {
        /// Index.
        index: u64,
        /// Why.
        why: String,
    },
    /// The same thing was recorded twice.
    #[error("entry {index} records {id} once more")]
    Twice {
        /// Index.
        index: u64,
        /// Id.
        id: String,
    },
    /// A sum is wrong.
    #[error("entry {index}: {gpus} GPUs for {milliseconds} ms are not {said} GPU-milliseconds")]
    Sum {
        /// Index.
        index: u64,
        /// GPUs.
        gpus: u32,
        /// Length.
        milliseconds: i128,
        /// As it says.
        said: u64,
    },
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file is missing or damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The checkpoint is not this log's.
    #[error("the checkpoint is not to be believed")]
    Checkpoint(#[from] BadCheckpoint),
}

/// Checks a whole log; `remembered` is an older checkpoint that the reader has kept.
///
/// # Errors
/// When a file cannot be read or the checkpoint is not the log's; whatever can be told beside is in the report.
pub async fn verify(
    store: &Store,
    verifier: &LogVerifier,
    remembered: Option<&Signed>,
) -> Result<Report, VerifyError> {
    let newest = open(verifier, &tiles::read(store, &files::checkpoint()).await?)?;
    let mut report = Report { size: newest.size, ..Report::default() };
    if let Some(old) = remembered.filter(|old| old.size > newest.size) {
        report.find(Finding::Shorter { size: newest.size, remembered: old.size });
    }
    let mut edge = Edge::default();
    let mut ids = HashSet::new();
    let mut bundles = stream::iter(tiles::bundles(newest.size))
        .map(|(number, width)| async move { tiles::bundle(store, number, width).await })
        .buffered(AT_ONCE);
    while let Some(entries) = bundles.try_next().await? {
        for (entry, index) in entries.iter().zip(edge.size()..) {
            report.count(index, entry, &mut ids);
        }
        let first = edge.size();
        let within = first..=first + entries.len() as u64;
        let older = remembered.filter(|old| within.contains(&old.size)).map(|old| (old, edge.clone()));
        for tile in edge.add(entries.iter().cloned()).tiles {
            // Partial tiles are only served for sizes that were signed: of those at least the newest.
            if u64::from(tile.width()) == files::TILE_WIDTH || edge.size() == newest.size {
                report.compare(store, &tile).await?;
            }
        }
        if let Some((old, mut before)) = older {
            let rest = usize::try_from(old.size - first).unwrap_or(usize::MAX);
            before.add(entries.into_iter().take(rest));
            if before.root().ok() != Some(old.root) {
                report.find(Finding::Fork { size: old.size });
            }
        }
    }
    if edge.root().ok() != Some(newest.root) {
        report.find(Finding::Root);
    }
    Ok(report)
}

impl Report {
    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    async fn compare(&mut self, store: &Store, tile: &Written) -> Result<(), ReadError> {
        let stored = tiles::tile(store, tile.level, tile.number, tile.width()).await?;
        if stored != tile.hashes {
            let path = files::tile(tile.level, tile.number, tile.width()).to_string();
            self.find(Finding::Tile { path });
        }
        Ok(())
    }

    fn count(&mut self, index: u64, bytes: &[u8], ids: &mut HashSet<String>) {
        let entry = match Entry::read(bytes) {
            Ok(entry) => entry,
            Err(error) => return self.find(Finding::Entry { index, why: error.to_string() }),
        };
        if !ids.insert(entry.id.clone()) {
            self.find(Finding::Twice { index, id: entry.id.clone() });
        }
        let Event::Usage(usage) = entry.event else { return };
        let milliseconds = usage.until.duration_since(usage.from).as_millis();
        let said = usage.gpu_milliseconds;
        if milliseconds < 0 || milliseconds * i128::from(usage.gpus) != i128::from(said) {
            self.find(Finding::Sum { index, gpus: usage.gpus, milliseconds, said });
        }
        let party = self.parties.entry(usage.party).or_default();
        let sum = if usage.borrowed {
            &mut party.borrowed_gpu_milliseconds
        } else {
            &mut party.guaranteed_gpu_milliseconds
        };
        *sum = sum.saturating_add(said);
        party.runs += 1;
    }
}

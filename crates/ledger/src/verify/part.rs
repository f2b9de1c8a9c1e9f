//! One bundle of entries and the tile above it: read, hashed and taken apart, many at once.

use tlog_tiles::{Hash, record_hash};

use super::Finding;
use crate::entry::{BadEntry, Entry};
use crate::files;
use crate::tiles::{self, ReadError, Store};

/// A bundle and the tile above it.
pub(super) struct Part {
    /// Leaves: of the entries, or as the tile has them when the entries cannot be read; empty when neither is there.
    pub(super) hashes: Vec<Hash>,
    /// Entries; empty when they cannot be read.
    pub(super) entries: Vec<Result<Entry, BadEntry>>,
    /// What is wrong with the two files.
    pub(super) findings: Vec<Finding>,
}

/// Reads a part in a task of its own.
pub(super) async fn start(store: Store, number: u64, width: u32) -> Result<Part, ReadError> {
    let task = tokio::spawn(async move { read(&store, number, width).await });
    // A task that panics, or a runtime that ends: the store has not answered.
    let lost = |error: tokio::task::JoinError| ReadError::Store {
        path: files::bundle(number, width),
        source: object_store::Error::JoinError { source: error },
    };
    task.await.map_err(lost)?
}

async fn read(store: &Store, number: u64, width: u32) -> Result<Part, ReadError> {
    let mut findings = Vec::new();
    let bundle = found(tiles::bundle(store, number, width).await, &mut findings)?;
    let tile = found(tiles::tile(store, 0, number, width).await, &mut findings)?;
    let Some(bundle) = bundle else {
        return Ok(Part { hashes: tile.unwrap_or_default(), entries: Vec::new(), findings });
    };
    let hashes: Vec<Hash> = bundle.iter().map(|entry| record_hash(entry)).collect();
    if tile.is_some_and(|tile| tile != hashes) {
        findings.push(Finding::Tile { path: files::tile(0, number, width).to_string() });
    }
    let entries = bundle.iter().map(|entry| Entry::read(entry)).collect();
    Ok(Part { hashes, entries, findings })
}

/// What was read; a file that is missing or damaged is a finding.
fn found<T>(read: Result<T, ReadError>, findings: &mut Vec<Finding>) -> Result<Option<T>, ReadError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) => {
            findings.push(Finding::of_file(error)?);
            Ok(None)
        }
    }
}

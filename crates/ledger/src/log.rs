//! The writer. A commit is one create-only object: of several writers one can make commit `n`, so that there are never two
//! checkpoints that disagree, whoever crashes, is paused or believes to be the leader.
//!
//! 1. `batch/<hash>`: the new entries, named by their content.
//! 2. `head/<n>`, created only if it is not there: **the commit**. It has the signed checkpoint and names the batch.
//! 3. Tiles and bundles follow from the tree before and the batch, so that whoever writes them writes the same.
//! 4. `checkpoint`, and the batch is deleted.
//!
//! Whoever opens the log first does what the last commit left undone. Heads are never deleted: with a gap, a writer that was
//! paused for a year could make that commit again.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use tlog_tiles::{EMPTY_HASH, Hash, record_hash};

use crate::bundle::{CutOff, pack, unpack};
use crate::edge::{Edge, Growth};
use crate::entry::{BadEntry, Entry};
use crate::files;
use crate::head::{BadCheckpoint, Head, Signed, open, sign};
use crate::key::{LogSigner, LogVerifier};
use crate::tiles::{self, ReadError, Store, WriteError, create, put};

/// Entries of one commit: with the longest entries 64 MB.
pub const BATCH_ENTRIES_MAX: usize = 1_000;
/// Files written at once.
const AT_ONCE: usize = 16;

/// Why nothing was recorded, or nobody knows whether it was. After any of these the log is opened anew, which finds out.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another writer made the next commit.
    #[error("another writer has made commit {0}; open the log anew")]
    AnotherWriter(u64),
    /// An error came before; what is stored may be ahead of what this writer knows.
    #[error("the log must be opened anew after an error")]
    Stale,
    /// The store does not answer.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Something stored is missing or damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A head that no release has written.
    #[error("head {number} cannot be read")]
    Head {
        /// Number.
        number: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A checkpoint of another key.
    #[error("the checkpoint of head {number} is not this log's")]
    Checkpoint {
        /// Number.
        number: u64,
        /// Why.
        #[source]
        source: BadCheckpoint,
    },
    /// A batch that is not what its head names.
    #[error("the batch of head {number} is damaged: {cut}")]
    Batch {
        /// Number.
        number: u64,
        /// Where.
        cut: CutOff,
    },
    /// What is stored is not what was signed.
    #[error("the tree of {size} entries that is stored is not the one that was signed")]
    Tree {
        /// Entries.
        size: u64,
    },
    /// An entry cannot be recorded.
    #[error("entry {id} cannot be recorded")]
    Entry {
        /// Its id.
        id: String,
        /// Why.
        #[source]
        source: BadEntry,
    },
}

/// The writer of one log.
pub struct Log {
    store: Store,
    signer: LogSigner,
    edge: Edge,
    commit: u64,
    newest: Signed,
    /// Index by id.
    ids: HashMap<String, u64>,
    stale: bool,
}

impl Log {
    /// Opens a log, or begins one; ends what the last commit left undone.
    ///
    /// # Errors
    /// When the store does not answer, or what is stored is not this log's.
    pub async fn open(store: Store, signer: LogSigner, verifier: &LogVerifier) -> Result<Self, LogError> {
        let commit = last_commit(&store).await?;
        let (edge, newest) = match commit {
            0 => {
                let newest = sign(&signer, 0, EMPTY_HASH);
                (Edge::default(), newest.map_err(|source| LogError::Checkpoint { number: 1, source })?)
            }
            number => finished(&store, number, verifier).await?,
        };
        let mut log = Self { store, signer, edge, commit, newest, ids: HashMap::new(), stale: false };
        match commit {
            // A log has a checkpoint from its first moment on.
            0 => log.commit(Vec::new()).await?,
            _ => log.read_ids().await?,
        }
        Ok(log)
    }

    /// Entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The newest checkpoint.
    #[must_use]
    pub fn newest(&self) -> &Signed {
        &self.newest
    }

    /// Where the entry of that id stands.
    #[must_use]
    pub fn index_of(&self, id: &str) -> Option<u64> {
        self.ids.get(id).copied()
    }

    /// Records entries, each id once: their indexes. When this returns they are in a published checkpoint.
    ///
    /// # Errors
    /// When they are not recorded, or nobody knows; opened anew, the log knows what is recorded.
    pub async fn append(&mut self, entries: &[Entry]) -> Result<Vec<u64>, LogError> {
        if self.stale {
            return Err(LogError::Stale);
        }
        for part in entries.chunks(BATCH_ENTRIES_MAX) {
            let mut new: Vec<Vec<u8>> = Vec::new();
            let mut ids: Vec<&str> = Vec::new();
            for entry in part {
                if self.ids.contains_key(&entry.id) || ids.contains(&entry.id.as_str()) {
                    continue;
                }
                let bytes = entry.bytes();
                new.push(bytes.map_err(|source| LogError::Entry { id: entry.id.clone(), source })?);
                ids.push(&entry.id);
            }
            if new.is_empty() {
                continue;
            }
            let first = self.edge.size();
            self.commit(new).await?;
            self.ids.extend(ids.into_iter().map(str::to_owned).zip(first..));
        }
        Ok(entries.iter().filter_map(|entry| self.index_of(&entry.id)).collect())
    }

    async fn commit(&mut self, entries: Vec<Vec<u8>>) -> Result<(), LogError> {
        // Until all is done nobody knows what is stored.
        self.stale = true;
        let number = self.commit + 1;
        let mut edge = self.edge.clone();
        let batch = pack(entries.iter().map(Vec::as_slice)).unwrap_or_default();
        let growth = edge.add(entries);
        let root = edge.root().map_err(|_| LogError::Tree { size: edge.size() })?;
        let newest = sign(&self.signer, edge.size(), root)
            .map_err(|source| LogError::Checkpoint { number, source })?;
        let content = record_hash(&batch);
        let head = Head {
            number,
            size_before: self.edge.size(),
            batch: content.to_string(),
            checkpoint: String::from_utf8_lossy(&newest.note).into_owned(),
        };
        put(&self.store, files::batch(&content), batch).await?;
        let text = serde_json::to_vec(&head).map_err(|source| LogError::Head { number, source })?;
        if !create(&self.store, files::head(number), text).await? {
            return Err(LogError::AnotherWriter(number));
        }
        publish(&self.store, growth, &newest, &content).await?;
        (self.edge, self.commit, self.newest, self.stale) = (edge, number, newest, false);
        Ok(())
    }

    async fn read_ids(&mut self) -> Result<(), LogError> {
        let store = self.store.clone();
        let mut bundles = stream::iter(tiles::bundles(self.size()))
            .map(|(number, width)| {
                let store = store.clone();
                async move { tiles::bundle(&store, number, width).await }
            })
            .buffered(AT_ONCE);
        let mut index = 0;
        while let Some(entries) = bundles.try_next().await? {
            for bytes in entries {
                let entry = Entry::read(&bytes)
                    .map_err(|source| LogError::Entry { id: format!("at {index}"), source })?;
                self.ids.insert(entry.id, index);
                index += 1;
            }
        }
        Ok(())
    }
}

/// Number of the last commit; 0 when there is none. Commits have no gaps, so that it is found by halving.
async fn last_commit(store: &Store) -> Result<u64, LogError> {
    let exists = async |number: u64| {
        let path = files::head(number);
        match store.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(ReadError::Store { path, source }),
        }
    };
    let mut above = 1;
    while exists(above).await? {
        above *= 2;
    }
    let mut there = above / 2;
    while above - there > 1 {
        let middle = there + (above - there) / 2;
        if exists(middle).await? {
            there = middle;
        } else {
            above = middle;
        }
    }
    Ok(there)
}

/// Does what a commit left undone; the edge of its tree, and its checkpoint.
async fn finished(store: &Store, number: u64, verifier: &LogVerifier) -> Result<(Edge, Signed), LogError> {
    let head: Head = serde_json::from_slice(&tiles::read(store, &files::head(number)).await?)
        .map_err(|source| LogError::Head { number, source })?;
    let newest = open(verifier, head.checkpoint.as_bytes())
        .map_err(|source| LogError::Checkpoint { number, source })?;
    let content = Hash::parse_hash(&head.batch).map_err(|_| LogError::Tree { size: newest.size })?;
    let path = files::batch(&content);
    let batch = match tiles::read(store, &path).await {
        Ok(batch) => Some(batch),
        // It is deleted as the last of all.
        Err(error) if error.is_missing() => None,
        Err(error) => return Err(error.into()),
    };
    let (edge, growth) = match batch {
        Some(batch) => {
            let mut edge = tiles::edge(store, head.size_before).await?;
            let entries = unpack(&batch).map_err(|cut| LogError::Batch { number, cut })?;
            let growth = edge.add(entries.into_iter().map(<[u8]>::to_vec));
            (edge, growth)
        }
        None => (tiles::edge(store, newest.size).await?, Growth::default()),
    };
    if edge.size() != newest.size || edge.root().ok() != Some(newest.root) {
        return Err(LogError::Tree { size: newest.size });
    }
    publish(store, growth, &newest, &content).await?;
    Ok((edge, newest))
}

async fn publish(store: &Store, growth: Growth, newest: &Signed, batch: &Hash) -> Result<(), LogError> {
    let tiles = growth
        .tiles
        .into_iter()
        .map(|tile| (files::tile(tile.level, tile.number, tile.width()), tile.bytes()));
    let bundles = growth.bundles.into_iter().map(|(number, entries)| {
        let width = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let bytes = pack(entries.iter().map(Vec::as_slice)).unwrap_or_default();
        (files::bundle(number, width), bytes)
    });
    stream::iter(tiles.chain(bundles))
        .map(|(path, bytes)| put(store, path, bytes))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    put(store, files::checkpoint(), newest.note.clone()).await?;
    let path = files::batch(batch);
    match store.delete(&path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(source) => Err(WriteError { path, source }.into()),
    }
}

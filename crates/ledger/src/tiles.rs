//! Reads tiles and bundles, and works out proofs from them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tlog_tiles::{Error as TreeError, HASH_SIZE, Hash, HashReader, Tile, prove_record, prove_tree};

use crate::bundle::{CutOff, unpack};
use crate::edge::{Edge, hash_in};
use crate::files::{self, TILE_HEIGHT, TILE_WIDTH};

/// What a log stores.
pub type Store = Arc<dyn ObjectStore>;

/// Longest file: a bundle of 256 entries of 65,535 bytes each, behind their lengths, takes 16.8 MB.
pub const FILE_BYTES_MAX: u64 = 17 << 20;

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there, or the store does not answer.
    #[error("{path} cannot be read")]
    Store {
        /// What.
        path: Path,
        /// Why.
        #[source]
        source: object_store::Error,
    },
    /// A file that is longer than any of a record; a server that sends without end must not fill the reader's memory.
    #[error("{path} has {bytes} bytes; no file of a record has more than {FILE_BYTES_MAX}")]
    TooLong {
        /// What.
        path: Path,
        /// As the store says.
        bytes: u64,
    },
    /// A tile of another length than it must have.
    #[error("{path} has {found} bytes instead of {wanted}")]
    Length {
        /// What.
        path: Path,
        /// As it is.
        found: usize,
        /// As it must be.
        wanted: usize,
    },
    /// A bundle that is no entries behind their lengths.
    #[error("{path}: {cut}")]
    Bundle {
        /// What.
        path: Path,
        /// Where.
        cut: CutOff,
    },
    /// A bundle of another number of entries.
    #[error("{path} has {found} entries instead of {wanted}")]
    Entries {
        /// What.
        path: Path,
        /// As it is.
        found: usize,
        /// As it must be.
        wanted: usize,
    },
    /// What was asked for is not in the tree.
    #[error("not in the tree: {0}")]
    Tree(String),
}

impl ReadError {
    /// The store answers, and has no such file.
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Store { source: object_store::Error::NotFound { .. }, .. })
    }
}

/// A file that the store did not take.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written")]
pub struct WriteError {
    /// Which.
    pub path: Path,
    /// Why.
    #[source]
    pub source: object_store::Error,
}

/// Writes a file, whether or not it is there.
pub(crate) async fn put(store: &Store, path: Path, bytes: Vec<u8>) -> Result<(), WriteError> {
    let written = store.put(&path, bytes.into()).await;
    written.map(drop).map_err(|source| WriteError { path, source })
}

/// Writes a file that is not there yet; false: it is, and stays as it is.
pub(crate) async fn create(store: &Store, path: Path, bytes: Vec<u8>) -> Result<bool, WriteError> {
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match store.put_opts(&path, bytes.into(), options).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(source) => Err(WriteError { path, source }),
    }
}

/// The bytes of a file.
///
/// # Errors
/// When it is not there or too long, or the store does not answer.
pub async fn read(store: &Store, path: &Path) -> Result<Bytes, ReadError> {
    let failed = |source| ReadError::Store { path: path.clone(), source };
    let got = store.get(path).await.map_err(failed)?;
    if got.meta.size > FILE_BYTES_MAX {
        return Err(ReadError::TooLong { path: path.clone(), bytes: got.meta.size });
    }
    got.bytes().await.map_err(failed)
}

/// The hashes of a tile.
///
/// # Errors
/// When it is not there, or of another length.
pub async fn tile(store: &Store, level: u8, number: u64, width: u32) -> Result<Vec<Hash>, ReadError> {
    let path = files::tile(level, number, width);
    let bytes = read(store, &path).await?;
    let wanted = width as usize * HASH_SIZE;
    if bytes.len() != wanted {
        return Err(ReadError::Length { path, found: bytes.len(), wanted });
    }
    let hashes = bytes.as_chunks::<HASH_SIZE>().0;
    Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// The entries of a bundle.
///
/// # Errors
/// When it is not there, or of another number of entries.
pub async fn bundle(store: &Store, number: u64, width: u32) -> Result<Vec<Vec<u8>>, ReadError> {
    let path = files::bundle(number, width);
    let bytes = read(store, &path).await?;
    let entries = unpack(&bytes).map_err(|cut| ReadError::Bundle { path: path.clone(), cut })?;
    if entries.len() != width as usize {
        return Err(ReadError::Entries { path, found: entries.len(), wanted: width as usize });
    }
    Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
}

/// The bytes of one entry of a tree of that size.
///
/// # Errors
/// When the tree has no such entry, or its bundle cannot be read.
pub async fn entry(store: &Store, size: u64, index: u64) -> Result<Vec<u8>, ReadError> {
    let none = || ReadError::Tree(format!("it has {size} entries, none at {index}"));
    if index >= size {
        return Err(none());
    }
    let number = index / TILE_WIDTH;
    let bundle = bundle(store, number, width(size, number)).await?;
    let within = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
    bundle.into_iter().nth(within).ok_or_else(none)
}

/// Number and width of each bundle of a tree of that size, in order.
pub fn bundles(size: u64) -> impl Iterator<Item = (u64, u32)> {
    (0..size.div_ceil(TILE_WIDTH)).map(move |number| (number, width(size, number)))
}

/// Hashes of a tile of level 0, or entries of a bundle, in a tree of that size.
fn width(hashes: u64, number: u64) -> u32 {
    u32::try_from((hashes - number * TILE_WIDTH).min(TILE_WIDTH)).unwrap_or(u32::MAX)
}

/// The right edge of a stored tree.
///
/// # Errors
/// When a tile of it is missing.
pub async fn edge(store: &Store, size: u64) -> Result<Edge, ReadError> {
    let mut levels = Vec::new();
    let mut hashes = size;
    for level in 0_u8.. {
        if hashes == 0 {
            break;
        }
        let last = u32::try_from(hashes % TILE_WIDTH).unwrap_or(u32::MAX);
        levels.push(match last {
            0 => Vec::new(),
            last => tile(store, level, hashes / TILE_WIDTH, last).await?,
        });
        hashes /= TILE_WIDTH;
    }
    let last = u32::try_from(size % TILE_WIDTH).unwrap_or(u32::MAX);
    let entries = match last {
        0 => Vec::new(),
        last => bundle(store, size / TILE_WIDTH, last).await?,
    };
    Ok(Edge::of(size, levels, entries))
}

/// That the tree of that size has the entry of that index: hashes from the leaf up.
///
/// # Errors
/// When the tree has no such entry, or a tile is missing.
pub async fn inclusion(store: &Store, size: u64, index: u64) -> Result<Vec<Hash>, ReadError> {
    prove(store, size, |known| prove_record(size, index, known)).await
}

/// That the tree of that size begins with the older one.
///
/// # Errors
/// When the tree is not larger, or a tile is missing.
pub async fn consistency(store: &Store, size: u64, older: u64) -> Result<Vec<Hash>, ReadError> {
    prove(store, size, |known| prove_tree(size, older, known)).await
}

/// Tiles that were read, and those that were missing. The library's proofs read hashes at once and without waiting, so that a
/// proof is tried until it has all tiles.
#[derive(Default)]
struct Known {
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
    missing: RefCell<Vec<(u8, u64)>>,
}

async fn prove(
    store: &Store,
    size: u64,
    proof: impl Fn(&Known) -> Result<Vec<Hash>, TreeError>,
) -> Result<Vec<Hash>, ReadError> {
    let mut known = Known::default();
    loop {
        let tried = proof(&known);
        let missing = std::mem::take(&mut *known.missing.borrow_mut());
        if missing.is_empty() {
            return tried.map_err(|error| ReadError::Tree(error.to_string()));
        }
        for (level, number) in missing {
            let width = width(size >> (TILE_HEIGHT * level), number);
            known.tiles.insert((level, number), tile(store, level, number, width).await?);
        }
    }
}

impl HashReader for Known {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, TreeError> {
        let mut missing = self.missing.borrow_mut();
        let mut found = Vec::with_capacity(indexes.len());
        for index in indexes {
            let wanted = Tile::from_index(TILE_HEIGHT, *index);
            let place = (wanted.level(), wanted.level_index());
            match self.tiles.get(&place) {
                Some(hashes) => found.push(hash_in(&wanted, hashes, *index)?),
                None => missing.push(place),
            }
        }
        missing.dedup();
        if missing.is_empty() { Ok(found) } else { Err(TreeError::InvalidTile) }
    }
}

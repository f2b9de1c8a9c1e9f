//! The right edge of the tree: all that is needed to add entries and to know the root. Pure.

use tlog_tiles::{Error, Hash, HashReader, Tile, record_hash, tree_hash};

use crate::files::{TILE_HEIGHT, TILE_WIDTH};

/// A tile to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Level.
    pub level: u8,
    /// Number within the level.
    pub number: u64,
    /// Hashes.
    pub hashes: Vec<Hash>,
}

impl Written {
    /// As the file has it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        bytes(&self.hashes)
    }

    /// Hashes in it.
    #[must_use]
    pub fn width(&self) -> u32 {
        u32::try_from(self.hashes.len()).unwrap_or(u32::MAX)
    }
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hash of that index from the tile that it is in, as [`Tile::from_index`] says, with all hashes that this tile has.
pub(crate) fn hash_in(wanted: &Tile, hashes: &[Hash], index: u64) -> Result<Hash, Error> {
    let width = u32::try_from(hashes.len()).map_err(|_| Error::InvalidTile)?;
    let tile = Tile::new(TILE_HEIGHT, wanted.level(), wanted.level_index(), width, false);
    tile.hash_at_index(&bytes(hashes), index)
}

/// The last tile of each level, as far as it is not full, and the last entries.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Edge {
    size: u64,
    /// By level; fewer than 256 hashes each.
    levels: Vec<Vec<Hash>>,
    /// Entries of the last bundle, fewer than 256.
    entries: Vec<Vec<u8>>,
}

/// What adding entries makes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Growth {
    /// Tiles of hashes, full ones and the last of each level that changed.
    pub tiles: Vec<Written>,
    /// Bundles by number: their entries.
    pub bundles: Vec<(u64, Vec<Vec<u8>>)>,
}

impl Edge {
    /// From what is stored of a tree of that size: the last tile of each level and the last bundle, where these are not full.
    #[must_use]
    pub fn of(size: u64, levels: Vec<Vec<Hash>>, entries: Vec<Vec<u8>>) -> Self {
        Self { size, levels, entries }
    }

    /// Entries of the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree.
    ///
    /// # Errors
    /// When the edge is not that of a tree of its size; a defect of what was stored.
    pub fn root(&self) -> Result<Hash, Error> {
        tree_hash(self.size, self)
    }

    /// Adds entries, and says what is to be written.
    pub fn add(&mut self, entries: impl IntoIterator<Item = Vec<u8>>) -> Growth {
        let mut growth = Growth::default();
        let mut touched = 0;
        let mut grown = false;
        for entry in entries {
            grown = true;
            touched = touched.max(self.push(0, record_hash(&entry), &mut growth));
            self.entries.push(entry);
            self.size += 1;
            if self.size.is_multiple_of(TILE_WIDTH) {
                growth.bundles.push((self.size / TILE_WIDTH - 1, std::mem::take(&mut self.entries)));
            }
        }
        if !grown {
            return growth;
        }
        let changed = |tile: &Written| usize::from(tile.level) <= touched;
        growth.tiles.extend(self.unfinished().into_iter().filter(changed));
        if !self.entries.is_empty() {
            growth.bundles.push((self.size / TILE_WIDTH, self.entries.clone()));
        }
        growth
    }

    /// Adds leaves of which only the tree is wanted: the tiles that became full. Not to be mixed with [`Edge::add`].
    pub(crate) fn grow(&mut self, leaves: &[Hash]) -> Vec<Written> {
        let mut growth = Growth::default();
        for leaf in leaves {
            self.push(0, *leaf, &mut growth);
            self.size += 1;
        }
        growth.tiles
    }

    /// The last tile of each level, where it is not full.
    pub(crate) fn unfinished(&self) -> Vec<Written> {
        let of_level = |(level, hashes): (u8, &Vec<Hash>)| {
            let number = self.last_tile(level);
            (!hashes.is_empty()).then(|| Written { level, number, hashes: hashes.clone() })
        };
        (0..).zip(&self.levels).filter_map(of_level).collect()
    }

    /// The highest level that changed.
    fn push(&mut self, level: usize, hash: Hash, growth: &mut Growth) -> usize {
        if self.levels.len() <= level {
            self.levels.push(Vec::new());
        }
        self.levels[level].push(hash);
        if (self.levels[level].len() as u64) < TILE_WIDTH {
            return level;
        }
        let hashes = std::mem::take(&mut self.levels[level]);
        let narrow = u8::try_from(level).unwrap_or(u8::MAX);
        // The entry that fills it is not counted in the size yet.
        let number = self.size >> (TILE_HEIGHT * (narrow + 1));
        let full = Written { level: narrow, number, hashes };
        let above = Tile::subtree_hash(&full.bytes());
        growth.tiles.push(full);
        self.push(level + 1, above, growth)
    }

    /// Number of the last tile of a level, the one that is not full.
    fn last_tile(&self, level: u8) -> u64 {
        self.size >> (TILE_HEIGHT * (level + 1))
    }
}

impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let read = |index: &u64| {
            let wanted = Tile::from_index(TILE_HEIGHT, *index);
            let level = wanted.level();
            let hashes = self.levels.get(usize::from(level)).ok_or(Error::InvalidTile)?;
            if wanted.level_index() != self.last_tile(level) || hashes.is_empty() {
                return Err(Error::InvalidTile);
            }
            hash_in(&wanted, hashes, *index)
        };
        indexes.iter().map(read).collect()
    }
}

//! Where everything is, relative to the log's prefix.
//!
//! `checkpoint`, `tile/…` and `tile/entries/…` are C2SP tlog-tiles' names; `head/…` and `batch/…` are the writer's own, and
//! nobody else needs them.

use object_store::path::Path;
use tlog_tiles::{Hash, Tile};

use crate::redact::hexadecimal;

/// Height of tiles: 256 hashes in one, as tlog-tiles fixes it.
pub const TILE_HEIGHT: u8 = 8;
/// Hashes of a full tile, and entries of a full bundle.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;

/// The newest signed checkpoint.
#[must_use]
pub fn checkpoint() -> Path {
    Path::from("checkpoint")
}

/// Hashes of a tile. The library's paths have the height in them, tlog-tiles' have not.
#[must_use]
pub fn tile(level: u8, number: u64, width: u32) -> Path {
    of_library(&Tile::new(TILE_HEIGHT, level, number, width, false).path(), &format!("tile/{level}"))
}

/// Entries below a tile of level 0.
#[must_use]
pub fn bundle(number: u64, width: u32) -> Path {
    of_library(&Tile::new(TILE_HEIGHT, 0, number, width, true).path(), "tile/entries")
}

/// The commit of that number, from 1; numbers are split as those of tiles are.
#[must_use]
pub fn head(number: u64) -> Path {
    of_library(&Tile::new(TILE_HEIGHT, 0, number, 256, true).path(), "head")
}

/// Entries of a commit whose tiles may not be written yet, named by their content.
#[must_use]
pub fn batch(content: &Hash) -> Path {
    Path::from(format!("batch/{}", hexadecimal(&content.0)))
}

/// The log's public key.
#[must_use]
pub fn key() -> Path {
    Path::from("key")
}

/// A text that entries name by its SHA-256.
#[must_use]
pub fn text(sha256: &str) -> Path {
    Path::from(format!("text/{sha256}"))
}

/// What opens a commitment.
#[must_use]
pub fn opening(commitment: &str) -> Path {
    Path::from(format!("opening/{commitment}"))
}

/// `tile/8/L/…` under another name.
fn of_library(path: &str, name: &str) -> Path {
    let number = path.splitn(4, '/').nth(3).unwrap_or_default();
    Path::from(format!("{name}/{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile(0, 1_234_067, 256).as_ref(), "tile/0/x001/x234/067");
        assert_eq!(tile(2, 0, 17).as_ref(), "tile/2/000.p/17");
        assert_eq!(bundle(273, 112).as_ref(), "tile/entries/273.p/112");
        assert_eq!(head(1_001).as_ref(), "head/x001/001");
    }
}

//! Where the record is: a folder, durable once written.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use concord_ledger::tiles::Store;
use object_store::local::LocalFileSystem;

/// Opens the folder, and makes it if it is not there. `file://` before it is left out.
///
/// # Errors
/// When it cannot be used, or is no folder.
pub fn open(location: &str) -> anyhow::Result<Store> {
    let path = location.strip_prefix("file://").unwrap_or(location);
    if path.contains("://") {
        anyhow::bail!("{location:?}: this release keeps the record in a folder; give a path or file:///path");
    }
    let path = Path::new(path);
    std::fs::create_dir_all(path).with_context(|| format!("the folder {location} cannot be made"))?;
    let folder = LocalFileSystem::new_with_prefix(path)
        .with_context(|| format!("the folder {location} cannot be used"))?;
    // What was told to be recorded is so also after the power failed.
    Ok(Arc::new(folder.with_fsync(true)))
}

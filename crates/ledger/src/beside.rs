//! Files beside the log that are no part of it: its public key, and what opens commitments.

use crate::files;
use crate::key::LogVerifier;
use crate::redact::Opening;
use crate::tiles::{ReadError, Store, WriteError, create, read};

/// Why a file beside the log is not there.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    /// The store does not take it.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Another key is published there.
    #[error("the store has the record of another key, {found}; give the key that began it, or another place")]
    OtherKey {
        /// As it says.
        found: String,
    },
    /// It cannot be written as JSON.
    #[error("an opening cannot be written")]
    Json(#[from] serde_json::Error),
}

/// Puts the public key where readers look for it, once.
///
/// # Errors
/// When another one is there, or the store does not answer.
pub async fn publish_key(store: &Store, verifier: &LogVerifier) -> Result<(), BesideError> {
    let path = files::key();
    let text = format!("{}\n", verifier.text());
    if create(store, path.clone(), text.clone().into_bytes()).await? {
        return Ok(());
    }
    let found = String::from_utf8_lossy(&read(store, &path).await?).trim().to_owned();
    if found == text.trim() { Ok(()) } else { Err(BesideError::OtherKey { found }) }
}

/// Lets readers see which name a commitment meant, until the file is deleted.
///
/// # Errors
/// When the store does not take it.
pub async fn publish_opening(store: &Store, opening: &Opening) -> Result<(), BesideError> {
    let path = files::opening(&opening.commitment());
    let text = serde_json::to_vec(opening)?;
    create(store, path, text).await?;
    Ok(())
}

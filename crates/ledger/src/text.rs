//! Texts beside the log: entries name them by their SHA-256, so that nobody can change one, and a long one fits.

use sha2::{Digest, Sha256};

use crate::files;
use crate::redact::hexadecimal;
use crate::tiles::{ReadError, Store, WriteError, create, read};

/// Longest text: a treaty of 500 members takes 200 KB.
pub const TEXT_BYTES_MAX: usize = 4 << 20;

/// A text that is not what its name says.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// It is not there, or the store does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not the one that was named.
    #[error("the file text/{sha256} is not the text of that hash")]
    Other {
        /// As the entry names it.
        sha256: String,
    },
    /// The store does not take it.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// SHA-256 of a text, 64 hexadecimal digits.
#[must_use]
pub fn sha256(text: &[u8]) -> String {
    hexadecimal(&Sha256::digest(text))
}

/// Stores a text under its hash; to be done before the entry that names it is recorded.
///
/// # Errors
/// When the store does not take it.
pub async fn keep(store: &Store, text: Vec<u8>) -> Result<String, TextError> {
    let sha256 = sha256(&text);
    create(store, files::text(&sha256), text).await?;
    Ok(sha256)
}

/// The text of that hash.
///
/// # Errors
/// When it is missing or another one.
pub async fn text_of(store: &Store, sha256: &str) -> Result<Vec<u8>, TextError> {
    let text = read(store, &files::text(sha256)).await?;
    if self::sha256(&text) != sha256 {
        return Err(TextError::Other { sha256: sha256.to_owned() });
    }
    Ok(text.to_vec())
}

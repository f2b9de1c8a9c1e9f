//! Random values that only a browser or a program keeps, and what the server keeps of them.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::Error;

/// What the server keeps of a secret. The secret has 256 random bits, so a plain hash is enough.
pub type Hash = [u8; 32];

/// A random value; shown to the browser once. No `Debug`: it must not reach a log.
pub struct Secret(String);

impl Secret {
    /// 32 random bytes as hex.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| {
            tracing::error!("the system gives no random numbers");
            Error::Internal
        })?;
        Ok(Self(hex(&bytes)))
    }

    /// The text for the cookie.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What to keep.
    pub fn hash(&self) -> Hash {
        hash(&self.0)
    }
}

/// Hash of what a browser sent. Comparing hashes tells an attacker nothing by its timing.
pub fn hash(text: &str) -> Hash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

/// As text, for the database and for names.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The way back.
pub fn of_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

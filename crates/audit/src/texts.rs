//! Texts of treaties that the record names by their hash.

use std::collections::BTreeMap;

use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::document::Document;
use concord_treaty::treaty::Treaty;

/// Texts by their SHA-256: the text and the treaty that it makes, or why there is none.
#[derive(Debug, Default)]
pub struct Texts(BTreeMap<String, Result<Box<Read>, String>>);

/// A text that was read.
#[derive(Debug)]
struct Read {
    document: Document,
    treaty: Treaty,
}

impl Texts {
    /// Takes a text that has that hash; `Err`: why it is not there.
    pub fn take(&mut self, sha256: &str, text: Result<&[u8], String>) {
        self.0.insert(sha256.to_owned(), text.and_then(read));
    }

    /// The treaty of a hash.
    ///
    /// # Errors
    /// Why there is none.
    pub fn treaty(&self, sha256: &str) -> Result<&Treaty, &str> {
        self.read(sha256).map(|read| &read.treaty)
    }

    /// The text of a hash, clause by clause as it was typed.
    ///
    /// # Errors
    /// As [`Self::treaty`].
    pub fn document(&self, sha256: &str) -> Result<&Document, &str> {
        self.read(sha256).map(|read| &read.document)
    }

    fn read(&self, sha256: &str) -> Result<&Read, &str> {
        let text = self.0.get(sha256).ok_or("it was not read")?;
        text.as_deref().map_err(String::as_str)
    }
}

fn read(text: &[u8]) -> Result<Box<Read>, String> {
    let document: Document =
        serde_json::from_slice(text).map_err(|error| format!("it is no treaty: {error}"))?;
    let treaty = Treaty::validate(&document).map_err(|faults| {
        let first = faults.iter().find(|fault| Diagnostic::is_error(fault));
        format!("it is no sound treaty: {}", first.map_or("unknown fault", |fault| fault.message.as_str()))
    })?;
    Ok(Box::new(Read { document, treaty }))
}

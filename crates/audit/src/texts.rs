//! Texts of treaties that the record names by their hash.

use std::collections::BTreeMap;

use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::document::Document;
use concord_treaty::treaty::Treaty;

/// Texts by their SHA-256: the treaty, or why there is none.
#[derive(Debug, Default)]
pub struct Texts(BTreeMap<String, Result<Treaty, String>>);

impl Texts {
    /// Takes a text that has that hash; `Err`: why it is not there.
    pub fn take(&mut self, sha256: &str, text: Result<&[u8], String>) {
        self.0.insert(sha256.to_owned(), text.and_then(treaty));
    }

    /// The treaty of a hash.
    ///
    /// # Errors
    /// Why there is none.
    pub fn treaty(&self, sha256: &str) -> Result<&Treaty, &str> {
        self.0.get(sha256).map_or(Err("it was not read"), |text| text.as_ref().map_err(String::as_str))
    }
}

fn treaty(text: &[u8]) -> Result<Treaty, String> {
    let document: Document =
        serde_json::from_slice(text).map_err(|error| format!("it is no treaty: {error}"))?;
    Treaty::validate(&document).map_err(|faults| {
        let first = faults.iter().find(|fault| Diagnostic::is_error(fault));
        format!("it is no sound treaty: {}", first.map_or("unknown fault", |fault| fault.message.as_str()))
    })
}

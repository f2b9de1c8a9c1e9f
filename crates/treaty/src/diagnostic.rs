//! What is wrong with a treaty, where, and what would mend it.
//!
//! One shape for all readers: a terminal draws carets from the place, the API sends it as JSON, a condition of the
//! Kubernetes object shows the sentence. Codes never change their meaning; they stand in [`codes`].

use std::fmt;

use serde::Serialize;

pub mod codes;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Something that a reader should know, for example that a file holds another kind of object too.
    Note,
    /// The treaty holds, but promises something that will surprise.
    Warning,
    /// The treaty cannot be in force.
    Error,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// First byte, from 0.
    pub start_byte: usize,
    /// Byte after the last; never on another line.
    pub end_byte: usize,
}

/// Another place that has to do with a fault: the first use of a name, a part of a sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// Field.
    pub path: String,
    /// Where it stands, when the text is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What it has to do with the fault, in a few words.
    pub message: String,
}

/// One fault of a treaty document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// Stable code, for example `TR003`; documented in docs/treaty-language.md.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Field, for example `members[3].guarantee.gpus`; empty when the text as a whole is meant.
    pub path: String,
    /// Where the field stands, when the text is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// What is wrong, with the values that are.
    pub message: String,
    /// What to change.
    pub help: String,
}

impl Diagnostic {
    /// A fault without a place; severity comes from the table of codes.
    #[must_use]
    pub fn new(code: &'static str, path: &str, message: &str, help: &str) -> Self {
        Self {
            code,
            severity: codes::severity(code),
            path: path.to_owned(),
            place: None,
            related: Vec::new(),
            message: message.to_owned(),
            help: help.to_owned(),
        }
    }

    /// The same fault at a place.
    #[must_use]
    pub const fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same fault with one more related field.
    #[must_use]
    pub fn related_to(mut self, path: &str, message: &str) -> Self {
        self.related.push(Related { path: path.to_owned(), place: None, message: message.to_owned() });
        self
    }

    /// Whether it keeps a treaty out of force.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, path, message, help, .. } = self;
        if path.is_empty() {
            return write!(f, "{code}: {message}; {help}");
        }
        write!(f, "{code} at {path}: {message}; {help}")
    }
}

/// Text of the document inside a message: escaped, and cut when long, so that a hostile value cannot flood a log.
#[must_use]
pub fn quoted(text: &str) -> String {
    const CHARACTERS_MOST: usize = 60;
    let mut shown: String = text.chars().take(CHARACTERS_MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

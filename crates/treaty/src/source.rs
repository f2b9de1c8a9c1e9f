//! A treaty as a text: YAML with positions. Finds every fault of a file in one pass and says where it stands.
//!
//! ```text
//! bytes ─ characters ─> text ─ tree ─> values with places ─ shape ─> Document ─ validate ─> Treaty
//! ```
//!
//! The text may be hostile: size, depth, number of values and length of names are limited, and what the YAML of
//! Kubernetes reads otherwise than a person would (`no`, `010`, `1_000`, anchors, tags) is refused. The meaning of
//! the clauses is the business of [`crate::treaty`].

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::document::Document;
use crate::treaty::Treaty;

mod characters;
mod envelope;
mod places;
mod scalar;
mod shape;
mod tree;

pub(crate) use characters::is_unseen;
pub(crate) use shape::nearest;

/// Largest text that is read, in bytes; an object in a cluster is limited to about the same.
pub const BYTES_MOST: usize = 1 << 20;
/// Faults that are shown for one text; a broken generator should not print thousands.
pub const FAULTS_MOST: usize = 100;

/// What one text holds.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Its treaties, in the order of the text.
    pub treaties: Vec<TreatyText>,
    /// Faults and notes of the text as a whole.
    pub diagnostics: Vec<Diagnostic>,
}

/// One treaty of a text.
#[derive(Debug, Clone)]
pub struct TreatyText {
    /// Name of the object.
    pub name: String,
    /// The raw document; `None` when its shape has faults.
    pub document: Option<Document>,
    /// The validated treaty; `None` when there is any error.
    pub treaty: Option<Treaty>,
    /// Faults of this treaty, by place.
    pub diagnostics: Vec<Diagnostic>,
    spec: tree::Node,
}

/// Numbers of diagnostics by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Count {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
}

/// Reads a text and checks every treaty in it. Objects of other kinds are skipped with a note.
#[must_use]
pub fn read(bytes: &[u8]) -> Reading {
    let text = match characters::text(bytes) {
        Ok(text) => text,
        Err(diagnostics) => return Reading { diagnostics, ..Reading::default() },
    };
    let (documents, mut diagnostics) = tree::parse(text);
    let mut treaties = Vec::new();
    let mut skipped = 0;
    let broken = !diagnostics.is_empty();
    for document in documents {
        match envelope::open(document) {
            envelope::Opened::Treaty { name, spec, faults } => treaties.push(treaty(name, spec, faults)),
            envelope::Opened::Other(note) => {
                skipped += 1;
                diagnostics.push(note);
            }
            envelope::Opened::Nothing => {}
            envelope::Opened::Broken(fault) => diagnostics.push(fault),
        }
    }
    // A file of other objects alone is no fault: a folder may hold both.
    if treaties.is_empty() && skipped == 0 && !broken && diagnostics.is_empty() {
        let help = "begin with apiVersion: concord.dev/v1alpha1, kind: Treaty, metadata and spec";
        let start = Place { line: 1, column: 1, start_byte: 0, end_byte: 0 };
        diagnostics.push(Diagnostic::new("TR106", "", "the text holds no treaty", help).at(start));
    }
    Reading { treaties, diagnostics }
}

fn treaty(name: String, spec: tree::Node, mut diagnostics: Vec<Diagnostic>) -> TreatyText {
    let shape = shape::document(&spec);
    let sound = shape.faults.is_empty();
    let mut treaty = None;
    match shape.document.as_ref().map(Treaty::validate_with_warnings) {
        Some(Ok((rules, warnings))) => {
            treaty = Some(rules);
            diagnostics.extend(warnings);
        }
        // A fault inside a clause whose shape is broken may come from the repair, not from the author.
        Some(Err(faults)) => diagnostics.extend(faults.into_iter().filter(|f| !shape.touches(&f.path))),
        None => {}
    }
    diagnostics.extend(shape.faults);
    let mut found = TreatyText {
        name,
        document: shape.document.filter(|_| sound),
        treaty: None,
        diagnostics: Vec::new(),
        spec,
    };
    found.add(diagnostics);
    if found.count().errors == 0 {
        found.treaty = treaty;
    }
    found
}

impl TreatyText {
    /// Adds diagnostics of later checks (against nodes, for example) and finds their places.
    pub fn add(&mut self, diagnostics: Vec<Diagnostic>) {
        self.diagnostics.extend(diagnostics);
        for diagnostic in &mut self.diagnostics {
            if diagnostic.place.is_none() {
                diagnostic.place = Some(places::find(&self.spec, &diagnostic.path));
            }
            for related in &mut diagnostic.related {
                related.place = related.place.or_else(|| Some(places::find(&self.spec, &related.path)));
            }
        }
        self.diagnostics.sort_by_key(|d| d.place.map_or(0, |p| p.start_byte));
        if self.diagnostics.len() > FAULTS_MOST {
            let more = self.diagnostics.len() - FAULTS_MOST;
            self.diagnostics.truncate(FAULTS_MOST);
            let message = format!("{more} more faults are not shown");
            let place = places::find(&self.spec, "");
            self.diagnostics.push(Diagnostic::new("TR119", "", &message, "mend these first").at(place));
        }
    }

    /// How many errors and warnings there are.
    #[must_use]
    pub fn count(&self) -> Count {
        count(&self.diagnostics)
    }
}

impl Reading {
    /// All diagnostics: those of the text, then those of each treaty.
    pub fn all(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().chain(self.treaties.iter().flat_map(|t| &t.diagnostics))
    }
}

/// How many errors and warnings there are.
#[must_use]
pub fn count<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> Count {
    let mut count = Count::default();
    for diagnostic in diagnostics {
        match diagnostic.severity {
            Severity::Error => count.errors += 1,
            Severity::Warning => count.warnings += 1,
            Severity::Note => {}
        }
    }
    count
}

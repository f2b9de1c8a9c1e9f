//! A treaty or a member quota as a text: YAML with positions. Finds every fault of a file in one pass and says where it stands.
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
use crate::document::{Document, MemberQuotaDocument};
use crate::quota::MemberQuota;
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
    /// Its member quotas, in the order of the text.
    pub quotas: Vec<QuotaText>,
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

/// One member quota of a text.
#[derive(Debug, Clone)]
pub struct QuotaText {
    /// Name of the object: the member.
    pub name: String,
    /// The raw document; `None` when its shape has faults.
    pub document: Option<MemberQuotaDocument>,
    /// The validated quota; `None` when there is any error.
    pub quota: Option<MemberQuota>,
    /// Faults of this quota, by place.
    pub diagnostics: Vec<Diagnostic>,
    name_place: Place,
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

/// Reads a text and checks every treaty and member quota in it, each by itself. Objects of other kinds are skipped with a note.
#[must_use]
pub fn read(bytes: &[u8]) -> Reading {
    let text = match characters::text(bytes) {
        Ok(text) => text,
        Err(diagnostics) => return Reading { diagnostics, ..Reading::default() },
    };
    let (documents, mut diagnostics) = tree::parse(text);
    let (mut treaties, mut quotas) = (Vec::new(), Vec::new());
    let mut skipped = 0;
    let broken = !diagnostics.is_empty();
    for document in documents {
        match envelope::open(document) {
            envelope::Opened::Object { kind: envelope::Kind::Treaty, name, spec, faults, .. } => {
                treaties.push(treaty(name, spec, faults));
            }
            envelope::Opened::Object { name, name_place, spec, faults, .. } => {
                quotas.push(quota(name, name_place, spec, faults));
            }
            envelope::Opened::Other(note) => {
                skipped += 1;
                diagnostics.push(note);
            }
            envelope::Opened::Nothing => {}
            envelope::Opened::Broken(fault) => diagnostics.push(fault),
        }
    }
    // A file of other objects alone is no fault: a folder may hold both.
    if treaties.is_empty() && quotas.is_empty() && skipped == 0 && !broken && diagnostics.is_empty() {
        let help = "begin with apiVersion: concord.dev/v1alpha1, kind: Treaty, metadata and spec";
        let start = Place { line: 1, column: 1, start_byte: 0, end_byte: 0 };
        diagnostics.push(Diagnostic::new("TR106", "", "the text holds no treaty", help).at(start));
    }
    Reading { treaties, quotas, diagnostics }
}

fn treaty(name: String, spec: tree::Node, mut diagnostics: Vec<Diagnostic>) -> TreatyText {
    let shape = shape::document::<Document>(&spec, "the treaty");
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

fn quota(name: String, name_place: Place, spec: tree::Node, mut diagnostics: Vec<Diagnostic>) -> QuotaText {
    let shape = shape::document::<MemberQuotaDocument>(&spec, "the quota");
    let sound = shape.faults.is_empty();
    // An object without a name is told already.
    let named = if name.is_empty() { "unnamed" } else { name.as_str() };
    let mut quota = None;
    match shape.document.as_ref().map(|document| MemberQuota::validate_with_warnings(named, document)) {
        Some(Ok((rules, warnings))) => {
            quota = Some(rules);
            diagnostics.extend(warnings);
        }
        Some(Err(faults)) => diagnostics.extend(faults.into_iter().filter(|f| !shape.touches(&f.path))),
        None => {}
    }
    diagnostics.extend(shape.faults);
    let document = shape.document.filter(|_| sound);
    let mut found = QuotaText { name, document, quota: None, diagnostics: Vec::new(), name_place, spec };
    found.add(diagnostics);
    if found.count().errors == 0 {
        found.quota = quota;
    }
    found
}

impl QuotaText {
    /// Adds diagnostics of later checks (against a treaty, for example) and finds their places.
    pub fn add(&mut self, mut diagnostics: Vec<Diagnostic>) {
        // The name stands outside of the spec.
        for diagnostic in diagnostics.iter_mut().filter(|d| d.path == "metadata.name" && d.place.is_none()) {
            diagnostic.place = Some(self.name_place);
        }
        self.diagnostics.extend(diagnostics);
        find_places(&mut self.diagnostics, &self.spec);
        if self.count().errors > 0 {
            self.quota = None;
        }
    }

    /// How many errors and warnings there are.
    #[must_use]
    pub fn count(&self) -> Count {
        count(&self.diagnostics)
    }
}

/// Finds the places of what has none yet, sorts by place and cuts what is too much.
fn find_places(diagnostics: &mut Vec<Diagnostic>, spec: &tree::Node) {
    for diagnostic in diagnostics.iter_mut() {
        if diagnostic.place.is_none() {
            diagnostic.place = Some(places::find(spec, &diagnostic.path));
        }
        for related in &mut diagnostic.related {
            related.place = related.place.or_else(|| Some(places::find(spec, &related.path)));
        }
    }
    diagnostics.sort_by_key(|d| d.place.map_or(0, |p| p.start_byte));
    if diagnostics.len() > FAULTS_MOST {
        let more = diagnostics.len() - FAULTS_MOST;
        diagnostics.truncate(FAULTS_MOST);
        let message = format!("{more} more faults are not shown");
        let place = places::find(spec, "");
        diagnostics.push(Diagnostic::new("TR119", "", &message, "mend these first").at(place));
    }
}

impl TreatyText {
    /// Where the field at that path stands, or the nearest field around it that is in the text.
    #[must_use]
    pub fn place_of(&self, path: &str) -> Place {
        places::find(&self.spec, path)
    }

    /// Adds diagnostics of later checks (against nodes, for example) and finds their places.
    pub fn add(&mut self, diagnostics: Vec<Diagnostic>) {
        self.diagnostics.extend(diagnostics);
        find_places(&mut self.diagnostics, &self.spec);
    }

    /// How many errors and warnings there are.
    #[must_use]
    pub fn count(&self) -> Count {
        count(&self.diagnostics)
    }
}

impl Reading {
    /// All diagnostics: those of the text, then those of each treaty and of each quota.
    pub fn all(&self) -> impl Iterator<Item = &Diagnostic> {
        let treaties = self.treaties.iter().flat_map(|t| &t.diagnostics);
        self.diagnostics.iter().chain(treaties).chain(self.quotas.iter().flat_map(|q| &q.diagnostics))
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

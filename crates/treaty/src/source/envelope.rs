//! The Kubernetes object around a treaty or a member quota: `apiVersion`, `kind`, `metadata`, `spec`.

use crate::diagnostic::{Diagnostic, Place, quoted};
use crate::source::shape::unknown_field;
use crate::source::tree::{Node, Value};

/// Version of the kind that this release reads.
const API_VERSION: &str = "concord.dev/v1alpha1";
const TREATY: &str = "Treaty";
const QUOTA: &str = "MemberQuota";
const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// Kinds that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A treaty.
    Treaty,
    /// How a member splits its share.
    MemberQuota,
}

/// What one document of a text is.
pub enum Opened {
    /// An object that is read.
    Object {
        /// Its kind.
        kind: Kind,
        /// Name of the object.
        name: String,
        /// Where the name stands, or where the object begins.
        name_place: Place,
        /// What is inside; an empty map when there is none.
        spec: Node,
        /// Faults of the envelope.
        faults: Vec<Diagnostic>,
    },
    /// An object of another kind, with the note that says so.
    Other(Diagnostic),
    /// Nothing between two separators.
    Nothing,
    /// No object at all.
    Broken(Diagnostic),
}

/// Takes the spec out of its envelope.
pub fn open(document: Node) -> Opened {
    if document.is_null() {
        return Opened::Nothing;
    }
    let Value::Map(fields) = &document.value else {
        let help = "begin with apiVersion: concord.dev/v1alpha1, kind: Treaty, metadata and spec";
        return Opened::Broken(Diagnostic::new("TR106", "", "this is no object", help).at(document.place));
    };
    let Some(kind) = text(&document, "kind") else {
        let place = fields.first().map_or(document.place, |f| f.place);
        let help =
            "write the object's first lines: apiVersion: concord.dev/v1alpha1, kind: Treaty, metadata, spec";
        return Opened::Broken(Diagnostic::new("TR106", "", "an object without kind", help).at(place));
    };
    let version = text(&document, "apiVersion").unwrap_or_default();
    let place = document.field("kind").map_or(document.place, |f| f.node.place);
    // A slip of the pen is no other kind.
    let meant = [(TREATY, Kind::Treaty), (QUOTA, Kind::MemberQuota)];
    let Some((exact, meant)) = meant.into_iter().find(|(name, _)| kind.eq_ignore_ascii_case(name)) else {
        let message = format!("an object of kind {} is skipped", quoted(kind));
        let help = "only treaties and member quotas are checked";
        return Opened::Other(Diagnostic::new("TR108", "", &message, help).at(place));
    };
    if kind != exact || version.split('/').next() != API_VERSION.split('/').next() {
        return Opened::Object {
            kind: meant,
            name: String::new(),
            name_place: place,
            spec: inside(&document),
            faults: wrong_version(&document, version, kind, exact),
        };
    }
    let mut faults =
        if version == API_VERSION { Vec::new() } else { wrong_version(&document, version, kind, exact) };
    for field in fields.iter().filter(|f| !FIELDS.contains(&f.name.as_str())) {
        let mut fault = unknown_field("", &field.name, &FIELDS).at(field.place);
        if crate::source::shape::is_clause(meant, &field.name) {
            "indent it, so that it stands inside `spec`".clone_into(&mut fault.help);
        }
        faults.push(fault);
    }
    let metadata = document.field("metadata").map(|f| &f.node);
    let name = metadata.and_then(|node| text(node, "name")).unwrap_or_default().to_owned();
    let place = fields.first().map_or(document.place, |f| f.place);
    let name_place = metadata.and_then(|node| node.field("name")).map_or(place, |f| f.node.place);
    if name.is_empty() {
        let help = match meant {
            Kind::Treaty => "write metadata: {name: the-name-of-the-treaty}",
            Kind::MemberQuota => "write metadata: {name: the-name-of-the-member}",
        };
        faults.push(Diagnostic::new("TR111", "metadata.name", "the object has no name", help).at(place));
    }
    if document.field("spec").is_none() {
        let help = "write `spec:` and indent the clauses under it";
        return Opened::Broken(Diagnostic::new("TR111", "spec", "the object has no spec", help).at(place));
    }
    Opened::Object { kind: meant, name, name_place, spec: inside(&document), faults }
}

fn wrong_version(document: &Node, version: &str, kind: &str, exact: &str) -> Vec<Diagnostic> {
    let field = document.field("apiVersion").or_else(|| document.field("kind"));
    let place = field.map_or(document.place, |f| f.node.place);
    let message = format!("apiVersion {} with kind {}", quoted(version), quoted(kind));
    let help = format!("write apiVersion: concord.dev/v1alpha1 and kind: {exact}");
    vec![Diagnostic::new("TR106", "", &message, &help).at(place)]
}

fn inside(document: &Node) -> Node {
    let empty = || Node { value: Value::Map(Vec::new()), place: document.place };
    document.field("spec").map_or_else(empty, |f| {
        if f.node.is_null() { Node { place: f.place, ..empty() } } else { f.node.clone() }
    })
}

fn text<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    match &node.field(name)?.node.value {
        Value::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

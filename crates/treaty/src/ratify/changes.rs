//! Clause by clause: what stands otherwise in the new text. Entries of lists are matched by what names them, so that a
//! member that moves is not a member that changes; the order of members is told apart, because it breaks ties.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::document::Document;

/// Fields that name the entries of a list.
const NAMES: [&str; 3] = ["name", "matter", "of"];

/// A clause that stands otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Field; list entries by their name, such as `members[north].guarantee.gpus`.
    pub path: String,
    /// Value before; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Value after; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "{}: {before} -> {after}", self.path),
            (None, Some(after)) => write!(f, "{}: added {after}", self.path),
            (Some(before), None) => write!(f, "{}: deleted {before}", self.path),
            (None, None) => Ok(()),
        }
    }
}

/// Path of the change of the members' order.
pub const ORDER: &str = "members (order)";

/// All changes, in the order of the field names.
///
/// # Errors
/// Never for documents that were read from a text.
pub fn changes(old: &Document, new: &Document) -> Result<Vec<Change>, serde_json::Error> {
    let mut found = Vec::new();
    compare("", Some(&serde_json::to_value(old)?), Some(&serde_json::to_value(new)?), &mut found);
    let common = |of: &Document, other: &Document| -> Vec<String> {
        let names: BTreeSet<&str> = other.members.iter().map(|m| m.name.as_str()).collect();
        of.members.iter().filter(|m| names.contains(m.name.as_str())).map(|m| m.name.clone()).collect()
    };
    let (before, after) = (common(old, new), common(new, old));
    if before != after {
        let path = ORDER.to_owned();
        found.push(Change { path, before: Some(before.into()), after: Some(after.into()) });
    }
    Ok(found)
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let dot = if path.is_empty() { "" } else { "." };
                compare(&format!("{path}{dot}{name}"), old.get(name), new.get(name), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if naming(old, new).is_some() => {
            let field = naming(old, new).unwrap_or("name");
            let with_name = |list: &'_ [Value], name: &str| list.iter().position(|e| e[field] == name);
            let names = old.iter().chain(new).filter_map(|e| e[field].as_str());
            let mut seen = BTreeSet::new();
            for name in names.filter(|n| seen.insert(*n)) {
                let (old_at, new_at) = (with_name(old, name), with_name(new, name));
                let entry = format!("{path}[{name}]");
                compare(&entry, old_at.map(|i| &old[i]), new_at.map(|i| &new[i]), found);
            }
        }
        (before, after) => {
            found.push(Change { path: path.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}

/// The field that names each entry of both lists.
fn naming(old: &[Value], new: &[Value]) -> Option<&'static str> {
    NAMES.into_iter().find(|field| old.iter().chain(new).all(|entry| entry[*field].is_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(members: &[(&str, i64)]) -> Document {
        let members: Vec<Value> = members
            .iter()
            .map(|(name, gpus)| serde_json::json!({ "name": name, "guarantee": { "gpus": gpus } }))
            .collect();
        serde_json::from_value(
            serde_json::json!({ "title": "t", "members": members, "reclaim": { "noticeSeconds": 1 } }),
        )
        .unwrap()
    }

    #[test]
    fn entries_are_matched_by_name() {
        let told = |old: &[(&str, i64)], new: &[(&str, i64)]| -> Vec<String> {
            changes(&document(old), &document(new)).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(told(&[("a", 8), ("b", 8)], &[("a", 8), ("b", 8)]), [""; 0]);
        assert_eq!(
            told(&[("a", 8), ("b", 8)], &[("b", 8), ("a", 16)]),
            ["members[a].guarantee.gpus: 8 -> 16", r#"members (order): ["a","b"] -> ["b","a"]"#,]
        );
        assert_eq!(
            told(&[("a", 8), ("b", 8)], &[("a", 8)]),
            [r#"members[b]: deleted {"guarantee":{"gpus":8},"name":"b"}"#]
        );
    }
}

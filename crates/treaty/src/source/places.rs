//! From the path of a field to its place in the text.

use crate::diagnostic::Place;
use crate::source::tree::{Node, Value};

/// Place of the field at that path, or of the nearest field around it that is in the text. Of a scalar the value,
/// of a list or map its name.
pub fn find(root: &Node, path: &str) -> Place {
    walk(root, place(root, None), path)
}

fn walk(node: &Node, here: Place, path: &str) -> Place {
    if path.is_empty() {
        return here;
    }
    match &node.value {
        Value::Map(fields) => {
            let rest_after = |name: &str| {
                let rest = path.strip_prefix('.').unwrap_or(path).strip_prefix(name)?;
                (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
            };
            // Names may have dots (labels): the longest that fits is meant.
            let found = fields.iter().filter_map(|f| rest_after(&f.name).map(|rest| (f, rest)));
            found
                .min_by_key(|(_, rest)| rest.len())
                .map_or(here, |(field, rest)| walk(&field.node, place(&field.node, Some(field.place)), rest))
        }
        Value::List(items) => {
            let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let item =
                index.and_then(|(digits, rest)| Some((items.get(digits.parse::<usize>().ok()?)?, rest)));
            item.map_or(here, |(item, rest)| walk(item, place(item, None), rest))
        }
        Value::Scalar { .. } => here,
    }
}

fn place(node: &Node, name: Option<Place>) -> Place {
    match &node.value {
        Value::Scalar { .. } if !node.is_null() => node.place,
        Value::Map(fields) => name.or_else(|| fields.first().map(|f| f.place)).unwrap_or(node.place),
        _ => name.unwrap_or(node.place),
    }
}

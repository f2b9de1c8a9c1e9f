//! Lines of the values of a YAML text, by path such as `workloads[2].on[0].gpu`, for messages.

use std::collections::HashMap;

use granit_parser::{Event, Parser};

/// Line of each value.
pub struct Places(HashMap<String, usize>);

enum Open {
    List { path: String, next: usize },
    Map { path: String, name: Option<String> },
}

impl Places {
    /// Reads a text; what is not YAML has no places.
    pub fn of(text: &str) -> Self {
        let mut lines = HashMap::new();
        let mut open: Vec<Open> = Vec::new();
        let options = granit_parser::options! { emit_comments: false };
        for next in Parser::new_from_str_with_options(text, options) {
            let Ok((event, span)) = next else { break };
            let line = span.start.line().max(1);
            match event {
                Event::Scalar(text, ..) => {
                    if let Some(Open::Map { name: name @ None, .. }) = open.last_mut() {
                        *name = Some(text.into_owned());
                    } else if let Some(path) = value_path(&mut open) {
                        lines.insert(path, line);
                    }
                }
                Event::SequenceStart(..) => {
                    let path = value_path(&mut open).unwrap_or_default();
                    lines.insert(path.clone(), line);
                    open.push(Open::List { path, next: 0 });
                }
                Event::MappingStart(..) => {
                    let path = value_path(&mut open).unwrap_or_default();
                    lines.insert(path.clone(), line);
                    open.push(Open::Map { path, name: None });
                }
                Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
                _ => {}
            }
        }
        Self(lines)
    }

    /// Line of the value at `path`, or of the nearest value around it.
    pub fn line(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return 1,
            }
        }
    }
}

/// Path of the value that begins now; `None` outside of every list and map.
fn value_path(open: &mut [Open]) -> Option<String> {
    match open.last_mut()? {
        Open::List { path, next } => {
            let value = format!("{path}[{next}]");
            *next += 1;
            Some(value)
        }
        Open::Map { path, name } => {
            let name = name.take().unwrap_or_default();
            Some(if path.is_empty() { name } else { format!("{path}.{name}") })
        }
    }
}

//! From text to values that know their places, with limits on everything that a hostile text can blow up.
//!
//! The parser pulls one event after the other; a limit stops it at once, so time and memory stay in proportion to
//! what was read until then.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};

use crate::diagnostic::{Diagnostic, Place, quoted};

/// Depth of a treaty is 6; what is deeper than this is none.
const DEPTH_MOST: usize = 24;
/// A treaty of 500 members with all clauses has about 15,000 values.
const VALUES_MOST: usize = 100_000;
/// Longest name of a field, in bytes; it bounds the paths in messages.
const FIELD_BYTES_MOST: usize = 316;

const TOO_DEEP_HELP: &str = "no clause of a treaty is deeper than 6";

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it starts; for a scalar also where it ends.
    pub place: Place,
}

/// A YAML value, before anybody knows what type its field wants.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text or number, still as it was written; `plain`: without quotes.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// Fields in the order of the text.
    Map(Vec<Field>),
}

/// A field of a map.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    /// The name stands without quotes.
    pub plain: bool,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// The field of that name, when this is a map that has it.
    pub fn field(&self, name: &str) -> Option<&Field> {
        match &self.value {
            Value::Map(fields) => fields.iter().find(|f| f.name == name),
            _ => None,
        }
    }

    /// Whether nothing was written: an empty document, or a field with no value or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// All documents of a text that could be read, and the faults. After a fault the rest of the text is not read.
pub fn parse(text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
    let options = granit_parser::options! { emit_comments: false, disallow_directives: true, emit_unresolved_aliases: true };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder { text, ..Builder::default() };
    for next in parser {
        let stop = match next {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(Box::new(builder.syntax(&error))),
        };
        if let Err(fault) = stop {
            builder.faults.push(*fault);
            break;
        }
    }
    (builder.documents, builder.faults)
}

#[derive(Default)]
struct Builder<'t> {
    text: &'t str,
    documents: Vec<Node>,
    /// Collections that are not closed yet, the innermost last.
    open: Vec<Open>,
    values: usize,
    faults: Vec<Diagnostic>,
}

enum Open {
    List(Place, Vec<Node>),
    Map { place: Place, fields: Vec<Field>, lines: HashMap<String, Place>, name: Option<Name> },
}

/// Name of a field whose value was not read yet.
struct Name {
    name: String,
    place: Place,
    plain: bool,
}

type Step = Result<(), Box<Diagnostic>>;

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Step {
        let place = self.place(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_properties(anchor != 0, tag.is_some(), place)?;
                let plain = style == ScalarStyle::Plain;
                self.value(Node { value: Value::Scalar { text: text.into_owned(), plain }, place })
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_properties(anchor != 0, tag.is_some(), place)?;
                self.open(Open::List(place, Vec::new()), place)
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_properties(anchor != 0, tag.is_some(), place)?;
                self.open(Open::Map { place, fields: Vec::new(), lines: HashMap::new(), name: None }, place)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(_) | Event::UnresolvedAlias(_) => refuse_properties(true, false, place),
            _ => Ok(()),
        }
    }

    fn open(&mut self, collection: Open, place: Place) -> Step {
        if let Some(Open::Map { name: None, .. }) = self.open.last() {
            let message = "a list or map stands where the name of a field belongs";
            return stop("TR102", message, "write `name: value`", place);
        }
        if self.open.len() == DEPTH_MOST {
            return stop("TR101", &too_deep(), TOO_DEEP_HELP, place);
        }
        self.open.push(collection);
        Ok(())
    }

    fn close(&mut self) -> Step {
        match self.open.pop() {
            Some(Open::List(place, items)) => self.value(Node { value: Value::List(items), place }),
            Some(Open::Map { place, fields, .. }) => self.value(Node { value: Value::Map(fields), place }),
            None => Ok(()),
        }
    }

    fn value(&mut self, node: Node) -> Step {
        self.values += 1;
        if self.values > VALUES_MOST {
            let message = format!("more than {VALUES_MOST} values");
            return stop("TR101", &message, "split the file", node.place);
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map { fields, lines, name, .. }) => match name.take() {
                None => *name = Some(field_name(node)?),
                Some(Name { name, place, plain }) => {
                    if let Some(first) = lines.insert(name.clone(), place) {
                        let message =
                            format!("field {} stands already at line {}", quoted(&name), first.line);
                        let fault = Diagnostic::new("TR104", "", &message, "keep one of the two");
                        self.faults.push(fault.at(place));
                        return Ok(());
                    }
                    fields.push(Field { name, place, plain, node });
                }
            },
        }
        Ok(())
    }

    /// Byte range on one line; the parser's spans of collections and block texts go on for many.
    fn place(&self, span: Span) -> Place {
        let length = self.text.len();
        let start_byte = span.start.byte_offset().unwrap_or(0).min(length);
        let end = span.end.byte_offset().unwrap_or(start_byte).clamp(start_byte, length);
        let written = self.text.get(start_byte..end).unwrap_or_default();
        let end_byte = start_byte + written.find(['\n', '\r']).unwrap_or(written.len());
        Place { line: span.start.line().max(1), column: span.start.col() + 1, start_byte, end_byte }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let marker = *error.marker();
        let place = self.place(Span::new(marker, marker));
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return Diagnostic::new("TR101", "", &too_deep(), TOO_DEEP_HELP).at(place);
        }
        let help = "check the indentation, the colon and the quotes here and on the line before";
        Diagnostic::new("TR102", "", &format!("this is not YAML: {}", error.info()), help).at(place)
    }
}

fn too_deep() -> String {
    format!("values are nested more than {DEPTH_MOST} deep")
}

fn field_name(node: Node) -> Result<Name, Box<Diagnostic>> {
    let Value::Scalar { text, plain } = node.value else {
        let message = "a list or map stands where the name of a field belongs";
        return Err(Box::new(Diagnostic::new("TR102", "", message, "write `name: value`").at(node.place)));
    };
    if text.len() > FIELD_BYTES_MOST {
        let message =
            format!("the name of a field has {} bytes, but at most {FIELD_BYTES_MOST} are read", text.len());
        return Err(Box::new(Diagnostic::new("TR101", "", &message, "shorten it").at(node.place)));
    }
    if plain && text == "<<" {
        let help = "write the fields out";
        return Err(Box::new(Diagnostic::new("TR103", "", "a merge key `<<`", help).at(node.place)));
    }
    Ok(Name { name: text, place: node.place, plain })
}

fn refuse_properties(anchor: bool, tag: bool, place: Place) -> Step {
    if anchor {
        let help = "write the value out where it is needed; a treaty says each thing where it holds";
        return stop("TR103", "an anchor or alias (`&name`, `*name`)", help, place);
    }
    if tag {
        return stop(
            "TR103",
            "a tag (`!name`)",
            "leave it out; the treaty's language knows the types",
            place,
        );
    }
    Ok(())
}

fn stop(code: &'static str, message: &str, help: &str, place: Place) -> Step {
    Err(Box::new(Diagnostic::new(code, "", message, help).at(place)))
}

//! Holds values against the schema of a document, the same that the API server keeps, and collects every fault:
//! unknown and missing fields, wrong types, unknown words. What is broken is left out or replaced, so that the rest
//! can still be validated in the same pass; [`Shape::touches`] tells which later faults may come from that.
//!
//! Ranges and lengths are not judged here but with the meaning, in [`crate::treaty`].

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::diagnostic::{Diagnostic, quoted};
use crate::document::{Document, MemberQuotaDocument};
use crate::source::envelope::Kind;
use crate::source::scalar::{Plain, classify};
use crate::source::tree::{Field, Node, Value};

/// Result of reading one document.
pub struct Shape<D> {
    /// The document, repaired where it was broken; `None` when nothing can be made of it.
    pub document: Option<D>,
    /// All faults.
    pub faults: Vec<Diagnostic>,
}

/// Reads a document from its values; `whole` is what people call it.
pub fn document<D: JsonSchema + DeserializeOwned>(spec: &Node, whole: &'static str) -> Shape<D> {
    let schema = schema::<D>();
    let mut reader = Reader { whole, faults: Vec::new() };
    let json = reader.read(&schema, spec, "");
    let document = json.and_then(|json| serde_json::from_value(json).ok());
    if document.is_none() && reader.faults.is_empty() {
        // The schema and the types come from one declaration; still nothing may be accepted unread.
        let message = format!("the document has another shape than {whole}");
        reader.faults.push(Diagnostic::new("TR112", "", &message, "see the reference"));
    }
    Shape { document, faults: reader.faults }
}

/// Whether an object of that kind has a clause of that name.
pub fn is_clause(kind: Kind, name: &str) -> bool {
    let schema = match kind {
        Kind::Treaty => schema::<Document>(),
        Kind::MemberQuota => schema::<MemberQuotaDocument>(),
    };
    schema["properties"].get(name).is_some()
}

fn schema<D: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<D>().to_value()
}

impl<D> Shape<D> {
    /// Whether a fault of that path may come from the repair of a broken field.
    pub fn touches(&self, path: &str) -> bool {
        self.faults.iter().any(|broken| entry(&broken.path) == entry(path))
    }
}

/// The list entry or top-level clause around a path.
fn entry(path: &str) -> &str {
    let end = path.find(']').map(|i| i + 1).filter(|i| path[..*i].find('.').is_none());
    &path[..end.or_else(|| path.find('.')).unwrap_or(path.len())]
}

/// An unknown field, with the nearest known one.
pub fn unknown_field(path: &str, name: &str, known: &[&str]) -> Diagnostic {
    let path = join(path, name);
    let help = nearest(name, known).map_or_else(
        || format!("known here: {}", known.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    Diagnostic::new("TR110", &path, &format!("unknown field {}", quoted(name)), &help)
}

/// The most similar of the known words, if any is similar at all.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    let distance = |k: &str| strsim::damerau_levenshtein(&word, &k.to_ascii_lowercase());
    let near = known.iter().map(|k| (distance(k), *k)).min_by_key(|(distance, _)| *distance)?;
    (near.0 <= 1 + near.1.len() / 4).then_some(near.1)
}

/// Unknown fields are compared with all known ones; a text of nothing else should not take long.
const FAULTS_READ_MOST: usize = 1_000;

struct Reader {
    whole: &'static str,
    faults: Vec<Diagnostic>,
}

impl Reader {
    fn read(&mut self, schema: &Json, node: &Node, path: &str) -> Option<Json> {
        let schema = without_null(schema);
        if node.is_null() && !path.is_empty() {
            self.fault("TR115", node, path, "no value", "write a value or delete the field");
            return None;
        }
        if let Some(words) = words(schema) {
            return self.word(schema, &words, node, path);
        }
        match (kind(schema), &node.value) {
            ("object", Value::Map(fields)) if schema.get("properties").is_some() => {
                self.object(schema, node, fields, path)
            }
            ("object", Value::Map(fields)) => Some(self.map(&schema["additionalProperties"], fields, path)),
            ("array", Value::List(items)) => Some(self.list(&schema["items"], items, path)),
            ("string", Value::Scalar { text, plain }) => Some(self.text(node, text, *plain, path)),
            ("integer", Value::Scalar { plain, .. }) => self.whole(schema, node, *plain, path),
            ("boolean", Value::Scalar { text, plain: true }) => self.switch(schema, node, text, path),
            _ => self.wrong(schema, node, path),
        }
    }

    fn object(&mut self, schema: &Json, node: &Node, fields: &[Field], path: &str) -> Option<Json> {
        let properties = schema["properties"].as_object()?;
        let known: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut read = Map::new();
        let mut misspelt = Vec::new();
        for field in fields {
            let Some(schema) = properties.get(&field.name) else {
                if self.faults.len() >= FAULTS_READ_MOST {
                    continue;
                }
                misspelt.extend(nearest(&field.name, &known));
                self.faults.push(unknown_field(path, &field.name, &known).at(field.place));
                continue;
            };
            if let Some(json) = self.read(schema, &field.node, &join(path, &field.name)) {
                read.insert(field.name.clone(), json);
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if read.contains_key(name) {
                continue;
            }
            // The misspelt field is told already.
            if node.field(name).is_none() && !misspelt.contains(&name) {
                let within = if path.is_empty() { self.whole.to_owned() } else { format!("`{path}`") };
                let message = format!("{within} has no `{name}`");
                let help = example(name, &properties[name]);
                // The field has no place of its own: the one around it is shown.
                self.faults.push(Diagnostic::new("TR111", &join(path, name), &message, &help));
            }
            read.insert(name.to_owned(), placeholder(&properties[name]));
        }
        Some(Json::Object(read))
    }

    fn map(&mut self, schema: &Json, fields: &[Field], path: &str) -> Json {
        let mut read = Map::new();
        for field in fields {
            let path = join(path, &field.name);
            if field.plain && classify(&field.name) != Plain::Text {
                let (message, help) = mistaken(&field.name, classify(&field.name));
                self.faults.push(Diagnostic::new("TR114", &path, &message, &help).at(field.place));
            }
            if let Some(json) = self.read(schema, &field.node, &path) {
                read.insert(field.name.clone(), json);
            }
        }
        Json::Object(read)
    }

    fn list(&mut self, schema: &Json, items: &[Node], path: &str) -> Json {
        // A broken entry keeps its place, so that the paths of the later ones stay right.
        let read = |(i, item): (usize, &Node)| {
            self.read(schema, item, &format!("{path}[{i}]"))
                .unwrap_or_else(|| placeholder(without_null(schema)))
        };
        items.iter().enumerate().map(read).collect()
    }

    fn text(&mut self, node: &Node, text: &str, plain: bool, path: &str) -> Json {
        if plain && classify(text) != Plain::Text {
            let (message, help) = mistaken(text, classify(text));
            self.fault("TR114", node, path, &message, &help);
        }
        Json::from(text)
    }

    fn whole(&mut self, schema: &Json, node: &Node, plain: bool, path: &str) -> Option<Json> {
        let Value::Scalar { text, .. } = &node.value else { return None };
        match classify(text) {
            Plain::Whole(number) if plain => return Some(Json::from(number)),
            Plain::Whole(number) => {
                let message = format!("the text {}, but a whole number belongs here", quoted(text));
                self.fault("TR112", node, path, &message, &format!("write {number} without quotes"));
            }
            Plain::OddNumber if plain => {
                let message = format!("{} is not a plain whole number of at most 18 digits", quoted(text));
                let help =
                    "write digits only: no sign +, leading zero, underscore, point, exponent or hexadecimal";
                self.fault("TR116", node, path, &message, help);
            }
            _ => return self.wrong(schema, node, path),
        }
        None
    }

    fn switch(&mut self, schema: &Json, node: &Node, text: &str, path: &str) -> Option<Json> {
        match classify(text) {
            Plain::Switch(on) => Some(Json::from(on)),
            Plain::OldSwitch(on) => {
                let message =
                    format!("{} is a switch to some readers of YAML and a text to others", quoted(text));
                self.fault("TR114", node, path, &message, &format!("write {on}"));
                None
            }
            _ => self.wrong(schema, node, path),
        }
    }

    fn word(&mut self, schema: &Json, words: &[&str], node: &Node, path: &str) -> Option<Json> {
        let Value::Scalar { text, .. } = &node.value else {
            return self.wrong(schema, node, path);
        };
        if words.contains(&text.as_str()) {
            return Some(Json::from(text.as_str()));
        }
        let message = format!("{} is not one of: {}", quoted(text), words.join(", "));
        let help = nearest(text, words)
            .map_or_else(|| "write one of these".to_owned(), |near| format!("did you mean `{near}`?"));
        self.fault("TR113", node, path, &message, &help);
        None
    }

    fn wrong(&mut self, schema: &Json, node: &Node, path: &str) -> Option<Json> {
        let expected = if words(schema).is_some() { "string" } else { kind(schema) };
        let found = match &node.value {
            Value::Map(_) => "fields".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Scalar { text, plain } => match classify(text) {
                Plain::Switch(_) if *plain => format!("the switch {text}"),
                Plain::Whole(_) | Plain::OddNumber if *plain => format!("the number {text:.60}"),
                _ => format!("the text {}", quoted(text)),
            },
        };
        let (belongs, help) = match expected {
            "object" => ("fields belong", "write `name: value` lines, indented, or {name: value}"),
            "array" => ("a list belongs", "begin each entry with `- `"),
            "integer" => ("a whole number belongs", "write digits only, for example 64"),
            "boolean" => ("true or false belongs", "write true or false"),
            _ => ("a text belongs", "write a text"),
        };
        let help = self.gpus_help(schema, node).unwrap_or_else(|| help.to_owned());
        self.fault("TR112", node, path, &format!("{found}, but {belongs} here"), &help);
        None
    }

    /// `guarantee: 64` most likely means `{gpus: 64}`.
    fn gpus_help(&self, schema: &Json, node: &Node) -> Option<String> {
        let Value::Scalar { text, .. } = &node.value else { return None };
        let whole = matches!(classify(text), Plain::Whole(_));
        (whole && schema["properties"].get("gpus").is_some()).then(|| format!("write {{gpus: {text}}}"))
    }

    fn fault(&mut self, code: &'static str, node: &Node, path: &str, message: &str, help: &str) {
        let fault = Diagnostic::new(code, path, message, help);
        // Lists, maps and empty values are shown by the name of their field, which the path finds.
        let scalar = matches!(node.value, Value::Scalar { .. }) && !node.is_null();
        self.faults.push(if scalar { fault.at(node.place) } else { fault });
    }
}

/// Why a text without quotes is not read as text.
fn mistaken(text: &str, as_what: Plain) -> (String, String) {
    let what = match as_what {
        Plain::Switch(on) | Plain::OldSwitch(on) => format!("the switch {on}"),
        Plain::Null => "no value".to_owned(),
        _ => "a number".to_owned(),
    };
    (
        format!("readers of YAML take {} for {what}, but a text belongs here", quoted(text)),
        format!("write it in quotes: {}", quoted(text)),
    )
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What to type for a missing field.
fn example(name: &str, schema: &Json) -> String {
    let schema = without_null(schema);
    match (words(schema), kind(schema)) {
        (Some(words), _) => format!("add `{name}:` with one of: {}", words.join(", ")),
        (None, "integer") => format!("add `{name}:` with a whole number"),
        (None, "array") => format!("add `{name}:` with a list"),
        (None, "object") => {
            let required = schema["required"].as_array().and_then(|r| r.first()?.as_str());
            let required = required.or_else(|| schema["properties"].get("gpus").map(|_| "gpus"));
            required.map_or_else(
                || format!("add `{name}:` with its fields"),
                |first| format!("add `{name}: {{{first}: …}}`"),
            )
        }
        _ => format!("add `{name}:` with a text"),
    }
}

/// The schema of an optional field without its null.
fn without_null(schema: &Json) -> &Json {
    let forms = schema.get("anyOf").and_then(Json::as_array);
    forms.and_then(|f| f.iter().find(|s| kind(s) != "null")).unwrap_or(schema)
}

fn kind(schema: &Json) -> &str {
    match &schema["type"] {
        Json::Array(kinds) => {
            kinds.iter().filter_map(Json::as_str).find(|k| *k != "null").unwrap_or_default()
        }
        kind => kind.as_str().unwrap_or_default(),
    }
}

/// The words of an enumeration.
fn words(schema: &Json) -> Option<Vec<&str>> {
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        return Some(words.iter().filter_map(Json::as_str).collect());
    }
    let forms = schema.get("oneOf")?.as_array()?;
    Some(forms.iter().flat_map(word_list).collect())
}

fn word_list(form: &Json) -> Vec<&str> {
    form["const"].as_str().map_or_else(|| words(form).unwrap_or_default(), |word| vec![word])
}

/// Something that has the right shape, in place of a value that has not.
fn placeholder(schema: &Json) -> Json {
    let schema = without_null(schema);
    if let Some(first) = words(schema).and_then(|w| w.first().copied()) {
        return Json::from(first);
    }
    match kind(schema) {
        "object" => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
            Json::Object(
                required.map(|name| (name.to_owned(), placeholder(&schema["properties"][name]))).collect(),
            )
        }
        "array" => Json::Array(Vec::new()),
        "integer" => Json::from(schema["minimum"].as_i64().unwrap_or(0)),
        "boolean" => Json::from(false),
        _ => Json::from("x"),
    }
}

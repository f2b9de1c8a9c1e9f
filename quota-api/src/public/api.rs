//! `/api/v1/openapi.json` and `/api`: what programs can ask, from the declarations of the handlers themselves.

use std::sync::OnceLock;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::answer;
use crate::app::Shared;
use crate::error::Error;
use crate::frame::Frame;
use crate::pages::render;

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/api", get(page)).route("/api/v1/openapi.json", get(document))
}

/// What stands around the operations.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Concord quota API",
        description = "Use of a pool of GPUs that several members share under a treaty: who has what, whether the treaty was kept, and how to get in. Everything under the tags use and treaty is public and needs no login. Errors are problem documents (RFC 9457). Times are in UTC.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "use", description = "Use of the pool. Never persons."),
        (name = "treaty", description = "The treaty in force, what it promised and what was delivered."),
    )
)]
pub struct Head;

/// The document of this server, once the routes are put together.
static DOCUMENT: OnceLock<Described> = OnceLock::new();

struct Described {
    json: String,
    operations: Vec<Operation>,
}

/// Takes what the router knows of itself. Of several routers of one program the first is described; they are the same.
pub fn describe(document: &utoipa::openapi::OpenApi) {
    DOCUMENT.get_or_init(|| {
        let json = text(document);
        let operations = operations(&serde_json::from_str(&json).unwrap_or_default());
        Described { json, operations }
    });
}

/// The document as it is served and committed.
#[must_use]
pub fn text(document: &utoipa::openapi::OpenApi) -> String {
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

async fn document(headers: HeaderMap) -> Result<Response, Error> {
    let described = DOCUMENT.get().ok_or(Error::Internal)?;
    Ok(answer::tagged(
        &headers,
        "application/json",
        "public, max-age=3600",
        described.json.clone().into_bytes(),
    ))
}

/// One operation for people.
struct Operation {
    id: String,
    tag: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    answers: Vec<(String, String, String)>,
    /// It can be opened in a browser as it is.
    can_open: bool,
}

struct Parameter {
    name: String,
    place: String,
    kind: String,
    required: bool,
    description: String,
}

#[derive(Template)]
#[template(path = "public/api.html")]
struct Page {
    groups: Vec<(String, Vec<&'static Operation>)>,
    frame: Frame,
}

async fn page(State(_): State<Shared>, headers: HeaderMap, frame: Frame) -> Result<Response, Error> {
    let described = DOCUMENT.get().ok_or(Error::Internal)?;
    let mut groups: Vec<(String, Vec<&Operation>)> = Vec::new();
    for operation in &described.operations {
        match groups.iter_mut().find(|(tag, _)| *tag == operation.tag) {
            Some((_, group)) => group.push(operation),
            None => groups.push((operation.tag.clone(), vec![operation])),
        }
    }
    Ok(answer::page(&headers, render(&Page { groups, frame })?))
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            operations.push(described(path, method, operation));
        }
    }
    operations
}

fn described(path: &str, method: &str, operation: &Value) -> Operation {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    let parameters: Vec<Parameter> = list(&operation["parameters"])
        .iter()
        .map(|parameter| Parameter {
            name: word(&parameter["name"]),
            place: word(&parameter["in"]),
            kind: kind(&parameter["schema"]),
            required: parameter["required"].as_bool().unwrap_or(false),
            description: word(&parameter["description"]),
        })
        .collect();
    let answers = operation["responses"].as_object().into_iter().flatten().map(|(status, answer)| {
        let types: Vec<&str> =
            answer["content"].as_object().into_iter().flatten().map(|(kind, _)| kind.as_str()).collect();
        (status.clone(), word(&answer["description"]), types.join(", "))
    });
    Operation {
        id: word(&operation["operationId"]),
        tag: operation["tags"][0].as_str().unwrap_or("other").to_owned(),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: word(&operation["summary"]),
        description: word(&operation["description"]),
        can_open: method == "get"
            && !path.contains('{')
            && parameters.iter().all(|parameter| !parameter.required),
        answers: answers.collect(),
        parameters,
    }
}

/// What a parameter may be, in words of JSON Schema.
fn kind(schema: &Value) -> String {
    let of = |schema: &Value| match schema["enum"].as_array() {
        Some(words) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | "),
        None => match &schema["type"] {
            Value::String(kind) => kind.clone(),
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | "),
            _ => String::new(),
        },
    };
    match schema["oneOf"].as_array().or_else(|| schema["allOf"].as_array()) {
        Some(parts) => parts.iter().map(of).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" | "),
        None => of(schema),
    }
}

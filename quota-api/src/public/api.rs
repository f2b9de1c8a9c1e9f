//! `/api/v1/openapi.json` and `/api`: what programs can ask, from the declarations of the handlers themselves.

use std::sync::OnceLock;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
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
        (name = "public", description = "What was granted to whom."),
        (name = "jobs", description = "Jobs of a project, for its people: with a key of theirs, or a browser's session."),
    ),
    modifiers(&Credentials)
)]
pub struct Head;

/// With what one asks as somebody.
struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let key = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A key from the page /me/keys, with a scope and an end."))
            .build();
        let session = ApiKey::Cookie(ApiKeyValue::with_description(
            "concord-session",
            "What a browser has after a login; with TLS its name is __Host-concord-session.",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(key));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    }
}

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
    let mut document = serde_json::to_value(document).unwrap_or_default();
    complete(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// Every operation may be refused to protect the others; the limits stand before all routes, so it is said here once.
fn complete(document: &mut Value) {
    let refusal = |description: &str| json!({"description": description, "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}});
    for methods in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for operation in methods.as_object_mut().into_iter().flat_map(Map::values_mut) {
            let Some(answers) = operation["responses"].as_object_mut() else { continue };
            for (status, description) in REFUSALS {
                answers.entry(status).or_insert_with(|| refusal(description));
            }
        }
    }
}

const REFUSALS: [(&str, &str); 4] = [
    ("400", "The address, a parameter or a header cannot be read; `detail` says which."),
    ("414", "The address is longer than any that this server has."),
    ("429", "Too many requests of one client; `Retry-After` says how many seconds to wait."),
    ("503", "The data is not there yet, or the server is busy; try again in a few seconds."),
];

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

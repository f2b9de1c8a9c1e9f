//! docs/treaty-language.md is true: each example is read, the table of diagnostics is that of the code, and every
//! clause of the language has an example.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;

use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::diagnostic::codes::CODES;
use concord_treaty::document::{Document, MemberQuotaDocument};
use concord_treaty::source::read;
use concord_treaty::treaty::support::SIMULATOR_ONLY;
use serde_json::Value;

const REFERENCE: &str = include_str!("../../../docs/treaty-language.md");

/// A part of a spec, made whole with the least that a treaty needs.
fn whole(part: &str) -> String {
    let has = |clause: &str| part.lines().any(|l| l.starts_with(&format!("{clause}:")));
    let mut spec = part.to_owned();
    for (clause, line) in [
        ("title", "title: example"),
        ("members", "members: [{name: north, guarantee: {percent: \"50\"}}]"),
        ("reclaim", "reclaim: {noticeSeconds: 600}"),
    ] {
        if !has(clause) {
            spec = format!("{spec}{line}\n");
        }
    }
    let spec: String = spec.lines().map(|l| format!("  {l}\n")).collect();
    format!("apiVersion: concord.dev/v1alpha1\nkind: Treaty\nmetadata: {{name: example}}\nspec:\n{spec}")
}

/// The examples, each with what follows `yaml` at its head.
fn examples() -> Vec<(&'static str, String)> {
    let blocks = REFERENCE.split("```yaml").skip(1);
    let parts = blocks
        .map(|b| b.split_once('\n').unwrap())
        .map(|(head, rest)| (head.trim(), rest.split_once("```").unwrap().0));
    let of = |text: &str| if text.starts_with("apiVersion") { text.to_owned() } else { whole(text) };
    parts.map(|(head, text)| (head, of(text))).collect()
}

/// What is said of the only object of a text.
fn only(text: &str) -> Vec<Diagnostic> {
    let mut reading = read(text.as_bytes());
    assert!(reading.diagnostics.is_empty(), "{:?}\n{text}", reading.diagnostics);
    assert_eq!(reading.treaties.len() + reading.quotas.len(), 1, "{text}");
    let treaty = reading.treaties.pop().map(|t| t.diagnostics);
    let mut found = treaty.unwrap_or_else(|| reading.quotas.remove(0).diagnostics);
    // What only the simulator keeps is no fault of an example.
    found.retain(|d| d.code != SIMULATOR_ONLY);
    found
}

#[test]
fn every_example_is_valid_or_refused_as_it_says() {
    assert!(examples().len() >= 14, "examples were lost");
    for (head, text) in examples() {
        let found: Vec<String> = only(&text).iter().map(ToString::to_string).collect();
        match head.strip_prefix("refused=") {
            None => assert!(found.is_empty(), "{found:#?}\n{text}"),
            Some(code) => {
                assert!(!found.is_empty() && found.iter().all(|f| f.starts_with(code)), "{found:#?}\n{text}");
            }
        }
    }
}

#[test]
fn the_table_of_diagnostics_is_that_of_the_code() {
    let rows: Vec<&str> = REFERENCE.lines().filter(|l| l.starts_with("| TR")).collect();
    let expected: Vec<String> =
        CODES.iter().map(|c| format!("| {} | {} | {} |", c.code, c.severity, c.summary)).collect();
    assert_eq!(rows, expected, "copy the rows on the right into docs/treaty-language.md");
    assert!(CODES.windows(2).all(|w| w[0].code < w[1].code), "codes rise and stand once");
}

/// Names of all fields of a schema.
fn fields(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|v| fields(v, found));
        }
        Value::Array(list) => list.iter().for_each(|v| fields(v, found)),
        _ => {}
    }
}

#[test]
fn every_field_is_in_an_example_and_described() {
    described_and_shown(&schemars::schema_for!(Document).to_value());
    described_and_shown(&schemars::schema_for!(MemberQuotaDocument).to_value());
}

fn described_and_shown(schema: &Value) {
    let mut known = BTreeSet::new();
    fields(schema, &mut known);
    let shown: String = examples().into_iter().map(|(_, text)| text).collect();
    let missing: Vec<&String> = known.iter().filter(|f| !shown.contains(&format!("{f}:"))).collect();

    assert!(missing.is_empty(), "no example shows {missing:?}");
    let undescribed = |name: &str, field: &Value| {
        (field["description"].is_null() && field["$ref"].is_null()).then(|| name.to_owned())
    };
    let definitions = schema["$defs"].as_object().unwrap().values().chain([schema]);
    let all = definitions.filter_map(|d| d["properties"].as_object()).flatten();
    let undescribed: Vec<String> = all.filter_map(|(name, field)| undescribed(name, field)).collect();
    assert!(undescribed.is_empty(), "kubectl explain would say nothing of {undescribed:?}");
}

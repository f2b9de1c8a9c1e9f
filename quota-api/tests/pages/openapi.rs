//! The committed `OpenAPI` document is what the program says of itself; `UPDATE_EXPECTED=1 cargo test` writes it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&concord_quota_api::router::description()).unwrap()
}

#[test]
fn the_committed_document_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = concord_quota_api::router::description();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "openapi.json is old; run: UPDATE_EXPECTED=1 cargo test -p concord-quota-api --test pages openapi"
    );
}

#[test]
fn every_operation_has_a_name_of_its_own_a_summary_a_tag_and_says_its_errors() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with("/api/v1/"), "{path}");
        for (method, operation) in methods.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(
                names.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{what}: its id is another's"
            );
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what}: no summary");
            assert!(operation["tags"][0].is_string(), "{what}: no tag");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('4')), "{what}: says no refusal");
            for (status, answer) in answers.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                assert!(
                    answer["content"]["application/problem+json"].is_object(),
                    "{what} {status}: no problem document"
                );
            }
        }
    }
    assert!(names.len() >= 15, "{names:?}");
}

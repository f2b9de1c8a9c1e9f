//! The portal held against its own `OpenAPI` document by schemathesis, a program of others: it makes requests that the document
//! allows and that it forbids, and looks for answers that the document does not have.

use std::path::Path;
use std::process::Stdio;

use http::StatusCode;

use crate::support::installed;
use crate::{made_key, request, researcher, start};

/// Requests by operation in each phase. `CONCORD_SCHEMATHESIS_EXAMPLES` asks for more.
const EXAMPLES: &str = "40";

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_in_the_document() {
    let real = start().await;
    let visitor = real.visitor(&researcher()).await;
    let key = made_key(&visitor, "submit", "").await;
    let made = visitor.with_key(&key).post_json("/api/v1/projects/alpha-lab/jobs", &request("train")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = std::env::var("CONCORD_SCHEMATHESIS_EXAMPLES").unwrap_or(EXAMPLES.to_owned());
    let reports = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let python = tokio::task::spawn_blocking(installed::python).await.unwrap();
    let asked = tokio::process::Command::new(python)
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(here.join("tests/clients/schemathesis.toml"))
        .arg("run")
        .arg(here.join("openapi.json"))
        .args(["--url", &real.origin, "--header", &format!("Authorization: Bearer {key}")])
        .args(["--checks", "all", "--seed", "1", "--max-examples", &examples, "--continue-on-failure"])
        // A stream of events never ends; tests/jobs.rs reads one.
        .args(["--exclude-path-regex", "/events$", "--no-color", "--report", "junit", "--report-dir"])
        .arg(&reports)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .unwrap();
    assert!(asked.success(), "see above; reports: {}", reports.display());
    real.stop().await;
}

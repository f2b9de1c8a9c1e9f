//! Alerts, dashboard and the list of metrics, held against each other and against Prometheus' own judge.
//!
//! After a change of a metric: `UPDATE_EXPECTED=1 cargo test -p concord-operator --test alerts` writes the table of
//! `docs/operations.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod promtool;
mod rules;

use std::collections::BTreeSet;
use std::process::Command;

use promtool::promtool;
use rules::{Alerts, assert_exported, path, read};

const RULES: &str = "helm/concord/alerts/concord.yaml";
const DASHBOARD: &str = "helm/concord/dashboards/concord.json";
const RUNBOOKS: &str = "docs/operations.md";
const TESTS: &str = "operator/tests/alerts/rules.test.yaml";
const ALERTS: Alerts = Alerts { rules: RULES, tests: TESTS, mark: "", page: RUNBOOKS };

/// The operator's own table of its metrics.
fn table() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_concord-operator")).arg("metrics").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Names that a scrape has, histograms with their three suffixes.
fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for row in table().lines().skip(2) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let name = cells[0].trim_start_matches("| ").trim_matches('`').to_owned();
        if cells[1] == "histogram" {
            names.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")));
        } else {
            names.insert(name);
        }
    }
    names
}

#[test]
fn prometheus_takes_the_rules_and_each_alert_comes_when_it_has_to() {
    ALERTS.assert_taken();
}

#[test]
fn every_alert_has_a_test_and_a_page_that_says_what_to_do() {
    ALERTS.assert_told(10);
}

#[test]
fn alerts_and_dashboard_name_only_what_is_exported() {
    assert_exported(&[RULES, DASHBOARD, TESTS], &exported(), 10);
}

#[test]
fn the_dashboard_asks_what_prometheus_understands() {
    let dashboard: serde_json::Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    // As recording rules, so that promtool reads each of them.
    let rule = |(n, target): (usize, &serde_json::Value)| {
        let asked = target["expr"].as_str().unwrap().replace("$member", ".*");
        serde_json::json!({"record": format!("panel:{n}"), "expr": asked})
    };
    let rules: Vec<_> = targets.enumerate().map(rule).collect();
    assert!(rules.len() > 30);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panels.yaml");
    let text = serde_json::json!({"groups": [{"name": "panels", "rules": rules}]}).to_string();
    std::fs::write(&file, text).unwrap();
    promtool(&["check", "rules", "--lint=none", file.to_str().unwrap()], None);
    let mut ids: Vec<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "each panel has an id of its own");
}

#[test]
fn the_page_lists_every_metric() {
    let (begin, end) =
        ("<!-- begin of the table: concord-operator metrics -->\n", "<!-- end of the table -->\n");
    let page = read(RUNBOOKS);
    let (before, rest) = page.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let expected = format!("{before}{begin}\n{}\n{end}{after}", table());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path(RUNBOOKS), &expected).unwrap();
    }
    assert!(read(RUNBOOKS) == expected, "the table of {RUNBOOKS} is old; see the head of this file");
}

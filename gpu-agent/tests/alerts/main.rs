//! Alerts of the agent, held against what it exports, against Prometheus' own judge and against the page that says what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

// What holds for all alerts stands in the operator's tests.
#[path = "../../../operator/tests/alerts/promtool.rs"]
mod promtool;
#[path = "../../../operator/tests/alerts/rules.rs"]
mod rules;

use std::collections::BTreeSet;

use promtool::promtool;
use rules::{Alerts, assert_exported};

const ALERTS: Alerts = Alerts {
    rules: "helm/concord/alerts/agent.yaml",
    tests: "gpu-agent/tests/alerts/rules.test.yaml",
    mark: "alertname: ",
    page: "docs/node-agent.md",
};

#[test]
fn prometheus_takes_the_rules_and_each_alert_comes_when_it_has_to() {
    ALERTS.assert_taken();
}

#[test]
fn every_alert_has_a_test_and_a_page_that_says_what_to_do() {
    ALERTS.assert_told(5);
}

#[test]
fn alerts_name_only_what_is_exported() {
    let table = concord_gpu_agent::metrics::table().unwrap();
    let exported: BTreeSet<String> =
        table.lines().filter_map(|line| line.split('`').nth(1)).map(str::to_owned).collect();
    assert_exported(&[ALERTS.rules, ALERTS.tests], &exported, 5);
}

/// What Prometheus thinks of a scrape, of names and units too.
#[test]
fn prometheus_finds_no_fault_with_a_scrape() {
    let counters = concord_gpu_agent::metrics::Counters::new().unwrap();
    counters.errors.with_label_values(&["power_usage", "unknown"]).inc();
    let registry = prometheus::Registry::new();
    registry.register(Box::new(counters.errors)).unwrap();
    registry.register(Box::new(counters.scrape_seconds)).unwrap();
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    promtool(&["check", "metrics"], Some(&text));
}

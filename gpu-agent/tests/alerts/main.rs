//! Alerts of the agent, held against what it exports, against Prometheus' own judge and against the page that says what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

// One recipe for the tool, in the operator's tests.
#[path = "../../../operator/tests/alerts/promtool.rs"]
mod promtool;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use promtool::promtool;

const RULES: &str = "helm/concord/alerts/agent.yaml";
const TESTS: &str = "gpu-agent/tests/alerts/rules.test.yaml";
const PAGE: &str = "docs/node-agent.md";

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn alerts() -> Vec<String> {
    let rules = read(RULES);
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}

#[test]
fn prometheus_takes_the_rules_and_each_alert_comes_when_it_has_to() {
    promtool(&["check", "rules", path(RULES).to_str().unwrap()], None);
    promtool(&["test", "rules", path(TESTS).to_str().unwrap()], None);
}

#[test]
fn every_alert_has_a_test_and_a_page_that_says_what_to_do() {
    let (alerts, tests, page, rules) = (alerts(), read(TESTS), read(PAGE), read(RULES));
    assert!(alerts.len() > 5, "{alerts:?}");
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}")), "{alert} has no test");
        let section = page.split(&format!("\n### {alert}\n")).nth(1);
        let section = section.unwrap_or_else(|| panic!("{PAGE} has no section {alert}"));
        let section = section.split("\n#").next().unwrap();
        assert!(section.contains("**Means.**") && section.contains("**Do.**"), "{alert}: {section}");
        assert!(rules.contains(&format!("{PAGE}#{}", alert.to_lowercase())), "{alert}: no link");
    }
}

#[test]
fn alerts_name_only_what_is_exported() {
    let table = concord_gpu_agent::metrics::table().unwrap();
    let exported: BTreeSet<&str> = table.lines().filter_map(|line| line.split('`').nth(1)).collect();
    for file in [RULES, TESTS] {
        let text = read(file);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let named: BTreeSet<&str> = words.filter(|word| word.starts_with("concord_")).collect();
        assert!(named.len() > 5, "{file}: {named:?}");
        let unknown: Vec<_> = named.difference(&exported).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
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

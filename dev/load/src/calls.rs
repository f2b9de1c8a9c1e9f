//! Who called the API server how often, counted by the API server itself.
//!
//! `apiserver_request_total` does not know callers, but flow schemas do: each kind of write of the measured scheduler gets a
//! flow schema of its own, and the server counts what it dispatches for each.

use std::collections::BTreeMap;

use anyhow::Result;
use concord_pool::setup;
use kube::Client;
use serde_json::{Value, json};

/// What the measured scheduler writes, in the order of precedence: name, verbs, resources.
const FLOWS: [(&str, &[&str], &[&str]); 4] = [
    ("claim-status", &["update", "patch"], &["gpuclaims/status", "workloads/status"]),
    ("claim", &["create", "update", "patch", "delete"], &["gpuclaims", "workloads"]),
    ("event", &["create", "update", "patch"], &["events"]),
    ("other", &["create", "update", "patch", "delete"], &["*"]),
];
const PREFIX: &str = "load-";

/// Writes of the measured scheduler by kind: `claim-status`, `claim`, `event`, `other`.
pub type Writes = BTreeMap<String, u64>;

/// Makes the flow schemas for the writes of a user. None of them waits or is refused more than others: they share the
/// server's level for workloads of importance.
///
/// # Errors
/// When the API server refuses.
pub async fn count_writes_of(admin: &Client, user: &str) -> Result<()> {
    for (precedence, (name, verbs, resources)) in (100..).zip(FLOWS) {
        let rule = json!({
            "subjects": [{"kind": "User", "user": {"name": user}}],
            "resourceRules": [{"verbs": verbs, "apiGroups": ["*"], "resources": resources,
                "clusterScope": true, "namespaces": ["*"]}],
        });
        let schema = json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema",
            "metadata": {"name": format!("{PREFIX}{name}")},
            "spec": {"matchingPrecedence": precedence, "priorityLevelConfiguration": {"name": "workload-high"},
                "distinguisherMethod": {"type": "ByUser"}, "rules": [rule]},
        });
        setup::apply(admin, &schema).await?;
    }
    Ok(())
}

/// One look at the API server's counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Of the measured scheduler.
    pub writes: Writes,
    /// Of everybody, by verb and resource, such as `PUT gpuclaims/status`.
    pub requests: BTreeMap<String, u64>,
}

impl Counters {
    /// Asks the API server.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn look(admin: &Client) -> Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        Ok(Self::parse(&admin.request_text(request).await?))
    }

    fn parse(text: &str) -> Self {
        let mut counters = Self::default();
        for line in text.lines() {
            let Some((name, labels, value)) = sample(line) else { continue };
            match name {
                "apiserver_flowcontrol_dispatched_requests_total" => {
                    let schema = labels.get("flow_schema").and_then(|schema| schema.strip_prefix(PREFIX));
                    if let Some(flow) = schema {
                        *counters.writes.entry(flow.to_owned()).or_default() += value;
                    }
                }
                "apiserver_request_total" => {
                    let of = |label| labels.get(label).copied().unwrap_or_default();
                    let (verb, resource, part) = (of("verb"), of("resource"), of("subresource"));
                    let slash = if part.is_empty() { "" } else { "/" };
                    let key = format!("{verb} {resource}{slash}{part}");
                    *counters.requests.entry(key).or_default() += value;
                }
                _ => {}
            }
        }
        counters
    }

    /// What happened since an earlier look; what did not happen is left out.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            writes: difference(&self.writes, &earlier.writes),
            requests: difference(&self.requests, &earlier.requests),
        }
    }
}

fn difference(now: &BTreeMap<String, u64>, earlier: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let less = |(key, count): (&String, &u64)| {
        (key.clone(), count.saturating_sub(earlier.get(key).copied().unwrap_or(0)))
    };
    now.iter().map(less).filter(|(_, count)| *count > 0).collect()
}

/// Name, labels and value of one line of Prometheus' text format; values of counters are whole numbers.
fn sample(line: &str) -> Option<(&str, BTreeMap<&str, &str>, u64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once("} ")?;
    let mut found = BTreeMap::new();
    // No label here has a comma or a quotation mark in its value.
    for pair in labels.strip_suffix('"')?.split("\",") {
        let (key, text) = pair.split_once("=\"")?;
        found.insert(key, text);
    }
    Some((name, found, value.trim().parse::<f64>().ok()? as u64))
}

/// The writes as one object for a report.
pub fn per_claim(writes: &Writes, claims: usize) -> Value {
    let share = |count: &u64| *count as f64 / claims.max(1) as f64;
    writes
        .iter()
        .map(|(kind, count)| (kind.clone(), json!(share(count))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::Counters;

    const TEXT: &str = r#"# HELP apiserver_request_total Counter of requests
apiserver_request_total{code="200",component="apiserver",dry_run="",group="concord.dev",resource="gpuclaims",scope="resource",subresource="status",verb="PUT",version="v1alpha1"} 41
apiserver_request_total{code="409",component="apiserver",dry_run="",group="concord.dev",resource="gpuclaims",scope="resource",subresource="status",verb="PUT",version="v1alpha1"} 1
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="namespaces",scope="resource",subresource="",verb="POST",version="v1"} 3
apiserver_flowcontrol_dispatched_requests_total{flow_schema="load-claim-status",priority_level="workload-high"} 1.2e+01
apiserver_flowcontrol_dispatched_requests_total{flow_schema="global-default",priority_level="global-default"} 99
"#;

    #[test]
    fn counters_add_up_over_answers_and_only_our_flows_count() {
        let counters = Counters::parse(TEXT);
        assert_eq!(counters.writes.into_iter().collect::<Vec<_>>(), [("claim-status".to_owned(), 12)]);
        assert_eq!(counters.requests["PUT gpuclaims/status"], 42);
        assert_eq!(counters.requests["POST namespaces"], 3);
    }

    #[test]
    fn a_difference_leaves_out_what_did_not_happen() {
        let (earlier, mut now) = (Counters::parse(TEXT), Counters::parse(TEXT));
        now.writes.insert("event".to_owned(), 2);
        let since = now.since(&earlier);
        assert_eq!(since.writes.into_iter().collect::<Vec<_>>(), [("event".to_owned(), 2)]);
        assert!(since.requests.is_empty());
    }
}

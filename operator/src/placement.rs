//! A placement in the words of the scheduler: a required node affinity on the host name.

use concord_api::claim::Placement;
use concord_api::names::LABEL_HOSTNAME;
use k8s_openapi::api::core::v1::{Affinity, NodeSelectorRequirement};
use serde_json::{Value, json};

/// Job spec fields that start the pods on these nodes. What the author asked of nodes stays; only an earlier
/// placement on other hosts is replaced.
pub fn start(placement: &[Placement], author: Option<&Affinity>) -> Value {
    let hosts = NodeSelectorRequirement {
        key: LABEL_HOSTNAME.to_owned(),
        operator: "In".to_owned(),
        values: Some(placement.iter().map(|p| p.node.clone()).collect()),
    };
    let mut affinity = author.cloned().unwrap_or_default();
    let node_affinity = affinity.node_affinity.get_or_insert_default();
    let terms = &mut node_affinity
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_default()
        .node_selector_terms;
    if terms.is_empty() {
        terms.push(Default::default());
    }
    for term in terms {
        // Terms are alternatives; each must name our hosts, or one of them would let the pods go elsewhere.
        let expressions = term.match_expressions.get_or_insert_default();
        expressions.retain(|e| e.key != LABEL_HOSTNAME);
        expressions.push(hosts.clone());
    }
    json!({"suspend": false, "template": {"spec": {"affinity": affinity}}})
}

/// Job spec fields that stop its pods.
pub fn suspend() -> Value {
    json!({"suspend": true})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(node: &str) -> Vec<Placement> {
        vec![Placement { node: node.to_owned(), gpus: 8 }]
    }

    #[test]
    fn a_second_placement_replaces_the_first_and_keeps_the_authors_wish() {
        let wish: Affinity = serde_json::from_value(json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}}}))
        .unwrap();
        let first = start(&on("n1"), Some(&wish));
        let placed: Affinity = serde_json::from_value(first["template"]["spec"]["affinity"].clone()).unwrap();
        let second = start(&on("n2"), Some(&placed));
        let required = "/template/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        let expected = json!([{"matchExpressions": [
            {"key": "zone", "operator": "In", "values": ["a"]},
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n2"]}]}]);
        assert_eq!(second.pointer(required), Some(&expected));
        assert_eq!(second["suspend"], json!(false));
    }
}

//! The nearest lawful thing to what a generator file describes: a treaty, its nodes, its projects. Pure.
//!
//! | Kueue | here |
//! |---|---|
//! | ClusterQueue | member of one treaty, with one project |
//! | nominalQuota | guarantee |
//! | nominalQuota + borrowingLimit | ceiling |
//! | Cohort | class of GPUs, where there are several: nothing is lent between classes |
//! | reclaimWithinCohort: Any | reclaim with no notice |
//! | queueing strategy BestEffortFIFO | `line.alone: firstFit` |
//! | priority, withinClusterQueue | nothing: a treaty knows no priorities, a line goes by submission |
//! | no nodes at all | nodes as large as the largest workload, as many as the nominal quotas add up to |

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};

use crate::generator::{Load, Queue};

/// Label of nodes: their cohort.
pub const COHORT_LABEL: &str = "load.concord.dev/cohort";
/// Name of the treaty.
pub const TREATY: &str = "load";

/// What a person has to know who compares the two.
pub const DIFFERENCES: [&str; 7] = [
    "Concord places every claim on nodes; Kueue's run has no nodes and counts quota alone. Nodes are as large as the largest workload, so that shapes can fit.",
    "Concord has no priorities: within a queue the line goes by submission, smaller claims pass who does not fit. Kueue serves large before medium before small, and may preempt for it.",
    "Cohorts are classes of GPUs in one treaty.",
    "A treaty has at most 500 members: of more queues, neighbours of a cohort are projects of one member and share its guarantee.",
    "Concord keeps each member's line alone beside the pool, so that nobody ends later than without partners; Kueue promises nothing of the kind.",
    "Treaty, nodes and projects are made before the clock starts; Kueue's runner makes queues while it runs. Both clocks start with the first workload.",
    "minimalkueue limits itself to 50 requests a second (burst 100), Kueue as shipped to 300 (burst 500), Concord to 64 writes in flight.",
];

/// The treaty.
pub fn treaty(load: &Load, notice_seconds: u32) -> Value {
    let cohorts = load.cohorts();
    let by_class = cohorts.len() > 1;
    let member = |queues: &[Queue]| {
        let (cohort, own): (&str, i64) = (&queues[0].cohort, queues.iter().map(|q| q.nominal_gpus).sum());
        let most = own + queues.iter().map(|q| q.borrowing_limit_gpus).sum::<i64>();
        let share = |gpus: i64| match by_class {
            true => json!({"byClass": {cohort: {"gpus": gpus}}}),
            false => json!({"gpus": gpus}),
        };
        json!({"name": queues[0].member, "guarantee": share(own), "ceiling": share(most)})
    };
    let mut spec = json!({
        "title": format!("Load {}", load.name),
        "members": load.queues.chunk_by(|a, b| a.member == b.member).map(member).collect::<Vec<_>>(),
        "reclaim": {"noticeSeconds": notice_seconds},
        "line": {"alone": "firstFit"},
    });
    if by_class {
        let class = |cohort: &&str| json!({"name": cohort, "nodeLabels": {COHORT_LABEL: cohort}});
        spec["classes"] = cohorts.iter().map(class).collect();
    }
    let kind = json!({"apiVersion": "concord.dev/v1alpha1", "kind": "Treaty", "metadata": {"name": TREATY}});
    merged(kind, spec)
}

/// A queue's project; its namespace gets the same name.
pub fn project(queue: &Queue, people: &str) -> Value {
    let kind =
        json!({"apiVersion": "concord.dev/v1alpha1", "kind": "Project", "metadata": {"name": queue.name}});
    let people = json!([{"kind": "User", "name": people}]);
    merged(kind, json!({"member": queue.member, "purpose": "load", "people": people}))
}

/// Nodes for all nominal quotas, each with as many GPUs as the largest workload asks; a rest is a smaller node.
pub fn nodes(load: &Load) -> Vec<Node> {
    let size = load.largest_gpus().max(1);
    let mut nodes = Vec::new();
    for cohort in load.cohorts() {
        let mut left = load.nominal_gpus(cohort);
        while left > 0 {
            let gpus = left.min(size);
            nodes.push(node(&format!("{cohort}-{:04}", nodes.len()), cohort, gpus));
            left -= gpus;
        }
    }
    nodes
}

fn node(name: &str, cohort: &str, gpus: i64) -> Node {
    let labels = BTreeMap::from([(COHORT_LABEL, cohort), ("kubernetes.io/hostname", name)]);
    let amount = json!({"nvidia.com/gpu": gpus.to_string(), "cpu": "96", "memory": "1Ti", "pods": "110"});
    let node = json!({
        "metadata": {"name": name, "labels": labels},
        "status": {
            "capacity": amount, "allocatable": amount,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Simulated", "message": "no machine"}],
        },
    });
    serde_json::from_value(node).unwrap_or_default()
}

fn merged(mut object: Value, spec: Value) -> Value {
    object["spec"] = spec;
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Load {
        Load::parse("smoke", include_str!("../loads/smoke.yaml")).unwrap()
    }

    #[test]
    fn several_cohorts_are_classes_of_one_treaty() {
        let treaty = treaty(&load(), 0);
        assert_eq!(treaty["spec"]["classes"].as_array().unwrap().len(), 2);
        let member = &treaty["spec"]["members"][3];
        assert_eq!(member["guarantee"], json!({"byClass": {"cohort-1": {"gpus": 20}}}));
        assert_eq!(member["ceiling"], json!({"byClass": {"cohort-1": {"gpus": 40}}}));
    }

    #[test]
    fn one_cohort_needs_no_class() {
        let mut load = load();
        load.queues.truncate(2);
        let treaty = treaty(&load, 0);
        assert!(treaty["spec"].get("classes").is_none());
        assert_eq!(treaty["spec"]["members"][0]["guarantee"], json!({"gpus": 20}));
    }

    #[test]
    fn the_nodes_are_worth_the_nominal_quotas() {
        let nodes = nodes(&load());
        let gpus = |node: &Node| {
            node.status.as_ref().unwrap().allocatable.as_ref().unwrap()["nvidia.com/gpu"].0.clone()
        };
        assert_eq!(nodes.iter().map(gpus).collect::<Vec<_>>(), ["20"; 4]);
    }
}

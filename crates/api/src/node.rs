//! Nodes of the pool: what a Node object says of its GPUs, and what the nodes come to under a treaty.

use std::collections::BTreeMap;

use concord_treaty::clauses::ClassId;
use concord_treaty::snapshot::Node;
use concord_treaty::treaty::{ClassCapacity, Treaty as Rules};
use concord_treaty::units::{Gpus, NodeName};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use k8s_openapi::api::core::v1::Node as NodeObject;

use crate::names::GPU_RESOURCE;

/// A node with GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolNode {
    /// Allocatable GPUs, at least 1.
    pub gpus: Gpus,
    /// Ready and not cordoned.
    pub schedulable: bool,
    /// Labels; the treaty's classes go by them.
    pub labels: BTreeMap<String, String>,
}

impl PoolNode {
    /// `None` for a node without GPUs.
    #[must_use]
    pub fn of(node: &NodeObject) -> Option<Self> {
        let status = node.status.as_ref()?;
        let gpus = status.allocatable.as_ref()?.get(GPU_RESOURCE)?.0.parse().ok().filter(|g| *g > 0)?;
        let ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        let cordoned = node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or(false);
        let labels = node.metadata.labels.clone().unwrap_or_default();
        Some(Self { gpus, schedulable: ready && !cordoned, labels })
    }

    /// As the engine sees it.
    #[must_use]
    pub fn in_snapshot(&self, name: &str) -> Node {
        Node { name: NodeName::from(name), gpus: self.gpus, schedulable: self.schedulable }
    }

    fn class(&self, rules: &Rules) -> Option<ClassId> {
        let has_all = |labels: &BTreeMap<String, String>| {
            labels.iter().all(|(key, value)| self.labels.get(key) == Some(value))
        };
        let index = rules.classes().iter().position(|class| has_all(&class.node_labels))?;
        u16::try_from(index).ok().map(ClassId)
    }
}

/// The treaty with every share as it comes to on these nodes on this day. All nodes count, also those that are just
/// not ready: an outage or maintenance must not change what members are entitled to.
#[must_use]
pub fn in_pool<'n>(rules: &Rules, nodes: impl IntoIterator<Item = &'n PoolNode>, now: Timestamp) -> Rules {
    if !rules.needs_capacity() {
        return rules.clone();
    }
    let mut count: BTreeMap<(Option<ClassId>, Gpus), u32> = BTreeMap::new();
    for node in nodes {
        let class = node.class(rules);
        // In a treaty with classes a node of none is nobody's entitlement.
        if class.is_some() || rules.classes().is_empty() {
            *count.entry((class, node.gpus)).or_default() += 1;
        }
    }
    let capacity = |((class, gpus_per_node), nodes)| ClassCapacity { class, nodes, gpus_per_node };
    let capacity: Vec<ClassCapacity> = count.into_iter().map(capacity).collect();
    rules.in_pool(&rules.resolve(&capacity, today(rules, now)))
}

/// The day in the treaty's own time zone, from which and until which its clauses hold.
#[must_use]
pub fn today(rules: &Rules, now: Timestamp) -> Date {
    // The zone was looked up when the treaty was validated; UTC is what a treaty without one has.
    now.to_zoned(TimeZone::get(rules.time_zone()).unwrap_or(TimeZone::UTC)).date()
}

#[cfg(test)]
mod tests {
    use concord_treaty::document::Document;
    use serde_json::json;

    use super::*;

    fn object(gpus: &str, ready: &str, cordoned: bool) -> NodeObject {
        let node = json!({"metadata": {"name": "n", "labels": {"gpu": "h100"}}, "spec": {"unschedulable": cordoned},
            "status": {"allocatable": {"nvidia.com/gpu": gpus}, "conditions": [{"type": "Ready", "status": ready}]}});
        serde_json::from_value(node).unwrap()
    }

    fn rules(text: serde_json::Value) -> Rules {
        let document: Document = serde_json::from_value(text).unwrap();
        Rules::validate(&document).unwrap()
    }

    #[test]
    fn a_node_takes_work_when_it_is_ready_and_not_cordoned() {
        let of = |node| PoolNode::of(&node).map(|n| (n.gpus, n.schedulable));
        assert_eq!(of(object("8", "True", false)), Some((8, true)));
        assert_eq!(of(object("8", "Unknown", false)), Some((8, false)));
        assert_eq!(of(object("8", "True", true)), Some((8, false)));
        assert_eq!((of(object("0", "True", false)), of(object("8Gi", "True", false))), (None, None));
    }

    #[test]
    fn percentages_are_of_all_nodes_of_the_class_ready_or_not() {
        let treaty = rules(json!({"title": "t", "reclaim": {"noticeSeconds": 1},
            "classes": [{"name": "h100", "nodeLabels": {"gpu": "h100"}}, {"name": "a100", "nodeLabels": {"gpu": "a100"}}],
            "members": [{"name": "a", "guarantee": {"percent": "50"}}, {"name": "b", "guarantee": {"byClass": {"h100": {"gpus": 8}}}}]}));
        let node = |class: &str, schedulable| PoolNode {
            gpus: 8,
            schedulable,
            labels: [("gpu".to_owned(), class.to_owned())].into(),
        };
        let nodes = [
            node("h100", true),
            node("h100", false),
            node("a100", true),
            node("a100", true),
            node("l4", true),
        ];
        let found = in_pool(&treaty, &nodes, Timestamp::UNIX_EPOCH);
        assert_eq!(found.members().iter().map(|m| m.guarantee).collect::<Vec<_>>(), [16, 8]);
    }

    #[test]
    fn a_day_begins_where_the_treaty_says() {
        let treaty = rules(json!({"title": "t", "reclaim": {"noticeSeconds": 1}, "timeZone": "Asia/Tokyo",
            "members": [{"name": "a", "guarantee": {"gpus": 8}}]}));
        let evening: Timestamp = "2027-03-31T20:00:00Z".parse().unwrap();
        assert_eq!(today(&treaty, evening).to_string(), "2027-04-01");
    }
}

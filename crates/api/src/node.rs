//! Nodes of the pool: what a Node object says of its GPUs.

use concord_treaty::snapshot::Node;
use concord_treaty::units::{Gpus, Labels, NodeName};
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
    pub labels: Labels,
}

impl PoolNode {
    /// `None` for a node without GPUs.
    #[must_use]
    pub fn of(node: &NodeObject) -> Option<Self> {
        let status = node.status.as_ref()?;
        let gpus = status.allocatable.as_ref()?.get(GPU_RESOURCE)?.0.parse().ok().filter(|g| *g > 0)?;
        let ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        let cordoned = node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or(false);
        let labels = node.metadata.labels.clone().unwrap_or_default().into();
        Some(Self { gpus, schedulable: ready && !cordoned, labels })
    }

    /// As the engine sees it.
    #[must_use]
    pub fn in_snapshot(&self, name: &str) -> Node {
        let (gpus, schedulable, labels) = (self.gpus, self.schedulable, self.labels.clone());
        Node { name: NodeName::from(name), gpus, schedulable, labels }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(gpus: &str, ready: &str, cordoned: bool) -> NodeObject {
        let node = json!({"metadata": {"name": "n", "labels": {"gpu": "h100"}}, "spec": {"unschedulable": cordoned},
            "status": {"allocatable": {"nvidia.com/gpu": gpus}, "conditions": [{"type": "Ready", "status": ready}]}});
        serde_json::from_value(node).unwrap()
    }

    #[test]
    fn a_node_takes_work_when_it_is_ready_and_not_cordoned() {
        let of = |node| PoolNode::of(&node).map(|n| (n.gpus, n.schedulable));
        let seen = PoolNode::of(&object("8", "True", false)).unwrap().in_snapshot("n");
        assert_eq!((&*seen.name.0, seen.labels.get("gpu")), ("n", Some("h100")));
        assert_eq!(of(object("8", "True", false)), Some((8, true)));
        assert_eq!(of(object("8", "Unknown", false)), Some((8, false)));
        assert_eq!(of(object("8", "True", true)), Some((8, false)));
        assert_eq!((of(object("0", "True", false)), of(object("8Gi", "True", false))), (None, None));
    }
}

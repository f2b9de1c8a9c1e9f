//! Nodes of the pool: what a Node object says of its GPUs.

use std::collections::BTreeMap;

use concord_treaty::snapshot::Node;
use concord_treaty::units::{Gpus, Labels, NodeName};
use k8s_openapi::api::core::v1::Node as NodeObject;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::names::GPU_RESOURCE;

/// A node with GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolNode {
    /// Allocatable GPUs: those that the node's device plugin takes for healthy; at least 1.
    pub gpus: Gpus,
    /// GPUs that are built in.
    pub installed: Gpus,
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
        let count = |of: Option<&BTreeMap<String, Quantity>>| of?.get(GPU_RESOURCE)?.0.parse::<Gpus>().ok();
        let gpus = count(status.allocatable.as_ref()).filter(|gpus| *gpus > 0)?;
        let installed = count(status.capacity.as_ref()).unwrap_or(gpus).max(gpus);
        let ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        let cordoned = node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or(false);
        let labels = node.metadata.labels.clone().unwrap_or_default().into();
        Some(Self { gpus, installed, schedulable: ready && !cordoned, labels })
    }

    /// As the engine sees it, when the agent on it calls so many GPUs unhealthy. Which GPU a pod gets is chosen by the
    /// kubelet among those that the device plugin takes for healthy; while the agent knows of more broken ones than the
    /// plugin, any new pod could get one, so the node takes no new work. What runs there stays.
    #[must_use]
    pub fn in_snapshot(&self, name: &str, unhealthy: Gpus) -> Node {
        let agreed = self.gpus <= self.installed.saturating_sub(unhealthy);
        let (gpus, schedulable, labels) = (self.gpus, self.schedulable && agreed, self.labels.clone());
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
        let seen = PoolNode::of(&object("8", "True", false)).unwrap().in_snapshot("n", 0);
        assert_eq!((&*seen.name.0, seen.labels.get("gpu")), ("n", Some("h100")));
        assert_eq!(of(object("8", "True", false)), Some((8, true)));
        assert_eq!(of(object("8", "Unknown", false)), Some((8, false)));
        assert_eq!(of(object("8", "True", true)), Some((8, false)));
        assert_eq!((of(object("0", "True", false)), of(object("8Gi", "True", false))), (None, None));
    }

    #[test]
    fn a_node_takes_no_work_while_a_broken_gpu_could_be_handed_out() {
        let node = |allocatable: &str| {
            let mut node = object(allocatable, "True", false);
            let capacity = [(GPU_RESOURCE.to_owned(), Quantity("8".to_owned()))];
            node.status.as_mut().unwrap().capacity = Some(capacity.into());
            PoolNode::of(&node).unwrap()
        };
        let seen = |allocatable, unhealthy| {
            let node = node(allocatable).in_snapshot("n", unhealthy);
            (node.gpus, node.schedulable)
        };
        assert_eq!(seen("8", 0), (8, true));
        assert_eq!(seen("8", 1), (8, false), "the device plugin does not know yet");
        assert_eq!(seen("7", 1), (7, true), "both say the same");
        assert_eq!(seen("6", 1), (6, true), "the device plugin knows more");
        assert_eq!(seen("7", 2), (7, false));
        assert_eq!(seen("8", 1_000), (8, false));
    }
}

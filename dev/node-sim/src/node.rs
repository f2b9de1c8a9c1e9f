//! One simulated node: which pod holds which of its GPUs, now and before. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use uuid::Uuid;

/// Work that ended this long ago, in seconds, has left every reading and is folded into the GPUs' energy.
const REMEMBERED_SECONDS: f64 = 600.0;
/// Power of a GPU of the profile `h100` on which nothing runs.
pub const IDLE_WATTS: f64 = 69.85;

/// GPUs that a pod holds, or held.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Namespace, name and container.
    pub pod: [String; 3],
    /// UID of the pod.
    pub uid: String,
    /// Indices of the GPUs.
    pub gpus: Vec<usize>,
    /// Scenario seconds at which it began.
    pub start_seconds: f64,
    /// Scenario seconds at which it ended.
    pub end_seconds: Option<f64>,
    /// Power of each of its GPUs above idle, drawn from its UID.
    pub power_watts: f64,
}

/// A node.
#[derive(Debug, Clone)]
pub struct SimulatedNode {
    /// Its name.
    pub name: String,
    /// UUIDs of its GPUs, by index; the same each time for a node of this name.
    pub gpus: Vec<String>,
    /// By UID of the pod.
    running: BTreeMap<String, Held>,
    ended: Vec<Held>,
    /// Scenario seconds until which `folded_joules` counts.
    folded_seconds: f64,
    /// By GPU: joules of what is not listed any more, idle power included.
    folded_joules: Vec<f64>,
}

impl SimulatedNode {
    /// A node on which nothing runs.
    #[must_use]
    pub fn new(name: &str, gpu_count: usize) -> Self {
        let uuid = |index| {
            let uuid = Uuid::new_v5(&Uuid::NAMESPACE_DNS, format!("{name}/{index}.gpu.simulated").as_bytes());
            format!("GPU-{uuid}")
        };
        Self {
            name: name.to_owned(),
            gpus: (0..gpu_count).map(uuid).collect(),
            running: BTreeMap::new(),
            ended: Vec::new(),
            folded_seconds: 0.0,
            folded_joules: vec![0.0; gpu_count],
        }
    }

    /// Takes in what a pod of this node is now. True when something changed.
    pub fn see(&mut self, pod: &Pod, now_seconds: f64) -> bool {
        let uid = pod.uid().unwrap_or_default();
        if has_ended(pod) {
            return self.gone(&uid, now_seconds);
        }
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let (Some((container, wanted)), Some("Running")) = (gpu_container(pod), phase) else { return false };
        if self.running.contains_key(&uid) {
            return false;
        }
        let taken: BTreeSet<usize> = self.running.values().flat_map(|held| &held.gpus).copied().collect();
        let free = (0..self.gpus.len()).filter(|index| !taken.contains(index));
        let gpus: Vec<usize> = free.take(wanted).collect();
        if gpus.len() < wanted {
            // A kubelet would have refused the pod.
            tracing::warn!(node = self.name, pod = pod.name_any(), wanted, "too few free GPUs; it gets none");
            return false;
        }
        let held = Held {
            pod: [pod.namespace().unwrap_or_default(), pod.name_any(), container],
            power_watts: drawn_watts(&uid),
            gpus,
            start_seconds: now_seconds,
            end_seconds: None,
            uid: uid.clone(),
        };
        self.running.insert(uid, held);
        true
    }

    /// The pod has ended, or is deleted. True when it held GPUs.
    pub fn gone(&mut self, uid: &str, now_seconds: f64) -> bool {
        let Some(held) = self.running.remove(uid) else { return false };
        self.ended.push(Held { end_seconds: Some(now_seconds), ..held });
        true
    }

    /// Who holds GPUs now.
    pub fn running(&self) -> impl Iterator<Item = &Held> {
        self.running.values()
    }

    /// Who holds GPUs, and who held some a short while ago.
    pub fn listed(&self) -> impl Iterator<Item = &Held> {
        self.ended.iter().chain(self.running.values())
    }

    /// Forgets work that ended long ago, but not its joules.
    pub fn fold(&mut self, now_seconds: f64) {
        let until = now_seconds - REMEMBERED_SECONDS;
        // Half as long again, so that not every look folds.
        let old = |held: &Held| held.end_seconds.is_some_and(|end| end < until - REMEMBERED_SECONDS / 2.0);
        if !self.ended.iter().any(old) {
            return;
        }
        let from = std::mem::replace(&mut self.folded_seconds, until);
        for joules in &mut self.folded_joules {
            *joules += IDLE_WATTS * (until - from);
        }
        for held in self.ended.iter().chain(self.running.values()) {
            let begin = held.start_seconds.max(from);
            let end = held.end_seconds.unwrap_or(f64::INFINITY).min(until);
            for &gpu in &held.gpus {
                self.folded_joules[gpu] += held.power_watts * (end - begin).max(0.0);
            }
        }
        self.ended.retain(|held| held.end_seconds.is_none_or(|end| end >= until));
    }

    /// Scenario seconds until which joules are folded, and those by GPU.
    #[must_use]
    pub fn folded(&self) -> (f64, &[f64]) {
        (self.folded_seconds, &self.folded_joules)
    }
}

/// Ended, or about to: its GPUs are free for others once its containers are.
fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Name of the container that asks for GPUs, and how many.
fn gpu_container(pod: &Pod) -> Option<(String, usize)> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let gpus = |limits: &BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>| {
        limits.get("nvidia.com/gpu").and_then(|quantity| quantity.0.parse::<usize>().ok())
    };
    let asks = |container: &k8s_openapi::api::core::v1::Container| {
        let count = container.resources.as_ref()?.limits.as_ref().and_then(gpus)?;
        (count > 0).then(|| (container.name.clone(), count))
    };
    containers.filter_map(asks).next()
}

/// 150 to 549 W above idle, as training does; from the UID, so that it is the same each time.
fn drawn_watts(uid: &str) -> f64 {
    let drawn = uid.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    f64::from(150 + drawn % 400)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, gpus: usize, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": uid, "namespace": "lab", "uid": uid},
            "spec": {"containers": [{"name": "side"},
                {"name": "train", "resources": {"limits": {"nvidia.com/gpu": gpus.to_string()}}}]},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn a_pod_holds_what_it_asks_for_while_it_runs() {
        let mut node = SimulatedNode::new("n", 8);
        assert!(!node.see(&pod("a", 2, "Pending"), 1.0), "it holds nothing before it runs");
        assert!(node.see(&pod("a", 2, "Running"), 2.0));
        assert!(!node.see(&pod("a", 2, "Running"), 3.0), "nothing new");
        assert!(node.see(&pod("b", 4, "Running"), 4.0));
        let held: Vec<_> = node.running().map(|h| (h.pod[2].as_str(), h.gpus.clone())).collect();
        assert_eq!(held, [("train", vec![0, 1]), ("train", vec![2, 3, 4, 5])]);
        assert!(!node.see(&pod("c", 4, "Running"), 5.0), "more than is free");
        assert!(node.see(&pod("a", 2, "Succeeded"), 6.0));
        assert_eq!(node.listed().find(|h| h.uid == "a").unwrap().end_seconds, Some(6.0));
        assert!(node.see(&pod("c", 4, "Running"), 7.0));
        assert_eq!(node.running().find(|h| h.uid == "c").unwrap().gpus, [0, 1, 6, 7]);
    }

    /// Joules of a GPU until a time, from what a scenario of the node would say.
    fn joules(node: &SimulatedNode, gpu: usize, until: f64) -> f64 {
        let (from, folded) = node.folded();
        let work = node.listed().filter(|held| held.gpus.contains(&gpu)).map(|held| {
            let end = held.end_seconds.unwrap_or(until).min(until);
            held.power_watts * (end - held.start_seconds.max(from)).max(0.0)
        });
        folded[gpu] + IDLE_WATTS * (until - from) + work.sum::<f64>()
    }

    proptest! {
        /// No GPU is held twice, and what is forgotten takes no joule with it.
        #[test]
        fn gpus_are_held_once_and_folding_loses_nothing(
            steps in proptest::collection::vec((0..12_usize, 1..=8_usize, any::<bool>(), 0.0..400.0_f64), 1..60)
        ) {
            let (mut node, mut whole) = (SimulatedNode::new("n", 8), SimulatedNode::new("n", 8));
            let mut now = 0.0;
            for (step, (who, gpus, runs, pause)) in steps.into_iter().enumerate() {
                now += pause;
                let uid = format!("{who}-{}", step / 12);
                let pod = pod(&uid, gpus, if runs { "Running" } else { "Failed" });
                prop_assert_eq!(node.see(&pod, now), whole.see(&pod, now));
                node.fold(now);
                let held: Vec<usize> = node.running().flat_map(|held| held.gpus.clone()).collect();
                let distinct: BTreeSet<&usize> = held.iter().collect();
                prop_assert_eq!(distinct.len(), held.len());
                for gpu in 0..8 {
                    let (kept, all) = (joules(&node, gpu, now), joules(&whole, gpu, now));
                    prop_assert!((kept - all).abs() <= 1e-6 * all.max(1.0), "GPU {}: {} and {}", gpu, kept, all);
                }
            }
        }
    }
}

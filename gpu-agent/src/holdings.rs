//! Who held which device from when to when: the kubelet's list joined with the node's pods. Pure.
//!
//! The kubelet lists pods by name, without UID or times, and may still list some that have ended. The pods of the node
//! say the rest. A holding begins when its container started and ends when that ended, as far as they say so; else when
//! it was first seen, or not seen any more.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::inventory::Slot;
use crate::owner::Owner;

/// A container with devices, as the kubelet lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Namespace of its pod.
    pub namespace: String,
    /// Name of its pod.
    pub pod: String,
    /// Its name.
    pub container: String,
    /// What it holds.
    pub slots: Vec<Slot>,
}

/// What a Pod object says of its pod's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodFacts {
    /// Its UID.
    pub uid: String,
    /// Who is charged.
    pub owner: Owner,
    /// It has ended, whatever the kubelet lists.
    pub over: bool,
    /// Begin and end of each container, in microseconds since the epoch of Unix.
    pub containers: BTreeMap<String, (Option<i64>, Option<i64>)>,
}

impl PodFacts {
    /// Reads a pod.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let over = matches!(status.and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"));
        let statuses = status.into_iter().flat_map(|status| {
            let init = status.init_container_statuses.iter().flatten();
            init.chain(status.container_statuses.iter().flatten())
        });
        let admitted = status.and_then(|s| s.start_time.as_ref()).map(|at| at.0.as_microsecond());
        let life = |container: &ContainerStatus| (container.name.clone(), life_of(container, admitted));
        let containers = statuses.map(life).collect();
        Self { uid: pod.uid().unwrap_or_default(), owner: Owner::of(pod), over, containers }
    }
}

/// A container that was restarted in its pod held its devices all the time: since the kubelet took the pod, as far as that
/// is known.
fn life_of(container: &ContainerStatus, admitted: Option<i64>) -> (Option<i64>, Option<i64>) {
    let Some(state) = &container.state else { return (None, None) };
    let begin = |started: Option<&Time>| {
        let started = started.map(|at| at.0.as_microsecond());
        if container.restart_count == 0 { started } else { admitted }
    };
    if let Some(running) = &state.running {
        return (begin(running.started_at.as_ref()), None);
    }
    let Some(ended) = &state.terminated else { return (None, None) };
    // Dated to the second, rounded down.
    let finished = ended.finished_at.as_ref().map(|at| at.0.as_microsecond() + 999_999);
    (begin(ended.started_at.as_ref()), finished)
}

/// The pods of this node, by namespace and name.
pub type Pods = BTreeMap<(String, String), PodFacts>;

/// One container's hold on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Who is charged.
    pub owner: Owner,
    /// UID of the pod.
    pub pod_uid: String,
    /// Name of the container.
    pub container: String,
    /// What it holds.
    pub slot: Slot,
    /// Since when.
    pub from_microseconds: i64,
    /// Until when; `None` while it lasts.
    pub to_microseconds: Option<i64>,
}

/// Counts of what could not be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// Containers whose pod had ended.
    pub ended: usize,
    /// Containers whose pod is not known: not there yet, or gone.
    pub unknown: usize,
}

/// All holdings, those that ended a while ago left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Few: one for each device that is held, and those that ended a short while ago.
    spans: Vec<Span>,
}

impl Holdings {
    /// Takes in a list. Without the pods (`None`) every listed container counts, and its namespace is charged.
    pub fn update(&mut self, listed: &[Listed], pods: Option<&Pods>, now_microseconds: i64) -> Left {
        let (mut seen, mut left) = (BTreeSet::new(), Left::default());
        for Listed { namespace, pod, container, slots } in listed {
            let facts = pods.map(|pods| pods.get(&(namespace.clone(), pod.clone())));
            let (uid, owner, times) = match facts {
                Some(None) => {
                    left.unknown += 1;
                    continue;
                }
                Some(Some(facts)) if facts.over => {
                    left.ended += 1;
                    continue;
                }
                Some(Some(facts)) => {
                    let times = facts.containers.get(container).copied().unwrap_or_default();
                    (facts.uid.clone(), facts.owner.clone(), times)
                }
                None => (format!("{namespace}/{pod}"), Owner::without_claim(namespace), (None, None)),
            };
            for slot in slots {
                seen.insert((uid.clone(), container.clone(), slot.clone()));
                let holder = Span {
                    owner: owner.clone(),
                    pod_uid: uid.clone(),
                    container: container.clone(),
                    slot: slot.clone(),
                    from_microseconds: times.0.unwrap_or(now_microseconds).min(now_microseconds),
                    to_microseconds: times.1.map(|end| end.min(now_microseconds)),
                };
                self.hold(holder);
            }
        }
        self.end_others(&seen, pods, now_microseconds);
        left
    }

    fn hold(&mut self, holder: Span) {
        let same = |span: &&mut Span| {
            span.pod_uid == holder.pod_uid && span.container == holder.container && span.slot == holder.slot
        };
        let Some(last) = self.spans.iter_mut().rfind(same) else {
            self.spans.push(holder);
            return;
        };
        // The operator may name the claim after the pod was seen.
        last.owner.clone_from(&holder.owner);
        match (last.to_microseconds, holder.to_microseconds) {
            (None, end) => last.to_microseconds = end.map(|end| end.max(last.from_microseconds)),
            // It was not listed for a while, but runs: where its start is known it held the device all the time.
            (Some(ended), None) => {
                let from_microseconds = holder.from_microseconds.max(ended);
                self.spans.push(Span { from_microseconds, ..holder });
            }
            (Some(_), Some(_)) => {}
        }
    }

    /// Ends what is not listed any more, or belongs to a pod that has ended.
    fn end_others(&mut self, seen: &BTreeSet<(String, String, Slot)>, pods: Option<&Pods>, now: i64) {
        let by_uid: BTreeMap<&str, &PodFacts> = pods
            .into_iter()
            .flat_map(|pods| pods.values())
            .map(|facts| (facts.uid.as_str(), facts))
            .collect();
        for span in self.spans.iter_mut().filter(|span| span.to_microseconds.is_none()) {
            let Span { pod_uid, container, slot, .. } = span;
            if seen.contains(&(pod_uid.clone(), container.clone(), slot.clone())) {
                continue;
            }
            let told = by_uid.get(pod_uid.as_str()).and_then(|facts| facts.containers.get(container)?.1);
            span.to_microseconds = Some(told.unwrap_or(now).min(now).max(span.from_microseconds));
        }
    }

    /// Drops what ended before a time.
    pub fn forget_before(&mut self, microseconds: i64) {
        self.spans.retain(|span| span.to_microseconds.is_none_or(|to| to >= microseconds));
    }

    /// Holdings of a GPU that touch an interval.
    #[must_use]
    pub fn of<'a>(&'a self, gpu: &str, from: i64, to: i64) -> Vec<&'a Span> {
        let touches = |span: &&Span| {
            let end = span.to_microseconds.unwrap_or(i64::MAX);
            span.slot.gpu == gpu && span.from_microseconds < to.max(from + 1) && end > from
        };
        self.spans.iter().filter(touches).collect()
    }

    /// Those that last.
    pub fn current(&self) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(|span| span.to_microseconds.is_none())
    }
}

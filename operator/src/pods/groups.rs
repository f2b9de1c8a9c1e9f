//! The pods by the claim that they belong to.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use kube::runtime::watcher::Event;

use super::PodView;
use crate::view::Key;
use crate::watched::Watched;

/// All pods with our label.
#[derive(Debug, Default)]
pub struct Pods {
    seen: Watched<PodView>,
    /// Pods of each claim.
    groups: BTreeMap<Key, BTreeSet<Key>>,
    /// Waiting single pods of each controller, by its UID, that were given no claim.
    unassigned: BTreeMap<String, BTreeSet<Key>>,
    /// Where each pod stands in the two above.
    places: BTreeMap<Key, (Key, Option<String>)>,
}

impl Pods {
    /// Takes in one event of the watch; returns the keys of the claims that it concerns.
    pub fn see(&mut self, event: Event<Pod>) -> Vec<Key> {
        let changed = self.seen.see(event);
        self.regroup(changed)
    }

    /// Takes in the answer to a write; returns the keys of the claims that it concerns.
    pub fn absorb(&mut self, pod: &Pod) -> Vec<Key> {
        let changed = self.seen.absorb(pod);
        self.regroup(changed)
    }

    /// Removes a pod that is known to be gone.
    pub fn forget(&mut self, pod: &Key) -> Vec<Key> {
        let changed = self.seen.forget(pod);
        self.regroup(changed)
    }

    /// True once the watch has listed everything.
    pub const fn is_listed(&self) -> bool {
        self.seen.is_listed()
    }

    /// Pods of a claim, by name.
    pub fn of_claim(&self, claim: &Key) -> impl Iterator<Item = (&Key, &PodView)> {
        self.groups.get(claim).into_iter().flatten().filter_map(|key| Some((key, self.seen.get(key)?)))
    }

    /// Waiting single pods of a controller that were given no claim, by name.
    pub fn unassigned(&self, controller_uid: &str) -> impl Iterator<Item = (&Key, &PodView)> {
        let keys = self.unassigned.get(controller_uid).into_iter().flatten();
        keys.filter_map(|key| Some((key, self.seen.get(key)?)))
    }

    /// Claims of which there are pods in a namespace.
    pub fn claims_in(&self, namespace: &str) -> impl Iterator<Item = &Key> {
        let first = Key { namespace: namespace.to_owned(), name: String::new() };
        let namespace = namespace.to_owned();
        self.groups.range(first..).map(|(key, _)| key).take_while(move |key| key.namespace == namespace)
    }

    fn regroup(&mut self, changed: Vec<Key>) -> Vec<Key> {
        let mut claims = Vec::new();
        for pod in changed {
            if let Some((claim, controller)) = self.places.remove(&pod) {
                remove(&mut self.groups, &claim, &pod);
                if let Some(controller) = controller {
                    remove(&mut self.unassigned, &controller, &pod);
                }
                claims.push(claim);
            }
            let Some(view) = self.seen.get(&pod) else { continue };
            let claim = view.claim_key(&pod);
            let single = view.is_waiting() && view.gang.is_none() && view.claim.is_none();
            let controller = view.controller.as_ref().filter(|_| single).map(|owner| owner.uid.clone());
            self.groups.entry(claim.clone()).or_default().insert(pod.clone());
            if let Some(controller) = &controller {
                self.unassigned.entry(controller.clone()).or_default().insert(pod.clone());
            }
            self.places.insert(pod, (claim.clone(), controller));
            claims.push(claim);
        }
        claims
    }
}

fn remove<K: Ord>(sets: &mut BTreeMap<K, BTreeSet<Key>>, of: &K, pod: &Key) {
    if let Some(set) = sets.get_mut(of) {
        set.remove(pod);
        if set.is_empty() {
            sets.remove(of);
        }
    }
}

/// The pod as Events name it.
pub fn reference(key: &Key, pod: &PodView) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    }
}

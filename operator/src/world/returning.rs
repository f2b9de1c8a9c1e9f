//! Which claim a new pod takes over. The pods of one controller stand for each other, so that of those that had to give
//! way the first in line gets the first pod that is made in their place.

use concord_api::ClaimPhase;
use concord_api::claim::WorkloadKind;

use super::*;

/// What a new pod takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Successor<'w> {
    /// This claim, which is without a pod.
    Of(&'w Key),
    /// A claim whose pod is not gone yet; the new one waits for it.
    OfOneThatStops,
}

impl World {
    /// Notes which claims wait for pods made in the place of theirs, and touches those pods: they may take it over, or
    /// get a claim of their own.
    pub(super) fn note_claims(&mut self, changed: Vec<Key>) {
        for key in &changed {
            // What a late write says is taken back, so that it must not be recorded.
            if self.before_late_booking(key).is_none() {
                self.outbox.note(key, self.claims.get(key));
            }
            let returns = self.claims.get(key).filter(|claim| gives_way(claim));
            let uid = returns.map(|claim| claim.spec.workload.uid.clone());
            let before = match &uid {
                Some(uid) => self.returning.insert(key.clone(), uid.clone()),
                None => self.returning.remove(key),
            };
            if let Some(uid) = uid.or(before) {
                let pods = self.pods.unassigned(&uid).map(|(pod, view)| view.claim_key(pod));
                self.touched.extend(pods);
            }
        }
        self.touch_claims(changed);
    }

    /// The claim that a waiting single pod takes over, if there is one.
    pub fn successor(&self, pod: &Key, view: &PodView) -> Option<Successor<'_>> {
        let controller = view.controller.as_ref().filter(|_| view.gang.is_none() && view.claim.is_none())?;
        let first = Key { namespace: pod.namespace.clone(), name: String::new() };
        let here = self.returning.range(first..).take_while(|(key, _)| key.namespace == pod.namespace);
        let mut claims: Vec<(&Key, &ClaimView)> = here
            .filter(|(_, uid)| **uid == controller.uid)
            .filter_map(|(key, _)| Some((key, self.claims.get(key)?)))
            .filter(|(key, claim)| view.fits(&claim.spec) && (stops(claim) || self.lacks_pods(key, claim)))
            .collect();
        if claims.is_empty() {
            return None;
        }
        claims.sort_by_key(|(key, claim)| (stops(claim), claim.spec.submitted_at.0, *key));
        let others = self.pods.unassigned(&controller.uid);
        let mut alike = others.filter(|(key, other)| {
            other.shape == view.shape && self.claims.get(&other.claim_key(key)).is_none()
        });
        let (key, claim) = claims.get(alike.position(|(key, _)| key == pod)?)?;
        Some(if stops(claim) { Successor::OfOneThatStops } else { Successor::Of(key) })
    }

    /// Whether a claim in line has not all the pods that would start.
    pub fn lacks_pods(&self, key: &Key, claim: &ClaimView) -> bool {
        lacks_pods(&self.pods, key, claim)
    }

    /// The pods of a claim, as Events name them.
    pub fn pods_to_tell(&self, claim: &GpuClaim) -> Vec<ObjectReference> {
        let claim = Key::of(claim);
        let pods = self.pods.of_claim(&claim).filter(|(_, pod)| pod.end.is_none());
        pods.take(PODS_TOLD_MAX).map(|(key, pod)| reference(key, pod)).collect()
    }
}

/// Whether these pods are too few for the claim in line.
pub(super) fn lacks_pods(pods: &Pods, key: &Key, claim: &ClaimView) -> bool {
    let held = claim.spec.workload.kind == WorkloadKind::PodGroup && claim.status.state == ClaimPhase::Queued;
    held && {
        let there = pods.of_claim(key).filter(|(_, pod)| pod.fits(&claim.spec)).count();
        i64::try_from(there).is_ok_and(|there| there < claim.spec.pods)
    }
}

/// Pods of one gang that are told by an Event each; the claim tells the rest.
const PODS_TOLD_MAX: usize = 16;

const fn stops(claim: &ClaimView) -> bool {
    matches!(claim.status.state, ClaimPhase::Stopping)
}

fn gives_way(claim: &ClaimView) -> bool {
    let of_pods = claim.spec.workload.kind == WorkloadKind::PodGroup;
    let left = claim.status.state == ClaimPhase::Queued && claim.status.reclaims > 0;
    of_pods && !claim.deleting && (stops(claim) || left)
}

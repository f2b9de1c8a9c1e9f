//! What the runner has seen of every claim, in the order of the watch. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use concord_api::GpuClaim;
use concord_api::node::PoolNode;
use concord_pool::replay::statistics::Summary;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;

use crate::claims::{admitted_at, is_admitted, is_booked};

/// Namespace and name.
pub type Key = (String, String);

/// One claim.
#[derive(Debug)]
struct Seen {
    class: String,
    first_seen: Instant,
    first_admitted: Option<Instant>,
    admissions: u64,
    admitted: bool,
    booked: bool,
    placement: Vec<(String, i64)>,
    claim: GpuClaim,
}

/// All claims, and the GPUs that they hold.
#[derive(Debug, Default)]
pub struct Ledger {
    capacity: HashMap<String, i64>,
    used: HashMap<String, i64>,
    classes: HashMap<Key, String>,
    seen: HashMap<Key, Seen>,
    booked: usize,
    running: usize,
    faults: Vec<String>,
}

/// Faults that are told in full; more of the same say nothing new.
const FAULTS_MOST: usize = 20;

impl Ledger {
    /// Of a pool of these nodes.
    pub fn new(nodes: &[Node]) -> Self {
        let gpus = |node: &Node| Some((node.name_any(), i64::from(PoolNode::of(node)?.gpus)));
        Self { capacity: nodes.iter().filter_map(gpus).collect(), ..Self::default() }
    }

    /// A claim that will be made.
    pub fn expect(&mut self, key: Key, class: &str) {
        self.classes.insert(key, class.to_owned());
    }

    /// Takes in a claim as the watch shows it; true when it has just been admitted.
    pub fn see(&mut self, claim: GpuClaim, now: Instant) -> bool {
        let key = key_of(&claim);
        let Some(class) = self.classes.get(&key) else { return false };
        let placement: Vec<(String, i64)> =
            claim.status.iter().flat_map(|s| &s.placement).map(|p| (p.node.clone(), p.gpus)).collect();
        let seen = self.seen.entry(key.clone()).or_insert_with(|| Seen {
            class: class.clone(),
            first_seen: now,
            first_admitted: None,
            admissions: 0,
            admitted: false,
            booked: false,
            placement: Vec::new(),
            claim: claim.clone(),
        });
        let admitted = is_admitted(&claim);
        let anew = admitted && (!seen.admitted || admitted_at(&seen.claim) != admitted_at(&claim));
        if anew {
            seen.first_admitted.get_or_insert(now);
            seen.admissions += 1;
        }
        self.running = self.running + usize::from(admitted) - usize::from(seen.admitted);
        if is_booked(&claim) && !seen.booked {
            seen.booked = true;
            self.booked += 1;
        }
        (seen.admitted, seen.claim) = (admitted, claim);
        let before = std::mem::replace(&mut seen.placement, placement.clone());
        for (node, gpus) in before {
            *self.used.entry(node).or_default() -= gpus;
        }
        for (node, gpus) in placement {
            let used = self.used.entry(node.clone()).or_default();
            *used += gpus;
            let there = self.capacity.get(&node).copied().unwrap_or(0);
            if *used > there && self.faults.len() < FAULTS_MOST {
                self.faults.push(format!("{node} has {there} GPUs, {used} are given away: {key:?}"));
            }
        }
        anew
    }

    /// A claim as it was last seen.
    pub fn claim(&self, key: &Key) -> Option<&GpuClaim> {
        self.seen.get(key).map(|seen| &seen.claim)
    }

    /// Claims that were seen, that run, that have ended and are booked.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.seen.len(), self.running, self.booked)
    }

    /// Claims that were seen admitted at least once.
    pub fn admitted(&self) -> usize {
        self.seen.values().filter(|seen| seen.first_admitted.is_some()).count()
    }

    /// Admissions, those after a reclaim counted again.
    pub fn admissions(&self) -> u64 {
        self.seen.values().map(|seen| seen.admissions).sum()
    }

    /// Admissions that were taken back.
    pub fn evictions(&self) -> u64 {
        let reclaims = |seen: &Seen| seen.claim.status.as_ref().map_or(0, |status| status.reclaims);
        self.seen.values().map(reclaims).map(|count| u64::try_from(count).unwrap_or(0)).sum()
    }

    /// Milliseconds from the first sight to the first admission, by class.
    pub fn admission_milliseconds(&self) -> BTreeMap<String, Summary> {
        let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for seen in self.seen.values() {
            if let Some(at) = seen.first_admitted {
                let waited = at.duration_since(seen.first_seen).as_secs_f64() * 1_000.0;
                times.entry(seen.class.clone()).or_default().push(waited);
            }
        }
        times.into_iter().map(|(class, times)| (class, Summary::of(times))).collect()
    }

    /// What must not have happened: a GPU given away twice; at the end also GPUs that nobody has.
    pub fn faults(&self, at_the_end: bool) -> Vec<String> {
        let mut faults = self.faults.clone();
        if at_the_end {
            let left = self.used.iter().filter(|(_, gpus)| **gpus != 0);
            faults.extend(left.map(|(node, gpus)| format!("{gpus} GPUs of {node} are held by ended claims")));
        }
        faults
    }
}

/// The key of a claim.
pub fn key_of(claim: &GpuClaim) -> Key {
    (claim.namespace().unwrap_or_default(), claim.name_any())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(name: &str, status: Value) -> GpuClaim {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "q"},
            "spec": {"member": "q", "project": "q", "pods": 1, "gpusPerPod": 2, "gpus": 2,
                "workload": {"kind": "External", "name": name}, "submittedAt": "2027-01-01T00:00:00Z"},
            "status": status,
        }))
        .unwrap()
    }

    fn admitted(at: &str) -> Value {
        json!({"state": "Admitted", "admittedAt": at, "placement": [{"node": "n", "gpus": 2}]})
    }

    fn ledger() -> Ledger {
        let node = json!({"metadata": {"name": "n"}, "status": {"allocatable": {"nvidia.com/gpu": "3"}}});
        let mut ledger = Ledger::new(&[serde_json::from_value(node).unwrap()]);
        for name in ["x", "y"] {
            ledger.expect(("q".to_owned(), name.to_owned()), "small");
        }
        ledger
    }

    #[test]
    fn a_gpu_that_is_given_away_twice_is_a_fault() {
        let (mut ledger, now) = (ledger(), Instant::now());
        assert!(!ledger.see(claim("x", json!({"state": "Queued"})), now));
        assert!(ledger.see(claim("x", admitted("2027-01-01T00:00:01Z")), now));
        assert!(ledger.faults(false).is_empty());
        assert!(ledger.see(claim("y", admitted("2027-01-01T00:00:01Z")), now));
        assert_eq!(ledger.faults(false), ["n has 3 GPUs, 4 are given away: (\"q\", \"y\")"]);
    }

    #[test]
    fn a_second_admission_counts_and_an_end_frees_what_was_held() {
        let (mut ledger, now) = (ledger(), Instant::now());
        ledger.see(claim("x", admitted("2027-01-01T00:00:01Z")), now);
        assert!(!ledger.see(claim("x", admitted("2027-01-01T00:00:01Z")), now), "the same admission");
        assert!(
            ledger.see(claim("x", admitted("2027-01-01T00:00:02Z")), now),
            "requeued and admitted unseen"
        );
        assert_eq!((ledger.admissions(), ledger.admitted(), ledger.counts()), (2, 1, (1, 1, 0)));
        assert_eq!(ledger.faults(true).len(), 1);
        ledger.see(claim("x", json!({"state": "Succeeded"})), now);
        assert_eq!((ledger.counts(), ledger.faults(true).len()), ((1, 0, 1), 0));
    }
}

//! GPUs in use by node, by member and in total, counted from bound pods alone. Pure: time is a parameter.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::seen::{Key, SeenPod};

/// Violations that are kept in words; all are counted.
const KEPT_MAX: usize = 100;

/// More GPUs in use than there may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// When it began, in milliseconds of the audit.
    pub at_ms: u64,
    /// Of what.
    pub what: String,
}

/// The sums.
#[derive(Debug, Default)]
pub struct Books {
    capacity: BTreeMap<String, u32>,
    member_of: BTreeMap<String, String>,
    ceilings: BTreeMap<String, u32>,
    pods: BTreeMap<Key, SeenPod>,
    by_node: BTreeMap<String, u32>,
    by_namespace: BTreeMap<String, u32>,
    total: u32,
    max_total: u32,
    max_by_member: BTreeMap<String, u32>,
    /// What is violated at the moment, so that each violation is counted once and not at every event.
    standing: BTreeSet<String>,
    violations: Vec<Violation>,
    violation_count: u64,
    gpu_ms: u64,
    settled_until_ms: u64,
}

impl Books {
    /// Takes in a node; without GPUs it is as good as gone.
    pub fn node(&mut self, name: &str, gpus: u32) {
        self.capacity.insert(name.to_owned(), gpus);
    }

    /// Forgets a node; pods on it then violate its capacity.
    pub fn node_gone(&mut self, name: &str) {
        self.capacity.remove(name);
    }

    /// Takes in on whose account a namespace is.
    pub fn namespace(&mut self, name: &str, member: Option<String>) {
        match member {
            Some(member) => self.member_of.insert(name.to_owned(), member),
            None => self.member_of.remove(name),
        };
    }

    /// Takes in the ceilings in force.
    pub fn set_ceilings(&mut self, ceilings: BTreeMap<String, u32>) {
        self.ceilings = ceilings;
    }

    /// Takes in a pod as it is now, or that it is gone.
    pub fn pod(&mut self, key: &str, pod: Option<SeenPod>, at_ms: u64) {
        self.settle(at_ms);
        if let Some(before) = self.pods.remove(key) {
            self.book(&before, false);
        }
        if let Some(pod) = pod {
            self.book(&pod, true);
            self.pods.insert(key.to_owned(), pod);
        }
    }

    fn book(&mut self, pod: &SeenPod, add: bool) {
        let Some(node) = pod.holds() else { return };
        for sum in [
            self.by_node.entry(node.to_owned()).or_default(),
            self.by_namespace.entry(pod.namespace.clone()).or_default(),
            &mut self.total,
        ] {
            *sum = if add { *sum + pod.gpus } else { sum.saturating_sub(pod.gpus) };
        }
    }

    /// Adds the GPU time up to now.
    pub fn settle(&mut self, at_ms: u64) {
        self.gpu_ms += u64::from(self.total) * at_ms.saturating_sub(self.settled_until_ms);
        self.settled_until_ms = self.settled_until_ms.max(at_ms);
    }

    /// Compares every sum with its limit; called after every change once all kinds have been listed.
    pub fn check(&mut self, at_ms: u64) {
        self.max_total = self.max_total.max(self.total);
        let mut found = BTreeSet::new();
        let capacity: u32 = self.capacity.values().sum();
        if self.total > capacity {
            found.insert("the pool is above its capacity".to_owned());
        }
        for (node, used) in &self.by_node {
            if *used > self.capacity.get(node).copied().unwrap_or(0) {
                found.insert(format!("node {node} is above its capacity"));
            }
        }
        for (member, used) in self.by_member() {
            let max = self.max_by_member.entry(member.clone()).or_default();
            *max = (*max).max(used);
            if self.ceilings.get(&member).is_some_and(|ceiling| used > *ceiling) {
                found.insert(format!("member {member} is above its ceiling"));
            }
        }
        for (namespace, used) in &self.by_namespace {
            if *used > 0 && !self.member_of.contains_key(namespace) {
                found.insert(format!("namespace {namespace} uses GPUs and belongs to no member"));
            }
        }
        for what in found.difference(&self.standing) {
            self.violation_count += 1;
            if self.violations.len() < KEPT_MAX {
                self.violations.push(Violation { at_ms, what: what.clone() });
            }
        }
        self.standing = found;
    }

    /// GPUs in use by member.
    pub fn by_member(&self) -> BTreeMap<String, u32> {
        let mut sums = BTreeMap::new();
        for (namespace, used) in &self.by_namespace {
            if let Some(member) = self.member_of.get(namespace) {
                *sums.entry(member.clone()).or_default() += used;
            }
        }
        sums
    }

    /// GPUs in use.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// GPUs of all nodes.
    pub fn capacity(&self) -> u32 {
        self.capacity.values().sum()
    }

    /// A pod as it was last seen.
    pub fn last_seen(&self, key: &str) -> Option<&SeenPod> {
        self.pods.get(key)
    }

    /// Keys of the pods that are there.
    pub fn pod_keys(&self) -> impl Iterator<Item = &Key> {
        self.pods.keys()
    }

    /// Names of the nodes that are there.
    pub fn node_names(&self) -> impl Iterator<Item = &String> {
        self.capacity.keys()
    }

    /// Most GPUs that were in use at once.
    pub fn max_total(&self) -> u32 {
        self.max_total
    }

    /// The same by member.
    pub fn max_by_member(&self) -> &BTreeMap<String, u32> {
        &self.max_by_member
    }

    /// How many violations began, and the first of them in words.
    pub fn violations(&self) -> (u64, &[Violation]) {
        (self.violation_count, &self.violations)
    }

    /// GPU-milliseconds of bound pods so far.
    pub fn gpu_ms(&self) -> u64 {
        self.gpu_ms
    }
}

#[cfg(test)]
mod tests {
    use super::Books;
    use crate::audit::seen::SeenPod;

    fn pod(namespace: &str, node: &str, gpus: u32) -> SeenPod {
        SeenPod {
            uid: "u".into(),
            namespace: namespace.into(),
            job: None,
            node: Some(node.into()),
            gpus,
            succeeded: false,
            failed: false,
        }
    }

    fn books() -> Books {
        let mut books = Books::default();
        books.node("n1", 8);
        books.node("n2", 8);
        books.namespace("a-lab", Some("a".into()));
        books.set_ceilings([("a".to_owned(), 12)].into());
        books
    }

    #[test]
    fn a_pod_counts_from_its_binding_to_its_end() {
        let mut books = books();
        let waiting = SeenPod { node: None, ..pod("a-lab", "n1", 8) };
        books.pod("p", Some(waiting), 1_000);
        books.check(1_000);
        assert_eq!(books.total(), 0);
        books.pod("p", Some(pod("a-lab", "n1", 8)), 2_000);
        books.check(2_000);
        books.pod("p", Some(SeenPod { succeeded: true, ..pod("a-lab", "n1", 8) }), 5_000);
        books.check(5_000);
        books.settle(9_000);
        assert_eq!((books.total(), books.max_total(), books.gpu_ms()), (0, 8, 24_000));
        assert_eq!(books.violations(), (0, &[][..]));
    }

    #[test]
    fn exactly_full_is_allowed_and_one_more_is_not() {
        let mut books = books();
        books.pod("p", Some(pod("a-lab", "n1", 8)), 0);
        books.pod("q", Some(pod("a-lab", "n2", 4)), 0);
        books.check(0);
        assert_eq!(books.violations().0, 0, "at the ceiling and at a node's capacity");
        books.pod("r", Some(pod("a-lab", "n1", 1)), 7);
        books.check(7);
        books.check(8);
        let words: Vec<&str> = books.violations().1.iter().map(|v| v.what.as_str()).collect();
        assert_eq!(words, ["member a is above its ceiling", "node n1 is above its capacity"]);
        books.pod("r", None, 9);
        books.check(9);
        books.pod("r", Some(pod("a-lab", "n1", 1)), 10);
        books.check(10);
        assert_eq!(books.violations().0, 4, "a second time is counted again");
    }

    #[test]
    fn gpus_without_a_member_or_a_node_are_violations() {
        let mut books = books();
        books.pod("p", Some(pod("elsewhere", "n3", 1)), 0);
        books.check(0);
        assert_eq!(books.violations().0, 2);
    }
}

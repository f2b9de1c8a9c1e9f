//! Scenarios that follow a node: from the pods that are seen on it over time to a scenario text, again and again, so that
//! a library that is loaded meanwhile shows a power that fits them. Pure: when the pods were seen is a parameter.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::Clock;
use crate::model::Device;
use crate::profile::Profile;
use crate::scenario::{Pod, Scenario, ScenarioError};

/// Part of the power between idle and limit that the least and the most hungry work draws.
const HUNGER: (f64, f64) = (0.35, 0.95);
/// Work pauses for a checkpoint: so long, every so many seconds, with that part of its power.
const PAUSE_SECONDS: f64 = 30.0;
const PERIOD_SECONDS: f64 = 300.0;
const PAUSE_PART: f64 = 0.2;

/// A pod that is on the node now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodOnNode {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Whole GPUs that it holds.
    pub gpus: usize,
}

/// What was seen of a node so far.
#[derive(Debug, Clone)]
pub struct Follower {
    node: String,
    profile: Profile,
    clock: Clock,
    /// So many scenario seconds of the past stay in the text.
    keep_seconds: f64,
    work: Vec<Work>,
    /// For each GPU since when, and from which counter on, its work stands in the text.
    counters: Vec<(f64, f64)>,
}

#[derive(Debug, Clone)]
struct Work {
    pod: PodOnNode,
    gpus: Vec<usize>,
    start_seconds: f64,
    end_seconds: Option<f64>,
}

impl Follower {
    /// A node on which nothing was seen yet. A client that reads the counter less often than every `keep_seconds` of
    /// scenario time still sees it exactly; process utilisation needs the last ten.
    #[must_use]
    pub fn new(node: &str, profile: Profile, gpus: usize, clock: Clock, keep_seconds: f64) -> Self {
        let counters = vec![(0.0, 0.0); gpus];
        Self { node: node.to_owned(), profile, clock, keep_seconds, work: Vec::new(), counters }
    }

    /// Takes in the pods that are on the node at a scenario time, which never goes back, and gives the scenario as of then.
    /// Pods keep their GPUs while they stay. One that does not fit beside those that are there waits for the next time.
    ///
    /// # Errors
    /// When the text would be no scenario.
    pub fn observe(&mut self, seconds: f64, pods: &[PodOnNode]) -> Result<String, ScenarioError> {
        for work in self.work.iter_mut().filter(|work| work.end_seconds.is_none()) {
            if !pods.contains(&work.pod) {
                work.end_seconds = Some(seconds);
            }
        }
        // What came and went at one time never was there.
        self.work.retain(|work| work.end_seconds.is_none_or(|end| end > work.start_seconds));
        for pod in pods {
            let known = self.work.iter().any(|work| work.end_seconds.is_none() && work.pod == *pod);
            let free: Vec<usize> = self.free(seconds).take(pod.gpus).collect();
            if !known && pod.gpus > 0 && free.len() == pod.gpus {
                self.work.push(Work {
                    pod: pod.clone(),
                    gpus: free,
                    start_seconds: seconds,
                    end_seconds: None,
                });
            }
        }
        self.forget(seconds - self.keep_seconds)?;
        Ok(self.text())
    }

    fn free(&self, seconds: f64) -> impl Iterator<Item = usize> + '_ {
        let holds = move |work: &&Work| work.end_seconds.is_none_or(|end| end > seconds);
        (0..self.counters.len())
            .filter(move |gpu| !self.work.iter().filter(holds).any(|work| work.gpus.contains(gpu)))
    }

    /// Leaves out work that ended before a time, and starts from the counter of that time. Half of what is kept is let
    /// pass before, so that the counter is not worked out anew at every observation.
    fn forget(&mut self, until: f64) -> Result<(), ScenarioError> {
        let since = self.counters.first().map_or(0.0, |(since, _)| *since);
        if until - since < self.keep_seconds / 2.0 {
            return Ok(());
        }
        let scenario = Scenario::parse(&self.text(), &self.node)?;
        for (gpu, counter) in self.counters.iter_mut().enumerate() {
            let joules =
                Device::new(&scenario, gpu, until).map_or(0.0, |device| device.joules(counter.0, until));
            *counter = (until, counter.1 + joules);
        }
        self.work.retain(|work| work.end_seconds.is_none_or(|end| end > until));
        Ok(())
    }

    fn text(&self) -> String {
        let gpus: Vec<Value> = self
            .counters
            .iter()
            .map(|(seconds, joules)| {
                let profile = self.profile.kind().short_name.to_lowercase();
                json!({"profile": profile, "energy_at": {"seconds": seconds, "joules": joules}})
            })
            .collect();
        let scenario = json!({
            "version": 1,
            "node": self.node,
            "clock": {"start_unix_seconds": self.clock.start_unix_seconds, "speed": self.clock.speed},
            "gpus": gpus,
            "workloads": self.work.iter().map(|work| self.workload(work)).collect::<Vec<Value>>(),
        });
        // What is JSON is YAML too.
        format!("# SIMULATOR scenario, written while it follows node {}.\n{scenario:#}\n", self.node)
    }

    fn workload(&self, work: &Work) -> Value {
        let PodOnNode { namespace, name, .. } = &work.pod;
        let kind = self.profile.kind();
        let (watts, busy) = hunger(&format!("{namespace}/{name}"));
        let watts = watts * (kind.limit_watts.1 - kind.idle_watts);
        let pattern = |value: f64| {
            let pause = PERIOD_SECONDS - PAUSE_SECONDS;
            let low = value * PAUSE_PART;
            json!({"points": [[0, value], [pause, value], [pause, low]], "every_seconds": PERIOD_SECONDS})
        };
        let pod = Pod { namespace: namespace.clone(), name: name.clone(), container: "main".to_owned() };
        json!({
            "name": format!("{namespace}/{name}@{}", work.start_seconds),
            "pod": pod,
            "on": work.gpus.iter().map(|gpu| json!({"gpu": gpu})).collect::<Vec<Value>>(),
            "start_seconds": work.start_seconds,
            "end_seconds": work.end_seconds,
            "power_watts": pattern(watts),
            "busy_percent": pattern(busy),
            "memory_mib": (kind.memory_bytes >> 20) / 2,
        })
    }
}

/// Part of the power and percent of busy time of work: the same for the same name.
fn hunger(name: &str) -> (f64, f64) {
    let (high, _) = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).as_u64_pair();
    let chance = (high >> 11) as f64 / (1u64 << 53) as f64;
    (HUNGER.0 + chance * (HUNGER.1 - HUNGER.0), 60.0 + 40.0 * chance)
}

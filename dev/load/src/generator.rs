//! Kueue's generator file: which queues there are, what arrives in them and how long it runs.
//!
//! Source of the format: `test/performance/scheduler/runner/generator` of sigs.k8s.io/kueue v0.19.2. One CPU of the file is
//! one GPU here.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_yaml::Value;

/// Most members of a treaty.
const MEMBERS_MOST: usize = 500;

/// The file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeneratorFile {
    #[serde(default)]
    topology: Option<Value>,
    #[serde(default)]
    cohorts: Vec<CohortSet>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CohortSet {
    class_name: String,
    count: usize,
    queues_sets: Vec<QueuesSet>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueuesSet {
    class_name: String,
    count: usize,
    nominal_quota: Amount,
    borrowing_limit: Amount,
    workloads_sets: Vec<FileWorkloadsSet>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileWorkloadsSet {
    count: usize,
    creation_interval_ms: u64,
    workloads: Vec<FileWorkload>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileWorkload {
    class_name: String,
    runtime_ms: u64,
    request: Amount,
    #[serde(default)]
    pod_count: Option<u32>,
    #[serde(default)]
    tas_level: Option<String>,
}

/// A quantity, as a number or as text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(i64),
    Text(String),
}

impl Amount {
    fn whole(&self, what: &str) -> Result<i64> {
        let value = match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        };
        let value = value.filter(|value| *value >= 0);
        value.with_context(|| format!("{what} {self:?} is no whole number; a GPU is not divided"))
    }
}

/// What a file makes, queue by queue.
#[derive(Debug, Clone)]
pub struct Load {
    /// Name for people: the file's name, or its folder's.
    pub name: String,
    /// The queues, cohort after cohort.
    pub queues: Vec<Queue>,
}

/// One cluster queue with its own namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Name, of the namespace too; the same as Kueue's runner gives.
    pub name: String,
    /// Name of its cohort.
    pub cohort: String,
    /// Name of its member: its own, or that of a neighbour where there are more queues than a treaty may have members.
    pub member: String,
    /// GPUs of its own.
    pub nominal_gpus: i64,
    /// Most GPUs beyond these.
    pub borrowing_limit_gpus: i64,
    /// What arrives side by side.
    pub sets: Vec<WorkloadsSet>,
}

/// Workloads that arrive one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadsSet {
    /// Rounds.
    pub count: usize,
    /// Pause before each workload.
    pub interval_milliseconds: u64,
    /// The workloads of a round.
    pub workloads: Vec<Workload>,
}

/// One kind of workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Name of the kind.
    pub class: String,
    /// Time from admission to end.
    pub runtime_milliseconds: u64,
    /// GPUs of its only pod.
    pub gpus: i64,
}

impl Load {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or asks for something that has no equivalent.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("load");
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let name = if stem == "generator" { folder.unwrap_or(stem) } else { stem };
        Self::parse(name, &text).with_context(|| format!("in {}", path.display()))
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let file: GeneratorFile = serde_yaml::from_str(text)?;
        ensure!(file.topology.is_none(), "topology (Kueue's TAS) has no equivalent here");
        ensure!(!file.cohorts.is_empty(), "no cohorts");
        let mut queues: Vec<Queue> = Vec::new();
        for set in &file.cohorts {
            for index in 0..set.count {
                let cohort = format!("{}-{index}", set.class_name);
                for (position, queues_set) in set.queues_sets.iter().enumerate() {
                    queues_set.expand(&cohort, position, &mut queues)?;
                }
            }
        }
        let names: BTreeSet<&str> = queues.iter().map(|queue| queue.name.as_str()).collect();
        ensure!(names.len() == queues.len(), "two sets of cohorts have the same className");
        let mut load = Self { name: name.to_owned(), queues };
        load.share_members(MEMBERS_MOST);
        Ok(load)
    }

    /// Neighbours of one cohort share a member, as few of them as it takes.
    fn share_members(&mut self, members_most: usize) {
        let together = self.queues.len().div_ceil(members_most);
        let (mut first, mut used) = (String::new(), together);
        let mut cohort = String::new();
        for queue in &mut self.queues {
            if used == together || queue.cohort != cohort {
                (first, used) = (queue.name.clone(), 0);
                cohort.clone_from(&queue.cohort);
            }
            queue.member.clone_from(&first);
            used += 1;
        }
    }

    /// Cohorts in the order of the file.
    pub fn cohorts(&self) -> Vec<&str> {
        let mut cohorts: Vec<&str> = self.queues.iter().map(|queue| queue.cohort.as_str()).collect();
        cohorts.dedup();
        cohorts
    }

    /// Number of workloads.
    pub fn workloads(&self) -> usize {
        self.queues.iter().map(Queue::workloads).sum()
    }

    /// GPUs of the largest workload.
    pub fn largest_gpus(&self) -> i64 {
        let sets = self.queues.iter().flat_map(|queue| &queue.sets);
        sets.flat_map(|set| &set.workloads).map(|workload| workload.gpus).max().unwrap_or(0)
    }

    /// Nominal GPUs of a cohort.
    pub fn nominal_gpus(&self, cohort: &str) -> i64 {
        self.queues.iter().filter(|queue| queue.cohort == cohort).map(|queue| queue.nominal_gpus).sum()
    }

    /// No scheduler can be faster, whatever it does: the last workload has to arrive and run, and a cohort's GPUs have to
    /// do its work.
    pub fn ideal_milliseconds(&self) -> u64 {
        let arrivals = self.queues.iter().flat_map(|queue| &queue.sets).map(WorkloadsSet::last_end);
        let work = self.cohorts().into_iter().map(|cohort| {
            let queues = self.queues.iter().filter(|queue| queue.cohort == cohort);
            let gpu_milliseconds: u64 = queues.map(Queue::gpu_milliseconds).sum();
            gpu_milliseconds.div_ceil(u64::try_from(self.nominal_gpus(cohort)).unwrap_or(0).max(1))
        });
        arrivals.chain(work).max().unwrap_or(0)
    }
}

impl Queue {
    /// Number of its workloads.
    pub fn workloads(&self) -> usize {
        self.sets.iter().map(|set| set.count * set.workloads.len()).sum()
    }

    fn gpu_milliseconds(&self) -> u64 {
        let of_set = |set: &WorkloadsSet| {
            let round = |w: &Workload| w.runtime_milliseconds * u64::try_from(w.gpus).unwrap_or(0);
            set.workloads.iter().map(round).sum::<u64>() * set.count as u64
        };
        self.sets.iter().map(of_set).sum()
    }
}

impl WorkloadsSet {
    fn last_end(&self) -> u64 {
        let arrivals = self.interval_milliseconds * (self.count * self.workloads.len()) as u64;
        arrivals + self.workloads.last().map_or(0, |workload| workload.runtime_milliseconds)
    }
}

impl QueuesSet {
    fn expand(&self, cohort: &str, position: usize, queues: &mut Vec<Queue>) -> Result<()> {
        let sets = self.workloads_sets.iter().map(FileWorkloadsSet::checked).collect::<Result<Vec<_>>>()?;
        for index in 0..self.count {
            let name = format!("{}-{position}-{index}-{cohort}", self.class_name);
            queues.push(Queue {
                member: name.clone(),
                name,
                cohort: cohort.to_owned(),
                nominal_gpus: self.nominal_quota.whole("nominalQuota")?,
                borrowing_limit_gpus: self.borrowing_limit.whole("borrowingLimit")?,
                sets: sets.clone(),
            });
        }
        Ok(())
    }
}

impl FileWorkloadsSet {
    fn checked(&self) -> Result<WorkloadsSet> {
        let workload = |w: &FileWorkload| -> Result<Workload> {
            if w.tas_level.is_some() || w.pod_count.is_some_and(|count| count > 1) {
                bail!("workload {}: topology and several pods have no equivalent here", w.class_name);
            }
            Ok(Workload {
                class: w.class_name.clone(),
                runtime_milliseconds: w.runtime_ms,
                gpus: w.request.whole("request")?,
            })
        };
        Ok(WorkloadsSet {
            count: self.count,
            interval_milliseconds: self.creation_interval_ms,
            workloads: self.workloads.iter().map(workload).collect::<Result<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Load;

    const SMOKE: &str = include_str!("../loads/smoke.yaml");

    #[test]
    fn a_file_becomes_queues_with_kueues_names() {
        let load = Load::parse("smoke", SMOKE).unwrap();
        let names: Vec<&str> = load.queues.iter().map(|queue| queue.name.as_str()).collect();
        assert_eq!(names, ["cq-0-0-cohort-0", "cq-0-1-cohort-0", "cq-0-0-cohort-1", "cq-0-1-cohort-1"]);
        assert_eq!((load.workloads(), load.largest_gpus(), load.nominal_gpus("cohort-1")), (60, 20, 40));
    }

    #[test]
    fn the_ideal_is_the_later_of_arrival_and_work() {
        let load = Load::parse("smoke", SMOKE).unwrap();
        // By arrival the last small workload comes after 3,000 ms and runs 1,000 ms; by work a queue's 160,000 GPU-ms take
        // its 20 GPUs 8,000 ms.
        assert_eq!(load.ideal_milliseconds(), 8_000);
        let quick =
            SMOKE.replace("runtimeMs: 3000", "runtimeMs: 10").replace("runtimeMs: 2000", "runtimeMs: 10");
        assert_eq!(Load::parse("quick", &quick).unwrap().ideal_milliseconds(), 4_000);
    }

    #[test]
    fn neighbours_share_a_member_where_there_are_too_many_queues() {
        let mut load = Load::parse("smoke", SMOKE).unwrap();
        let members = |load: &Load| load.queues.iter().map(|q| q.member.clone()).collect::<Vec<_>>();
        let own: Vec<String> = load.queues.iter().map(|queue| queue.name.clone()).collect();
        assert_eq!(members(&load), own);
        load.share_members(3);
        assert_eq!(members(&load), [&own[0], &own[0], &own[2], &own[2]].map(String::clone));
    }

    #[test]
    fn what_has_no_equivalent_is_refused() {
        let fails =
            |from: &str, to: &str| Load::parse("x", &SMOKE.replace(from, to)).unwrap_err().to_string();
        assert!(fails("request: 20", "request: 500m").contains("no whole number"));
        assert!(fails("request: 20", "request: 20, podCount: 2").contains("several pods"));
        assert!(fails("cohorts:", "topology: {}\ncohorts:").contains("topology"));
    }
}

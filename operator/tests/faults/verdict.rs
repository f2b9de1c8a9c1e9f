//! What a run lost, judged from its history alone: the states of all kinds are played in the order of their revisions,
//! and after each of them every promise has to hold.

use std::collections::{BTreeMap, BTreeSet};

use concord_pool::audit::seen::{SeenJob, SeenPod};

use super::history::{Change, Record, SeenClaim};
use super::scenario::Task;

/// The last booking of a claim is exact to the millisecond; that of a stopped one is known to the second.
const SECOND_MS: i64 = 1_000;

/// What happened in a run.
#[derive(Debug, Default)]
pub struct Account {
    /// Promises that were broken, each once.
    pub losses: BTreeSet<String>,
    pub admissions: u64,
    pub borrows: u64,
    pub notices: u64,
    pub reclaims: u64,
    /// Times that the watcher may have missed something.
    pub gaps: u64,
}

#[derive(Default)]
struct Replay {
    pods: BTreeMap<String, SeenPod>,
    jobs: BTreeMap<String, SeenJob>,
    claims: BTreeMap<String, SeenClaim>,
    /// The revision of the last state of each claim.
    revisions: BTreeMap<String, u64>,
    /// The most that each node ever offered: what is built in.
    built_in: BTreeMap<String, u64>,
    /// Between these revisions states may be missing.
    gaps: Vec<(u64, u64)>,
    account: Account,
}

/// Plays a history.
pub fn replay(records: &[Record], clock_is_sound: bool) -> Account {
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_by_key(|record| record.revision);
    let gap = |record: &&Record| match record.change {
        Change::Gap(since) => Some((since, record.revision)),
        _ => None,
    };
    let mut replay = Replay { gaps: records.iter().filter_map(gap).collect(), ..Replay::default() };
    replay.account.gaps = replay.gaps.len() as u64;
    for record in records {
        replay.take(record, clock_is_sound);
        // Whatever is wrong for longer than a gap is seen after it.
        if replay.saw_all(record.revision, record.revision + 1) {
            replay.nothing_is_given_twice();
            replay.nothing_runs_unadmitted(record.revision);
        }
    }
    replay.account
}

impl Replay {
    fn lose(&mut self, what: String) {
        self.account.losses.insert(what);
    }

    /// No state from `since` to before `until` can be missing.
    fn saw_all(&self, since: u64, until: u64) -> bool {
        !self.gaps.iter().any(|(from, to)| *from < until && since < *to)
    }

    fn take(&mut self, record: &Record, clock_is_sound: bool) {
        let key = &record.key;
        match &record.change {
            Change::Pod(Some(pod)) => drop(self.pods.insert(key.clone(), pod.clone())),
            Change::Pod(None) => drop(self.pods.remove(key)),
            Change::Job(Some(job)) => drop(self.jobs.insert(key.clone(), job.clone())),
            Change::Job(None) => drop(self.jobs.remove(key)),
            Change::Node(gpus) => {
                let most = self.built_in.entry(key.clone()).or_default();
                *most = (*most).max(u64::from(gpus.unwrap_or(0)));
            }
            Change::Claim(Some(claim)) => {
                let before = self.claims.insert(key.clone(), claim.clone()).unwrap_or_default();
                self.count(&before, claim);
                let last = self.revisions.insert(key.clone(), record.revision).unwrap_or_default();
                if self.saw_all(last, record.revision) {
                    self.books_add_up(key, &before, claim, clock_is_sound);
                }
            }
            Change::Claim(None) => drop(self.claims.remove(key)),
            Change::Gap(_) => {}
        }
    }

    fn count(&mut self, before: &SeenClaim, after: &SeenClaim) {
        let begins = before.placement.is_empty() && !after.placement.is_empty();
        let told = after.state == "Reclaiming" && before.state != "Reclaiming";
        self.account.admissions += u64::from(begins);
        self.account.notices += u64::from(told);
        self.account.borrows += after.borrows.saturating_sub(before.borrows);
        self.account.reclaims += after.reclaims.saturating_sub(before.reclaims);
    }

    /// An admission is booked once, when its GPUs are given back, with its GPUs times its length.
    fn books_add_up(&mut self, key: &str, before: &SeenClaim, after: &SeenClaim, clock_is_sound: bool) {
        let booked = after.used_gpu_ms - before.used_gpu_ms;
        let reclaimed = after.reclaimed_gpu_ms - before.reclaimed_gpu_ms;
        let ends = !before.placement.is_empty() && after.placement.is_empty();
        if !ends {
            if booked != 0 || reclaimed != 0 {
                self.lose(format!(
                    "{key} was booked {booked} GPU-ms while {} -> {}",
                    before.state, after.state
                ));
            }
            if !before.placement.is_empty() && before.placement != after.placement {
                self.lose(format!("{key} was moved from {:?} to {:?}", before.placement, after.placement));
            }
            return;
        }
        let gpus: u64 = before.placement.values().sum();
        let (finished, since) = (after.finished_at_ms, before.admitted_at_ms.unwrap_or_default());
        let until = finished.or(after.admitted_changed_at_ms).unwrap_or_default();
        let exact = i64::try_from(gpus).unwrap() * (until - since);
        let slack = if finished.is_some() { 0 } else { SECOND_MS * i64::try_from(gpus).unwrap() };
        if clock_is_sound && (booked - exact).abs() > slack || booked < 0 {
            self.lose(format!("{key} was booked {booked} GPU-ms, its admission took {exact}"));
        }
        let lost = if finished.is_some() { 0 } else { booked };
        if reclaimed != lost {
            self.lose(format!("{key} was booked {reclaimed} GPU-ms as reclaimed instead of {lost}"));
        }
    }

    /// Neither by pods nor by claims does a node have more GPUs in use than are built in.
    fn nothing_is_given_twice(&mut self) {
        let (mut by_pods, mut by_claims) = (BTreeMap::<&str, u64>::new(), BTreeMap::<&str, u64>::new());
        for pod in self.pods.values() {
            if let Some(node) = pod.holds() {
                *by_pods.entry(node).or_default() += u64::from(pod.gpus);
            }
        }
        for (node, gpus) in self.claims.values().flat_map(|claim| &claim.placement) {
            *by_claims.entry(node).or_default() += gpus;
        }
        let mut losses = Vec::new();
        for (who, by_node) in [("pods", by_pods), ("claims", by_claims)] {
            for (node, used) in by_node {
                let most = self.built_in.get(node).copied().unwrap_or(0);
                if used > most {
                    losses.push(format!("{node} of {most} GPUs has {used} in use by {who}"));
                }
            }
        }
        losses.into_iter().for_each(|loss| self.lose(loss));
    }

    /// What runs does so where its claim says, and no Job is started or goes on without GPUs of its claim.
    fn nothing_runs_unadmitted(&mut self, revision: u64) {
        let mut losses = Vec::new();
        for (key, job) in &self.jobs {
            let holds = self.claims.get(key).is_some_and(|claim| !claim.placement.is_empty());
            if !job.suspended && !job.complete && !job.failed && !holds {
                losses.push(format!("Job {key} runs without an admitted claim"));
            }
        }
        let mut by_job = BTreeMap::<(&str, &str), u64>::new();
        for pod in self.pods.values() {
            if let (Some(node), Some(job)) = (pod.holds(), &pod.job) {
                *by_job.entry((job, node)).or_default() += u64::from(pod.gpus);
            }
        }
        for ((job, node), gpus) in by_job {
            let given =
                self.claims.get(job).and_then(|claim| claim.placement.get(node)).copied().unwrap_or(0);
            if gpus > given {
                losses.push(format!("pods of {job} have {gpus} GPUs of {node}, its claim {given}"));
            }
        }
        losses.into_iter().for_each(|loss| self.lose(format!("{loss} (revision {revision})")));
    }
}

/// The end of a run, as far as the Jobs alone determine it. Nodes, order, waits, and how often a claim was stopped depend
/// on when things happened, and are not among it.
pub fn final_state(
    jobs: &BTreeMap<String, SeenJob>,
    claims: &BTreeMap<String, SeenClaim>,
) -> BTreeMap<String, String> {
    let keys: BTreeSet<&String> = jobs.keys().chain(claims.keys()).collect();
    let end = |key: &String| {
        let job = jobs.get(key).map(|j| (j.complete, j.failed, j.succeeded, j.completions));
        let claim = claims.get(key).map(|c| {
            let rests = c.placement.is_empty() && !c.reserves && !c.notice && c.finished_at_ms.is_some();
            (c.member.clone(), c.gpus, c.state.clone(), rests)
        });
        format!("{job:?} {claim:?}")
    };
    keys.into_iter().map(|key| (key.clone(), end(key))).collect()
}

/// Jobs and claims that did not come to their end, and uses that are too small.
pub fn lost_at_the_end(
    tasks: &[Task],
    jobs: &BTreeMap<String, SeenJob>,
    claims: &BTreeMap<String, SeenClaim>,
    clock_is_sound: bool,
) -> Vec<String> {
    let mut losses = Vec::new();
    for task in tasks {
        let key = task.key();
        match jobs.get(&key) {
            Some(job) if job.complete && job.succeeded == job.completions => {}
            other => losses.push(format!("Job {key} did not end well: {other:?}")),
        }
        match claims.get(&key) {
            Some(claim) if claim.state == "Succeeded" && claim.placement.is_empty() => {
                let useful = claim.used_gpu_ms - claim.reclaimed_gpu_ms;
                let need = i64::try_from(task.need_gpu_ms()).unwrap();
                if clock_is_sound && useful < need {
                    losses.push(format!("{key} books {useful} useful GPU-ms and needs {need}"));
                }
            }
            other => losses.push(format!("the claim of {key} did not end well: {other:?}")),
        }
    }
    let wanted: BTreeSet<String> = tasks.iter().map(Task::key).collect();
    let more = claims.keys().chain(jobs.keys()).filter(|key| !wanted.contains(*key));
    losses.extend(more.map(|key| format!("nobody asked for {key}")));
    losses
}

#[cfg(test)]
mod tests;

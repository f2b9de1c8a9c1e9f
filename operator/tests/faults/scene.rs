//! A pool that a scenario is played on: the operator behind the proxy, a keeper that starts it again as a Deployment
//! would, and the watcher. One control plane serves many runs; between them everything is deleted again.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use concord_api::GpuClaim;
use concord_fault_proxy::Proxy;
use concord_pool::{Launch, SimulatedNode};
use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::history::{History, Seen};
use super::scenario::{MEMBERS, NODE_GPUS, NODES, NOTICE_SECONDS, Task};
use super::support::kept::Kept;
use super::support::{self, OPERATOR, Operator, Pool};
use super::verdict::{self, Account};

const LOOK: Duration = Duration::from_millis(40);
/// A run takes some 10 s; a fault may add its own length and the end of a lease, again and again.
const PATIENCE: Duration = Duration::from_secs(180);
const REQUEST_LIMIT: Duration = Duration::from_secs(2);
/// Runs end with no treaty but this one.
pub const TREATY: &str = "test";

/// When a step of a fault is taken; never before the one that stands before it.
pub enum When {
    /// So long after the start.
    At(Duration),
    /// Once a claim was told to leave and has not left; so long after the start at the latest, when none is.
    Noticed(Duration),
}

type Deed = Box<dyn FnOnce(&mut Scene)>;

/// What a fault does, step by step.
pub struct Script {
    pub steps: VecDeque<(When, Deed)>,
    /// The operator's clock shows what it should, so that times in statuses can be believed.
    pub clock_is_sound: bool,
}

impl Script {
    pub fn new() -> Self {
        Self { steps: VecDeque::new(), clock_is_sound: true }
    }

    pub fn then(mut self, when: When, deed: impl FnOnce(&mut Scene) + 'static) -> Self {
        self.steps.push_back((when, Box::new(deed)));
        self
    }

    pub fn at(self, milliseconds: u64, deed: impl FnOnce(&mut Scene) + 'static) -> Self {
        self.then(When::At(Duration::from_millis(milliseconds)), deed)
    }
}

/// How a run ended.
pub struct Outcome {
    pub account: Account,
    pub final_state: BTreeMap<String, String>,
    pub injected: u64,
    pub took: Duration,
}

/// A process that is started again when it ends.
pub type Post = Arc<Mutex<Option<Operator>>>;

pub struct Scene {
    pub pool: Pool,
    pub proxy: Proxy,
    pub history: History,
    pub posts: Vec<(&'static str, Post)>,
    /// How the part of the control plane that was killed last is started again.
    pub crashed: Option<Launch>,
    /// Where the operator's clock is set, if it can be.
    pub clock: Option<PathBuf>,
    pub kills: Arc<AtomicU64>,
    deaths: u64,
    injected: u64,
    environment: Vec<(String, String)>,
    kubeconfig: PathBuf,
    record: Kept,
}

impl Scene {
    /// With `faketime` the operator's clock can be set.
    pub async fn start(faketime: Option<PathBuf>) -> Self {
        let mut pool = Pool::start(NODES, &MEMBERS, NOTICE_SECONDS).await;
        // It was needed to set up the projects.
        assert!(pool.take_operator().stop());
        let proxy = Proxy::start(pool.as_operator().await).await.unwrap();
        let direct = std::fs::read_to_string(pool.plane().kubeconfig(OPERATOR)).unwrap();
        let kubeconfig = pool.folder().join("through-the-proxy.yaml");
        std::fs::write(&kubeconfig, direct.replace(&pool.plane().server(), &proxy.url())).unwrap();
        let history = History::start(&pool.admin);
        let clock = faketime.is_some().then(|| pool.folder().join("clock"));
        let environment = faketime.iter().zip(&clock).flat_map(|(library, clock)| {
            std::fs::write(clock, "+0\n").unwrap();
            [
                ("LD_PRELOAD", library.display().to_string()),
                ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
                ("FAKETIME_NO_CACHE", "1".to_owned()),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
                ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ]
        });
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).collect();
        let record = Kept::new(pool.folder());
        let mut scene = Self {
            pool,
            proxy,
            history,
            posts: Vec::new(),
            crashed: None,
            clock,
            kills: Arc::default(),
            deaths: 0,
            injected: 0,
            environment,
            kubeconfig,
            record,
        };
        scene.man("first");
        scene
    }

    /// One more operator.
    pub fn man(&mut self, name: &'static str) {
        let operator = self.spawn(name);
        self.posts.push((name, Arc::new(Mutex::new(Some(operator)))));
    }

    fn spawn(&self, name: &str) -> Operator {
        self.pool.spawn_operator_with(name, |command| {
            command.env("KUBECONFIG", &self.kubeconfig).args(self.record.options());
            command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        })
    }

    /// Sets the operator's clock off by so many seconds, such as `+3600`; only where faketime is.
    pub fn set_clock(&self, offset: &str) {
        let file = self.clock.as_ref().expect("only asked for with faketime");
        // Read at every look at the clock, so it must never be seen half written.
        let next = file.with_extension("next");
        std::fs::write(&next, format!("{offset}\n")).unwrap();
        std::fs::rename(&next, file).unwrap();
    }

    /// Counts something that was done to the system.
    pub fn injected(&mut self) {
        self.injected += 1;
    }

    /// Starts again what was killed.
    fn tend(&mut self) {
        for (name, post) in &self.posts {
            let mut operator = post.lock().unwrap();
            if operator.as_mut().is_none_or(Operator::has_ended) {
                self.deaths += 1;
                *operator = Some(self.spawn(name));
            }
        }
    }

    /// Plays these Jobs to their end.
    pub async fn play(&mut self, tasks: &[Task], mut script: Script) -> Outcome {
        self.history.begin();
        let (log_before, started) = (self.pool.operator_log().len(), Instant::now());
        let (deaths, kills) = (self.deaths, self.kills.load(Ordering::Relaxed));
        let injected = self.injected + self.proxy.injected() + kills;
        let (mut submitted, mut late) = (0, false);
        loop {
            submitted += self.submit(&tasks[submitted..], started.elapsed()).await;
            if script.steps.front().is_some_and(|(when, _)| self.has_come(when, started.elapsed())) {
                let (_, deed) = script.steps.pop_front().unwrap();
                deed(self);
            }
            self.tend();
            if submitted == tasks.len() && script.steps.is_empty() && rests(tasks.len(), &self.history.seen())
            {
                break;
            }
            late = started.elapsed() > PATIENCE;
            if late {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        let took = started.elapsed();
        self.proxy.pass_everything();
        let mut losses = Vec::new();
        if late {
            let undone = script.steps.len();
            losses
                .push(format!("not at rest after {PATIENCE:?}, with {undone} steps of the fault not taken"));
        }
        losses.extend(self.books_of_the_treaty_are_empty().await.err());
        losses.extend(self.all_is_recorded_once().await.err());
        let (account, final_state) = {
            let seen = self.history.seen();
            losses.extend(verdict::lost_at_the_end(tasks, &seen.jobs, &seen.claims, script.clock_is_sound));
            let account = verdict::replay(&seen.records, script.clock_is_sound);
            (account, verdict::final_state(&seen.jobs, &seen.claims))
        };
        let log = self.pool.operator_log().split_off(log_before);
        losses.extend(complaints(&log));
        let kills_now = self.kills.load(Ordering::Relaxed);
        if self.deaths - deaths > kills_now - kills {
            losses.push("the operator ended by itself".to_owned());
        }
        let injected = self.injected + self.proxy.injected() + kills_now - injected;
        losses.extend(self.clear().await.err());
        let mut account = account;
        account.losses.extend(losses);
        Outcome { account, final_state, injected, took }
    }

    fn has_come(&self, when: &When, elapsed: Duration) -> bool {
        match when {
            When::At(time) => elapsed >= *time,
            When::Noticed(latest) => {
                elapsed >= *latest || self.history.seen().claims.values().any(|c| c.state == "Reclaiming")
            }
        }
    }

    /// Submits what is due, as a patient person would; how many were taken.
    async fn submit(&self, tasks: &[Task], elapsed: Duration) -> usize {
        let mut taken = 0;
        for task in tasks.iter().take_while(|task| task.at <= elapsed) {
            let jobs: Api<Job> =
                Api::namespaced(self.pool.researcher.clone(), &format!("{}-lab", task.member));
            let job = support::job(&task.name, task.pods, task.gpus_per_pod, task.run.as_secs_f64());
            let params = PostParams::default();
            match tokio::time::timeout(REQUEST_LIMIT, jobs.create(&params, &job)).await {
                Ok(Ok(_)) => taken += 1,
                Ok(Err(kube::Error::Api(status))) if status.is_already_exists() => taken += 1,
                _ => break,
            }
        }
        taken
    }

    /// What the treaty says of itself is written a little later.
    async fn books_of_the_treaty_are_empty(&self) -> Result<(), String> {
        self.in_time("the treaty's status shows an empty pool", async || {
            let (text, ok) = self.pool.try_kubectl("admin", &["get", "treaties", "-o", "json"], None);
            let list: Value = serde_json::from_str(&text).ok().filter(|_| ok)?;
            let treaties = list["items"].as_array()?;
            let in_force = |treaty: &&Value| {
                let conditions = treaty["status"]["conditions"].as_array();
                conditions.is_some_and(|c| c.iter().any(|c| c["type"] == "InForce" && c["status"] == "True"))
            };
            let status = &treaties.iter().find(in_force)?["status"];
            let sums = ["usedGpus", "borrowedGpus", "queuedClaims"].map(|sum| status[sum].as_i64());
            (sums == [Some(0); 3]).then_some(())
        })
        .await
    }

    /// The public record has each claim's use as the API server has it, to the millisecond.
    async fn all_is_recorded_once(&self) -> Result<(), String> {
        let claims: Api<GpuClaim> = Api::all(self.pool.admin.clone());
        let all = claims.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let used = |claim: &GpuClaim| {
            let status = claim.status.as_ref().filter(|status| status.runs_ended > 0)?;
            Some((claim.uid()?, status.used_gpu_milliseconds))
        };
        let wanted: BTreeMap<String, i64> = all.iter().filter_map(used).collect();
        let in_time = self.in_time("all use is in the public record, once", async || {
            let recorded = self.record.used().await;
            wanted.iter().all(|(claim, used)| recorded.get(claim) == Some(used)).then_some(())
        });
        if let Err(error) = in_time.await {
            let recorded = self.record.used().await;
            let other = wanted.iter().filter(|(claim, used)| recorded.get(*claim) != Some(used));
            let other: Vec<_> = other.map(|(claim, used)| (claim, used, recorded.get(claim))).collect();
            let statuses =
                all.iter().filter(|c| other.iter().any(|(uid, ..)| c.uid().as_ref() == Some(*uid)));
            let statuses: Vec<_> = statuses.map(|claim| &claim.status).collect();
            return Err(format!("{error}: claim, in the API server, in the record: {other:?}; {statuses:?}"));
        }
        Ok(())
    }

    /// Sets the pool back to what it was, and sees that nothing of the run stays.
    async fn clear(&mut self) -> Result<(), String> {
        while self.posts.len() > 1 {
            let (_, post) = self.posts.pop().unwrap();
            let last = post.lock().unwrap().take();
            last.map(Operator::stop);
        }
        if self.clock.is_some() {
            self.set_clock("+0");
        }
        self.pool.apply(&support::treaty(&MEMBERS, NOTICE_SECONDS));
        for (member, _) in MEMBERS {
            let jobs: Api<Job> = Api::namespaced(self.pool.admin.clone(), &format!("{member}-lab"));
            let (how, all) = (DeleteParams::background(), ListParams::default());
            let deleted = jobs.delete_collection(&how, &all).await;
            deleted.map_err(|error| format!("Jobs cannot be deleted: {error}"))?;
        }
        self.in_time("no Job, pod or claim is left behind", async || {
            let seen = self.history.seen();
            let left = seen.jobs.len() + seen.pods.len() + seen.claims.len();
            (left == 0 && seen.nodes.values().filter(|gpus| **gpus == NODE_GPUS).count() == NODES)
                .then_some(())
        })
        .await
    }

    async fn in_time(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<()>) -> Result<(), String> {
        let started = Instant::now();
        while ask().await.is_none() {
            if started.elapsed() > PATIENCE {
                return Err(format!("not in {PATIENCE:?}: {what}"));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    pub async fn stop(self) {
        drop(self.posts);
        self.pool.stop().await;
    }
}

/// A node as it was made.
pub fn node(index: usize) -> SimulatedNode {
    support::node(index)
}

/// Every Job is complete, every claim finished, and no pod holds anything.
fn rests(tasks: usize, seen: &Seen) -> bool {
    seen.jobs.len() >= tasks
        && seen.jobs.values().all(|job| job.complete || job.failed)
        && seen.claims.len() >= tasks
        && seen.claims.values().all(|claim| matches!(claim.state.as_str(), "Succeeded" | "Failed"))
        && seen.pods.values().all(|pod| pod.holds().is_none())
}

/// What the operator says of itself that it never should.
fn complaints(log: &str) -> Vec<String> {
    let never = ["plan refused", "panicked at", "a defect ended"];
    log.lines().filter(|line| never.iter().any(|word| line.contains(word))).map(str::to_owned).collect()
}

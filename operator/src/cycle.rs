//! The operator's whole life: observe, decide, check, apply, report, again and again.
//!
//! One cycle looks at the whole pool. It holds no rules: what happens is decided by [`concord_treaty::decide`], and
//! nothing is remembered that the API server does not also know, so that a restart changes nothing.

mod amendments;
mod applications;
mod counts;
mod office;
mod record;
mod uncertain;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use concord_api::snapshot::millis;
use concord_treaty::check::CheckedPlan;
use concord_treaty::decide::decide;
use concord_treaty::plan::{Plan, Wait};
use concord_treaty::snapshot::Snapshot;
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::TimestampMillis;
use futures::StreamExt;
use k8s_openapi::jiff::Timestamp;
use kube::core::ClusterResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};

use crate::act::{Written, carry_out, do_chore};
use crate::announce::Announcer;
use crate::forecast::Forecaster;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::observe;
use crate::picture::Seen as Picture;
use crate::projects;
use crate::quiet::Quiet;
use crate::quotas;
use crate::report::{Reporter, Seen};
use crate::serve::Readiness;
use crate::standing::{self, figures::Figures};
use crate::transitions::{self, Transition};
use crate::upkeep::{Chore, next_chore};
use crate::view::{Key, Whole};
use crate::watched::Watched;
use crate::world::{Sighting, World};
use crate::write::{WriteError, Writer, chain};

use amendments::Amendments;
use office::Role;
pub use record::Record;

/// Writes in flight at once. A busy API server serves calls in turn, so that whoever has few in flight waits for those who
/// have many; how much that is worth was not measured by itself. A server with the default limits has some 245 seats for
/// service accounts.
const WRITES_IN_FLIGHT_MAX: usize = 64;
/// Sightings that arrive this close together are decided together.
const BATCH_WINDOW: Duration = Duration::from_millis(20);
/// Most sightings taken in before a decision: a list of a large pool is decided in parts only above this.
const BATCH_MAX: usize = 65_536;
/// Longest time without a cycle; also the pause before a failed write is tried again.
const TICK: Duration = Duration::from_secs(1);
/// Pause before a new leader asks again whether its predecessor is shut out; the API server needs milliseconds to see it.
const FENCE_PAUSE: Duration = Duration::from_millis(100);
/// A claim takes at most: create, finish or requeue, and the order to its Job. What is left is done next cycle.
const UPKEEP_ROUNDS_MAX: usize = 3;

/// The operator.
pub struct Operator {
    writer: Writer,
    metrics: Metrics,
    announcer: Announcer,
    readiness: watch::Sender<Readiness>,
    leadership: Leadership,
    role: Role,
    sightings: mpsc::Receiver<Sighting>,
    record: Record,
    world: World,
    reporter: Reporter,
    forecaster: Forecaster,
    /// Keys of which a write failed, to be tried again at the next tick.
    failed: BTreeSet<Key>,
    next_tick: Instant,
    amendments: Amendments,
    /// A write about applications failed; none is tried before.
    applications_rest_until: Instant,
    /// Applications whose answer could not be written the last time.
    refused_applications: BTreeSet<String>,
    /// There is no lawful next step before something changes or a tick passes.
    stalled: bool,
    /// The last situation for which nothing was left to do, and why its claims wait.
    quiet: Option<Quiet>,
    waits: Vec<Wait>,
}

impl Operator {
    /// An operator that has seen nothing yet.
    pub fn new(
        writer: Writer,
        announcer: Announcer,
        metrics: Metrics,
        readiness: watch::Sender<Readiness>,
        leadership: Leadership,
        record: Record,
    ) -> Self {
        let clock = Instant::now();
        Self {
            leadership,
            role: Role::Standby,
            sightings: observe::sightings(writer.client(), &metrics),
            record,
            writer,
            metrics,
            announcer,
            readiness,
            world: World::default(),
            reporter: Reporter::new(clock),
            forecaster: Forecaster::default(),
            failed: BTreeSet::new(),
            next_tick: clock + TICK,
            amendments: Amendments::new(clock),
            applications_rest_until: clock,
            refused_applications: BTreeSet::new(),
            stalled: false,
            quiet: None,
            waits: Vec::new(),
        }
    }

    /// Runs until the process is to end, or the stream of sightings ends.
    pub async fn run(mut self) {
        while self.observe().await {
            if !self.leads() {
                continue;
            }
            let now = Timestamp::now();
            let Some((rules, seen)) = self.situation(now) else {
                self.report_no_treaty(now).await;
                continue;
            };
            let snapshot = &seen.snapshot;
            self.hand_over(&rules, snapshot, now);
            if self.has_news(&rules, &seen, now) {
                let plan = self.decide(&rules, snapshot, now);
                let Some(plan) = self.check(&rules, snapshot, plan, now) else {
                    self.stalled = true;
                    continue;
                };
                let done = self.apply(&rules, &plan, now).await;
                if done && plan.plan().is_quiet() {
                    self.quiet = Some(Quiet::new(Arc::clone(&rules), &seen, millis(now)));
                }
                self.waits.clone_from(&plan.plan().waits);
            }
            self.report(&rules, snapshot, now).await;
            self.metrics.last_cycle_timestamp_seconds.set(now.as_second());
        }
    }

    /// Step 1 (client): takes in what happened, and does what follows from it without a decision.
    async fn observe(&mut self) -> bool {
        if !self.take_in().await {
            return false;
        }
        let ticked = Instant::now() >= self.next_tick;
        if ticked {
            self.next_tick = Instant::now() + TICK;
            self.stalled = false;
            self.world.touched.append(&mut self.failed);
            // How long they wait for new pods is limited.
            self.world.touched.extend(self.world.returning.keys().cloned());
        }
        self.take_up_role();
        self.begin_term(ticked).await;
        if !self.tell_readiness() {
            return true;
        }
        self.read_uncertain().await;
        self.answer_amendments().await;
        self.set_up_projects().await;
        self.answer_quotas().await;
        self.answer_applications().await;
        for _ in 0..UPKEEP_ROUNDS_MAX {
            if !self.do_chores().await {
                break;
            }
        }
        for (claim, told) in std::mem::take(&mut self.world.stories) {
            let pods = self.world.pods_to_tell(&claim);
            self.announcer.tell(&claim, pods, &told);
        }
        self.gauge_queues();
        true
    }

    /// Step 2 (pure): one decision over the whole pool.
    fn decide(&self, rules: &Rules, snapshot: &Snapshot, now: Timestamp) -> Plan {
        let _timer = self.metrics.decide_seconds.start_timer();
        self.metrics.decisions.inc();
        decide(rules, snapshot, millis(now))
    }

    /// Step 3 (pure): nothing is applied that breaks a promise.
    fn check(&self, rules: &Rules, snapshot: &Snapshot, plan: Plan, now: Timestamp) -> Option<CheckedPlan> {
        let timer = self.metrics.check_seconds.start_timer();
        let checked = CheckedPlan::new(rules, snapshot, millis(now), plan);
        timer.observe_duration();
        match checked {
            Ok(plan) => Some(plan),
            Err(violations) => {
                for violation in violations {
                    tracing::error!(%violation, "plan refused; nothing was applied");
                    self.metrics.violations.with_label_values(&[violation.rule]).inc();
                }
                None
            }
        }
    }

    /// Step 4 (client): makes the plan true, each claim first and its Job second, so that a crash in between leaves
    /// a claim that says what its Job has to do. False when something failed.
    async fn apply(&mut self, rules: &Rules, plan: &CheckedPlan, now: Timestamp) -> bool {
        self.count(rules, plan.plan(), now);
        let transitions = transitions::of_plan(&self.world, rules, plan, now);
        let world = &self.world;
        let work = transitions.into_iter().map(|(key, t)| carry_out(&self.writer, world, key, t));
        let written = all(work).await;
        let mut all_done = true;
        for (key, outcome) in written {
            all_done &= self.absorb(key, outcome);
        }
        all_done
    }

    /// Step 5 (client): tells people, at a bounded rate; who changed a treaty is answered at once.
    async fn report(&mut self, rules: &Rules, snapshot: &Snapshot, now: Timestamp) {
        let clock = Instant::now();
        let (due, asked) = (self.reporter.is_due(clock), std::mem::take(&mut self.world.treaties_changed));
        if !due && !asked {
            return;
        }
        let figures = Figures::of(rules, snapshot, now);
        if due {
            standing::gauges::gauge(&self.metrics.pool, &figures, &self.waits);
            self.refresh_waits(rules, snapshot, &figures.terms, clock, now).await;
        }
        let ruling = self.world.treaty_in_force(now).map(|(t, _)| t.name_any());
        let in_force = ruling.as_deref().map(|name| (name, rules, &figures));
        let statuses = standing::treaty_statuses(&self.world, in_force, now);
        write_statuses(&self.writer, "Treaty", &mut self.world.treaties, statuses).await;
    }

    async fn refresh_waits(
        &mut self,
        rules: &Rules,
        snapshot: &Snapshot,
        terms: &Terms,
        clock: Instant,
        now: Timestamp,
    ) {
        let busy = !self.waits.is_empty();
        let windows = self.forecaster.look_ahead(rules, snapshot, busy, clock, now, &self.metrics).await;
        let seen = Seen { rules, snapshot, terms, windows };
        let refreshes = self.reporter.refreshes(&self.world, seen, &self.waits, clock, now);
        let (writer, world) = (&self.writer, &self.world);
        let work = refreshes
            .into_iter()
            .map(|(key, status)| carry_out(writer, world, key, Transition::of_status(status)));
        let written = all(work).await;
        for (key, outcome) in written {
            self.absorb(key, outcome);
        }
    }

    /// Without a treaty in force nothing is decided; the treaties that there are say why they are not.
    async fn report_no_treaty(&mut self, now: Timestamp) {
        self.stalled = true;
        self.metrics.pool.treaty_in_force.set(0);
        self.metrics.last_cycle_timestamp_seconds.set(now.as_second());
        let listed = self.world.missing().is_empty() && self.world.treaty_in_force(now).is_none();
        let asked = listed && std::mem::take(&mut self.world.treaties_changed);
        if listed && self.reporter.is_due(Instant::now()) || asked {
            let statuses = standing::treaty_statuses(&self.world, None, now);
            write_statuses(&self.writer, "Treaty", &mut self.world.treaties, statuses).await;
        }
    }

    /// False when there will be nothing more to do.
    async fn take_in(&mut self) -> bool {
        if self.leadership.is_ending() {
            return false;
        }
        let wake = tokio::time::sleep_until(self.wake_at().into());
        tokio::select! {
            sighting = self.sightings.recv() => match sighting {
                Some(sighting) => self.world.see(sighting),
                None => return false,
            },
            Some(done) = self.record.done() => {
                self.take_in_recorded(done);
                return true;
            }
            () = wake => return true,
            () = self.leadership.changed() => return !self.leadership.is_ending(),
        }
        // What comes a moment later belongs to the same decision. Each is taken in at once: whole objects are several times
        // as large as what is kept of them.
        let window = Instant::now() + BATCH_WINDOW;
        for _ in 1..BATCH_MAX {
            match self.sightings.try_recv() {
                Ok(sighting) => self.world.see(sighting),
                Err(_) if Instant::now() >= window => break,
                Err(_) => tokio::time::sleep_until(window.into()).await,
            }
        }
        true
    }

    /// At once while there is something left to do, at the next deadline or tick otherwise.
    fn wake_at(&self) -> Instant {
        let clock = Instant::now();
        match self.role {
            Role::Standby => return self.next_tick,
            Role::Entering(_) => return self.next_tick.min(clock + FENCE_PAUSE),
            Role::Leader(_) => {}
        }
        let busy = self.quiet.is_none()
            && !self.stalled
            && self.failed.is_empty()
            && self.world.uncertain.is_empty();
        if busy {
            return clock;
        }
        let until = |at: TimestampMillis| {
            let left = at.0 - Timestamp::now().as_millisecond();
            clock + Duration::from_millis(u64::try_from(left).unwrap_or(0))
        };
        self.quiet
            .iter()
            .filter_map(Quiet::alarm)
            .map(until)
            .min()
            .map_or(self.next_tick, |at| at.min(self.next_tick))
    }

    /// The engine's input, or `None` while it would be guesswork.
    fn situation(&mut self, now: Timestamp) -> Option<(Arc<Rules>, Picture)> {
        if !self.world.missing().is_empty() || !self.world.uncertain.is_empty() {
            return None;
        }
        let (_, rules) = self.world.treaty_in_force(now)?;
        let seen = self.world.snapshot(&rules, now);
        Some((rules, seen))
    }

    /// False when the last decision found nothing to do and nothing has changed since.
    fn has_news(&mut self, rules: &Rules, seen: &Picture, now: Timestamp) -> bool {
        let news = self.quiet.as_ref().is_none_or(|quiet| quiet.is_past(rules, seen.version, millis(now)));
        if news {
            self.quiet = None;
        }
        news
    }

    async fn set_up_projects(&mut self) {
        let now = Timestamp::now();
        let ended = self.world.projects.values().filter(|p| projects::has_just_ended(&p.object, now));
        let ended: Vec<String> = ended.map(|p| p.object.name_any()).collect();
        self.world.touched_projects.extend(ended);
        if self.world.touched_projects.is_empty() {
            return;
        }
        let Some((_, rules)) = self.world.treaty_in_force(now) else { return };
        let mut unready = BTreeSet::new();
        // One at a time: when one fails, the others stay touched.
        while let Some(name) = self.world.touched_projects.pop_first() {
            let Some(project) = self.world.projects.get(&Key::cluster(&name)).map(|p| p.object.clone())
            else {
                continue;
            };
            if project.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let known = rules.party_id(&project.spec.member).is_some();
            match projects::set_up(&self.writer, &project, known, now).await {
                Ok(project) => {
                    self.world.absorb_project(&project);
                    if projects::is_being_set_up(&project) {
                        unready.insert(name);
                    }
                }
                Err(error) => {
                    tracing::warn!(project = %name, error = chain(&error), "project not set up; trying again");
                    unready.insert(name);
                    break;
                }
            }
        }
        self.world.touched_projects.append(&mut unready);
    }

    /// Says of each new text of a quota whether it counts; only then does it.
    async fn answer_quotas(&mut self) {
        let now = Timestamp::now();
        if self.world.quotas.values().next().is_none() {
            return;
        }
        let Some((_, rules)) = self.world.treaty_in_force(now) else { return };
        let statuses = quotas::statuses(self.world.quotas.values().map(|q| &q.object), &rules, now);
        write_statuses(&self.writer, "MemberQuota", &mut self.world.quotas, statuses).await;
    }

    /// One chore for each touched key; true when any was done, so that there may be more.
    async fn do_chores(&mut self) -> bool {
        let now = Timestamp::now();
        let touched = std::mem::take(&mut self.world.touched);
        let mut chores: Vec<(Key, Chore)> = touched
            .into_iter()
            .filter_map(|key| next_chore(&self.world, &key, now).map(|chore| (key, chore)))
            .collect();
        self.book_leaving(&mut chores, now).await;
        let any = !chores.is_empty();
        let (writer, world) = (&self.writer, &self.world);
        let work = chores.into_iter().map(|(key, chore)| do_chore(writer, world, key, chore));
        let written = all(work).await;
        for (key, outcome) in written {
            self.absorb(key, outcome);
        }
        any
    }

    /// Takes in the answers to one key's writes; false when one failed.
    fn absorb(&mut self, key: Key, written: Written) -> bool {
        let Written { claim, job, pods, tell, failure, not_yet } = written;
        if let Some(claim) = &claim {
            self.book(&key, claim);
            self.world.absorb_claim(claim);
        }
        if let Some(job) = &job {
            self.world.absorb_job(job);
        }
        for pod in &pods {
            self.world.absorb_pod(pod);
        }
        if let Some((pod, reason, note)) = tell {
            self.announcer.tell_pod(pod, reason, note);
        }
        if not_yet {
            self.failed.insert(key.clone());
        }
        match failure {
            None => true,
            // Its successor does it, from what it sees.
            Some(WriteError::NotLeading { .. }) => false,
            Some(error) => {
                tracing::warn!(%key, error = chain(&error), "write failed; trying again");
                if matches!(error, WriteError::Unknown { .. }) {
                    self.world.uncertain.insert(key.clone());
                }
                self.failed.insert(key);
                false
            }
        }
    }
}

/// Writes what people are told of objects of one kind; what fails is new again the next time.
async fn write_statuses<K>(
    writer: &Writer,
    kind: &'static str,
    store: &mut Watched<Whole<K>>,
    statuses: Vec<(String, impl Serialize)>,
) where
    K: Resource<Scope = ClusterResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::all(writer.client().clone());
    for (name, status) in statuses {
        match writer.apply_status(&api, kind, &name, serde_json::json!(status)).await {
            Ok(object) => drop(store.absorb(&object)),
            Err(error) => {
                tracing::warn!(kind, name, error = chain(&error), "status not written; trying again");
            }
        }
    }
}

/// Does the calls side by side, a limited number at once.
async fn all<T>(work: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures::stream::iter(work).buffer_unordered(WRITES_IN_FLIGHT_MAX).collect().await
}

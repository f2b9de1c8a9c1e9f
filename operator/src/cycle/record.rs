//! Hands what was stored over to the writer of the public record, and takes in what it has recorded.

use std::collections::{BTreeMap, BTreeSet};

use concord_api::snapshot::{class_of, millis};
use concord_ledger::entry::{Event, NodeKind, Step};
use concord_ledger::redact::{self, Opening};
use concord_ledger::text::sha256;
use concord_treaty::snapshot::Snapshot;
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use super::Operator;
use crate::amendments::entries as amendments;
use crate::record::readings::{Read, Reading};
use crate::record::{Acknowledged, Order, Pending, entries};
use crate::view::Key;

/// A number of nodes is recorded when it has stood so long: a node that restarts is no change of the pool.
const NODES_STAND: SignedDuration = SignedDuration::from_secs(30);

/// Pause between looks at what changes rarely and is long to compare.
const LOOKS_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// The cycle's end of the record.
pub struct Record {
    /// `None`: no record is kept.
    orders: Option<mpsc::UnboundedSender<Order>>,
    done: mpsc::UnboundedReceiver<Acknowledged>,
    /// What agents say.
    energy: mpsc::UnboundedReceiver<Read>,
    /// Whoever started this operator says that the GPUs are made up; agents cannot tell.
    simulated: bool,
    /// The last reading of each node that was handed over.
    readings: BTreeMap<String, Reading>,
    /// Treaty that was handed over last, by the id of its entry.
    treaty: Option<String>,
    /// Nodes that were handed over last.
    nodes: Option<Vec<NodeKind>>,
    /// Other nodes than these, since when.
    nodes_seen: Option<(Vec<NodeKind>, Timestamp)>,
    /// Steps of amendments that were handed over, by UID.
    steps: BTreeMap<String, usize>,
    /// Tellings of incidents that were handed over.
    incidents: BTreeSet<String>,
    /// Answers that were handed over, by UID of the application.
    answers: BTreeMap<String, usize>,
    /// When nodes, applications and what else changes rarely are looked at next.
    looks_at: Timestamp,
}

impl Record {
    /// Of an operator whose writer and reader of energy are at the other ends.
    pub fn kept(
        orders: mpsc::UnboundedSender<Order>,
        done: mpsc::UnboundedReceiver<Acknowledged>,
        energy: mpsc::UnboundedReceiver<Read>,
        simulated: bool,
    ) -> Self {
        Self { orders: Some(orders), done, energy, simulated, ..Self::none() }
    }

    /// Of an operator that keeps none.
    pub fn none() -> Self {
        Self {
            orders: None,
            done: mpsc::unbounded_channel().1,
            energy: mpsc::unbounded_channel().1,
            simulated: false,
            readings: BTreeMap::new(),
            treaty: None,
            nodes: None,
            nodes_seen: None,
            steps: BTreeMap::new(),
            incidents: BTreeSet::new(),
            answers: BTreeMap::new(),
            looks_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(super) const fn is_kept(&self) -> bool {
        self.orders.is_some()
    }

    /// A term begins: everything is handed over anew.
    pub(super) fn begin(&mut self) {
        (self.treaty, self.nodes, self.nodes_seen) = (None, None, None);
        self.answers.clear();
        self.incidents.clear();
        self.steps.clear();
        self.readings.clear();
        self.looks_at = Timestamp::UNIX_EPOCH;
        self.order(Order::Begin);
    }

    /// It is over.
    pub(super) fn rest(&self) {
        self.order(Order::Rest);
    }

    /// The next run that is recorded.
    pub(super) async fn done(&mut self) -> Option<Acknowledged> {
        self.done.recv().await
    }

    /// Another one, if there is one.
    pub(super) fn done_too(&mut self) -> Option<Acknowledged> {
        self.done.try_recv().ok()
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // The writer ends with the process only.
            let _ = orders.send(order);
        }
    }

    fn record(&self, pending: Pending) {
        self.order(Order::Record(Box::new(pending)));
    }
}

impl Operator {
    /// Takes in what is recorded; a claim that waits for that may go.
    pub(super) fn take_in_recorded(&mut self, first: Acknowledged) {
        let mut next = Some(first);
        while let Some(done) = next {
            self.world.outbox.recorded(&done);
            if self.world.claims.get(&done.key).is_some_and(|claim| claim.deleting) {
                self.world.touched.insert(done.key);
            }
            next = self.record.done_too();
        }
    }

    /// Hands over what is not handed over yet.
    pub(super) fn hand_over(&mut self, rules: &Rules, snapshot: &Snapshot, now: Timestamp) {
        if !self.record.is_kept() {
            return;
        }
        self.hand_over_treaty(now);
        if now >= self.record.looks_at {
            self.record.looks_at = now + LOOKS_EVERY;
            self.hand_over_nodes(entries::nodes(rules, &snapshot.nodes), now);
            self.hand_over_decisions(rules);
            self.hand_over_energy();
            self.hand_over_incidents();
            self.hand_over_amendments();
        }
        for (key, sent) in self.world.outbox.waiting() {
            self.hand_over_runs(&key, sent, rules, now);
        }
    }

    fn hand_over_runs(&mut self, key: &Key, sent: i64, rules: &Rules, now: Timestamp) {
        let Some(claim) = self.world.claims.get(key) else { return };
        let opening = self.opening(&claim.spec.project);
        let project = commitment(opening.as_ref(), &claim.spec.project);
        let class = rules.class_name(class_of(rules, &claim.spec.node_selector)).map(str::to_owned);
        let named = rules.publication().is_some_and(|said| said.usage_by_project);
        let delay = rules.publication().map_or(0, |said| said.usage_delay.0);
        let (mut last, mut more_wait) = (sent, false);
        for run in claim.status.ended_runs.iter().filter(|run| run.number > sent) {
            // The treaty lets the public see use only so many days later.
            if millis(run.until.0).0.saturating_add(delay) > millis(now).0 {
                more_wait = true;
                break;
            }
            let entry = entries::usage(claim, run, project.clone(), class.clone(), rules);
            let done = Acknowledged { key: key.clone(), uid: claim.uid.clone(), number: run.number };
            let opening = opening.clone().filter(|_| named);
            self.record.record(Pending { entry, text: None, opening, run: Some(done) });
            last = run.number;
        }
        self.world.outbox.sent(key, last, more_wait);
    }

    /// What opens the commitment to a project's name; `None` when the project has gone, and taken its salt with it.
    fn opening(&self, name: &str) -> Option<Opening> {
        let project = &self.world.projects.get(&Key::cluster(name))?.object;
        let salt = project.status.as_ref()?.record_salt.clone()?;
        Some(Opening { name: name.to_owned(), salt })
    }

    fn hand_over_treaty(&mut self, now: Timestamp) {
        let Some((treaty, _)) = self.world.treaty_in_force(now) else { return };
        let Some((id, since)) = entries::force_of(treaty) else { return };
        if self.record.treaty.as_ref() == Some(&id) {
            return;
        }
        let Ok(text) = serde_json_canonicalizer::to_vec(&treaty.spec) else { return };
        let entry = entries::treaty(treaty, id.clone(), since, sha256(&text));
        self.record.record(Pending { entry, text: Some(text), opening: None, run: None });
        self.record.treaty = Some(id);
    }

    fn hand_over_nodes(&mut self, nodes: Vec<NodeKind>, now: Timestamp) {
        if self.record.nodes.as_ref() == Some(&nodes) {
            self.record.nodes_seen = None;
            return;
        }
        let first = self.record.nodes.is_none();
        let since = match &self.record.nodes_seen {
            Some((seen, since)) if *seen == nodes => *since,
            _ => now,
        };
        if !first && now.duration_since(since) < NODES_STAND {
            self.record.nodes_seen = Some((nodes, since));
            return;
        }
        let entry = entries::capacity_changed(nodes.clone(), since);
        self.record.record(Pending { entry, text: None, opening: None, run: None });
        (self.record.nodes, self.record.nodes_seen) = (Some(nodes), None);
    }

    fn hand_over_amendments(&mut self) {
        for seen in self.world.amendments.values() {
            let amendment = &seen.object;
            let Some(uid) = amendment.metadata.uid.as_ref() else { continue };
            let steps = amendments::entries(amendment);
            let known = self.record.steps.get(uid).copied().unwrap_or(0);
            if steps.len() == known {
                continue;
            }
            self.record.steps.insert(uid.clone(), steps.len());
            // They are in order of time, and of one time a later one may come before: the record takes each once.
            for entry in steps {
                let is_proposal = matches!(&entry.event, Event::Amendment(what) if matches!(what.step, Step::Proposed { .. }));
                let text = is_proposal
                    .then(|| serde_json_canonicalizer::to_vec(&amendment.spec.text).ok())
                    .flatten();
                self.record.record(Pending { entry, text, opening: None, run: None });
            }
        }
    }

    fn hand_over_incidents(&mut self) {
        for seen in self.world.incidents.values() {
            let entry = entries::incident(&seen.object);
            if self.record.incidents.insert(entry.id.clone()) {
                self.record.record(Pending { entry, text: None, opening: None, run: None });
            }
        }
    }

    fn hand_over_energy(&mut self) {
        while let Ok(Read { node, at, reading }) = self.record.energy.try_recv() {
            let party = |namespace: &str| {
                let project = self.world.projects.get(&Key::cluster(namespace))?;
                Some(project.object.spec.member.clone())
            };
            let before = self.record.readings.get(&node);
            let entry = entries::energy(&node, &reading, before, party, self.record.simulated, at);
            self.record.record(Pending { entry, text: None, opening: None, run: None });
            self.record.readings.insert(node, reading);
        }
    }

    fn hand_over_decisions(&mut self, rules: &Rules) {
        let named = rules.publication().is_some_and(|said| said.awards);
        let mut new = Vec::new();
        for seen in self.world.applications.values() {
            let application = &seen.object;
            let (count, uid) = (entries::answers(application), application.metadata.uid.as_ref());
            let Some(uid) = uid.filter(|uid| count > self.record.answers.get(*uid).copied().unwrap_or(0))
            else {
                continue;
            };
            let opening = self.opening(&application.spec.project);
            // The project that an approval makes has a salt in a moment.
            if opening.is_none() && entries::makes_its_project(application) {
                continue;
            }
            let entries =
                entries::decisions(application, &commitment(opening.as_ref(), &application.spec.project));
            new.push((uid.clone(), count, entries, opening.filter(|_| named)));
        }
        for (uid, count, entries, opening) in new {
            self.record.answers.insert(uid, count);
            for entry in entries {
                self.record.record(Pending { entry, text: None, opening: opening.clone(), run: None });
            }
        }
    }
}

/// Nobody can open it when the salt is lost.
fn commitment(opening: Option<&Opening>, name: &str) -> String {
    opening.map_or_else(|| redact::commit(&redact::new_salt(), name), Opening::commitment)
}

//! Hands what was stored over to the writer of the public record, and takes in what it has recorded.

use std::collections::BTreeMap;

use concord_api::snapshot::{class_of, millis};
use concord_ledger::entry::{Event, NodeKind, Step};
use concord_ledger::redact::{self, Opening};
use concord_ledger::text::sha256;
use concord_treaty::snapshot::Snapshot;
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use super::Operator;
use crate::amendments::entries as amendments;
use crate::record::readings::{Read, Reading};
use crate::record::{Acknowledged, Order, Pending, entries};
use crate::view::Key;
use crate::world::World;

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
    /// The newest reading of each node that is not handed over.
    unrecorded: BTreeMap<String, Read>,
    /// The last reading of each node that was handed over.
    readings: BTreeMap<String, Reading>,
    /// Treaty that was handed over last, by the id of its entry.
    treaty: Option<String>,
    /// Nodes that were handed over last.
    nodes: Option<Vec<NodeKind>>,
    /// Other nodes than these, since when.
    nodes_seen: Option<(Vec<NodeKind>, Timestamp)>,
    /// Amendments, incidents and applications whose entries were handed over, by UID: at which version. The record takes each
    /// entry once, so that all of a changed object's are handed over again.
    handed_over: BTreeMap<String, Option<String>>,
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
            unrecorded: BTreeMap::new(),
            readings: BTreeMap::new(),
            treaty: None,
            nodes: None,
            nodes_seen: None,
            handed_over: BTreeMap::new(),
            looks_at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(super) const fn is_kept(&self) -> bool {
        self.orders.is_some()
    }

    /// A term begins: everything is handed over anew.
    pub(super) fn begin(&mut self) {
        (self.treaty, self.nodes, self.nodes_seen) = (None, None, None);
        self.handed_over.clear();
        self.readings.clear();
        self.looks_at = Timestamp::UNIX_EPOCH;
        self.order(Order::Begin);
    }

    /// It is over.
    pub(super) fn rest(&self) {
        self.order(Order::Rest);
    }

    /// Keeps the newest reading of each node: counters say all that the ones before said, and a standby may read for months.
    pub(super) fn take_readings(&mut self) {
        while let Ok(read) = self.energy.try_recv() {
            self.unrecorded.insert(read.node.clone(), read);
        }
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

    /// Whether an object is another one than when its entries were handed over.
    fn is_news(&self, object: &ObjectMeta) -> bool {
        object.uid.as_ref().is_some_and(|uid| self.handed_over.get(uid) != Some(&object.resource_version))
    }

    /// All its entries were handed over.
    fn note(&mut self, object: &ObjectMeta) {
        self.handed_over.extend(object.uid.clone().map(|uid| (uid, object.resource_version.clone())));
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
        let opening = opening(&self.world, &claim.spec.project);
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
            self.record.record(Pending { opening, run: Some(done), ..Pending::of(entry) });
            last = run.number;
        }
        self.world.outbox.sent(key, last, more_wait);
    }

    fn hand_over_treaty(&mut self, now: Timestamp) {
        let Some((treaty, _)) = self.world.treaty_in_force(now) else { return };
        let Some((id, since)) = entries::force_of(treaty) else { return };
        if self.record.treaty.as_ref() == Some(&id) {
            return;
        }
        let Ok(text) = serde_json_canonicalizer::to_vec(&treaty.spec) else { return };
        let entry = entries::treaty(treaty, id.clone(), since, sha256(&text));
        self.record.record(Pending { text: Some(text), ..Pending::of(entry) });
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
        self.record.record(Pending::of(entries::capacity_changed(nodes.clone(), since)));
        (self.record.nodes, self.record.nodes_seen) = (Some(nodes), None);
    }

    fn hand_over_amendments(&mut self) {
        for amendment in self.world.amendments.values().map(|seen| &seen.object) {
            if !self.record.is_news(&amendment.metadata) {
                continue;
            }
            for entry in amendments::entries(amendment) {
                let is_proposal = matches!(&entry.event, Event::Amendment(what) if matches!(what.step, Step::Proposed { .. }));
                let text = || serde_json_canonicalizer::to_vec(&amendment.spec.text).ok();
                let text = is_proposal.then(text).flatten();
                self.record.record(Pending { text, ..Pending::of(entry) });
            }
            self.record.note(&amendment.metadata);
        }
    }

    fn hand_over_incidents(&mut self) {
        for incident in self.world.incidents.values().map(|seen| &seen.object) {
            if self.record.is_news(&incident.metadata) {
                self.record.record(Pending::of(entries::incident(incident)));
                self.record.note(&incident.metadata);
            }
        }
    }

    fn hand_over_energy(&mut self) {
        self.record.take_readings();
        for Read { node, at, reading } in std::mem::take(&mut self.record.unrecorded).into_values() {
            let party = |namespace: &str| {
                let project = self.world.projects.get(&Key::cluster(namespace))?;
                Some(project.object.spec.member.clone())
            };
            let before = self.record.readings.get(&node);
            let entry = entries::energy(&node, &reading, before, party, self.record.simulated, at);
            self.record.record(Pending::of(entry));
            self.record.readings.insert(node, reading);
        }
    }

    fn hand_over_decisions(&mut self, rules: &Rules) {
        let named = rules.publication().is_some_and(|said| said.awards);
        for application in self.world.applications.values().map(|seen| &seen.object) {
            if !self.record.is_news(&application.metadata) {
                continue;
            }
            let project = &application.spec.project;
            let opening = opening(&self.world, project);
            // The project that an approval makes has a salt in a moment.
            if opening.is_none() && entries::makes_its_project(application) {
                continue;
            }
            for entry in entries::decisions(application, &commitment(opening.as_ref(), project)) {
                let opening = opening.clone().filter(|_| named);
                self.record.record(Pending { opening, ..Pending::of(entry) });
            }
            self.record.note(&application.metadata);
        }
    }
}

/// What opens the commitment to a project's name; `None` when the project has gone, and taken its salt with it.
fn opening(world: &World, name: &str) -> Option<Opening> {
    let project = &world.projects.get(&Key::cluster(name))?.object;
    let salt = project.status.as_ref()?.record_salt.clone()?;
    Some(Opening { name: name.to_owned(), salt })
}

/// Nobody can open it when the salt is lost.
fn commitment(opening: Option<&Opening>, name: &str) -> String {
    opening.map_or_else(|| redact::commit(&redact::new_salt(), name), Opening::commitment)
}

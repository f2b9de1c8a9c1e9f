//! The operator's picture of the cluster: fed by watches and by the answers to its own writes, whichever is newer,
//! so that a decision never forgets what the last one did.

use std::collections::{BTreeMap, BTreeSet};

use concord_api::claim::DueRun;
use concord_api::{ClaimBasis, ClaimPhase, GpuClaim, Project, Treaty};
use concord_treaty::snapshot::{
    Basis, Claim, ClaimState, Due, Gang, Holding, Node, Phase, Reserved, Slot, Snapshot,
};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::{ClaimId, DurationMillis, Gpus, NodeName, TimestampMillis};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use crate::view::{ClaimView, JobView, Key, NodeView, Whole};
use crate::watched::Watched;

/// Everything watched. A key is *touched* when something about its Job or claim changed since the last upkeep.
#[derive(Debug, Default)]
pub struct World {
    pub(crate) jobs: Watched<JobView>,
    pub(crate) claims: Watched<ClaimView>,
    pub(crate) nodes: Watched<NodeView>,
    pub(crate) projects: Watched<Whole<Project>>,
    pub(crate) treaties: Watched<Whole<Treaty>>,
    pub(crate) touched: BTreeSet<Key>,
    /// Names of projects whose namespace must be looked after.
    pub(crate) touched_projects: BTreeSet<String>,
    /// Keys of which a write's outcome is unknown; nothing may be decided before they were read again.
    pub(crate) uncertain: BTreeSet<Key>,
}

/// One thing seen on a watch.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, taken in at once; a box each would cost more")]
pub enum Sighting {
    /// Jobs.
    Job(Event<Job>),
    /// Claims.
    Claim(Event<GpuClaim>),
    /// Nodes.
    Node(Event<k8s_openapi::api::core::v1::Node>),
    /// Projects.
    Project(Event<Project>),
    /// Treaties.
    Treaty(Event<Treaty>),
}

impl World {
    /// Takes in one sighting.
    pub fn see(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Job(event) => self.touched.extend(self.jobs.see(event)),
            Sighting::Claim(event) => self.touched.extend(self.claims.see(event)),
            Sighting::Node(event) => drop(self.nodes.see(event)),
            Sighting::Project(event) => {
                for key in self.projects.see(event) {
                    self.touch_namespace(&key.name);
                    self.touched_projects.insert(key.name);
                }
            }
            Sighting::Treaty(event) => {
                // A changed text may know a project's member now, or not any more; a changed status says nothing new.
                let before = self.treaty_texts();
                self.treaties.see(event);
                if self.treaty_texts() != before {
                    self.touched_projects.extend(self.projects.keys().map(|k| k.name.clone()));
                }
            }
        }
    }

    /// Watches that have not been listed yet; decisions wait for all of them.
    pub fn missing(&self) -> Vec<&'static str> {
        let all = [
            (self.jobs.is_listed(), "jobs"),
            (self.claims.is_listed(), "gpuclaims"),
            (self.nodes.is_listed(), "nodes"),
            (self.projects.is_listed(), "projects"),
            (self.treaties.is_listed(), "treaties"),
        ];
        all.into_iter().filter(|(listed, _)| !listed).map(|(_, name)| name).collect()
    }

    /// Takes in the answer to a write of a Job.
    pub fn absorb_job(&mut self, job: &Job) {
        self.touched.extend(self.jobs.absorb(job));
    }

    /// Takes in the answer to a write of a claim.
    pub fn absorb_claim(&mut self, claim: &GpuClaim) {
        self.touched.extend(self.claims.absorb(claim));
    }

    /// Takes in the answer to a write of a project's status; its Jobs may now get claims.
    pub fn absorb_project(&mut self, project: &Project) {
        for key in self.projects.absorb(project) {
            self.touch_namespace(&key.name);
        }
    }

    /// Takes in both objects of a key as they were just read.
    pub fn replace(&mut self, key: &Key, claim: Option<&GpuClaim>, job: Option<&Job>) {
        match claim {
            Some(claim) => self.claims.absorb(claim),
            None => self.claims.forget(key),
        };
        match job {
            Some(job) => self.jobs.absorb(job),
            None => self.jobs.forget(key),
        };
        self.touched.insert(key.clone());
    }

    fn treaty_texts(&self) -> Vec<(Key, Option<i64>)> {
        self.treaties.iter().map(|(key, t)| (key.clone(), t.object.metadata.generation)).collect()
    }

    fn touch_namespace(&mut self, namespace: &str) {
        let jobs = self.jobs.keys().filter(|k| k.namespace == namespace);
        self.touched.extend(jobs.cloned());
    }

    /// The project that owns a namespace, once the operator has set it up.
    pub fn project_of(&self, namespace: &str) -> Option<&Project> {
        let project = &self.projects.get(&Key::cluster(namespace))?.object;
        let owned = project.status.as_ref()?.namespace.as_deref() == Some(namespace);
        owned.then_some(project)
    }

    /// The treaty that rules: the oldest valid one. Others have to wait for an amendment.
    pub fn treaty_in_force(&self) -> Option<(&Treaty, Rules)> {
        let mut sound: Vec<(&Treaty, Rules)> = self
            .treaties
            .values()
            .map(|t| &t.object)
            .filter_map(|t| Rules::validate(&t.spec.document()).ok().map(|rules| (t, rules)))
            .collect();
        sound.sort_by_key(|(t, _)| (t.creation_timestamp().map(|time| time.0), t.name_any()));
        sound.into_iter().next()
    }

    /// The engine's input. GPUs of claims whose member is not in the treaty are taken off their nodes, so that
    /// nobody else gets them while they are in use.
    pub fn snapshot(&self, rules: &Rules, now: Timestamp) -> Snapshot {
        let mut foreign: BTreeMap<&str, Gpus> = BTreeMap::new();
        let mut claims = Vec::new();
        for (key, claim) in self.claims.iter() {
            let finished = claim.status.state.is_finished();
            match rules.member_id(&claim.spec.member) {
                None if finished => {}
                Some(member) if finished || !claim.deleting || !claim.status.placement.is_empty() => {
                    let seen = Claim {
                        due: claim.status.due.as_ref().map(due_of),
                        state: state_of(claim),
                        ..Claim::new(
                            key.claim_id(),
                            member,
                            gang_of(claim),
                            millis(claim.spec.submitted_at.0),
                        )
                    };
                    if !seen.is_forgotten(millis(now), rules.reclaim_notice()) {
                        claims.push(seen);
                    }
                }
                Some(_) => {}
                None => {
                    for place in &claim.status.placement {
                        *foreign.entry(&place.node).or_default() += gpus(place.gpus);
                    }
                }
            }
        }
        let nodes = self.nodes.iter().map(|(key, node)| Node {
            name: NodeName::from(key.name.as_str()),
            gpus: node.gpus.saturating_sub(foreign.get(key.name.as_str()).copied().unwrap_or(0)),
            schedulable: node.schedulable,
        });
        Snapshot::new(nodes.collect(), claims)
    }
}

fn gang_of(claim: &ClaimView) -> Gang {
    Gang { pods: gpus(claim.spec.pods), gpus_per_pod: gpus(claim.spec.gpus_per_pod) }
}

fn state_of(claim: &ClaimView) -> ClaimState {
    let status = &claim.status;
    let phase = match status.state {
        ClaimPhase::Succeeded | ClaimPhase::Failed => {
            return ClaimState::Finished { runtime: DurationMillis(status.ran_milliseconds.unwrap_or(0)) };
        }
        ClaimPhase::Queued if !status.reserved.is_empty() => {
            let basis = if status.due.is_some() { Basis::Due } else { Basis::Guaranteed };
            return ClaimState::Reserved(Reserved { slots: slots_of(&status.reserved), basis });
        }
        ClaimPhase::Queued => return ClaimState::Waiting { put_back: status.put_back },
        // A claim that somebody deletes keeps its GPUs until its pods are gone, but nobody needs to tell it.
        _ if claim.deleting => Phase::Stopping,
        ClaimPhase::Admitted => Phase::Running,
        ClaimPhase::Reclaiming => Phase::Noticed {
            deadline: status.notice_deadline.as_ref().map_or(TimestampMillis::default(), |t| millis(t.0)),
        },
        ClaimPhase::Stopping => Phase::Stopping,
    };
    let basis = match status.basis {
        Some(ClaimBasis::Guaranteed) if status.due.is_some() => Basis::Due,
        Some(ClaimBasis::Guaranteed) => Basis::Guaranteed,
        Some(ClaimBasis::Borrowed) | None => Basis::Borrowed,
    };
    let since = status.admitted_at.as_ref().map_or(TimestampMillis::default(), |t| millis(t.0));
    let promised_to = status.notice_for.as_deref().map(ClaimId::from);
    ClaimState::Holding(Holding { slots: slots_of(&status.placement), basis, since, phase, promised_to })
}

fn slots_of(placement: &[concord_api::claim::Placement]) -> Vec<Slot> {
    placement.iter().map(|p| Slot { node: NodeName::from(p.node.as_str()), gpus: gpus(p.gpus) }).collect()
}

fn due_of(due: &DueRun) -> Due {
    let place = |p: &concord_api::claim::DuePlace| (u32::try_from(p.node).unwrap_or(u32::MAX), gpus(p.gpus));
    Due { since: millis(due.since.0), places: due.places.iter().map(place).collect() }
}

/// The engine's clock.
pub fn millis(at: Timestamp) -> TimestampMillis {
    TimestampMillis(at.as_millisecond())
}

fn gpus(count: i64) -> Gpus {
    Gpus::try_from(count).unwrap_or(Gpus::MAX)
}

//! The operator's picture of the cluster: fed by watches and by the answers to its own writes, whichever is newer,
//! so that a decision never forgets what the last one did.

use std::collections::{BTreeMap, BTreeSet};

use concord_api::{ClaimBasis, ClaimPhase, GpuClaim, Project, Treaty};
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Gang, Holding, Node, Phase, Slot, Snapshot};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::{Gpus, NodeName, TimestampMillis};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use crate::view::{ClaimView, JobView, Key, NodeView};

/// Everything watched. A key is *touched* when something about its Job or claim changed since the last upkeep.
#[derive(Debug, Default)]
pub struct World {
    pub(crate) jobs: BTreeMap<Key, JobView>,
    pub(crate) claims: BTreeMap<Key, ClaimView>,
    pub(crate) nodes: BTreeMap<String, NodeView>,
    pub(crate) projects: BTreeMap<String, Project>,
    pub(crate) treaties: BTreeMap<String, Treaty>,
    pub(crate) touched: BTreeSet<Key>,
    pub(crate) touched_projects: BTreeSet<String>,
    /// Keys of which a write's outcome is unknown; nothing may be decided before they were read again.
    pub(crate) uncertain: BTreeSet<Key>,
    listing: Listing,
}

/// Keys seen while a watch lists anew; what is not among them afterwards is gone.
#[derive(Debug, Default)]
struct Listing {
    jobs: Relist<Key>,
    claims: Relist<Key>,
    nodes: Relist<String>,
    projects: Relist<String>,
    treaties: Relist<String>,
}

#[derive(Debug)]
struct Relist<K> {
    seen: BTreeSet<K>,
    complete_once: bool,
}

impl<K> Default for Relist<K> {
    fn default() -> Self {
        Self { seen: BTreeSet::new(), complete_once: false }
    }
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
            Sighting::Job(event) => self.see_job(event),
            Sighting::Claim(event) => self.see_claim(event),
            Sighting::Node(event) => self.see_node(event),
            Sighting::Project(event) => self.see_project(event),
            Sighting::Treaty(event) => self.see_treaty(event),
        }
    }

    /// Watches that have not been listed yet; decisions wait for all of them.
    pub fn missing(&self) -> Vec<&'static str> {
        let Listing { jobs, claims, nodes, projects, treaties } = &self.listing;
        let all = [
            (jobs.complete_once, "jobs"),
            (claims.complete_once, "gpuclaims"),
            (nodes.complete_once, "nodes"),
            (projects.complete_once, "projects"),
            (treaties.complete_once, "treaties"),
        ];
        all.into_iter().filter(|(done, _)| !done).map(|(_, name)| name).collect()
    }

    fn see_job(&mut self, event: Event<Job>) {
        match event {
            Event::Init => self.listing.jobs.seen.clear(),
            Event::InitApply(job) => {
                self.listing.jobs.seen.insert(Key::of(&job));
                self.absorb_job(&job);
            }
            Event::Apply(job) => self.absorb_job(&job),
            Event::Delete(job) => self.forget_job(&Key::of(&job), &job.uid().unwrap_or_default()),
            Event::InitDone => {
                self.listing.jobs.complete_once = true;
                let gone: Vec<Key> =
                    self.jobs.keys().filter(|k| !self.listing.jobs.seen.contains(*k)).cloned().collect();
                for key in gone {
                    self.jobs.remove(&key);
                    self.touched.insert(key);
                }
            }
        }
    }

    /// Takes in a Job from a watch or from the answer to a write, if it is newer than what is known.
    pub fn absorb_job(&mut self, job: &Job) {
        let Some(view) = JobView::of(job) else { return };
        let key = Key::of(job);
        let known = self.jobs.get(&key);
        if known.is_some_and(|k| k.uid == view.uid && k.resource_version >= view.resource_version) {
            return;
        }
        self.jobs.insert(key.clone(), view);
        self.touched.insert(key);
    }

    /// Removes a Job, unless another of the same name has taken its place.
    pub fn forget_job(&mut self, key: &Key, uid: &str) {
        if self.jobs.get(key).is_some_and(|k| k.uid == uid) {
            self.jobs.remove(key);
            self.touched.insert(key.clone());
        }
    }

    fn see_claim(&mut self, event: Event<GpuClaim>) {
        match event {
            Event::Init => self.listing.claims.seen.clear(),
            Event::InitApply(claim) => {
                self.listing.claims.seen.insert(Key::of(&claim));
                self.absorb_claim(&claim);
            }
            Event::Apply(claim) => self.absorb_claim(&claim),
            Event::Delete(claim) => self.forget_claim(&Key::of(&claim), &claim.uid().unwrap_or_default()),
            Event::InitDone => {
                self.listing.claims.complete_once = true;
                let gone: Vec<Key> =
                    self.claims.keys().filter(|k| !self.listing.claims.seen.contains(*k)).cloned().collect();
                for key in gone {
                    self.claims.remove(&key);
                    self.touched.insert(key);
                }
            }
        }
    }

    /// Takes in a claim from a watch or from the answer to a write, if it is newer than what is known.
    pub fn absorb_claim(&mut self, claim: &GpuClaim) {
        let (key, view) = (Key::of(claim), ClaimView::of(claim));
        let known = self.claims.get(&key);
        if known.is_some_and(|k| k.uid == view.uid && k.resource_version >= view.resource_version) {
            return;
        }
        self.claims.insert(key.clone(), view);
        self.touched.insert(key);
    }

    /// Removes a claim, unless another of the same name has taken its place.
    pub fn forget_claim(&mut self, key: &Key, uid: &str) {
        if self.claims.get(key).is_some_and(|k| k.uid == uid) {
            self.claims.remove(key);
            self.touched.insert(key.clone());
        }
    }

    fn see_node(&mut self, event: Event<k8s_openapi::api::core::v1::Node>) {
        match event {
            Event::Init => self.listing.nodes.seen.clear(),
            Event::InitApply(node) | Event::Apply(node) => {
                let name = node.name_any();
                self.listing.nodes.seen.insert(name.clone());
                match NodeView::of(&node) {
                    Some(view) => self.nodes.insert(name, view),
                    None => self.nodes.remove(&name),
                };
            }
            Event::Delete(node) => {
                self.nodes.remove(&node.name_any());
            }
            Event::InitDone => {
                self.listing.nodes.complete_once = true;
                self.nodes.retain(|name, _| self.listing.nodes.seen.contains(name));
            }
        }
    }

    fn see_project(&mut self, event: Event<Project>) {
        match event {
            Event::Init => self.listing.projects.seen.clear(),
            Event::InitApply(project) | Event::Apply(project) => {
                let name = project.name_any();
                self.listing.projects.seen.insert(name.clone());
                self.touch_namespace(&name);
                self.touched_projects.insert(name.clone());
                self.projects.insert(name, project);
            }
            Event::Delete(project) => {
                self.projects.remove(&project.name_any());
            }
            Event::InitDone => {
                self.listing.projects.complete_once = true;
                self.projects.retain(|name, _| self.listing.projects.seen.contains(name));
            }
        }
    }

    fn see_treaty(&mut self, event: Event<Treaty>) {
        match event {
            Event::Init => self.listing.treaties.seen.clear(),
            Event::InitApply(treaty) | Event::Apply(treaty) => {
                let name = treaty.name_any();
                self.listing.treaties.seen.insert(name.clone());
                self.touched_projects.extend(self.projects.keys().cloned());
                self.treaties.insert(name, treaty);
            }
            Event::Delete(treaty) => {
                self.treaties.remove(&treaty.name_any());
            }
            Event::InitDone => {
                self.listing.treaties.complete_once = true;
                self.treaties.retain(|name, _| self.listing.treaties.seen.contains(name));
            }
        }
    }

    /// Takes in the answer to a write of a project's status.
    pub fn absorb_project(&mut self, project: Project) {
        let name = project.name_any();
        self.touch_namespace(&name);
        self.projects.insert(name, project);
    }

    /// Takes in the answer to a write of a treaty's status.
    pub fn absorb_treaty(&mut self, treaty: Treaty) {
        self.treaties.insert(treaty.name_any(), treaty);
    }

    /// Takes in both objects of a key as they were just read.
    pub fn replace(&mut self, key: &Key, claim: Option<&GpuClaim>, job: Option<&Job>) {
        match claim {
            Some(claim) => self.absorb_claim(claim),
            None => drop(self.claims.remove(key)),
        }
        match job {
            Some(job) => self.absorb_job(job),
            None => drop(self.jobs.remove(key)),
        }
        self.touched.insert(key.clone());
    }

    fn touch_namespace(&mut self, namespace: &str) {
        let jobs = self.jobs.keys().filter(|k| k.namespace == namespace);
        self.touched.extend(jobs.cloned());
    }

    /// The project that owns a namespace, once the operator has set it up.
    pub fn project_of(&self, namespace: &str) -> Option<&Project> {
        let project = self.projects.get(namespace)?;
        let owned = project.status.as_ref()?.namespace.as_deref() == Some(namespace);
        owned.then_some(project)
    }

    /// The treaty that rules: the oldest valid one. Others have to wait for an amendment.
    pub fn treaty_in_force(&self) -> Option<(&Treaty, Rules)> {
        let mut sound: Vec<(&Treaty, Rules)> = self
            .treaties
            .values()
            .filter_map(|t| Rules::validate(&t.spec.document()).ok().map(|rules| (t, rules)))
            .collect();
        sound.sort_by_key(|(t, _)| (t.creation_timestamp().map(|time| time.0), t.name_any()));
        sound.into_iter().next()
    }

    /// The engine's input. GPUs of claims whose member is not in the treaty are taken off their nodes, so that
    /// nobody else gets them while they are in use.
    pub fn snapshot(&self, rules: &Rules) -> Snapshot {
        let mut foreign: BTreeMap<&str, Gpus> = BTreeMap::new();
        let mut claims = Vec::new();
        for (key, claim) in &self.claims {
            match rules.member_id(&claim.spec.member) {
                _ if claim.status.state.is_finished() => {}
                Some(member) if !claim.deleting || !claim.status.placement.is_empty() => {
                    claims.push(Claim {
                        id: key.claim_id(),
                        member,
                        gang: gang_of(claim),
                        submitted_at: millis(claim.spec.submitted_at.0),
                        state: state_of(claim),
                    });
                }
                Some(_) => {}
                None => {
                    for place in &claim.status.placement {
                        *foreign.entry(&place.node).or_default() += gpus(place.gpus);
                    }
                }
            }
        }
        let nodes = self.nodes.iter().map(|(name, node)| Node {
            name: NodeName::from(name.as_str()),
            gpus: node.gpus.saturating_sub(foreign.get(name.as_str()).copied().unwrap_or(0)),
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
        ClaimPhase::Queued | ClaimPhase::Succeeded | ClaimPhase::Failed => {
            return ClaimState::Waiting { put_back: status.put_back };
        }
        // A claim that somebody deletes keeps its GPUs until its pods are gone, but nobody needs to tell it.
        _ if claim.deleting => Phase::Stopping,
        ClaimPhase::Admitted => Phase::Running,
        ClaimPhase::Reclaiming => Phase::Noticed {
            deadline: status.notice_deadline.as_ref().map_or(TimestampMillis::default(), |t| millis(t.0)),
        },
        ClaimPhase::Stopping => Phase::Stopping,
    };
    let slots =
        status.placement.iter().map(|p| Slot { node: NodeName::from(p.node.as_str()), gpus: gpus(p.gpus) });
    let basis = match status.basis {
        Some(ClaimBasis::Guaranteed) => Basis::Guaranteed,
        Some(ClaimBasis::Borrowed) | None => Basis::Borrowed,
    };
    let since = status.admitted_at.as_ref().map_or(TimestampMillis::default(), |t| millis(t.0));
    ClaimState::Holding(Holding { slots: slots.collect(), basis, since, phase })
}

/// The engine's clock.
pub fn millis(at: Timestamp) -> TimestampMillis {
    TimestampMillis(at.as_millisecond())
}

fn gpus(count: i64) -> Gpus {
    Gpus::try_from(count).unwrap_or(Gpus::MAX)
}

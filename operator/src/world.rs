//! The operator's picture of the cluster: fed by watches and by the answers to its own writes, whichever is newer,
//! so that a decision never forgets what the last one did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use concord_api::hours::{self, ClaimUse};
use concord_api::snapshot::{Meaning, SeenClaim, awards, meaning_of, millis};
use concord_api::{
    Amendment, Application, GpuClaim, GpuClaimStatus, GpuNode, Incident, MemberQuota, Project, Treaty,
};
use concord_treaty::quota::QuotaInForce;
use concord_treaty::treaty::Treaty as Rules;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use crate::lease::Fence;
use crate::picture::{Inside, Picture, Seen};
use crate::pods::{PodView, Pods, reference};
use crate::quotas;
use crate::record::outbox::Outbox;
use crate::story::{self, Told};
use crate::view::{ClaimView, GpuNodeView, JobView, Key, NodeView, View, Whole};
use crate::watched::Watched;

mod returning;

pub use returning::Successor;
use returning::lacks_pods;

/// Everything watched. A key is *touched* when something about its Job or claim changed since the last upkeep.
#[derive(Debug, Default)]
pub struct World {
    pub(crate) jobs: Watched<JobView>,
    pub(crate) claims: Watched<ClaimView>,
    pub(crate) pods: Pods,
    pub(crate) nodes: Watched<NodeView>,
    pub(crate) gpu_nodes: Watched<GpuNodeView>,
    pub(crate) projects: Watched<Whole<Project>>,
    pub(crate) treaties: Watched<Whole<Treaty>>,
    pub(crate) amendments: Watched<Whole<Amendment>>,
    pub(crate) quotas: Watched<Whole<MemberQuota>>,
    pub(crate) applications: Watched<Whole<Application>>,
    pub(crate) incidents: Watched<Whole<Incident>>,
    pub(crate) touched: BTreeSet<Key>,
    /// Names of projects whose namespace must be looked after.
    pub(crate) touched_projects: BTreeSet<String>,
    /// A treaty's text changed; whoever wrote it waits for the answer in its status.
    pub(crate) treaties_changed: bool,
    /// Keys of which a write's outcome is unknown; nothing may be decided before they were read again.
    pub(crate) uncertain: BTreeSet<Key>,
    /// Claims of pods that give way or did, with the UID of the controller that makes their next pods; empty for a gang.
    pub(crate) returning: BTreeMap<Key, String>,
    /// How far claims are in the public record.
    pub(crate) outbox: Outbox,
    /// What people are to be told of what was seen.
    pub(crate) stories: Vec<(GpuClaim, Told)>,
    /// Since when this is looked at.
    pub(crate) looked_since: Option<Timestamp>,
    /// Treaties that are valid, with their generation; each text is read once.
    sound: BTreeMap<Key, (Option<i64>, Option<Arc<Rules>>)>,
    /// What the engine sees.
    picture: Picture,
    /// The term in which this is looked at; none on a standby.
    term: Option<Fence>,
    /// Claims that somebody of an earlier term booked GPUs for although this term had begun, with their UID and what they were before.
    late: BTreeMap<Key, (String, GpuClaimStatus)>,
}

/// One thing seen on a watch.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one at a time, taken in at once; a box each would cost more")]
pub enum Sighting {
    /// Jobs.
    Job(Event<Job>),
    /// Claims.
    Claim(Event<GpuClaim>),
    /// Pods behind our gate, or that were.
    Pod(Event<Pod>),
    /// Nodes.
    Node(Event<k8s_openapi::api::core::v1::Node>),
    /// What agents say of their nodes.
    GpuNode(Event<GpuNode>),
    /// Applications.
    Application(Event<Application>),
    /// Incidents.
    Incident(Event<Incident>),
    /// Projects.
    Project(Event<Project>),
    /// Treaties.
    Treaty(Event<Treaty>),
    /// Proposed texts of treaties.
    Amendment(Event<Amendment>),
    /// Quotas of members.
    Quota(Event<MemberQuota>),
}

impl World {
    /// Nothing seen yet, at the beginning of a term of an operator that keeps a record or does not.
    pub fn of_term(fence: Fence, is_recorded: bool) -> Self {
        Self { term: Some(fence), outbox: Outbox::new(is_recorded), ..Self::default() }
    }

    /// What a claim was before an operator of an earlier term booked GPUs for it too late.
    pub fn before_late_booking(&self, key: &Key) -> Option<&GpuClaimStatus> {
        let (uid, status) = self.late.get(key)?;
        self.claims.get(key).filter(|claim| claim.uid == *uid).map(|_| status)
    }

    /// A write that the API server had let pass, but not stored, when this term began is seen only now. What was decided
    /// meanwhile did not know of it; its Job was not started by it, because that would have been a later write.
    fn look_for_late_booking(&mut self, claim: &GpuClaim) {
        let (Some(term), key) = (self.term, Key::of(claim)) else { return };
        let (Some(seen), Some(known)) = (ClaimView::of(claim), self.claims.get(&key)) else { return };
        if seen.uid != known.uid || seen.resource_version <= known.resource_version {
            return;
        }
        if seen.status.fence == Some(term.0) {
            self.late.remove(&key);
        } else if self.before_late_booking(&key).is_none() && seen.status.placement != known.status.placement
        {
            tracing::warn!(%key, fence = ?seen.status.fence, "booked by an earlier operator after its term; taking it back");
            self.late.insert(key, (known.uid.clone(), known.status.clone()));
        }
    }

    /// A change of a claim that people are to be told.
    fn note_story(&mut self, claim: &GpuClaim) {
        let told = match self.claims.get(&Key::of(claim)) {
            Some(known) if Some(&known.uid) == claim.metadata.uid.as_ref() => {
                let seen = claim.metadata.resource_version.as_ref().and_then(|v| v.parse().ok());
                let newer = seen.is_some_and(|version: u64| version > known.resource_version);
                newer.then(|| story::of_change(&known.status, claim)).flatten()
            }
            _ => self.looked_since.and_then(|since| story::of_first_sight(claim, since)),
        };
        self.stories.extend(told.map(|told| (claim.clone(), told)));
    }

    /// Takes in one sighting.
    pub fn see(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Job(event) => self.touched.extend(self.jobs.see(event)),
            Sighting::Claim(event) => {
                if let Event::Apply(claim) = &event {
                    self.look_for_late_booking(claim);
                }
                if let Event::Apply(claim) | Event::InitApply(claim) = &event {
                    self.note_story(claim);
                }
                let changed = self.claims.see(event);
                self.note_claims(changed);
                self.uncertain.extend(self.claims.take_doubtful());
            }
            Sighting::Pod(event) => {
                let keys = self.pods.see(event);
                self.touch_claims(keys);
            }
            Sighting::Node(event) => drop(self.nodes.see(event)),
            Sighting::GpuNode(event) => drop(self.gpu_nodes.see(event)),
            Sighting::Project(event) => {
                for key in self.projects.see(event) {
                    self.picture.all_changed();
                    self.touch_namespace(&key.name);
                    self.touched_projects.insert(key.name);
                }
            }
            Sighting::Application(event) => drop(self.applications.see(event)),
            Sighting::Incident(event) => drop(self.incidents.see(event)),
            Sighting::Quota(event) => drop(self.quotas.see(event)),
            Sighting::Amendment(event) => drop(self.amendments.see(event)),
            Sighting::Treaty(event) => {
                let before = self.treaty_texts();
                self.treaties.see(event);
                self.note_treaties(&before);
            }
        }
    }

    /// A changed text may know a project's member now, or not any more; a changed status says nothing new.
    fn note_treaties(&mut self, before: &[(Key, Option<i64>)]) {
        self.read_treaties();
        if self.treaty_texts() != before {
            self.treaties_changed = true;
            self.touched_projects.extend(self.projects.keys().map(|k| k.name.clone()));
        }
    }

    /// Takes in the answer to a write of a treaty's text.
    pub fn absorb_treaty(&mut self, treaty: &Treaty) {
        let before = self.treaty_texts();
        self.treaties.absorb(treaty);
        self.note_treaties(&before);
    }

    /// Watches that have not been listed yet; decisions wait for all of them.
    pub fn missing(&self) -> Vec<&'static str> {
        let all = [
            (self.jobs.is_listed(), "jobs"),
            (self.claims.is_listed(), "gpuclaims"),
            (self.pods.is_listed(), "pods"),
            (self.nodes.is_listed(), "nodes"),
            (self.gpu_nodes.is_listed(), "gpunodes"),
            (self.projects.is_listed(), "projects"),
            (self.treaties.is_listed(), "treaties"),
            (self.amendments.is_listed(), "amendments"),
            (self.quotas.is_listed(), "memberquotas"),
            (self.applications.is_listed(), "applications"),
            (self.incidents.is_listed(), "incidents"),
        ];
        all.into_iter().filter(|(listed, _)| !listed).map(|(_, name)| name).collect()
    }

    /// Takes in the answer to a write of a Job.
    pub fn absorb_job(&mut self, job: &Job) {
        self.touched.extend(self.jobs.absorb(job));
    }

    /// Takes in the answer to a write of a claim.
    pub fn absorb_claim(&mut self, claim: &GpuClaim) {
        self.look_for_late_booking(claim);
        self.note_story(claim);
        let changed = self.claims.absorb(claim);
        self.note_claims(changed);
    }

    /// Something about these claims, their Jobs or their pods has changed.
    fn touch_claims(&mut self, keys: Vec<Key>) {
        self.picture.changed(keys.iter().cloned());
        self.touched.extend(keys);
    }

    /// Takes in the answer to a write of a pod.
    pub fn absorb_pod(&mut self, pod: &Pod) {
        let keys = self.pods.absorb(pod);
        self.touch_claims(keys);
    }

    /// Takes in that a pod is gone.
    pub fn forget_pod(&mut self, key: &Key) {
        let keys = self.pods.forget(key);
        self.touch_claims(keys);
    }

    /// Takes in the answer to a write of a project's status; its Jobs may now get claims.
    pub fn absorb_project(&mut self, project: &Project) {
        for key in self.projects.absorb(project) {
            self.picture.all_changed();
            self.touch_namespace(&key.name);
        }
    }

    /// Takes in both objects of a key as they were just read.
    pub fn replace(&mut self, key: &Key, claim: Option<&GpuClaim>, job: Option<&Job>) {
        match claim {
            Some(claim) => self.absorb_claim(claim),
            None => {
                let changed = self.claims.forget(key);
                self.note_claims(changed);
            }
        }
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
        self.touched.extend(self.pods.claims_in(namespace).cloned());
    }

    /// The project that owns a namespace, once the operator has set it up.
    pub fn project_of(&self, namespace: &str) -> Option<&Project> {
        let project = &self.projects.get(&Key::cluster(namespace))?.object;
        let owned = project.status.as_ref()?.namespace.as_deref() == Some(namespace);
        owned.then_some(project)
    }

    /// The treaty that rules: the oldest valid one of those that hold today; when none does, the oldest valid one, so
    /// that claims are told why nothing starts. Others have to wait for an amendment. Ages are known to the second;
    /// of two that are as old the one stays that rules already.
    pub fn treaty_in_force(&self, now: Timestamp) -> Option<(&Treaty, Arc<Rules>)> {
        let sound =
            self.treaties.iter().filter_map(|(key, t)| Some((&t.object, self.rules_of(key, &t.object)?)));
        sound.min_by_key(|(treaty, rules)| {
            let holds = rules.holds_on(rules.day(millis(now)));
            let created_at = treaty.creation_timestamp().map(|time| time.0);
            (!holds, created_at, !treaty.is_in_force(), treaty.name_any())
        })
    }

    /// What a treaty says, if it is valid: a large one takes milliseconds to read, and every cycle asks.
    fn rules_of(&self, key: &Key, treaty: &Treaty) -> Option<Arc<Rules>> {
        match self.sound.get(key) {
            Some((generation, rules)) if *generation == treaty.metadata.generation => rules.clone(),
            // An answer to a write may have shown a text that the watch has yet to show.
            _ => read(treaty),
        }
    }

    fn read_treaties(&mut self) {
        let Self { sound, treaties, .. } = self;
        sound.retain(|key, _| treaties.get(key).is_some());
        for (key, treaty) in treaties.iter() {
            let generation = treaty.object.metadata.generation;
            if generation.is_none() || sound.get(key).is_none_or(|(known, _)| *known != generation) {
                sound.insert(key.clone(), (generation, read(&treaty.object)));
            }
        }
    }

    /// The engine's input.
    pub fn snapshot(&mut self, rules: &Arc<Rules>, now: Timestamp) -> Seen {
        let Self { picture, claims, pods, nodes, gpu_nodes, projects, quotas, .. } = self;
        let quotas = quotas::in_force(quotas.values().map(|q| &q.object), rules);
        let unhealthy = |key| gpu_nodes.get(key).map_or(0, |agent| agent.unhealthy_gpus);
        let used = hours::used(
            rules,
            projects.values().map(|p| &p.object),
            claims.values().map(|claim| ClaimUse {
                uid: &claim.uid,
                project: &claim.spec.project,
                status: &claim.status,
            }),
            now,
        );
        let awards = awards(
            rules,
            projects.values().map(|p| &p.object),
            |project| used.get(project.name_any().as_str()).copied().unwrap_or_default(),
            now,
        );
        let nodes = nodes.iter().map(|(key, node)| node.node.in_snapshot(&key.name, unhealthy(key)));
        let look = |key: &Key, quotas: &[QuotaInForce]| {
            let Some(claim) = claims.get(key) else { return Meaning::Nothing };
            let seen = SeenClaim {
                id: key.claim_id(),
                spec: &claim.spec,
                status: Some(&claim.status),
                // Without its pods it is out of the line, as if it were on its way out.
                deleting: claim.deleting || lacks_pods(pods, key, claim),
                project: projects.get(&Key::cluster(&claim.spec.project)).map(|p| &p.object.spec),
            };
            meaning_of(rules, quotas, &seen)
        };
        picture.refresh(rules, Inside { quotas, awards }, nodes, claims.keys(), look, now)
    }
}

fn read(treaty: &Treaty) -> Option<Arc<Rules>> {
    Rules::validate_for_cluster(&treaty.spec.document()).ok().map(Arc::new)
}

#[cfg(test)]
mod tests {
    use concord_api::ClaimPhase;
    use serde_json::{Value, json};

    use super::*;

    fn claim(version: u32, fence: i32, node: Option<&str>) -> GpuClaim {
        let placement: Vec<Value> = node.map(|node| json!({"node": node, "gpus": 8})).into_iter().collect();
        let state = if node.is_some() { "Admitted" } else { "Queued" };
        serde_json::from_value(json!({
            "metadata": {"name": "x", "namespace": "lab", "uid": "u", "resourceVersion": version.to_string()},
            "spec": {"member": "a", "project": "lab", "pods": 1, "gpusPerPod": 8, "gpus": 8,
                "workload": {"kind": "Job", "name": "x", "uid": "j"}, "submittedAt": "1970-01-01T00:00:10Z"},
            "status": {"state": state, "fence": fence, "placement": placement},
        }))
        .unwrap()
    }

    #[test]
    fn what_an_earlier_term_booked_after_its_end_is_noticed_until_it_is_taken_back() {
        let key = Key { namespace: "lab".to_owned(), name: "x".to_owned() };
        let mut world = World::of_term(Fence(3), false);
        for event in [Event::Init, Event::InitApply(claim(7, 1, None)), Event::InitDone] {
            world.see(Sighting::Claim(event));
        }
        // A change of something else, such as a label, is no booking.
        world.see(Sighting::Claim(Event::Apply(claim(8, 1, None))));
        assert_eq!(world.before_late_booking(&key), None);
        world.see(Sighting::Claim(Event::Apply(claim(9, 2, Some("n1")))));
        assert!(world.before_late_booking(&key).is_some_and(|status| status.state == ClaimPhase::Queued));
        world.absorb_claim(&claim(10, 3, None));
        assert_eq!(world.before_late_booking(&key), None);
        // The watch shows the late write after the answer to the one that took it back.
        world.see(Sighting::Claim(Event::Apply(claim(9, 2, Some("n1")))));
        world.see(Sighting::Claim(Event::Apply(claim(11, 3, Some("n2")))));
        assert_eq!(world.before_late_booking(&key), None);
    }

    #[test]
    fn what_was_booked_before_the_term_stands() {
        let key = Key { namespace: "lab".to_owned(), name: "x".to_owned() };
        let mut world = World::of_term(Fence(3), false);
        for event in [Event::Init, Event::InitApply(claim(7, 1, Some("n1"))), Event::InitDone] {
            world.see(Sighting::Claim(event));
        }
        assert_eq!(world.before_late_booking(&key), None);
        assert_eq!(world.claims.get(&key).map(|c| c.status.placement.len()), Some(1));
    }

    fn ruling(treaties: &[Value]) -> Option<String> {
        let mut world = World::default();
        for treaty in treaties {
            world.treaties.absorb(&serde_json::from_value(treaty.clone()).unwrap());
        }
        let now = "2027-06-01T12:00:00Z".parse().unwrap();
        world.treaty_in_force(now).map(|(treaty, _)| treaty.name_any())
    }

    fn treaty(name: &str, created_at: &str) -> Value {
        json!({"metadata": {"name": name, "uid": name, "creationTimestamp": created_at},
            "spec": {"title": "t", "members": [{"name": "a", "guarantee": {"gpus": 8}}], "reclaim": {"noticeSeconds": 1}}})
    }

    #[test]
    fn the_oldest_treaty_rules_and_one_of_the_same_second_does_not_displace_it() {
        let (old, new) = (treaty("z", "2027-01-01T00:00:00Z"), treaty("a", "2027-01-01T00:00:01Z"));
        assert_eq!(ruling(&[new, old.clone()]), Some("z".to_owned()));
        let twin = treaty("a", "2027-01-01T00:00:00Z");
        assert_eq!(
            ruling(&[old.clone(), twin.clone()]),
            Some("a".to_owned()),
            "by name when neither rules yet"
        );
        let mut rules = old;
        rules["status"] = json!({"conditions": [{"type": "InForce", "status": "True", "reason": "InForce", "message": "",
            "lastTransitionTime": "2027-01-01T00:00:02Z"}]});
        assert_eq!(ruling(&[rules, twin]), Some("z".to_owned()));
    }

    #[test]
    fn a_treaty_that_holds_today_comes_before_an_older_one_that_does_not() {
        let mut over = treaty("over", "2026-01-01T00:00:00Z");
        over["spec"]["effective"] = json!({"from": "2026-01-01", "until": "2027-05-31"});
        let mut broken = treaty("broken", "2025-01-01T00:00:00Z");
        broken["spec"]["members"] = json!([]);
        let next = treaty("next", "2027-03-01T00:00:00Z");
        assert_eq!(ruling(&[over.clone(), broken.clone(), next]), Some("next".to_owned()));
        assert_eq!(ruling(&[over, broken.clone()]), Some("over".to_owned()));
        assert_eq!(ruling(&[broken]), None);
    }
}

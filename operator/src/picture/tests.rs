//! A picture that goes on is the same as one made from scratch, whatever happens.

use concord_api::snapshot::{SeenClaim, snapshot};
use concord_api::{GpuClaim, Project};
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::*;
use crate::world::{Sighting, World};

const SECONDS_FROM: i64 = 1_000_000;

fn treaty(members: &[&str]) -> Arc<Rules> {
    let members: Vec<Value> =
        members.iter().map(|name| json!({"name": name, "guarantee": {"gpus": 8}})).collect();
    let text = json!({"title": "t", "reclaim": {"noticeSeconds": 1}, "members": members});
    Arc::new(Rules::validate(&serde_json::from_value(text).unwrap()).unwrap())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(SECONDS_FROM + second).unwrap()
}

fn claim(name: u64, member: &str, version: u64, status: &Value, deleting: bool) -> GpuClaim {
    // Names of which the order as text differs from that by namespace and name.
    let (namespace, name) =
        ([["lab", "lab-a"], ["lab.b", "zoo"]][(name % 2) as usize][(name / 2 % 2) as usize], name);
    let mut object = json!({
        "metadata": {"name": format!("c{name}"), "namespace": namespace, "uid": format!("u{name}"),
            "resourceVersion": version.to_string()},
        "spec": {"member": member, "project": "lab", "pods": 1, "gpusPerPod": 2, "gpus": 2,
            "workload": {"kind": "External", "name": "x"}, "submittedAt": at(0).to_string()},
        "status": status,
    });
    if deleting {
        object["metadata"]["deletionTimestamp"] = json!(at(1).to_string());
    }
    serde_json::from_value(object).unwrap()
}

fn status(kind: u64) -> Value {
    let placement = json!([{"node": "n1", "gpus": 2}]);
    let due = json!({"since": "1970-01-12T13:46:41.000000Z", "places": [{"node": 0, "gpus": 2}]});
    match kind {
        0 => json!({}),
        1 => json!({"state": "Admitted", "basis": "Borrowed", "placement": placement}),
        2 => json!({"state": "Queued", "place": 3, "reason": "WaitingForGpus"}),
        3 => json!({"state": "Succeeded", "ranMilliseconds": 5_000, "due": due}),
        _ => json!({"state": "Stopping", "placement": placement, "putBack": true}),
    }
}

fn from_scratch(world: &World, rules: &Rules, now: Timestamp) -> Snapshot {
    let nodes = world.nodes.iter().map(|(key, node)| node.node.in_snapshot(&key.name, 0));
    let claims = world.claims.iter().map(|(key, claim)| SeenClaim {
        id: key.claim_id(),
        spec: &claim.spec,
        status: Some(&claim.status),
        deleting: claim.deleting,
        project: world.projects.get(&Key::cluster(&claim.spec.project)).map(|p| &p.object.spec),
    });
    snapshot(rules, nodes, claims, Vec::new(), now)
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn node(gpus: u64, version: u64) -> k8s_openapi::api::core::v1::Node {
    let node = json!({"metadata": {"name": "n1", "uid": "n", "resourceVersion": version.to_string()},
        "status": {"allocatable": {"nvidia.com/gpu": gpus.to_string()},
            "conditions": [{"type": "Ready", "status": "True"}]}});
    serde_json::from_value(node).unwrap()
}

fn project(version: u64, purpose: u64) -> Project {
    let country = ["NO", "SE"][(purpose % 2) as usize];
    let applicant = json!({"organisationKind": "academic", "country": country, "purpose": "civil"});
    let spec = json!({"member": "a", "purpose": "p", "applicant": applicant});
    serde_json::from_value(
        json!({"metadata": {"name": "lab", "resourceVersion": version.to_string()}, "spec": spec}),
    )
    .unwrap()
}

#[test]
fn a_kept_picture_is_the_one_made_from_scratch() {
    let treaties = [treaty(&["a", "b"]), treaty(&["b", "c"])];
    for seed in 0..40 {
        let (mut world, mut random, mut rules) = (World::default(), Random(seed), &treaties[0]);
        world.see(Sighting::Node(Event::Apply(node(8, 1))));
        let mut last = (Snapshot::default(), 0);
        for step in 1..120 {
            let (name, member) = (random.below(12), ["a", "b", "c"][random.below(3) as usize]);
            let changed = claim(name, member, step, &status(random.below(5)), random.below(6) == 0);
            match random.below(16) {
                0 => world.see(Sighting::Claim(Event::Delete(changed))),
                1 => world.see(Sighting::Node(Event::Apply(node(4 + random.below(3), step)))),
                2 => rules = &treaties[random.below(2) as usize],
                3 => world.see(Sighting::Project(Event::Apply(project(step, random.below(2))))),
                4 => world.replace(&Key::of(&changed), None, None),
                5 => world.absorb_claim(&changed),
                _ => world.see(Sighting::Claim(Event::Apply(changed))),
            }
            // Time passes now and then, so that ended claims are forgotten.
            let now = at(i64::try_from(step).unwrap() * [1, 20][(seed % 2) as usize]);
            if random.below(3) > 0 {
                let seen = world.snapshot(rules, now);
                assert_eq!(seen.snapshot, from_scratch(&world, rules, now), "seed {seed}, step {step}");
                let same = seen.snapshot == last.0;
                assert!(
                    same || seen.version != last.1,
                    "a change without a new number: seed {seed}, step {step}"
                );
                last = (seen.snapshot, seen.version);
            }
        }
    }
}

#[test]
fn what_people_are_told_is_no_change() {
    let (rules, mut world) = (treaty(&["a"]), World::default());
    world.see(Sighting::Claim(Event::Apply(claim(0, "a", 1, &status(0), false))));
    let before = world.snapshot(&rules, at(0)).version;
    assert_eq!(world.snapshot(&rules, at(5)).version, before, "nothing happened");
    world.see(Sighting::Claim(Event::Apply(claim(0, "a", 2, &status(2), false))));
    assert_eq!(world.snapshot(&rules, at(6)).version, before, "a place in line decides nothing");
    world.see(Sighting::Project(Event::Apply(project(3, 0))));
    let told = world.snapshot(&rules, at(6)).version;
    world.see(Sighting::Project(Event::Apply(project(4, 0))));
    assert_eq!(world.snapshot(&rules, at(6)).version, told, "a project whose status has changed");
    world.see(Sighting::Claim(Event::Apply(claim(0, "a", 3, &status(1), false))));
    assert_ne!(world.snapshot(&rules, at(7)).version, before);
}

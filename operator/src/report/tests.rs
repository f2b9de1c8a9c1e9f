//! Who is told, of a line that is longer than what may be written.

use std::collections::BTreeSet;

use concord_treaty::document::Document;
use concord_treaty::reason::WaitReason;
use serde_json::json;

use super::*;

fn rules() -> Rules {
    let text = json!({"title": "t", "reclaim": {"noticeSeconds": 1},
        "members": [{"name": "alpha", "guarantee": {"gpus": 8}}]});
    let document: Document = serde_json::from_value(text).unwrap();
    Rules::validate(&document).unwrap()
}

/// A line of so many claims.
fn line(length: u32) -> (World, Vec<Wait>) {
    let mut world = World::default();
    let mut waits = Vec::new();
    for place in 1..=length {
        let name = format!("j{place:05}");
        let spec = json!({"member": "alpha", "project": "lab", "pods": 1, "gpusPerPod": 8, "gpus": 8,
            "workload": {"kind": "Job", "name": name, "uid": "j"}, "submittedAt": "1970-01-01T00:00:10Z"});
        let object = json!({"metadata": {"name": name, "namespace": "lab", "uid": name, "resourceVersion": "1"},
            "spec": spec, "status": {"state": "Queued"}});
        world.absorb_claim(&serde_json::from_value(object).unwrap());
        let claim = format!("lab/{name}").as_str().into();
        waits.push(Wait { claim, place, reason: WaitReason::KeptByOwners });
    }
    (world, waits)
}

/// One report every two seconds, each written; the places told by each.
fn reports(world: &mut World, waits: &[Wait], windows: &Windows, count: u32) -> Vec<Vec<u32>> {
    let (rules, snapshot, began) = (rules(), Snapshot::default(), Instant::now());
    let terms = Terms::at(&rules, &snapshot, TimestampMillis(100_000));
    let mut reporter = Reporter::new(began);
    let mut all = Vec::new();
    for report in 0..count {
        let seen = Seen { rules: &rules, snapshot: &snapshot, terms: &terms, windows };
        let clock = began + REPORT_INTERVAL * report;
        let told = reporter.refreshes(world, seen, waits, clock, Timestamp::from_second(100).unwrap());
        let mut places = Vec::new();
        for (key, status) in told {
            places.push(u32::try_from(status.place.unwrap()).unwrap());
            let claim = world.claims.get(&key).unwrap();
            let (uid, resource_version, spec) =
                (claim.uid.clone(), claim.resource_version + 1, claim.spec.clone());
            let view = ClaimView { uid, resource_version, deleting: false, kept: true, spec, status };
            world.claims.put(key, view);
        }
        all.push(places);
    }
    all
}

#[test]
fn a_report_writes_no_more_than_its_limit_and_everybody_is_told_in_the_end() {
    let (mut world, waits) = line(400);
    let told = reports(&mut world, &waits, &Windows::new(), 60);
    assert!(told.iter().all(|places| places.len() <= REPORT_WRITES_MAX));
    assert_eq!(told[0], (1..=40).collect::<Vec<_>>(), "the front first");
    let first_ten: BTreeSet<u32> = told[..10].iter().flatten().copied().collect();
    assert_eq!(first_ten.len(), 400, "everybody is told before anybody is told again");
    for place in [1, 400] {
        let times = told.iter().filter(|places| places.contains(&place)).count();
        assert!(
            times >= if place == 1 { 4 } else { 2 },
            "place {place} was told {times} times in two minutes"
        );
    }
}

#[test]
fn a_forecast_is_told_as_soon_as_there_is_one_and_never_lies_in_the_past() {
    let (mut world, waits) = line(2);
    reports(&mut world, &waits, &Windows::new(), 1);
    let window = StartWindow { earliest: TimestampMillis(5_000), latest: Some(TimestampMillis(200_100)) };
    let windows: Windows = [(waits[1].claim.clone(), window)].into();
    let told = reports(&mut world, &waits, &windows, 1);
    assert!(told[0].contains(&2));
    let key = Key::from_claim_id(&waits[1].claim);
    let start = world.claims.get(&key).unwrap().status.expected_start.clone().unwrap();
    assert_eq!(start.earliest.unwrap().0, Timestamp::from_second(100).unwrap(), "not before now");
    assert_eq!(start.latest.unwrap().0, Timestamp::from_second(201).unwrap(), "rounded up");
}

#[test]
fn nothing_is_expected_where_people_have_to_decide() {
    let (mut world, mut waits) = line(1);
    let alpha = rules().member_id("alpha").unwrap();
    waits[0].reason = WaitReason::Closed(alpha, concord_treaty::treaty::Closed::Suspended);
    let window = StartWindow { earliest: TimestampMillis(200_000), latest: None };
    let windows: Windows = [(waits[0].claim.clone(), window)].into();
    reports(&mut world, &waits, &windows, 1);
    assert_eq!(world.claims.get(&Key::from_claim_id(&waits[0].claim)).unwrap().status.expected_start, None);
}

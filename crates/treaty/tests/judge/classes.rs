//! Each class of GPUs is judged for itself, and who asks none may only wait.

use concord_treaty::check::{CheckedPlan, check};
use concord_treaty::clauses::ClassId;
use concord_treaty::plan::{Admission, Plan, Wait};
use concord_treaty::reason::WaitReason;
use concord_treaty::snapshot::{Basis, Claim, Slot, Snapshot};
use concord_treaty::units::{NodeName, TimestampMillis};

use crate::scene::Scene;
use crate::support::{gang, labels, nodes, treaty, treaty_of, waiting};

const TEXT: &str = "\
classes:
  - {name: fast, nodeLabels: {gpu: fast}}
  - {name: slow, nodeLabels: {gpu: slow}}
members:
  - name: north
    guarantee: {byClass: {fast: {gpus: 8}, slow: {gpus: 8}}}
reclaim: {noticeSeconds: 60}";

const NOW: TimestampMillis = TimestampMillis(1000);

/// One node of each class and these claims, which want 8 GPUs.
fn pool(claims: &[(&str, Option<u16>)]) -> Snapshot {
    let mut nodes = nodes(2, 8);
    nodes[0].labels = labels(["gpu=fast"]);
    nodes[1].labels = labels(["gpu=slow"]);
    let claim = |&(id, class): &(&str, Option<u16>)| Claim {
        class: class.map(ClassId),
        ..waiting(id, 0, gang(1, 8), 0)
    };
    Snapshot::new(nodes, claims.iter().map(claim).collect())
}

fn start(id: &str, node: &str, gpus: u32) -> Admission {
    let slots = vec![Slot { node: NodeName::from(node), gpus }];
    Admission { claim: id.into(), slots, basis: Basis::Guaranteed }
}

fn wait(id: &str) -> Wait {
    Wait { claim: id.into(), place: 1, reason: WaitReason::NoSuchClass }
}

fn broken(snapshot: &Snapshot, plan: &Plan) -> Vec<&'static str> {
    check(&treaty_of(TEXT), snapshot, NOW, plan).iter().map(|v| v.rule).collect()
}

#[test]
fn each_class_has_its_own_nodes_and_numbers() {
    let snapshot = pool(&[("a", Some(0)), ("b", Some(1))]);
    let plan = |a: Admission, b: Admission| Plan { admissions: vec![a, b], ..Plan::default() };
    assert!(broken(&snapshot, &plan(start("a", "n000", 8), start("b", "n001", 8))).is_empty());
    assert_eq!(broken(&snapshot, &plan(start("a", "n001", 8), start("b", "n001", 8))), ["UnknownNode"]);
    assert_eq!(
        broken(&snapshot, &plan(start("a", "n000", 8), start("b", "n001", 7))),
        ["PartialGang", "SplitPod"]
    );
}

#[test]
fn what_is_wrong_in_the_second_class_is_found_too() {
    let snapshot = pool(&[("a", Some(0)), ("b", Some(1))]);
    let mut plan = Plan { admissions: vec![start("b", "n001", 8)], ..Plan::default() };
    assert_eq!(broken(&snapshot, &plan), ["Forgotten"]);
    plan = Plan { admissions: vec![start("a", "n000", 8)], ..Plan::default() };
    assert_eq!(broken(&snapshot, &plan), ["Forgotten"]);
}

#[test]
fn who_asks_no_class_waits_with_a_reason() {
    let snapshot = pool(&[("a", None), ("b", None)]);
    let waits = |ids: &[&str]| Plan { waits: ids.iter().map(|id| wait(id)).collect(), ..Plan::default() };
    assert!(broken(&snapshot, &waits(&["a", "b"])).is_empty());
    assert_eq!(broken(&snapshot, &waits(&["a"])), ["WrongClass"]);
    let started = Plan { admissions: vec![start("b", "n000", 8)], ..waits(&["a"]) };
    assert_eq!(broken(&snapshot, &started), ["WrongClass"]);
    let both = Plan { admissions: vec![start("b", "n000", 8)], ..waits(&["a", "b"]) };
    assert_eq!(broken(&snapshot, &both), ["WrongClass"]);
}

#[test]
fn claims_that_do_not_exist_are_not_acted_on() {
    let snapshot = pool(&[]);
    let started = Plan { admissions: vec![start("nobody", "n000", 8)], ..Plan::default() };
    assert_eq!(broken(&snapshot, &started), ["WrongState"]);
    let waiting = Plan { waits: vec![wait("nobody")], ..Plan::default() };
    assert_eq!(broken(&snapshot, &waiting), ["WrongState"]);
    assert!(broken(&snapshot, &Plan::default()).is_empty());
}

#[test]
fn only_a_lawful_plan_comes_through() {
    let mut scene = Scene::new();
    scene.starts("s", 0, &[(0, 8)], Basis::Guaranteed);
    let treaty = treaty(&scene.document);
    let through = CheckedPlan::new(&treaty, &scene.snapshot, NOW, scene.plan.clone()).unwrap();
    assert_eq!(*through.plan(), scene.plan);
    let Err(found) = CheckedPlan::new(&treaty, &scene.snapshot, NOW, Plan::default()) else { panic!() };
    assert_eq!(found[0].to_string(), "Forgotten: s waits without a reason");
}

//! What people read of a treaty that does not rule.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use super::*;

fn verdict(spec: &Value, ruling: Option<&str>) -> Condition {
    let object = json!({"metadata": {"name": "x", "generation": 3}, "spec": spec});
    let treaty: Treaty = serde_json::from_value(object).unwrap();
    let mut status = TreatyStatus::default();
    refusal(&mut status, &treaty, ruling, "2027-01-01T12:00:00Z".parse().unwrap());
    assert_eq!(status.conditions.len(), 1);
    let condition = status.conditions.remove(0);
    assert_eq!((condition.type_.as_str(), condition.status.as_str()), ("InForce", "False"));
    condition
}

fn member(name: &str, gpus: i64) -> Value {
    json!({"name": name, "guarantee": {"gpus": gpus}, "ceiling": {"gpus": 4}})
}

#[test]
fn a_refused_treaty_says_every_fault_with_code_field_and_help() {
    let spec =
        json!({"title": "t", "members": [member("a", 8), member("a", 4)], "reclaim": {"noticeSeconds": 1}});
    let told = verdict(&spec, None);
    assert_eq!(told.reason, "Invalid");
    let expected = "TR005 at members[0].ceiling.gpus: ceiling 4 is below the guarantee 8; raise the ceiling or lower the guarantee\n\
        TR003 at members[1].name: \"a\" stands already at members[0]; give each a name of its own, or delete one";
    assert_eq!(told.message, expected);
}

#[test]
fn a_treaty_of_faults_does_not_become_a_condition_of_megabytes() {
    let members: Vec<Value> = (0..500).map(|i| member(&format!("m{i}"), -1)).collect();
    let spec = json!({"title": "t", "members": members, "reclaim": {"noticeSeconds": 1}});
    let told = verdict(&spec, None);
    assert!(told.message.len() < 32_768, "{} characters", told.message.len());
    assert!(told.message.contains(" more; `concord check` shows them all"), "{}", told.message);
}

#[test]
fn a_sound_treaty_says_what_it_waits_for() {
    let mut spec = json!({"title": "t", "members": [member("a", 4)], "reclaim": {"noticeSeconds": 1}});
    assert_eq!(verdict(&spec, Some("older")).reason, "AnotherTreatyInForce");
    spec["effective"] = json!({"from": "2027-01-02", "until": "2030-12-31"});
    let told = verdict(&spec, Some("older"));
    assert_eq!(told.reason, "OutOfTime");
    assert_eq!(told.message, "holds from 2027-01-02 until 2030-12-31 (UTC); change effective, or wait");
}

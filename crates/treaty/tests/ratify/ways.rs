//! What a text may be proposed as, and what is refused with the fields named.

use concord_treaty::clauses::Matter;
use concord_treaty::ratify::{Act, Refusal, Subject, Way, without};
use serde_json::{Value, json};

use super::scene::{document, key, none, standing, text, way, way_of, with};

fn simple(matter: &str) -> Value {
    json!({"matter": matter, "weightBy": "equal", "weightPercent": "50.01", "absentCounted": true})
}

fn rule(matter: &str) -> Value {
    json!({"of": matter, "noticeDays": 10, "entryIntoForceDays": 0})
}

fn three() -> Value {
    let matters = ["body", "annex", "admission", "suspension"];
    let votes: Vec<Value> = matters.iter().map(|m| simple(m)).chain([simple("emergency")]).collect();
    let emergency = json!({"of": "emergency", "noticeDays": 0, "entryIntoForceDays": 0, "sunsetDays": 30});
    let rules: Vec<Value> = matters.iter().map(|m| rule(m)).chain([emergency]).collect();
    text(&[("north", 3), ("south", 2), ("isle", 1)], &json!(votes), &json!(rules))
}

fn refusal(after: &Value, subject: Subject) -> String {
    way_of(&three(), after, subject).expect_err("it is refused").to_string()
}

#[test]
fn a_change_that_claims_to_be_less_is_refused_with_its_fields() {
    let more = with(&three(), "/members/0/guarantee/gpus", json!(16));
    assert!(way_of(&three(), &more, Subject::Change(Matter::Annex)).is_ok());
    let softer = with(&more, "/votes/0/weightPercent", json!("1"));
    assert_eq!(
        refusal(&softer, Subject::Change(Matter::Annex)),
        "it is proposed as annex, and changes votes[body].weightPercent (body); propose it as body"
    );
    assert!(way_of(&three(), &softer, Subject::Change(Matter::Body)).is_ok());
    let keys = with(&more, "/members/0/keys", json!([key("other")]));
    assert_eq!(
        refusal(&keys, Subject::Change(Matter::Annex)),
        "it is proposed as annex, and changes members[north].keys (admission); propose it as body"
    );
    // What cannot wait never changes who decides.
    assert!(refusal(&keys, Subject::Change(Matter::Emergency)).contains("members[north].keys (admission)"));
    assert!(way_of(&three(), &more, Subject::Change(Matter::Emergency)).is_ok());
    let suspended =
        with(&three(), "/members/1/suspended", json!({"from": "2027-01-01", "reason": "dues not paid"}));
    assert_eq!(
        refusal(&suspended, Subject::Change(Matter::Annex)),
        "it is proposed as annex, and changes members[south].suspended (suspension); propose it as suspension"
    );
}

#[test]
fn each_refusal_names_the_fix() {
    assert!(refusal(&three(), Subject::Change(Matter::Body)).contains("says the same"));
    let faulty = with(&three(), "/members/0/guarantee/gpus", json!(-1));
    assert!(refusal(&faulty, Subject::Change(Matter::Annex)).contains("TR004 at members[0].guarantee.gpus"));
    let more = with(&three(), "/members/0/guarantee/gpus", json!(16));
    assert!(refusal(&more, Subject::Change(Matter::OpenReserve)).contains("opened by those who may"));
    assert!(refusal(&more, Subject::Withdrawal).contains("does not say how a member leaves"));
    let no_annex = text(&[("north", 3)], &json!([simple("body")]), &json!([rule("body")]));
    let told = way_of(
        &no_annex,
        &with(&no_annex, "/members/0/guarantee/gpus", json!(9)),
        Subject::Change(Matter::Annex),
    );
    assert!(told.unwrap_err().to_string().contains("how a change of annex becomes law"));
}

#[test]
fn nobody_is_shut_out_of_a_vote_by_being_named() {
    let more = with(&three(), "/members/0/guarantee/gpus", json!(16));
    let named = ["south".to_owned()].into();
    let told = Way::of(&document(&three()), &document(&more), Subject::Change(Matter::Annex), &named);
    assert_eq!(
        told.unwrap_err().to_string(),
        "`concerns` names south, and the text suspends, admits again or excludes nobody; write these"
    );
    let suspended =
        with(&three(), "/members/1/suspended", json!({"from": "2027-01-01", "reason": "dues not paid"}));
    let told =
        Way::of(&document(&three()), &document(&suspended), Subject::Change(Matter::Suspension), &none());
    assert!(matches!(told, Err(Refusal::Concerns { .. })));
}

#[test]
fn a_member_leaves_by_its_own_signature_and_by_nothing_else() {
    let mut before = three();
    before["withdrawal"] = json!({"noticeDays": 365, "notBefore": "2030-01-01"});
    let after: Value = serde_json::to_value(without(&document(&before), "isle")).unwrap();
    let leaving = way_of(&before, &after, Subject::Withdrawal).unwrap();
    let signed = [
        ("2029-12-31", "isle", Act::Ratify),
        ("2030-02-01", "north", Act::Ratify),
        ("2030-02-01", "south", Act::No),
        ("2030-03-01", "isle", Act::Ratify),
    ];
    let seen = |now: &str| standing(&leaving, "2029-06-01", &signed, now);
    assert_eq!(seen("2030-02-02").missing, ["isle"]);
    let given = seen("2030-03-02");
    assert_eq!(
        given.why,
        "The member that leaves decides alone. It is in force from 2031-03-01 00:00:00 UTC."
    );
    let ignored: Vec<&str> = given.ignored.iter().map(|i| i.why.as_str()).collect();
    assert_eq!(
        ignored,
        [
            "no notice of withdrawal counts before 2030-01-01 00:00:00 UTC",
            "only the member that leaves signs its withdrawal",
            "a withdrawal is not voted on; the member that leaves signs `ratify`",
        ]
    );
    assert!(!seen("2031-02-28").state.acts() && seen("2031-03-01").state.acts());
    let more = with(&after, "/members/0/guarantee/gpus", json!(16));
    assert_eq!(way_of(&before, &more, Subject::Withdrawal), Err(Refusal::MoreThanLeaving));
}

#[test]
fn votes_that_come_late_or_twice_are_told_so() {
    let more = with(&three(), "/members/0/guarantee/gpus", json!(16));
    let annex = way(&three(), &more, Matter::Annex);
    let signed = [
        ("2026-12-31", "north", Act::Yes),
        ("2027-01-02", "north", Act::No),
        ("2027-01-03", "north", Act::Yes),
        ("2027-01-04", "nobody", Act::Yes),
        ("2027-01-05", "south", Act::Yes),
        ("2027-01-06", "isle", Act::Yes),
        ("2027-01-07", "isle", Act::Ratify),
        ("2027-01-20", "isle", Act::No),
    ];
    let seen = standing(&annex, "2027-01-01", &signed, "2027-02-01");
    assert_eq!(
        seen.why,
        "Passed: yes has 2 of 3 by weight, 50.01 % needed. Decided at 2027-01-11 00:00:00 UTC. In force since 2027-01-11 00:00:00 UTC."
    );
    let ignored: Vec<(usize, &str)> = seen.ignored.iter().map(|i| (i.index, i.why.as_str())).collect();
    assert_eq!(
        ignored,
        [
            (0, "given before the proposal was published"),
            (2, "north has voted already, at 2027-01-02 00:00:00 UTC"),
            (3, "nobody is no member by the text that is changed"),
            (6, "the vote alone decides; sign `yes`, `no` or `abstain`"),
            (7, "isle has voted already, at 2027-01-06 00:00:00 UTC"),
        ]
    );
}

//! Amendments on records that are whole, and on records of an operator that does not tell the truth.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod scene;

use concord_audit::audit::audit;
use concord_audit::finding::Kind;
use concord_audit::history::History;
use concord_audit::report::{Outcome, Report};
use concord_audit::span::Span;
use concord_audit::texts::Texts;
use concord_ledger::entry::Step;
use concord_ledger::text::sha256;
use jiff::SignedDuration;
use scene::{Scene, at};
use serde_json::json;

fn report(scene: &Scene) -> Report {
    let mut history = History::new(Span::default());
    scene.entries.iter().for_each(|entry| history.take(entry.clone()));
    let mut texts = Texts::default();
    for hash in history.texts() {
        let text = scene.texts.iter().find(|text| sha256(text) == hash);
        texts.take(&hash, text.map(Vec::as_slice).ok_or_else(|| "it is not there".to_owned()));
    }
    audit(&mut history, &texts)
}

fn outcome(report: &Report) -> Outcome {
    report.checks.iter().find(|check| check.what.contains("amendment")).unwrap().outcome
}

#[track_caller]
fn is_sound(scene: &Scene) {
    let report = report(scene);
    assert_eq!(report.findings, []);
    assert_eq!((outcome(&report), report.notes.as_slice()), (Outcome::Holds, [].as_slice()));
}

/// These kinds, and one of them says it.
#[track_caller]
fn is_found(scene: &Scene, kinds: &[Kind], what: &str) {
    let report = report(scene);
    let found: Vec<Kind> = report.finding_counts.keys().copied().collect();
    assert_eq!(found, kinds, "{:#?}", report.findings);
    assert!(report.findings.iter().any(|finding| finding.what.contains(what)), "{:#?}", report.findings);
}

#[test]
fn what_members_carried_is_sound() {
    is_sound(&Scene::carried());
}

#[test]
fn an_emergency_ends_at_its_sunset_and_not_before() {
    let emergency = || {
        let mut scene = Scene::at_once();
        let text = scene.more_gpus();
        scene.propose("01T21:00", "emergency", &text, &[]);
        scene.sign("01T21:10", "north", "yes", "north");
        scene.sign("01T21:20", "south", "yes", "south");
        scene.decided("01T21:20", true);
        scene.in_force("01T21:20", Some("02T21:20"), false);
        scene.rules("01T21:21", 2, &text, Some("more-gpus"));
        scene
    };
    let mut scene = emergency();
    let first = scene.first.clone();
    scene.rules("02T21:20", 3, &first, Some("more-gpus"));
    scene.step("expired", "02T21:20", Step::Expired);
    is_sound(&scene);
    let mut early = emergency();
    early.rules("02T20:00", 3, &first, Some("more-gpus"));
    is_found(&early, &[Kind::Succession], "names amendment more-gpus, which did not propose its text");
    let mut early = emergency();
    let first = early.first.clone();
    early.rules("02T20:00", 3, &first, Some("more-gpus"));
    is_found(&early, &[Kind::Unratified], "names amendment more-gpus: Passed");
    early.step("expired", "02T20:00", Step::Expired);
    is_found(&early, &[Kind::Unratified, Kind::Count], "is recorded as expired at 2026-03-02T20:00:00Z");
    let mut longer = emergency();
    longer.change("inForce", |step| *step = Step::InForce { sunset: None, provisional: false });
    is_found(&longer, &[Kind::Count], "is recorded as in force at 2026-03-01T21:20:00Z");
}

#[test]
fn a_text_that_acts_before_all_have_ratified_is_sound() {
    let rule = json!({"of": "annex", "noticeDays": 0, "entryIntoForceDays": 1, "ratifiedByAll": true, "provisional": true});
    let mut scene = Scene::new(&rule);
    let text = scene.more_gpus();
    scene.propose("01T21:00", "annex", &text, &[]);
    scene.sign("01T21:10", "north", "yes", "north");
    scene.sign("01T21:20", "south", "yes", "south");
    scene.decided("01T21:20", true);
    scene.in_force("01T21:20", None, true);
    scene.rules("01T21:20", 2, &text, Some("more-gpus"));
    scene.sign("01T21:30", "north", "ratify", "north");
    scene.sign("01T21:40", "south", "ratify", "south");
    scene.in_force("02T21:40", None, false);
    is_sound(&scene);
    scene.leave_out("ballot/south-ratify");
    is_found(&scene, &[Kind::Count], "the signatures of south are missing");
}

#[test]
fn a_member_that_left_is_sound() {
    let mut scene = Scene::at_once();
    let mut text = scene.first.clone();
    text["members"].as_array_mut().unwrap().pop();
    scene.propose("01T21:00", "withdrawal", &text, &["south"]);
    scene.sign("01T21:10", "south", "ratify", "south");
    scene.in_force("02T21:10", None, false);
    scene.rules("02T21:10", 2, &text, Some("more-gpus"));
    is_sound(&scene);
    scene.leave_out("ballot/south-ratify");
    is_found(&scene, &[Kind::Unratified, Kind::Count], "south has not signed yet");
}

#[test]
fn a_lost_vote_is_sound_and_its_text_does_not_rule() {
    let mut scene = Scene::at_once();
    let text = scene.more_gpus();
    scene.propose("01T21:00", "annex", &text, &[]);
    scene.sign("01T21:10", "north", "no", "north");
    scene.decided("01T21:10", false);
    is_sound(&scene);
    scene.rules("01T21:11", 2, &text, Some("more-gpus"));
    is_found(&scene, &[Kind::Succession, Kind::Unratified], "which was voted down");
    let mut scene = Scene::carried();
    scene.change("decided", |step| *step = Step::Decided { passed: false, why: String::new() });
    is_found(&scene, &[Kind::Succession, Kind::Count], "is recorded as lost");
}

#[test]
fn signatures_are_the_members_own() {
    let all = [Kind::Unratified, Kind::Signature, Kind::Count];
    let mut scene = Scene::carried();
    scene.forge("ballot/south-yes");
    is_found(&scene, &all, "is not south's: the key south+");
    let mut scene = Scene::at_once();
    let text = scene.more_gpus();
    scene.propose("01T21:00", "annex", &text, &[]);
    scene.sign("01T21:10", "north", "yes", "north");
    scene.sign("01T21:20", "south", "yes", "north");
    is_found(&scene, &[Kind::Signature], "it was made with the key north+");
    let mut scene = Scene::carried();
    scene.turn("ballot/south-yes", "no");
    let told =
        r#"the entry says "member south, act no", and the note under the signature "member south, act yes""#;
    is_found(&scene, &all, told);
    // The note changed with the entry: then the signature is of another note.
    scene.change("ballot/south-yes", |step| {
        let Step::Signed { note, .. } = step else { panic!("no ballot") };
        *note = note.replace("act yes", "act no");
    });
    is_found(&scene, &all, "but it did not sign this note");
}

#[test]
fn a_ballot_that_is_not_there_does_not_carry() {
    let mut scene = Scene::carried();
    scene.leave_out("ballot/south-yes");
    is_found(&scene, &[Kind::Unratified, Kind::Count], "The vote is open.");
    // Recorded after the decision, it was not there when it was counted, whatever its date.
    let mut scene = Scene::new(&json!({"of": "annex", "noticeDays": 1, "entryIntoForceDays": 0}));
    let text = scene.more_gpus();
    scene.propose("01T21:00", "annex", &text, &[]);
    scene.sign("01T21:10", "north", "yes", "north");
    scene.sign("01T21:20", "south", "yes", "south");
    scene.decided("02T21:00", true);
    scene.in_force("02T21:00", None, false);
    is_sound(&scene);
    scene.entries.swap(3, 4);
    is_found(&scene, &[Kind::Count], "is recorded as passed at 2026-03-02T21:00:00Z");
}

/// The operator dates ballots to the microsecond and decisions to the millisecond, and writes steps in the order of time.
#[test]
fn a_decision_may_stand_before_the_ballot_of_its_millisecond() {
    let mut scene = Scene::carried();
    let mut ballot = scene.entries.remove(3);
    assert_eq!(ballot.id, "amendment/more-gpus/ballot/south-yes");
    ballot.at += SignedDuration::from_micros(456);
    scene.entries.insert(5, ballot);
    is_sound(&scene);
}

/// The text changed while the notice ran: what the ballots come to afterwards needs no decision.
#[test]
fn an_amendment_that_was_overtaken_is_sound() {
    let mut scene = Scene::new(&json!({"of": "annex", "noticeDays": 1, "entryIntoForceDays": 0}));
    let (first, text) = (scene.first.clone(), scene.more_gpus());
    scene.name = "slow";
    scene.propose("01T20:10", "annex", &text, &[]);
    scene.sign("01T20:20", "north", "yes", "north");
    scene.sign("01T20:30", "south", "yes", "south");
    scene.name = "more-gpus";
    scene.propose("01T21:00", "emergency", &text, &[]);
    scene.sign("01T21:10", "north", "yes", "north");
    scene.sign("01T21:20", "south", "yes", "south");
    scene.decided("01T21:20", true);
    scene.in_force("01T21:20", Some("02T21:20"), false);
    scene.rules("01T21:21", 2, &text, Some("more-gpus"));
    scene.rules("02T21:20", 3, &first, Some("more-gpus"));
    scene.step("expired", "02T21:20", Step::Expired);
    is_sound(&scene);
}

#[test]
fn a_proposal_is_what_members_signed() {
    let mut scene = Scene::carried();
    scene.change("proposed", |step| {
        let Step::Proposed { matter, .. } = step else { panic!("no proposal") };
        "emergency".clone_into(matter);
    });
    let all = [Kind::Unratified, Kind::Proposal, Kind::Count];
    is_found(&scene, &all, r#"says "matter annex" where the entry says "matter emergency""#);
    // More than the matter covers: members signed it, and the rules of their text do not let them.
    let mut scene = Scene::at_once();
    let mut text = scene.more_gpus();
    text["votes"][0]["weightPercent"] = json!("50");
    scene.propose("01T21:00", "annex", &text, &[]);
    scene.sign("01T21:10", "north", "yes", "north");
    scene.sign("01T21:20", "south", "yes", "south");
    let told = report(&scene);
    assert!(told.notes.iter().any(|note| note.contains("cannot be decided on")), "{:?}", told.notes);
    scene.decided("01T21:20", true);
    scene.rules("01T21:21", 2, &text, Some("more-gpus"));
    is_found(&scene, &[Kind::Unratified, Kind::Count], "changes votes[annex].weightPercent (body)");
}

#[test]
fn a_text_that_is_amended_by_votes_is_not_changed_without() {
    let changed = |generation| {
        let mut scene = Scene::at_once();
        let text = scene.more_gpus();
        scene.rules("01T21:00", generation, &text, None);
        scene
    };
    is_found(&changed(2), &[Kind::Unvoted], "names no amendment, and the text before, ");
    // A generation that was left out, and an object that was made anew, are no excuse.
    is_found(&changed(5), &[Kind::Unvoted], "generation 5 of treaty two-states");
    let mut anew = changed(1);
    anew.entries[1].id = format!("treaty/anew/1/{}", at("01T21:00").as_second());
    is_found(&anew, &[Kind::Unvoted], "generation 1 of treaty two-states");
    // A true amendment, of another text than the one that ruled.
    let mut scene = Scene::carried();
    let last = scene.entries.pop().unwrap();
    let (text, mut other) = (scene.more_gpus(), scene.first.clone());
    other["title"] = json!("Another");
    scene.rules("01T21:05", 2, &other, None);
    scene.rules("01T21:21", 3, &text, Some("more-gpus"));
    assert_ne!(last, scene.entries[7]);
    is_found(&scene, &[Kind::Unvoted, Kind::Unratified], "and the text that ruled before is");
}

#[test]
fn a_free_text_is_changed_freely_and_told() {
    let mut scene = Scene::at_once();
    let mut free = scene.first.clone();
    free.as_object_mut().unwrap().remove("amendments");
    scene.propose("01T21:00", "body", &free, &[]);
    scene.sign("01T21:10", "north", "yes", "north");
    scene.sign("01T21:20", "south", "yes", "south");
    scene.decided("01T21:20", true);
    scene.in_force("01T21:20", None, false);
    scene.rules("01T21:21", 2, &free, Some("more-gpus"));
    free["title"] = json!("Later");
    scene.rules("01T21:22", 3, &free, Some("more-gpus"));
    let told = report(&scene);
    assert_eq!(told.findings, []);
    assert_eq!(told.notes.len(), 1, "{:?}", told.notes);
    assert!(told.notes[0].contains("1 changes of a treaty name no amendment"), "{:?}", told.notes);
}

#[test]
fn what_the_record_does_not_hold_is_told() {
    // The record begins when the new text rules already.
    let mut scene = Scene::carried();
    let first = scene.entries.remove(0);
    assert!(first.id.starts_with("treaty/t/1/"));
    scene.texts.remove(0);
    let told = report(&scene);
    assert_eq!((told.findings.as_slice(), outcome(&told)), ([].as_slice(), Outcome::Unknown));
    assert!(told.notes.iter().any(|note| note.contains("was not counted anew: the text that it changes")));
    assert!(told.notes.iter().any(|note| note.contains("cannot be told")), "{:?}", told.notes);
    // A vote that is over, and nobody recorded how it ended.
    let mut scene = Scene::carried();
    scene.entries.truncate(4);
    let first = scene.first.clone();
    scene.rules("02T20:00", 1, &first, None);
    let told = report(&scene);
    assert_eq!(told.findings, []);
    assert!(told.notes[0].contains("of which the record says nothing"), "{:?}", told.notes);
}

#[test]
fn a_text_needs_a_proposal_that_was_public_and_is_there() {
    let mut scene = Scene::at_once();
    let text = scene.more_gpus();
    scene.rules("01T21:00", 2, &text, Some("more-gpus"));
    is_found(&scene, &[Kind::Succession], "which did not propose its text");
    scene.propose("01T21:30", "annex", &text, &[]);
    is_found(&scene, &[Kind::Succession], "which did not propose its text");
    let mut scene = Scene::at_once();
    scene.propose("01T21:00", "annex", &text, &[]);
    scene.texts.pop();
    is_found(&scene, &[Kind::Text], "the proposed text ");
}

#[test]
fn steps_that_no_amendment_has() {
    let mut scene = Scene::carried();
    scene.leave_out("proposed");
    let told = report(&scene);
    assert!(told.finding_counts.contains_key(&Kind::Proposal), "{:?}", told.findings);
    assert!(told.finding_counts.contains_key(&Kind::Succession), "{:?}", told.findings);
    let mut scene = Scene::carried();
    scene.decided("01T21:20", true);
    is_found(&scene, &[Kind::Proposal], "is a step that was recorded before");
}

//! Amendments as `concord verify` tells them: what was carried, and what an operator may say that was not.

use concord_ledger::entry::Step;

use crate::scene::Scene;
use crate::story::Pool;
use crate::tampering::is_found;

fn verify(scene: &Scene) -> (String, i32) {
    Pool::with_texts(&scene.entries, &scene.texts).verify()
}

const CHECKED: &str =
    "1 amendment: signed with keys of members, counted and in force as the text before says";

fn flat(told: &str) -> String {
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_members_carried_is_sound() {
    let (told, code) = verify(&Scene::carried());
    assert_eq!(code, 0, "{told}");
    assert!(told.starts_with("SOUND: "), "{told}");
    assert!(flat(&told).contains(&format!("yes {CHECKED}")), "{told}");
}

#[test]
fn a_forged_signature_is_found() {
    let mut scene = Scene::carried();
    scene.forge("ballot/south-yes");
    let found = verify(&scene);
    is_found(&found, "false signature", "the signature under \"member south, act yes\" is not south's");
    assert!(flat(&found.0).contains(&format!("NO {CHECKED}")), "{}", found.0);
}

#[test]
fn a_signature_by_the_key_of_another_member_is_found() {
    let mut scene = Scene::at_once();
    let text = scene.more_gpus();
    scene.propose("01T21:00", "annex", &text, &[]);
    scene.sign("01T21:10", "south", "yes", "north");
    let found = verify(&scene);
    is_found(&found, "false signature", "it was made with the key north+");
    assert!(!found.0.contains("false count"), "{}", found.0);
}

#[test]
fn a_text_that_is_not_carried_any_more_is_found() {
    let mut scene = Scene::carried();
    scene.leave_out("ballot/south-yes");
    let found = verify(&scene);
    is_found(&found, "not ratified", "names amendment more-gpus: The vote is open.");
    is_found(&found, "false count", "is recorded as passed at 2026-03-01T21:20:00Z");
    assert!(!found.0.contains("false signature"), "{}", found.0);
}

#[test]
fn a_changed_act_is_found() {
    let mut scene = Scene::carried();
    scene.turn("ballot/south-yes", "no");
    let told =
        "the entry says \"member south, act no\", and the note under the signature \"member south, act yes\"";
    is_found(&verify(&scene), "false signature", told);
}

#[test]
fn a_changed_decision_and_a_changed_proposal_are_found() {
    let mut scene = Scene::carried();
    scene.change("decided", |step| *step = Step::Decided { passed: false, why: String::new() });
    is_found(&verify(&scene), "false count", "is recorded as lost at 2026-03-01T21:20:00Z");
    let mut scene = Scene::carried();
    scene.change("proposed", |step| {
        let Step::Proposed { matter, .. } = step else { panic!("no proposal") };
        "body".clone_into(matter);
    });
    let told = "says \"matter annex\" where the entry says \"matter body\"";
    is_found(&verify(&scene), "false proposal", told);
}

#[test]
fn a_text_in_force_without_an_amendment_is_found() {
    let mut scene = Scene::at_once();
    let text = scene.more_gpus();
    scene.rules("01T21:00", 2, &text, None);
    let told = "generation 2 of treaty two-states, in force since 2026-03-01T21:00:00Z, names no amendment";
    is_found(&verify(&scene), "changed without a vote", told);
}

#[test]
fn a_text_that_is_not_in_the_record_is_told_and_not_guessed() {
    let mut scene = Scene::carried();
    scene.entries.remove(0);
    scene.texts.remove(0);
    let (told, code) = verify(&scene);
    assert_eq!(code, 0, "{told}");
    let told = flat(&told);
    assert!(told.contains("- 0 amendments: signed with keys"), "{told}");
    assert!(
        told.contains("the outcome of amendment more-gpus of treaty two-states was not counted anew"),
        "{told}"
    );
}

use concord_api::names::ANNOTATION_AMENDMENT;
use concord_ledger::note::MemberSigner;
use serde_json::{Value, json};

use super::*;

const TREATY: &str = "test";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A pool of two members with their keys; what is written is only in memory.
struct Desk {
    treaty: Treaty,
    amendment: Amendment,
    signers: Vec<(String, MemberSigner)>,
}

impl Desk {
    /// `rule` is the way of annexes, `emergency` that of emergencies.
    fn new(rule: &Value, matter: &str, change: impl FnOnce(&mut Value)) -> Self {
        let mut signers = Vec::new();
        let mut member = |name: &str| {
            let (private, public) = MemberSigner::generate(name);
            signers.push((name.to_owned(), MemberSigner::of_text(&private).ok().unwrap()));
            json!({"name": name, "guarantee": {"gpus": 8}, "keys": [public]})
        };
        let members = json!([member("north"), member("south")]);
        let vote = |matter: &str| json!({"matter": matter, "weightBy": "equal", "weightPercent": "100", "absentCounted": true});
        let spec = json!({"title": "t", "members": members, "reclaim": {"noticeSeconds": 1},
            "votes": [vote("annex"), vote("emergency")],
            "amendments": [rule, {"of": "emergency", "noticeDays": 0, "entryIntoForceDays": 0, "sunsetDays": 1}]});
        let treaty: Treaty =
            serde_json::from_value(json!({"metadata": {"name": TREATY}, "spec": spec})).unwrap();
        let mut text = json!(treaty.spec);
        change(&mut text);
        let replaces = note::text_sha256(&treaty.spec).unwrap();
        let amendment = json!({"metadata": {"name": "more", "creationTimestamp": at(0).to_string()},
            "spec": {"treaty": TREATY, "matter": matter, "replaces": replaces, "text": text}});
        Self { treaty, amendment: serde_json::from_value(amendment).unwrap(), signers }
    }

    fn annex(rule: &Value) -> Self {
        Self::new(rule, "annex", |text| text["members"][0]["guarantee"]["gpus"] = json!(16))
    }

    fn sign(&mut self, member: &str, act: &str, key_of: &str) {
        let text = note::text_sha256(&self.amendment.spec.text).unwrap();
        let note = proposal(&self.amendment, text, at(0)).ballot(member, act);
        let (_, signer) = self.signers.iter().find(|(name, _)| name == key_of).unwrap();
        let act_in_object = match act {
            "yes" => "approve",
            "no" => "reject",
            other => other,
        };
        let ballot =
            json!({"member": member, "act": act_in_object, "signature": signer.sign(&note).unwrap()});
        let ballot = serde_json::from_value(ballot).unwrap();
        self.amendment.spec.ballots.insert(format!("{member}-{act}-{key_of}"), ballot);
    }

    /// One write, as the API server would keep it; false when nothing is to be done.
    fn step(&mut self, now: Timestamp) -> bool {
        let Some(act) = next(&self.amendment, Some(&self.treaty), now) else { return false };
        match act {
            // Through JSON, as the API server keeps it.
            Act::Tell(status) => {
                self.amendment.status = Some(serde_json::from_value(json!(*status)).unwrap());
            }
            Act::Apply => self.give(self.amendment.spec.text.clone()),
            Act::Restore(before) => self.give(*before),
        }
        true
    }

    fn give(&mut self, spec: TreatySpec) {
        self.treaty.spec = spec;
        self.treaty.annotations_mut().insert(ANNOTATION_AMENDMENT.to_owned(), "more".to_owned());
    }

    fn settle(&mut self, now: Timestamp) -> &AmendmentStatus {
        let steps = (0..10).take_while(|_| self.step(now)).count();
        assert!(steps < 10, "it never comes to rest: {:?}", self.amendment.status);
        self.amendment.status.as_ref().unwrap()
    }

    fn gpus(&self) -> Option<i64> {
        self.treaty.spec.members[0].guarantee.gpus
    }
}

fn at_once() -> Value {
    json!({"of": "annex", "noticeDays": 0, "entryIntoForceDays": 0})
}

#[test]
fn the_text_comes_into_the_treaty_when_the_vote_is_won() {
    let mut desk = Desk::annex(&at_once());
    let status = desk.settle(at(1));
    assert_eq!(
        (status.state, status.why.as_str()),
        (Some(AmendmentState::Voting), "The vote is open. So far: nobody voted yes.")
    );
    desk.sign("north", "yes", "north");
    desk.sign("south", "yes", "north");
    let status = desk.settle(at(2));
    assert_eq!(status.state, Some(AmendmentState::Voting));
    let refused = status.received[1].refused.clone().unwrap();
    assert!(refused.contains("it was made with the key north+"), "{refused}");
    assert_eq!(desk.gpus(), Some(8));
    desk.sign("south", "yes", "south");
    let status = desk.settle(at(3)).clone();
    assert_eq!(status.state, Some(AmendmentState::InForce));
    assert!(status.applied_at.is_some() && status.decision.unwrap().passed);
    assert_eq!((desk.gpus(), status.counts.unwrap().approving), (Some(16), 2));
    assert!(!desk.step(at(999_999_999)));
}

#[test]
fn an_emergency_gives_the_text_back_at_its_sunset_unless_it_was_changed_since() {
    let emergency = || {
        let mut desk =
            Desk::new(&at_once(), "emergency", |text| text["members"][0]["guarantee"]["gpus"] = json!(16));
        desk.sign("north", "yes", "north");
        desk.sign("south", "yes", "south");
        assert_eq!(desk.settle(at(5)).state, Some(AmendmentState::InForce));
        assert_eq!(desk.settle(at(5 + 86_399)).state, Some(AmendmentState::InForce));
        desk
    };
    let mut desk = emergency();
    assert_eq!(desk.gpus(), Some(16));
    assert_eq!(desk.settle(at(5 + 86_400)).state, Some(AmendmentState::Expired));
    assert_eq!(desk.gpus(), Some(8));
    assert!(desk.amendment.status.as_ref().unwrap().ended_at.is_some());

    let mut desk = emergency();
    desk.treaty.spec.title = "changed since".to_owned();
    desk.treaty.annotations_mut().insert(ANNOTATION_AMENDMENT.to_owned(), "other".to_owned());
    let status = desk.settle(at(5 + 86_400));
    assert!(status.why.ends_with("A later amendment had changed the text meanwhile, and that one rules."));
    assert_eq!(desk.gpus(), Some(16));
}

/// Whichever write is the last before a crash, the next operator comes to the same end.
#[test]
fn a_crash_between_any_two_writes_leads_to_the_same_end() {
    let run = |crash_after: usize| {
        let mut desk =
            Desk::new(&at_once(), "emergency", |text| text["members"][0]["guarantee"]["gpus"] = json!(16));
        desk.sign("north", "yes", "north");
        desk.sign("south", "yes", "south");
        let mut steps = 0;
        // Down for an hour after so many writes.
        for second in [1, 3_601, 90_000, 90_001] {
            while steps < crash_after || second > 1 {
                if !desk.step(at(second)) {
                    break;
                }
                steps += 1;
            }
        }
        let status = desk.amendment.status.clone().unwrap();
        (status.state, desk.gpus(), status.ended_at.is_some(), status.applied_at.is_some())
    };
    for crash_after in 0..6 {
        let (state, gpus, ended, _) = run(crash_after);
        assert_eq!((state, gpus, ended), (Some(AmendmentState::Expired), Some(8), true), "{crash_after}");
    }
}

#[test]
fn of_two_amendments_of_one_text_the_second_is_overtaken() {
    let mut desk = Desk::annex(&at_once());
    desk.settle(at(1));
    desk.treaty.spec.title = "changed".to_owned();
    desk.treaty.annotations_mut().insert(ANNOTATION_AMENDMENT.to_owned(), "other".to_owned());
    desk.sign("north", "yes", "north");
    desk.sign("south", "yes", "south");
    let status = desk.settle(at(2));
    assert_eq!(status.state, Some(AmendmentState::Overtaken));
    assert!(
        status.why.starts_with("Overtaken: amendment \"other\" changed the text first"),
        "{}",
        status.why
    );
    assert_eq!(desk.gpus(), Some(8));
}

#[test]
fn what_cannot_be_decided_on_is_refused_and_says_why() {
    let told = |desk: &mut Desk| desk.settle(at(11)).why.clone();
    let mut desk = Desk::annex(&at_once());
    desk.treaty.spec.title = "another".to_owned();
    assert!(!desk.step(at(1)), "the treaty may not have been seen yet");
    assert!(told(&mut desk).contains("look at what changed and propose it anew"));
    let mut desk = Desk::new(&at_once(), "annex", |text| text["votes"][0]["weightPercent"] = json!("1"));
    assert!(told(&mut desk).contains("changes votes[annex].weightPercent (body)"));
    let mut desk = Desk::annex(&at_once());
    desk.amendment.spec.treaty = "nowhere".to_owned();
    assert!(
        next(&desk.amendment, None, at(11))
            .is_some_and(|act| matches!(act, Act::Tell(status) if status.why.contains("no treaty")))
    );
}

/// ITER: the text acts from the vote on, and the rules of the text before say whose signature is missing.
#[test]
fn a_text_that_acts_provisionally_is_ratified_by_the_rules_of_the_one_before() {
    let rule = json!({"of": "annex", "noticeDays": 0, "entryIntoForceDays": 1, "ratifiedByAll": true, "provisional": true});
    let mut desk = Desk::annex(&rule);
    desk.sign("north", "yes", "north");
    desk.sign("south", "yes", "south");
    desk.sign("north", "ratify", "north");
    let status = desk.settle(at(2));
    assert_eq!(
        (status.state, status.missing.as_slice()),
        (Some(AmendmentState::Provisional), ["south".to_owned()].as_slice())
    );
    assert_eq!(desk.gpus(), Some(16));
    desk.sign("south", "ratify", "south");
    assert_eq!(desk.settle(at(100)).state, Some(AmendmentState::Provisional));
    let status = desk.settle(at(100 + 86_400));
    assert_eq!(
        (status.state, status.in_force_from.clone()),
        (Some(AmendmentState::InForce), Some(MicroTime(at(100 + 86_400))))
    );
    let steps: Vec<String> = entries::entries(&desk.amendment).into_iter().map(|entry| entry.id).collect();
    let expected = [
        "proposed",
        "ballot/north-ratify-north",
        "ballot/north-yes-north",
        "ballot/south-yes-south",
        "decided",
        "provisional",
        "ballot/south-ratify-south",
        "inForce",
    ];
    assert_eq!(steps, expected.map(|step| format!("amendment//{step}")));
}

#[test]
fn an_emergency_is_recorded_from_its_proposal_to_its_end() {
    let mut desk =
        Desk::new(&at_once(), "emergency", |text| text["members"][0]["guarantee"]["gpus"] = json!(16));
    assert_eq!(entries::entries(&desk.amendment), [], "nobody has looked at it");
    desk.sign("north", "yes", "north");
    desk.sign("south", "yes", "north");
    desk.sign("south", "yes", "south");
    desk.settle(at(5));
    desk.settle(at(90_000));
    let found = entries::entries(&desk.amendment);
    let steps: Vec<&str> = found.iter().map(|entry| entry.id.strip_prefix("amendment//").unwrap()).collect();
    assert_eq!(
        steps,
        ["proposed", "ballot/north-yes-north", "ballot/south-yes-south", "decided", "inForce", "expired"]
    );
    let line = String::from_utf8(found[1].bytes().unwrap()).unwrap();
    assert!(line.contains("member north\\nact yes\\n\\n— north "), "{line}");
}

#[test]
fn a_key_that_was_typed_wrong_is_refused_before_anybody_votes() {
    let mut desk = Desk::new(&at_once(), "annex", |_| ());
    let text = &mut desk.amendment.spec.text;
    text.members[0].guarantee.gpus = Some(16);
    let why = |desk: &mut Desk| desk.settle(at(1)).why.clone();
    let right = text.members[1].keys[0].clone();
    let (name, rest) = right.split_once('+').unwrap();
    text.members[1].keys = vec![format!("{name}+00000000{}", &rest[8..])];
    desk.amendment.spec.matter = concord_api::amendment::AmendmentMatter::Body;
    desk.treaty.spec.votes[0].matter = concord_treaty::document::MatterName::Body;
    desk.treaty.spec.amendments[0].of = concord_treaty::document::MatterName::Body;
    desk.amendment.spec.text.votes = desk.treaty.spec.votes.clone();
    desk.amendment.spec.text.amendments = desk.treaty.spec.amendments.clone();
    desk.amendment.spec.replaces = note::text_sha256(&desk.treaty.spec).unwrap();
    assert!(why(&mut desk).contains("nobody can sign with the key"), "{}", why(&mut desk));
}

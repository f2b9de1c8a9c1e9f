//! Records of amendments, with keys that are made for each: what an honest operator writes, and what another one may.

use concord_ledger::entry::{AmendmentEvent, Entry, Event, Step, TreatyInForce};
use concord_ledger::note::{self, MemberSigner, Proposal};
use concord_ledger::text::sha256;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A time such as `01T20:00`: of March 2026.
pub fn at(time: &str) -> Timestamp {
    format!("2026-03-{time}:00Z").parse().unwrap()
}

/// Two members, and a treaty that each of them has to agree to change.
pub struct Scene {
    signers: Vec<(String, MemberSigner)>,
    /// The first text.
    pub first: Value,
    /// In the order of the record.
    pub entries: Vec<Entry>,
    /// Texts that lie beside the record.
    pub texts: Vec<Vec<u8>>,
    /// The amendment whose steps come next.
    pub name: &'static str,
    proposal: Option<Proposal>,
}

impl Scene {
    /// With this rule for `annex`; a text of the treaty rules from `01T20:00` on.
    pub fn new(annex: &Value) -> Self {
        let mut signers = Vec::new();
        let mut member = |name: &str| {
            let (private, public) = MemberSigner::generate(name);
            signers.push((name.to_owned(), MemberSigner::of_text(&private).ok().unwrap()));
            json!({"name": name, "guarantee": {"gpus": 8}, "keys": [public]})
        };
        let members = json!([member("north"), member("south")]);
        let vote = |matter: &str| json!({"matter": matter, "weightBy": "equal", "weightPercent": "100", "absentCounted": true});
        let at_once = |of: &str| json!({"of": of, "noticeDays": 0, "entryIntoForceDays": 0});
        let mut emergency = at_once("emergency");
        emergency["sunsetDays"] = json!(1);
        let first = json!({
            "title": "Two states", "members": members, "reclaim": {"noticeSeconds": 60},
            "votes": [vote("annex"), vote("emergency"), vote("body")],
            "amendments": [annex, emergency, at_once("body")],
            "withdrawal": {"noticeDays": 1},
        });
        let mut scene = Self {
            signers,
            first: first.clone(),
            entries: Vec::new(),
            texts: Vec::new(),
            name: "more-gpus",
            proposal: None,
        };
        scene.rules("01T20:00", 1, &first, None);
        scene
    }

    /// The vote decides, and at once.
    pub fn at_once() -> Self {
        Self::new(&json!({"of": "annex", "noticeDays": 0, "entryIntoForceDays": 0}))
    }

    /// A record of an annex that both voted for, until its text rules.
    pub fn carried() -> Self {
        let mut scene = Self::at_once();
        let text = scene.more_gpus();
        scene.propose("01T21:00", "annex", &text, &[]);
        scene.sign("01T21:10", "north", "yes", "north");
        scene.sign("01T21:20", "south", "yes", "south");
        scene.decided("01T21:20", true);
        scene.in_force("01T21:20", None, false);
        scene.rules("01T21:21", 2, &text, Some("more-gpus"));
        scene
    }

    /// The first text with 16 GPUs for north.
    pub fn more_gpus(&self) -> Value {
        let mut text = self.first.clone();
        text["members"][0]["guarantee"]["gpus"] = json!(16);
        text
    }

    fn keep(&mut self, text: &Value) -> String {
        let text = serde_json_canonicalizer::to_vec(text).unwrap();
        let hash = sha256(&text);
        self.texts.push(text);
        hash
    }

    /// A text begins to rule.
    pub fn rules(&mut self, time: &str, generation: i64, text: &Value, amendment: Option<&str>) {
        let text = self.keep(text);
        let amendment = amendment.map(str::to_owned);
        let ruled = TreatyInForce { treaty: "two-states".to_owned(), generation, text, amendment };
        let id = format!("treaty/t/{generation}/{}", at(time).as_second());
        self.entries.push(Entry::new(id, at(time), Event::Treaty(ruled)));
    }

    /// A text is proposed in place of the first one.
    pub fn propose(&mut self, time: &str, matter: &str, text: &Value, concerns: &[&str]) {
        let proposal = Proposal {
            treaty: "two-states".to_owned(),
            amendment: self.name.to_owned(),
            matter: matter.to_owned(),
            replaces: note::text_sha256(&self.first).unwrap(),
            text: self.keep(text),
            published: at(time),
        };
        let step = Step::Proposed {
            matter: matter.to_owned(),
            note: proposal.note(),
            replaces: proposal.replaces.clone(),
            text: proposal.text.clone(),
            concerns: concerns.iter().map(|&name| name.to_owned()).collect(),
        };
        self.proposal = Some(proposal);
        self.step("proposed", time, step);
    }

    /// A member's ballot, signed with somebody's key.
    pub fn sign(&mut self, time: &str, member: &str, act: &str, key_of: &str) {
        let note = self.proposal.as_ref().unwrap().ballot(member, act);
        let (_, signer) = self.signers.iter().find(|(name, _)| name == key_of).unwrap();
        let note = note::signed(&note, &signer.sign(&note).unwrap());
        let step = Step::Signed { member: member.to_owned(), act: act.to_owned(), note };
        self.step(&format!("ballot/{member}-{act}"), time, step);
    }

    /// The vote was counted.
    pub fn decided(&mut self, time: &str, passed: bool) {
        self.step("decided", time, Step::Decided { passed, why: "as counted".to_owned() });
    }

    /// The text acts.
    pub fn in_force(&mut self, time: &str, sunset: Option<&str>, provisional: bool) {
        let name = if provisional { "provisional" } else { "inForce" };
        self.step(name, time, Step::InForce { sunset: sunset.map(at), provisional });
    }

    /// Any step.
    pub fn step(&mut self, name: &str, time: &str, step: Step) {
        let event = AmendmentEvent { amendment: self.name.to_owned(), treaty: "two-states".to_owned(), step };
        self.entries.push(Entry::new(
            format!("amendment/{}/{name}", self.name),
            at(time),
            Event::Amendment(event),
        ));
    }

    /// Somebody leaves a step out.
    pub fn leave_out(&mut self, name: &str) {
        let all = self.entries.len();
        self.entries.retain(|entry| entry.id != format!("amendment/more-gpus/{name}"));
        assert_eq!(self.entries.len() + 1, all, "there is no {name}");
    }

    /// Somebody changes a step.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&mut Step)) {
        let entry = self.entries.iter_mut().find(|entry| entry.id == format!("amendment/more-gpus/{name}"));
        let Event::Amendment(event) = &mut entry.unwrap().event else { panic!("{name} is no step") };
        change(&mut event.step);
    }

    /// Somebody changes a character of a signature.
    pub fn forge(&mut self, name: &str) {
        self.change(name, |step| {
            let Step::Signed { note, .. } = step else { panic!("no ballot") };
            let place = note.len() - 20;
            let other = if &note[place..=place] == "A" { "B" } else { "A" };
            note.replace_range(place..=place, other);
        });
    }

    /// Somebody says that the member did something else.
    pub fn turn(&mut self, name: &str, to: &str) {
        self.change(name, |step| {
            let Step::Signed { act, .. } = step else { panic!("no ballot") };
            to.clone_into(act);
        });
    }
}

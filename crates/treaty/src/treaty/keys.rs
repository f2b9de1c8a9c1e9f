//! Validation of who may sign a change, and that a change can be decided at all.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, quoted};
use crate::document::{
    AmendmentDocument, GuaranteeDocument, MatterName, ShareDocument, VoteDocument, WeightByName,
};
use crate::treaty::checker::Checker;

/// Same limit as the CRD's schema.
const KEYS_MOST: usize = 8;
/// A byte for the kind of key and 32 of Ed25519, in base64.
const KEY_CHARACTERS: usize = 44;
impl Checker<'_> {
    /// The keys of all members: none stands twice, and where signatures decide every member has one.
    pub fn keys(&mut self) {
        let document = self.document;
        let mut taken: BTreeMap<&str, String> = BTreeMap::new();
        for (index, member) in document.members.iter().enumerate() {
            let path = format!("members[{index}]");
            self.at_most(member.keys.len(), KEYS_MOST, &format!("{path}.keys"));
            for (index, key) in member.keys.iter().enumerate() {
                self.key(key, &format!("{path}.keys[{index}]"), &mut taken);
            }
            if member.keys.is_empty() && !document.amendments.is_empty() {
                let message = format!(
                    "the treaty is amended by signatures, and {} has no key to sign with",
                    quoted(&member.name)
                );
                let help = format!(
                    "let it run `concord key new {}`, and add the public key as `keys: […]`",
                    member.name
                );
                let fault = Diagnostic::new("TR061", &path, &message, &help);
                self.faults.push(fault.related_to("amendments", "signatures decide"));
            }
        }
    }

    fn key<'k>(&mut self, key: &'k str, path: &str, taken: &mut BTreeMap<&'k str, String>) {
        let Some(material) = key_material(key) else {
            // What is told must not carry a private key further.
            if key.starts_with("PRIVATE+KEY+") {
                let help = "whoever reads this can sign: make another key, and write its public line here";
                self.fault("TR060", path, "a private key stands in the treaty", help);
                return;
            }
            let message = format!("{} is not a key of the form <name>+<id>+<key>", quoted(key));
            self.fault("TR060", path, &message, "copy the line that `concord key new` prints");
            return;
        };
        // One key, one member: whoever has it must not vote for two.
        self.once(material, path, taken);
    }

    /// Each kind of change has its vote, and votes can be counted by anybody who has the text.
    pub fn ways_of_change(&mut self) {
        let document = self.document;
        for (index, way) in document.amendments.iter().enumerate() {
            let path = format!("amendments[{index}]");
            match document.votes.iter().find(|vote| vote.matter == way.of) {
                None => {
                    let word = word(way.of);
                    let help = format!("add `votes: [{{matter: {word}, …}}]`");
                    let message = format!("a change of {word} is not voted on by any rule");
                    self.fault("TR062", &format!("{path}.of"), &message, &help);
                }
                Some(vote) => self.first_yes(way, vote, &path),
            }
        }
        for (index, vote) in document.votes.iter().enumerate() {
            if vote.weight_by == WeightByName::Guarantee {
                self.weighed_by_guarantee(&format!("votes[{index}].weightBy"));
            }
        }
    }

    fn first_yes(&mut self, way: &AmendmentDocument, vote: &VoteDocument, path: &str) {
        if way.notice_days == 0 && vote.quorum_percent.is_none() && !vote.absent_counted {
            let message = "without notice, quorum and `absentCounted` the first yes decides alone";
            let help = "state `noticeDays`, or a `quorumPercent` or `absentCounted: true` in its vote";
            self.fault("TR064", &format!("{path}.noticeDays"), message, help);
        }
    }

    fn weighed_by_guarantee(&mut self, path: &str) {
        let document = self.document;
        let depends = |raw: &GuaranteeDocument| {
            let of = |share: &ShareDocument| share.gpus.is_none();
            if raw.by_class.is_empty() { of(&raw.whole()) } else { raw.by_class.values().any(of) }
        };
        if let Some(index) = document.members.iter().position(|m| depends(&m.guarantee)) {
            let message = "votes weighed by guarantees would change with the nodes of the pool";
            let help = "weigh by `contribution`, `stated` or `equal`, or state all guarantees in GPUs";
            let fault = Diagnostic::new("TR063", path, message, help);
            let there = format!("members[{index}].guarantee");
            self.faults.push(fault.related_to(&there, "is known only with the nodes"));
        }
    }
}

/// The key itself, without its name and id; `None` when the text has another form.
fn key_material(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    let is_name = !name.is_empty() && name.chars().all(|c| !c.is_whitespace() && !c.is_control());
    let is_id = id.len() == 8 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let is_key = key.len() == KEY_CHARACTERS && is_ed25519(key) && key.bytes().all(is_base64);
    (is_name && is_id && is_key).then_some(key)
}

/// The first byte of an Ed25519 key is 1: in base64 an `A`, and a letter for the two bits `01` and four more.
fn is_ed25519(key: &str) -> bool {
    matches!(key.as_bytes(), [b'A', b'Q'..=b'Z' | b'a'..=b'f', ..])
}

/// The word as it stands in a treaty.
pub const fn word(matter: MatterName) -> &'static str {
    match matter {
        MatterName::Body => "body",
        MatterName::Annex => "annex",
        MatterName::Emergency => "emergency",
        MatterName::OpenReserve => "openReserve",
        MatterName::Admission => "admission",
        MatterName::Suspension => "suspension",
    }
}

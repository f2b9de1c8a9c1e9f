//! Notes and signatures: that a proposal's note says what its entry says, and that members signed it with their own keys.

use concord_ledger::entry::Step;
use concord_ledger::note;
use concord_treaty::ratify::{Act, Signature};

use super::Case;
use super::case::{Placed, Proposed};
use crate::finding::{Findings, Kind};
use crate::texts::Texts;

/// Checks the note and all signatures, and keeps those that are their member's own.
pub(super) fn check(case: &mut Case<'_>, texts: &Texts, findings: &mut Findings) {
    let Some(proposed) = &case.proposed else { return };
    let said = proposed.proposal.note();
    if said != proposed.note {
        findings.add(Kind::Proposal, || {
            format!("the note of {} {}", case.title(), difference(proposed.note, &said))
        });
    }
    let mut own = Vec::new();
    for placed in &case.ballots {
        match signature(placed, proposed, texts) {
            Some(Ok(signature)) => own.push((placed.place, signature)),
            Some(Err(why)) => {
                findings.add(Kind::Signature, || format!("{}, of {}: {why}", placed.step.id, case.title()));
            }
            None => {}
        }
    }
    own.sort_by_key(|(_, signature)| signature.at);
    case.signatures = own;
}

/// The signature of a step; `None`: it is another step, or nobody can tell, because the text with the keys is not there.
fn signature<'h>(
    placed: &Placed<'h>,
    proposed: &Proposed<'_>,
    texts: &Texts,
) -> Option<Result<Signature<'h>, String>> {
    let Step::Signed { member, act, note } = &placed.step.what.step else { return None };
    let known = Act::ALL.into_iter().find(|known| known.word() == act);
    let Some(known) = known else { return Some(Err(format!("{act:?} is nothing that a member signs"))) };
    // A signed note: the text, an empty line, the signature.
    let Some((text, line)) = note.split_once("\n\n") else {
        return Some(Err("it is no signed note".to_owned()));
    };
    let text = format!("{text}\n");
    let Some(rest) = text.strip_prefix(proposed.note) else {
        let why =
            format!("{member}'s note is not about this proposal: it {}", difference(&text, proposed.note));
        return Some(Err(why));
    };
    let says = format!("member {member}\nact {act}\n");
    if rest != says {
        let why =
            format!("the entry says {:?}, and the note under the signature {:?}", flat(&says), flat(rest));
        return Some(Err(why));
    }
    let before = texts.document(&proposed.proposal.replaces).ok()?;
    let Some(found) = before.members.iter().find(|found| found.name == *member) else {
        return Some(Err(format!("{member} is no member by the text that is changed")));
    };
    let signed = note::verify(&text, line.trim_end(), &found.keys);
    let told = |fault| format!("the signature under \"{}\" is not {member}'s: {fault}", flat(&says));
    Some(signed.map_err(told).map(|()| Signature { member, act: known, at: placed.at() }))
}

/// Lines in one.
fn flat(lines: &str) -> String {
    lines.lines().collect::<Vec<_>>().join(", ")
}

/// The first line of a note that is another one than it should be.
fn difference(found: &str, expected: &str) -> String {
    let mut lines = found.lines();
    let other =
        expected.lines().map(|line| (lines.next().unwrap_or_default(), line)).find(|(one, line)| one != line);
    match other {
        Some((found, expected)) => format!("says {found:?} where the entry says {expected:?}"),
        None => "has lines that a proposal does not have".to_owned(),
    }
}

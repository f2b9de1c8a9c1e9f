//! Ballots as they come in: when, and whether a key of the member signed. What was found once stays, so that a restart finds the
//! same.

use std::collections::BTreeSet;

use concord_api::Amendment;
use concord_api::amendment::{AmendmentStatus, ReceivedBallot, SignedBallot};
use concord_api::snapshot::millis;
use concord_api::treaty::TreatySpec;
use concord_ledger::note::{self, Proposal};
use concord_treaty::ratify::Signature;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

/// Adds what is new. Clocks of two operators differ, and the order stays all the same.
pub fn receive(
    status: &mut AmendmentStatus,
    amendment: &Amendment,
    before: &TreatySpec,
    proposal: &Proposal,
    now: Timestamp,
) {
    let known: BTreeSet<String> = status.received.iter().map(|ballot| ballot.id.clone()).collect();
    let last = status.received.iter().map(|ballot| ballot.at.0).max();
    let at = last.map_or(now, |last| last.max(now));
    for (id, ballot) in amendment.spec.ballots.iter().filter(|(id, _)| !known.contains(*id)) {
        let fault = check(ballot, before, proposal).err();
        status.received.push(ReceivedBallot {
            id: id.clone(),
            member: ballot.member.clone(),
            act: ballot.act,
            at: MicroTime(at),
            valid: fault.is_none(),
            refused: fault,
        });
    }
}

fn check(ballot: &SignedBallot, before: &TreatySpec, proposal: &Proposal) -> Result<(), String> {
    let SignedBallot { member, act, signature } = ballot;
    let found = before.members.iter().find(|m| m.name == *member);
    let found = found.ok_or_else(|| format!("{member} is no member by the text that is changed"))?;
    let note = proposal.ballot(member, act.act().word());
    note::verify(&note, signature, &found.keys).map_err(|fault| fault.to_string())
}

/// A ballot as the rules know it.
pub fn signature(ballot: &ReceivedBallot) -> Signature<'_> {
    Signature { member: &ballot.member, act: ballot.act.act(), at: millis(ballot.at.0) }
}

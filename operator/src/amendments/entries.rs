//! The steps of an amendment as entries of the public record: all of them follow from the object, so that each is recorded once,
//! whoever crashes in between, and again the same after a restart.

use concord_api::Amendment;
use concord_api::amendment::{AmendmentState, AmendmentStatus, ReceivedBallot};
use concord_ledger::entry::{AmendmentEvent, Entry, Event, Step};
use concord_ledger::note;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

/// What has happened to it so far, in order of time. A proposal that was refused at first sight never was one, and ballots that
/// no key of a member signed are nobody's.
#[must_use]
pub fn entries(amendment: &Amendment) -> Vec<Entry> {
    let Some(status) = amendment.status.as_ref().filter(|status| status.before.is_some()) else {
        return Vec::new();
    };
    let mut found = vec![proposed(amendment, status)];
    found.extend(status.received.iter().filter_map(|ballot| signed(amendment, status, ballot)));
    if let Some(decision) = &status.decision {
        let step = Step::Decided { passed: decision.passed, why: decision.why.clone() };
        found.push(entry(amendment, "decided", decision.at.0, step));
    }
    if status.applied_at.is_some() {
        found.extend(in_force(amendment, status));
    }
    if status.state == Some(AmendmentState::Expired)
        && let Some(ended) = status.ended_at.as_ref()
    {
        found.push(entry(amendment, "expired", ended.0, Step::Expired));
    }
    // A decision is known to the millisecond, a ballot to the microsecond; the one that decided comes before it.
    found.sort_by_key(|entry| entry.at.as_millisecond());
    found
}

fn proposed(amendment: &Amendment, status: &AmendmentStatus) -> Entry {
    let published = status.published_at.as_ref().map_or(Timestamp::UNIX_EPOCH, |at| at.0);
    let step = Step::Proposed {
        matter: amendment.spec.matter.subject().word().to_owned(),
        note: status.note.clone(),
        replaces: amendment.spec.replaces.clone(),
        text: status.text_sha256.clone(),
        concerns: amendment.spec.concerns.clone(),
    };
    entry(amendment, "proposed", published, step)
}

fn signed(amendment: &Amendment, status: &AmendmentStatus, ballot: &ReceivedBallot) -> Option<Entry> {
    let text = amendment.spec.ballots.get(&ballot.id).filter(|_| ballot.valid)?;
    let act = ballot.act.act().word();
    let said = format!("{}member {}\nact {act}\n", status.note, ballot.member);
    let step = Step::Signed {
        member: ballot.member.clone(),
        act: act.to_owned(),
        note: note::signed(&said, &text.signature),
    };
    Some(entry(amendment, &format!("ballot/{}", ballot.id), ballot.at.0, step))
}

/// The day on which it began to act, and the day of its force where that is another.
fn in_force(amendment: &Amendment, status: &AmendmentStatus) -> Vec<Entry> {
    let at = |time: &Option<_>| {
        time.as_ref().map(|at: &k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime| at.0)
    };
    let (acts, force) = (at(&status.acts_from), at(&status.in_force_from));
    let step = |provisional| Step::InForce { sunset: at(&status.sunset), provisional };
    let mut found = Vec::new();
    if let Some(acts) = acts.filter(|acts| Some(*acts) != force) {
        found.push(entry(amendment, "provisional", acts, step(true)));
    }
    let rules = matches!(status.state, Some(AmendmentState::InForce | AmendmentState::Expired));
    // One that ended before its day of force never came into it.
    let ends_first = at(&status.sunset).zip(force).is_some_and(|(end, force)| end <= force);
    found.extend(
        force.filter(|_| rules && !ends_first).map(|force| entry(amendment, "inForce", force, step(false))),
    );
    found
}

fn entry(amendment: &Amendment, step_name: &str, at: Timestamp, step: Step) -> Entry {
    let id = format!("amendment/{}/{step_name}", amendment.uid().unwrap_or_default());
    let event =
        AmendmentEvent { amendment: amendment.name_any(), treaty: amendment.spec.treaty.clone(), step };
    Entry::new(id, at, Event::Amendment(event))
}

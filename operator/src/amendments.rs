//! Amendments: how each stands by the text that it changes, and when that text gives way to the new one. Pure; what is written
//! stands in the status first and in the treaty second, so that a crash between the two leaves a status that says what the
//! treaty has to become.

mod ballots;
pub mod entries;
mod found;
mod told;

use concord_api::Treaty;
use concord_api::amendment::{Amendment, AmendmentState, AmendmentStatus};
use concord_api::names::ANNOTATION_AMENDMENT;
use concord_api::snapshot::millis;
use concord_api::treaty::TreatySpec;
use concord_ledger::note::{self, Proposal};
use concord_treaty::accounts::amendments::State;
use concord_treaty::ratify::Way;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

pub use found::{Found, found};

/// How long a proposal about an unknown text waits for the treaty to be seen with it, before it is refused.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// What is to be written next for one amendment.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Its status.
    Tell(Box<AmendmentStatus>),
    /// Its text, into the treaty.
    Apply,
    /// The text before, back into the treaty.
    Restore(Box<TreatySpec>),
}

/// The next act, if there is one. `treaty` is the treaty of that name, as it is now.
#[must_use]
pub fn next(amendment: &Amendment, treaty: Option<&Treaty>, now: Timestamp) -> Option<Act> {
    if amendment.metadata.deletion_timestamp.is_some() || is_done(amendment) {
        return None;
    }
    if may_be_early(amendment, treaty, now) {
        return None;
    }
    let before = amendment.status.clone().unwrap_or_default();
    let after = assess(amendment, treaty, now);
    if after != before {
        return Some(Act::Tell(Box::new(after)));
    }
    let found = treaty.and_then(|treaty| found(amendment, treaty))?;
    match before.state {
        Some(AmendmentState::Provisional | AmendmentState::InForce)
            if before.applied_at.is_none() && found == Found::Before =>
        {
            Some(Act::Apply)
        }
        Some(AmendmentState::Expired) if before.applied_at.is_some() && found == Found::Ours => {
            before.before.map(Act::Restore)
        }
        _ => None,
    }
}

/// Two watches have no order: a proposal may be seen before the text that it changes.
fn may_be_early(amendment: &Amendment, treaty: Option<&Treaty>, now: Timestamp) -> bool {
    let age = amendment.creation_timestamp().map_or(PATIENCE, |time| now.duration_since(time.0));
    let fits = || treaty.and_then(|treaty| found(amendment, treaty)) == Some(Found::Before);
    amendment.status.is_none() && age < PATIENCE && !fits()
}

/// It acts by its status, and the treaty does not have its text yet. Nothing else is decided on that treaty before it has.
#[must_use]
pub fn is_to_be_applied(amendment: &Amendment) -> bool {
    amendment.status.as_ref().is_some_and(|status| {
        let acts = matches!(status.state, Some(AmendmentState::Provisional | AmendmentState::InForce));
        acts && status.applied_at.is_none()
    })
}

/// Nothing is to be done for it any more, whatever comes.
fn is_done(amendment: &Amendment) -> bool {
    let Some(status) = &amendment.status else { return false };
    match status.state {
        Some(AmendmentState::Expired) => status.applied_at.is_none() || status.ended_at.is_some(),
        Some(AmendmentState::InForce) => status.applied_at.is_some() && status.sunset.is_none(),
        state => state.is_some_and(AmendmentState::is_final),
    }
}

/// The status as it should be.
fn assess(amendment: &Amendment, treaty: Option<&Treaty>, now: Timestamp) -> AmendmentStatus {
    let published = amendment.creation_timestamp().map_or(now, |time| time.0);
    let mut status = amendment.status.clone().unwrap_or_default();
    status.published_at = Some(Time(published));
    let Ok(text) = note::text_sha256(&amendment.spec.text) else {
        return refused(status, amendment, "its text cannot be written as JSON", now);
    };
    status.text_sha256.clone_from(&text);
    let proposal = proposal(amendment, text, published);
    status.note = proposal.note();
    let before = match rules_over(amendment, treaty, &status) {
        Ok(before) => before,
        Err(why) => return refused(status, amendment, &why, now),
    };
    let concerns = amendment.spec.concerns.iter().cloned().collect();
    let subject = amendment.spec.matter.subject();
    let way = Way::of(&before.document(), &amendment.spec.text.document(), subject, &concerns);
    let way = match way {
        Ok(way) => way,
        Err(why) => return refused(status, amendment, &why.to_string(), now),
    };
    if let Some((path, key)) = note::dead_keys(keys(&amendment.spec.text)).next() {
        let why = format!("nobody can sign with the key {key:?} at {path}; copy it again");
        return refused(status, amendment, &why, now);
    }
    ballots::receive(&mut status, amendment, &before, &proposal, published.max(now));
    status.before = Some(before);
    stand(&mut status, &way, published, now);
    settle(&mut status, amendment, treaty, now);
    told::conditions(&mut status, amendment, now);
    status
}

/// The keys of each member.
pub fn keys(spec: &TreatySpec) -> impl Iterator<Item = &[String]> {
    spec.members.iter().map(|member| member.keys.as_slice())
}

/// What its note says.
#[must_use]
pub fn proposal(amendment: &Amendment, text: String, published: Timestamp) -> Proposal {
    Proposal {
        treaty: amendment.spec.treaty.clone(),
        amendment: amendment.name_any(),
        matter: amendment.spec.matter.subject().word().to_owned(),
        replaces: amendment.spec.replaces.clone(),
        text,
        published,
    }
}

/// The text that it changes: at first sight that of the treaty, afterwards the one that was kept.
fn rules_over(
    amendment: &Amendment,
    treaty: Option<&Treaty>,
    status: &AmendmentStatus,
) -> Result<Box<TreatySpec>, String> {
    let wanted = &amendment.spec.replaces;
    if let Some(kept) = &status.before {
        return Ok(kept.clone());
    }
    let name = &amendment.spec.treaty;
    let treaty =
        treaty.ok_or_else(|| format!("there is no treaty {name:?}; name one of `kubectl get treaties`"))?;
    match note::text_sha256(&treaty.spec) {
        Ok(found) if found == *wanted => Ok(Box::new(treaty.spec.clone())),
        Ok(found) => Err(format!(
            "it changes the text {wanted}, and treaty {name:?} has the text {found}; look at what changed and propose it anew"
        )),
        Err(_) => Err(format!("the text of treaty {name:?} cannot be written as JSON")),
    }
}

/// What the rules say, at this time.
fn stand(status: &mut AmendmentStatus, way: &Way, published: Timestamp, now: Timestamp) {
    let valid: Vec<usize> = (0..status.received.len()).filter(|i| status.received[*i].valid).collect();
    let signatures: Vec<_> = valid.iter().map(|i| ballots::signature(&status.received[*i])).collect();
    let seen = way.standing(millis(published), &signatures, millis(now));
    let mut refused: Vec<Option<String>> = vec![None; valid.len()];
    for ignored in seen.ignored {
        refused[ignored.index] = Some(ignored.why);
    }
    for (index, why) in valid.into_iter().zip(refused) {
        status.received[index].refused = why;
    }
    status.state = Some(told::state(&seen.state));
    status.why = seen.why;
    status.counts = way.is_voted_on().then(|| told::counts(&seen.counts));
    status.decision = seen.verdict.map(told::decision);
    status.missing = seen.missing;
    let time = |at: Option<_>| at.and_then(told::micro_time);
    if !matches!(seen.state, State::Expired { .. }) {
        status.acts_from = time(seen.acts_from);
        status.in_force_from = time(seen.in_force_from);
    }
    status.sunset = time(seen.sunset);
    status.next_at = time(seen.next);
}

/// What became of the text in the treaty itself.
fn settle(status: &mut AmendmentStatus, amendment: &Amendment, treaty: Option<&Treaty>, now: Timestamp) {
    let found = treaty.and_then(|treaty| found(amendment, treaty));
    let told = amendment.status.as_ref();
    let told_acting = is_to_be_applied(amendment);
    if status.applied_at.is_none() {
        match found {
            // What the status said has happened; a crash may lie between.
            Some(Found::Ours) if told_acting => status.applied_at = Some(MicroTime(now)),
            Some(Found::Before) => {}
            _ => overtaken(status, amendment, treaty),
        }
        return;
    }
    let told_expired = told.is_some_and(|told| told.state == Some(AmendmentState::Expired));
    if told_expired && status.ended_at.is_none() && found != Some(Found::Ours) {
        status.ended_at = Some(MicroTime(now));
        if found != Some(Found::Before) {
            status.why += " A later amendment had changed the text meanwhile, and that one rules.";
        }
    }
}

fn overtaken(status: &mut AmendmentStatus, amendment: &Amendment, treaty: Option<&Treaty>) {
    if status.state.is_some_and(AmendmentState::is_final) {
        return;
    }
    let by = treaty.and_then(|treaty| treaty.annotations().get(ANNOTATION_AMENDMENT).cloned());
    let by = match (&by, treaty) {
        (_, None) => "the treaty is not there any more".to_owned(),
        (Some(other), _) => format!("amendment {other:?} changed the text first"),
        (None, _) => "the text was changed first".to_owned(),
    };
    status.state = Some(AmendmentState::Overtaken);
    status.why = format!(
        "Overtaken: {by}, and this proposal is about the text {}; propose it anew.",
        amendment.spec.replaces
    );
    (status.acts_from, status.in_force_from, status.sunset, status.next_at) = (None, None, None, None);
    status.missing.clear();
}

/// A proposal that was found sound stays so: another release must not undo what was decided by this one.
fn refused(mut status: AmendmentStatus, amendment: &Amendment, why: &str, now: Timestamp) -> AmendmentStatus {
    if status.before.is_some() {
        return amendment.status.clone().unwrap_or(status);
    }
    status.state = Some(AmendmentState::Refused);
    status.why = format!("Refused: {why}.");
    told::conditions(&mut status, amendment, now);
    status
}

#[cfg(test)]
mod tests;

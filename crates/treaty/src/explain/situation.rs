//! What is decided about a claim: state, reason, place in line, promise, and who holds what.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::case::{Case, could_host};
use super::forecast::median_run;
use super::range::Range;
use super::{Ahead, Expected, Explanation, Held, Holders, Leaving, Line, Place, Promise, Reason, State};
use crate::accounts::calendar;
use crate::engine::Engine;
use crate::plan::{Plan, Wait};
use crate::reason::{ReclaimReason, WaitReason};
use crate::snapshot::{Basis, Claim, ClaimState, Holding, Phase, Slot};
use crate::treaty::{Clause, Treaty};
use crate::units::{Gpus, MemberId, TimestampMillis};

/// Claims ahead in line that are named.
const AHEAD_NAMED_MOST: usize = 5;

/// No pool takes the claim.
pub(super) fn of_refused(
    treaty: &Treaty,
    claim: &Claim,
    reason: &WaitReason,
    now: TimestampMillis,
) -> Explanation {
    let reason = Some(wait_reason(treaty, reason, claim.gang.gpus()));
    Explanation { state: State::Refused, reason, ..blank(treaty, claim, now) }
}

/// All of the explanation but what would change it; and why the claim waits.
pub(super) fn of(treaty: &Treaty, case: &Case<'_>) -> (Explanation, Option<WaitReason>) {
    let (claim, party) = (case.claim(), &case.scene.pool.treaty);
    let (plan, engine) = case.decided();
    let class = case.scene.pool.class;
    let class = class.and_then(|class| Some(treaty.classes().get(usize::from(class.0))?.name.clone()));
    let state = state_of(case, &plan);
    let ended = matches!(state, State::Finished { .. });
    let due_since = due_since(claim, &plan).filter(|_| !ended);
    let wait = plan.waits.iter().find(|w| w.claim == claim.id);
    let refused = state == State::Refused;
    let waits = matches!(state, State::Waiting { .. } | State::Reserved { .. });
    let reason = match wait {
        Some(wait) => Some(wait_reason(party, &wait.reason, claim.gang.gpus())),
        None => running_reason(case, &engine, &state),
    };
    let undecided = wait.is_some_and(|w| w.reason.hangs_on_people());
    let mut explanation = Explanation {
        class,
        reason,
        due_since,
        promise: due_since.filter(|_| waits && !undecided).map(|since| promise(case, since, &state)),
        line: wait.filter(|_| waits).map(|wait| line(case, &plan, wait)),
        holders: waits.then(|| holders(case)),
        state,
        ..blank(party, claim, case.scene.now)
    };
    if let State::Starts { .. } = explanation.state {
        explanation.start = Some(expected(case, Range::exactly(case.scene.now)));
    } else if undecided {
        explanation.notes.push("no start can be forecast: it hangs on a decision of people".to_owned());
    } else if waits || refused {
        explanation.start = Some(expected(case, case.expected(case.scene.limits())));
    }
    explanation.notes.extend(notes(case, waits));
    let reason = wait.map(|wait| wait.reason.clone());
    (explanation, reason)
}

fn blank(treaty: &Treaty, claim: &Claim, now: TimestampMillis) -> Explanation {
    Explanation {
        claim: claim.id.clone(),
        now,
        member: name(treaty, claim.member),
        class: None,
        pods: claim.gang.pods,
        gpus_per_pod: claim.gang.gpus_per_pod,
        gpus: claim.gang.gpus(),
        submitted_at: claim.submitted_at,
        stated_run: claim.expected_runtime,
        state: State::Refused,
        reason: None,
        line: None,
        due_since: None,
        promise: None,
        start: None,
        holders: None,
        what_ifs: Vec::new(),
        notes: Vec::new(),
    }
}

fn name(treaty: &Treaty, member: MemberId) -> String {
    treaty.members().get(member.index()).map_or_else(String::new, |m| m.name.clone())
}

fn wait_reason(treaty: &Treaty, reason: &WaitReason, gpus: Gpus) -> Reason {
    Reason {
        code: reason.code().to_owned(),
        clause: treaty.clause_id(reason.clause()),
        sentence: reason.sentence(treaty, gpus),
    }
}

fn due_since(claim: &Claim, plan: &Plan) -> Option<TimestampMillis> {
    let anew = plan.due.iter().find(|d| d.claim == claim.id).map(|d| d.due.since);
    let before = claim.due.as_ref().filter(|_| !plan.no_longer_due.contains(&claim.id)).map(|d| d.since);
    anew.or(before)
}

/// The claim's state in the snapshot, as the plan changes it.
fn state_of(case: &Case<'_>, plan: &Plan) -> State {
    let claim = case.claim();
    if let Some(start) = plan.admissions.iter().find(|a| a.claim == claim.id) {
        return State::Starts { basis: start.basis, slots: places(&start.slots) };
    }
    match &claim.state {
        ClaimState::Holding(holding) => state_of_holding(claim, holding, plan),
        ClaimState::Finished { runtime } => State::Finished { ran: *runtime },
        ClaimState::Waiting { .. } | ClaimState::Reserved(_) => {
            let anew = plan.reservations.iter().find(|r| r.claim == claim.id).map(|r| &r.kept);
            let before = match &claim.state {
                ClaimState::Reserved(kept) if !plan.releases.contains(&claim.id) => Some(kept),
                _ => None,
            };
            let wait = plan.waits.iter().find(|w| w.claim == claim.id);
            if let Some(kept) = anew.or(before) {
                return State::Reserved { basis: kept.basis, leaving: leaving(case, plan) };
            }
            if wait.is_none_or(|w| is_refusal(&w.reason)) {
                return State::Refused;
            }
            State::Waiting { put_back: claim.state == ClaimState::Waiting { put_back: true } }
        }
    }
}

const fn is_refusal(reason: &WaitReason) -> bool {
    matches!(
        reason,
        WaitReason::ExceedsCeiling(_)
            | WaitReason::ExceedsPool
            | WaitReason::ExceedsShareCeiling(_)
            | WaitReason::NoSuchPlace(_)
            | WaitReason::UnsupportedShape
            | WaitReason::NoSuchClass
            | WaitReason::NotEligible(..)
    )
}

fn state_of_holding(claim: &Claim, holding: &Holding, plan: &Plan) -> State {
    let since = holding.since;
    if holding.phase == Phase::Stopping || plan.stops.iter().any(|s| s.claim == claim.id) {
        return State::Stopping;
    }
    if let Some(notice) = plan.notices.iter().find(|n| n.claim == claim.id) {
        let promised_to = notice.promised_to().cloned();
        return State::Told { since, deadline: notice.deadline, promised_to };
    }
    match holding.phase {
        Phase::Noticed { deadline } if !plan.withdrawals.contains(&claim.id) => {
            State::Told { since, deadline, promised_to: holding.promised_to.clone() }
        }
        _ => State::Running { basis: basis_of(claim, holding, plan), since, slots: places(&holding.slots) },
    }
}

fn basis_of(claim: &Claim, holding: &Holding, plan: &Plan) -> Basis {
    plan.basis_changes.iter().find(|c| c.claim == claim.id).map_or(holding.basis, |c| c.to)
}

fn places(slots: &[Slot]) -> Vec<Place> {
    slots.iter().map(Place::from).collect()
}

/// Borrowers that were told to leave for this claim, the last to go first.
fn leaving(case: &Case<'_>, plan: &Plan) -> Vec<Leaving> {
    let mut leaving: Vec<Leaving> = Vec::new();
    for claim in &case.scene.part.claims {
        let ClaimState::Holding(holding) = &claim.state else { continue };
        if let State::Told { deadline, promised_to: Some(to), .. } = state_of_holding(claim, holding, plan)
            && to == case.claim().id
        {
            let member = name(&case.scene.pool.treaty, claim.member);
            leaving.push(Leaving { claim: claim.id.clone(), member, deadline });
        }
    }
    leaving.sort_by_key(|l| Reverse(l.deadline));
    leaving
}

/// Why a claim that does not wait stands where it stands.
fn running_reason(case: &Case<'_>, engine: &Engine, state: &State) -> Option<Reason> {
    let (claim, treaty) = (case.claim(), &case.scene.pool.treaty);
    let reason = |code: &str, clause: Clause, sentence: String| {
        Some(Reason { code: code.to_owned(), clause: treaty.clause_id(clause), sentence })
    };
    let member = name(treaty, claim.member);
    match state {
        State::Starts { basis, .. } | State::Running { basis, .. } => match basis {
            Basis::Due => {
                let sentence = format!("{member} alone would have started it by now; nobody may stop it");
                reason("Due", Clause::Guarantee(claim.member), sentence)
            }
            Basis::Guaranteed => {
                let sentence = format!("inside the guarantee of {member}; gives way to due claims only");
                reason("Guaranteed", Clause::Guarantee(claim.member), sentence)
            }
            Basis::Borrowed => {
                let seconds = treaty.reclaim_notice().0 / 1000;
                let sentence = format!(
                    "on GPUs that others have idle; may be told to leave, with a notice of {seconds} s"
                );
                reason("Borrowed", Clause::Reclaim, sentence)
            }
        },
        State::Told { .. } | State::Stopping => {
            let because = engine.leaving_because(case.job())?;
            let sentence = match because {
                ReclaimReason::GuaranteeOf { member, .. } => {
                    format!("its borrowed GPUs go back to {}", name(treaty, *member))
                }
                _ => because.sentence(treaty),
            };
            reason(because.code(), because.clause(), sentence)
        }
        State::Finished { .. } | State::Waiting { .. } | State::Reserved { .. } | State::Refused => None,
    }
}

/// Reclaim counts from the time at which the claim became due, but no borrower leaves before its minimum run, which
/// may have begun later: what the borrowers were told counts, or what they would be told now.
fn promise(case: &Case<'_>, since: TimestampMillis, state: &State) -> Promise {
    let minimum_run = case.scene.pool.treaty.reclaim().minimum_run;
    let noticed = since.after(case.scene.rules.notice);
    let told = match state {
        State::Reserved { leaving, .. } => leaving.iter().map(|l| l.deadline).max(),
        _ => (minimum_run.0 > 0).then(|| case.scene.now.after(minimum_run)),
    };
    let latest_start = told.map_or(noticed, |told| told.max(noticed));
    Promise { latest_start, is_late: latest_start < case.scene.now }
}

fn line(case: &Case<'_>, plan: &Plan, wait: &Wait) -> Line {
    let member = case.claim().member;
    let of = |w: &Wait| {
        let at = case.scene.part.claims.binary_search_by(|c| c.id.cmp(&w.claim)).ok()?;
        Some(&case.scene.part.claims[at]).filter(|c| c.member == member)
    };
    let mut line: Vec<(&Wait, &Claim)> =
        plan.waits.iter().filter(|w| w.place > 0).filter_map(|w| Some((w, of(w)?))).collect();
    line.sort_by_key(|(w, _)| w.place);
    let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
    line.retain(|(w, _)| w.place < wait.place);
    let ahead = |(w, c): &(&Wait, &Claim)| Ahead {
        claim: w.claim.clone(),
        gpus: c.gang.gpus(),
        reason: w.reason.code().to_owned(),
    };
    Line {
        place: wait.place,
        length,
        gpus_ahead: line.iter().map(|(_, c)| u64::from(c.gang.gpus())).sum(),
        ahead: line.iter().take(AHEAD_NAMED_MOST).map(ahead).collect(),
    }
}

/// Who has the GPUs of the nodes that could host it, as observed.
fn holders(case: &Case<'_>) -> Holders {
    let (needed, gpus) = case.shape().unwrap_or((1, 1));
    let nodes: BTreeMap<&str, Gpus> = case
        .scene
        .part
        .nodes
        .iter()
        .filter(|n| could_host(n, case.claim(), gpus))
        .map(|n| (&*n.name.0, n.gpus))
        .collect();
    let mut idle = nodes.clone();
    let mut held: BTreeMap<(MemberId, &'static str), (u32, Gpus)> = BTreeMap::new();
    // Kept GPUs last: those that a borrower has not left yet are the borrower's.
    let kept = |c: &&Claim| matches!(c.state, ClaimState::Reserved(_));
    let claims = &case.scene.part.claims;
    for claim in claims.iter().filter(|c| !kept(c)).chain(claims.iter().filter(kept)) {
        let (slots, basis) = match &claim.state {
            ClaimState::Holding(h) => (&h.slots, h.basis.word()),
            ClaimState::Reserved(r) => (&r.slots, "kept"),
            ClaimState::Waiting { .. } | ClaimState::Finished { .. } => continue,
        };
        let mut here = 0;
        for slot in slots.iter() {
            let Some(free) = idle.get_mut(&*slot.node.0) else { continue };
            let taken = if basis == "kept" { slot.gpus.min(*free) } else { slot.gpus };
            *free = free.saturating_sub(taken);
            here += taken;
        }
        if here > 0 {
            let entry = held.entry((claim.member, basis)).or_default();
            *entry = (entry.0 + 1, entry.1 + here);
        }
    }
    let held = held.into_iter().map(|((member, basis), (claims, gpus))| Held {
        member: name(&case.scene.pool.treaty, member),
        basis,
        claims,
        gpus,
    });
    let mut held: Vec<Held> = held.collect();
    held.sort_by_key(|h| Reverse(h.gpus));
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Holders {
        nodes: count(nodes.len()),
        gpus: nodes.values().sum(),
        idle: idle.values().sum(),
        nodes_with_room: count(idle.values().filter(|free| **free >= gpus).count()),
        nodes_needed: needed,
        held,
    }
}

fn expected(case: &Case<'_>, range: Range) -> Expected {
    let all_state = case.scene.part.claims.iter().all(|c| c.expected_runtime.is_some());
    let (usual, endless) = match median_run(&case.scene.part) {
        _ if all_state => ("half of its stated run time", ""),
        Some(_) => (
            "half of its stated run time, or of the median of the stated ones if it states none",
            "; one that states none does not end",
        ),
        None => ("half a minute, because none states a run time", "; as none states one, none ends"),
    };
    let stays = "nothing new arrives and the treaty stays as it is";
    Expected {
        range,
        earliest_assumes: format!("every job ends after {usual}; {stays}"),
        latest_assumes: format!("every job runs to its stated limit{endless}; {stays}"),
    }
}

fn notes(case: &Case<'_>, waits: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let stopping = |c: &&Claim| c.holding().is_some_and(|h| h.phase == Phase::Stopping);
    let stopping = case.scene.part.claims.iter().filter(stopping).count();
    if waits && stopping > 0 {
        notes.push(format!(
            "{stopping} stopped claims still have GPUs; the forecast takes them to be gone now"
        ));
    }
    notes.extend(behind_others(case).filter(|_| waits));
    notes
}

/// Every step of a budget's ladder that is reached holds: beside a limit, which is the reason of a wait, the last place
/// when idle GPUs are lent.
fn behind_others(case: &Case<'_>) -> Option<String> {
    let (member, treaty) = (case.claim().member, &case.scene.pool.treaty);
    let standing = case.scene.rules.members.get(member.index())?.standing;
    if !standing.last || standing.most_borrowed == Some(0) {
        return None;
    }
    let until = standing.until.map_or_else(String::new, |until| {
        format!(" until its period ends at {}", calendar::written(treaty.time_zone(), until))
    });
    let name = name(treaty, member);
    Some(format!("{name} has overdrawn its budget and borrows only after members within theirs{until}"))
}

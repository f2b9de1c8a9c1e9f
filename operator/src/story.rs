//! A claim's story for people: what to tell of a change of its status, one Event for each transition. Pure.
//!
//! Told is what is *seen* to have changed, whoever wrote it, so that a write without an answer is told too. An Event's name
//! comes from the transition itself: told twice, also by two operators or after a restart, it is there once.

use concord_api::claim::Placement;
use concord_api::{ClaimBasis, ClaimPhase, GpuClaim, GpuClaimStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::transitions::short_duration;

/// A new leader tells what happened in the minute before it looked, in case its predecessor could not any more.
const RECENT: SignedDuration = SignedDuration::from_secs(60);
/// Nodes that are named.
const NODES_NAMED_MOST: usize = 4;
/// GPU-milliseconds of a hundredth of a GPU-hour.
const HUNDREDTH: i64 = 36_000;

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Which transition of the claim this is, the same however often it is told: `admitted-0`.
    pub transition: String,
    /// CamelCase code.
    pub reason: String,
    /// What was done.
    pub action: &'static str,
    /// For people.
    pub note: String,
    /// It is bad news.
    pub is_warning: bool,
}

/// What to tell of a claim that was known as `before`.
pub fn of_change(before: &GpuClaimStatus, claim: &GpuClaim) -> Option<Told> {
    let after = claim.status.as_ref()?;
    match (before.state, after.state) {
        (ClaimPhase::Queued, ClaimPhase::Queued) => {
            (before.reason.is_none() && after.place.is_some()).then(|| queued(claim, after))
        }
        (ClaimPhase::Stopping, ClaimPhase::Queued) => Some(put_back(before, after)),
        (ClaimPhase::Reclaiming, ClaimPhase::Admitted) => Some(withdrawn(before, after)),
        (ClaimPhase::Reclaiming, ClaimPhase::Reclaiming) => {
            (before.notice_deadline != after.notice_deadline).then(|| of_state(claim, after)).flatten()
        }
        (before, now) if before == now => None,
        _ => of_state(claim, after),
    }
}

/// What to tell of a claim that is seen for the first time, by whoever looks since that time.
pub fn of_first_sight(claim: &GpuClaim, since: Timestamp) -> Option<Told> {
    let status = claim.status.as_ref()?;
    let recent = |at: &Option<MicroTime>| at.as_ref().is_some_and(|at| at.0 >= since - RECENT);
    let tell = match status.state {
        ClaimPhase::Queued => false,
        ClaimPhase::Admitted => recent(&status.admitted_at),
        // Few at any time, and none of them for long.
        ClaimPhase::Reclaiming | ClaimPhase::Stopping => true,
        ClaimPhase::Succeeded | ClaimPhase::Failed => recent(&status.finished_at),
    };
    tell.then(|| of_state(claim, status)).flatten()
}

fn of_state(claim: &GpuClaim, status: &GpuClaimStatus) -> Option<Told> {
    Some(match status.state {
        ClaimPhase::Queued => return None,
        ClaimPhase::Admitted => admitted(claim, status),
        ClaimPhase::Reclaiming => notice(status),
        ClaimPhase::Stopping => stopped(status),
        ClaimPhase::Succeeded | ClaimPhase::Failed => finished(status),
    })
}

fn told(transition: String, status: &GpuClaimStatus, action: &'static str, note: String) -> Told {
    let reason = status.reason.clone().unwrap_or_else(|| action.to_owned());
    Told { transition, reason, action, note: format!("{note}{}", clause(status)), is_warning: false }
}

fn queued(claim: &GpuClaim, status: &GpuClaimStatus) -> Told {
    let place = status.place.unwrap_or_default();
    let member = &claim.spec.member;
    let note = format!("place {place} in the line of {member}: {}{}", message(status), expected(status));
    Told { reason: "Queued".to_owned(), ..told(format!("queued-{}", status.reclaims), status, "Queue", note) }
}

fn admitted(claim: &GpuClaim, status: &GpuClaimStatus) -> Told {
    let account = match status.basis {
        Some(ClaimBasis::Borrowed) => "on idle GPUs of other members".to_owned(),
        Some(ClaimBasis::Guaranteed) | None => format!("on the guarantee of {}", claim.spec.member),
    };
    let waited = status.wait.as_ref().map_or_else(String::new, |wait| format!(" after {wait}"));
    let note = format!("admitted{waited} {account}, {}: {}", places(&status.placement), message(status));
    told(format!("admitted-{}", status.reclaims), status, "Admit", note)
}

fn notice(status: &GpuClaimStatus) -> Told {
    let by = status.notice_deadline.as_ref().map_or_else(String::new, |at| format!(" by {}", whole(at.0)));
    let whom = status.notice_for.as_ref().map_or_else(String::new, |claim| format!(" for {claim}"));
    let note = format!("must leave{by}{whom}; {}", message(status));
    let told = told(format!("notice-{}", deadline(status)), status, "Notice", note);
    Told { is_warning: true, ..told }
}

fn withdrawn(before: &GpuClaimStatus, status: &GpuClaimStatus) -> Told {
    let note = format!("may stay: {}", message(status));
    told(format!("withdrawn-{}", deadline(before)), status, "Withdraw", note)
}

fn stopped(status: &GpuClaimStatus) -> Told {
    let note = message(status).to_owned();
    let told = told(format!("stopped-{}", status.reclaims), status, "Stop", note);
    Told { is_warning: true, ..told }
}

fn put_back(before: &GpuClaimStatus, status: &GpuClaimStatus) -> Told {
    let place = if status.put_back { "in front of" } else { "in its place in" };
    let ran = status.used_gpu_milliseconds - before.used_gpu_milliseconds;
    let lost = status.lost_gpu_milliseconds - before.lost_gpu_milliseconds;
    let note = format!(
        "stands {place} the line again; its run took {}, {} of it after the last save",
        gpu_hours(ran),
        gpu_hours(lost)
    );
    Told {
        reason: "PutBack".to_owned(),
        ..told(format!("put-back-{}", status.reclaims), status, "Requeue", note)
    }
}

fn finished(status: &GpuClaimStatus) -> Told {
    let ran = SignedDuration::from_millis(status.ran_milliseconds.unwrap_or_default());
    let mut note = format!(
        "{} after {}; used {} in all",
        message(status),
        short_duration(ran),
        gpu_hours(status.used_gpu_milliseconds)
    );
    if status.reclaims > 0 {
        let (times, lost) = (status.reclaims, gpu_hours(status.lost_gpu_milliseconds));
        note = format!("{note}, {lost} of it lost in {times} reclaims");
    }
    let told = told("finished".to_owned(), status, "Finish", note);
    Told { is_warning: status.state == ClaimPhase::Failed, ..told }
}

fn message(status: &GpuClaimStatus) -> &str {
    status.message.as_deref().unwrap_or_default()
}

fn clause(status: &GpuClaimStatus) -> String {
    status.clause.as_ref().map_or_else(String::new, |clause| format!(" [clause {clause}]"))
}

fn deadline(status: &GpuClaimStatus) -> i64 {
    status.notice_deadline.as_ref().map_or(0, |at| at.0.as_second())
}

fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn expected(status: &GpuClaimStatus) -> String {
    let Some(start) = &status.expected_start else { return String::new() };
    match (&start.earliest, &start.latest) {
        (Some(earliest), Some(latest)) if earliest == latest => {
            format!("; expected to start at {}", earliest.0)
        }
        (Some(earliest), Some(latest)) => {
            format!("; expected to start between {} and {}", earliest.0, latest.0)
        }
        (Some(earliest), None) => format!("; not expected to start before {}", earliest.0),
        (None, Some(latest)) => format!("; expected to start by {}", latest.0),
        (None, None) => String::new(),
    }
}

fn places(placement: &[Placement]) -> String {
    let named = placement.iter().take(NODES_NAMED_MOST);
    let named: Vec<String> = named.map(|p| format!("{} GPUs on {}", p.gpus, p.node)).collect();
    match placement.len().saturating_sub(NODES_NAMED_MOST) {
        0 => named.join(", "),
        more => format!("{} and {more} more nodes", named.join(", ")),
    }
}

fn gpu_hours(milliseconds: i64) -> String {
    if milliseconds < HUNDREDTH {
        return format!("{} GPU-seconds", milliseconds / 1_000);
    }
    let hundredths = milliseconds / HUNDREDTH;
    format!("{}.{:02} GPU-hours", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests;

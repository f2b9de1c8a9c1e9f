//! A checked plan in the words of claims: which status each claim gets, and what its Job is told. Pure.

use std::collections::BTreeMap;

use concord_api::claim::{DuePlace, DueRun, Placement, conditions};
use concord_api::{ClaimBasis, ClaimPhase, GpuClaimStatus};
use concord_treaty::check::CheckedPlan;
use concord_treaty::plan::{Admission, Notice, Plan, Stop};
use concord_treaty::snapshot::{Basis, Due, Slot};
use concord_treaty::treaty::{Clause, Treaty};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::runs;
use crate::upkeep::{explain, set_condition};
use crate::view::{ClaimView, Key};
use crate::world::World;

/// What happens to one claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// New status.
    pub status: GpuClaimStatus,
    /// What the Job is told afterwards.
    pub job: JobOrder,
}

impl Transition {
    /// A new status that the Job does not have to be told.
    pub const fn of_status(status: GpuClaimStatus) -> Self {
        Self { status, job: JobOrder::Nothing }
    }
}

/// What a Job is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOrder {
    /// Nothing.
    Nothing,
    /// Start on the placement of the status.
    Start,
    /// Suspend.
    Suspend,
}

/// Puts the plan into one status a claim, so that each claim is written once.
pub fn of_plan(
    world: &World,
    treaty: &Treaty,
    plan: &CheckedPlan,
    now: Timestamp,
) -> BTreeMap<Key, Transition> {
    // No `..`: a new part of plans must not be forgotten here. Waits are told by the report.
    let Plan {
        admissions,
        notices,
        withdrawals,
        stops,
        reservations,
        releases,
        due,
        no_longer_due,
        basis_changes,
        waits: _,
    } = plan.plan();
    let mut changes = Changes { world, by_key: BTreeMap::new() };
    for id in no_longer_due {
        changes.edit(&Key::from_claim_id(id), |t, _| t.status.due = None);
    }
    for start in due {
        changes.edit(&Key::from_claim_id(&start.claim), |t, _| t.status.due = due_run(&start.due));
    }
    for id in releases {
        changes.edit(&Key::from_claim_id(id), |t, _| {
            t.status.reserved.clear();
            t.status.basis = None;
        });
    }
    for reservation in reservations {
        let places = placement(&reservation.kept.slots);
        // Only what is kept for an aged claim is on borrowed account; the next decision has to know.
        let by_age = reservation.kept.basis == Basis::Borrowed;
        changes.edit(&Key::from_claim_id(&reservation.claim), |t, _| {
            t.status.reserved = places;
            t.status.basis = by_age.then_some(ClaimBasis::Borrowed);
        });
    }
    for change in basis_changes {
        changes.edit(&Key::from_claim_id(&change.claim), |t, _| {
            runs::rebook(&mut t.status, basis(change.to), now);
        });
    }
    for admission in admissions {
        let key = Key::from_claim_id(&admission.claim);
        let checkpoint_seconds = world.jobs.get(&key).and_then(|job| job.words.checkpoint_seconds);
        changes.edit(&key, |t, claim| {
            admit(t, claim, treaty, admission, now);
            t.status.checkpoint_seconds = checkpoint_seconds;
        });
    }
    for notice in notices {
        changes.edit(&Key::from_claim_id(&notice.claim), |t, _| tell(t, treaty, notice));
    }
    for id in withdrawals {
        changes.edit(&Key::from_claim_id(id), |t, _| {
            t.status.state = ClaimPhase::Admitted;
            t.status.notice_deadline = None;
            t.status.notice_for = None;
            explain(&mut t.status, "NoticeWithdrawn", "nobody needs its GPUs back any more");
        });
    }
    for stop in stops {
        changes.edit(&Key::from_claim_id(&stop.claim), |t, _| halt(t, treaty, stop));
    }
    changes.by_key
}

struct Changes<'a> {
    world: &'a World,
    by_key: BTreeMap<Key, Transition>,
}

impl Changes<'_> {
    fn edit(&mut self, key: &Key, change: impl FnOnce(&mut Transition, &ClaimView)) {
        let Some(claim) = self.world.claims.get(key) else { return };
        let transition =
            self.by_key.entry(key.clone()).or_insert_with(|| Transition::of_status(claim.status.clone()));
        change(transition, claim);
    }
}

fn admit(
    transition: &mut Transition,
    claim: &ClaimView,
    treaty: &Treaty,
    admission: &Admission,
    now: Timestamp,
) {
    let status = &mut transition.status;
    status.state = ClaimPhase::Admitted;
    status.place = None;
    status.expected_start = None;
    status.saved_at = None;
    status.put_back = false;
    status.reserved.clear();
    status.placement = placement(&admission.slots);
    status.basis = Some(basis(admission.basis));
    status.admitted_at = Some(MicroTime(now));
    status.wait = Some(short_duration(now.duration_since(claim.spec.submitted_at.0)));
    let member = treaty.member_id(&claim.spec.member);
    let (reason, message) = match admission.basis {
        Basis::Due | Basis::Guaranteed => {
            ("AdmittedInGuarantee", "runs inside its member's guarantee and will not be reclaimed".to_owned())
        }
        Basis::Borrowed => {
            status.borrows += 1;
            let notice = treaty.reclaim_notice().0 / 1000;
            (
                "AdmittedBorrowed",
                format!("runs on idle GPUs of other members; they may be reclaimed with {notice} s notice"),
            )
        }
    };
    explain(status, reason, &message);
    let clause = if admission.basis == Basis::Borrowed {
        Some(Clause::Reclaim)
    } else {
        member.map(Clause::Guarantee)
    };
    status.clause = clause.map(|c| treaty.clause_id(c));
    set_condition(status, conditions::ADMITTED, true, now);
    transition.job = JobOrder::Start;
}

fn tell(transition: &mut Transition, treaty: &Treaty, notice: &Notice) {
    let status = &mut transition.status;
    status.state = ClaimPhase::Reclaiming;
    status.notice_deadline = Timestamp::from_millisecond(notice.deadline.0).ok().map(MicroTime);
    status.notice_for = notice.promised_to().map(ToString::to_string);
    explain(
        status,
        notice.reason.code(),
        &format!(
            "must end within {} s: {}",
            treaty.reclaim_notice().0 / 1000,
            notice.reason.sentence(treaty)
        ),
    );
    status.clause = Some(treaty.clause_id(notice.reason.clause()));
}

fn halt(transition: &mut Transition, treaty: &Treaty, stop: &Stop) {
    let status = &mut transition.status;
    status.state = ClaimPhase::Stopping;
    status.notice_deadline = None;
    status.notice_for = None;
    status.put_back = stop.to_front;
    let place = if stop.to_front { "to the front of the line" } else { "to its place in line" };
    explain(
        status,
        stop.reason.code(),
        &format!("stopped and put back {place}: {}", stop.reason.sentence(treaty)),
    );
    status.clause = Some(treaty.clause_id(stop.reason.clause()));
    transition.job = JobOrder::Suspend;
}

const fn basis(basis: Basis) -> ClaimBasis {
    match basis {
        Basis::Due | Basis::Guaranteed => ClaimBasis::Guaranteed,
        Basis::Borrowed => ClaimBasis::Borrowed,
    }
}

fn placement(slots: &[Slot]) -> Vec<Placement> {
    slots.iter().map(|s| Placement { node: s.node.to_string(), gpus: i64::from(s.gpus) }).collect()
}

fn due_run(due: &Due) -> Option<DueRun> {
    let place = |&(node, gpus): &(u32, u32)| DuePlace { node: i64::from(node), gpus: i64::from(gpus) };
    let since = MicroTime(Timestamp::from_millisecond(due.since.0).ok()?);
    Some(DueRun { since, places: due.places.iter().map(place).collect() })
}

/// Two units at most, as `kubectl` prints ages: `45s`, `3m20s`, `2h5m`, `4d1h`.
pub fn short_duration(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, ..) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let printed = [0, 59, 200, 7_500, 350_000].map(|s| short_duration(SignedDuration::from_secs(s)));
        assert_eq!(printed, ["0s", "59s", "3m20s", "2h5m", "4d1h"]);
    }
}

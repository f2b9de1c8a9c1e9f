//! What the pool comes to under its treaty, in one look: the treaty's status and the gauges say the same. Pure.

use concord_api::snapshot::millis;
use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Phase, Snapshot};
use concord_treaty::terms::{Pool, Terms};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::TimestampMillis;
use k8s_openapi::jiff::Timestamp;

/// States of a claim that are counted, in the words of `GpuClaim.status.state`.
pub const STATES: [&str; 4] = ["queued", "admitted", "reclaiming", "stopping"];

/// What one member has and does.
#[derive(Debug, Clone, Default)]
pub struct MemberFigures {
    /// Name.
    pub name: String,
    /// GPUs that it is guaranteed, as it comes to on the pool's nodes.
    pub guarantee_gpus: i64,
    /// GPUs in use inside the guarantee.
    pub guaranteed_gpus: i64,
    /// GPUs in use on idle GPUs of others.
    pub borrowed_gpus: i64,
    /// Claims by state, in the order of [`STATES`].
    pub claims: [i64; STATES.len()],
    /// GPUs that its waiting claims ask for.
    pub queued_gpus: i64,
    /// Due claims that wait longer than the notice and the minimum run of the borrowers in their place.
    pub claims_past_notice: i64,
}

impl MemberFigures {
    /// Claims in line.
    pub const fn queued_claims(&self) -> i64 {
        self.claims[0]
    }

    /// GPUs of the guarantee that the member itself does not use.
    pub fn unused_gpus(&self) -> i64 {
        (self.guarantee_gpus - self.guaranteed_gpus).max(0)
    }
}

/// What the pool comes to.
pub struct Figures {
    /// The treaty seen from each class of GPUs.
    pub terms: Terms,
    /// Members in the treaty's order.
    pub members: Vec<MemberFigures>,
    /// GPUs of schedulable nodes.
    pub capacity_gpus: i64,
    /// GPUs in use, those of reserves too.
    pub used_gpus: i64,
    /// The treaty rules on this day.
    pub holds: bool,
    /// Guarantees that the pool could not keep all at once.
    pub shortfalls: Vec<Diagnostic>,
}

impl Figures {
    /// Of this pool now.
    pub fn of(rules: &Rules, snapshot: &Snapshot, now: Timestamp) -> Self {
        let now = millis(now);
        let terms = Terms::at(rules, snapshot, now);
        let short = |pool: &Pool| pool.treaty.shortfalls(&pool.part(snapshot).nodes);
        let schedulable = snapshot.nodes.iter().filter(|node| node.schedulable);
        Self {
            members: members(rules, &terms, snapshot, now),
            capacity_gpus: schedulable.map(|node| i64::from(node.gpus)).sum(),
            used_gpus: snapshot.claims.iter().map(held).sum(),
            holds: rules.holds_on(rules.day(now)),
            shortfalls: terms.pools.iter().flat_map(short).collect(),
            terms,
        }
    }
}

/// One pass over the claims: a large pool has a thousand members and more claims.
fn members(rules: &Rules, terms: &Terms, snapshot: &Snapshot, now: TimestampMillis) -> Vec<MemberFigures> {
    let member = |id| {
        let guarantee_gpus = terms.pools.iter().map(|pool| i64::from(pool.treaty.member(id).guarantee)).sum();
        MemberFigures { name: rules.member(id).name.clone(), guarantee_gpus, ..MemberFigures::default() }
    };
    let mut members: Vec<MemberFigures> = rules.member_ids().map(member).collect();
    for claim in &snapshot.claims {
        let (Some(state), Some(member)) = (state(claim), members.get_mut(claim.member.index())) else {
            continue;
        };
        member.claims[state] += 1;
        match claim.holding() {
            None => {
                member.queued_gpus += i64::from(claim.gang.gpus());
                member.claims_past_notice += i64::from(is_past_notice(rules, claim, now));
            }
            Some(holding) if holding.basis == Basis::Borrowed => member.borrowed_gpus += held(claim),
            Some(_) => member.guaranteed_gpus += held(claim),
        }
    }
    members
}

/// Position in [`STATES`].
fn state(claim: &Claim) -> Option<usize> {
    match &claim.state {
        ClaimState::Waiting { .. } | ClaimState::Reserved(_) => Some(0),
        ClaimState::Holding(holding) => Some(match holding.phase {
            Phase::Running => 1,
            Phase::Noticed { .. } => 2,
            Phase::Stopping => 3,
        }),
        ClaimState::Finished { .. } => None,
    }
}

fn is_past_notice(rules: &Rules, claim: &Claim, now: TimestampMillis) -> bool {
    let promised =
        |since: TimestampMillis| since.after(rules.reclaim_notice()).after(rules.reclaim().minimum_run);
    claim.due.as_ref().is_some_and(|due| promised(due.since) < now)
}

fn held(claim: &Claim) -> i64 {
    claim.holding().map_or(0, |h| h.slots.iter().map(|s| i64::from(s.gpus)).sum())
}

//! What the pool comes to under its treaty, in one look: the treaty's status and the gauges say the same. Pure.

use concord_api::snapshot::millis;
use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Phase, Snapshot};
use concord_treaty::terms::{Pool, Terms};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::{MemberId, TimestampMillis};
use k8s_openapi::jiff::Timestamp;

/// States of a claim that are counted, in the words of `GpuClaim.status.state`.
pub const STATES: [&str; 4] = ["queued", "admitted", "reclaiming", "stopping"];

/// What one member or reserve has and does.
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
    /// Members in the treaty's order, then its reserves.
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
            members: parties(rules, &terms, snapshot, now),
            capacity_gpus: schedulable.map(|node| i64::from(node.gpus)).sum(),
            used_gpus: snapshot.claims.iter().map(held).sum(),
            holds: rules.holds_on(rules.day(now)),
            shortfalls: terms.pools.iter().flat_map(short).collect(),
            terms,
        }
    }
}

/// One pass over the claims: a large pool has a thousand members and more claims.
fn parties(rules: &Rules, terms: &Terms, snapshot: &Snapshot, now: TimestampMillis) -> Vec<MemberFigures> {
    let members = rules.members().iter().map(|member| &member.name);
    let names = members.chain(rules.reserves().iter().map(|reserve| &reserve.name));
    let party = |(id, name): (u16, &String)| {
        let id = MemberId(id);
        let guarantee_gpus = terms.pools.iter().map(|pool| i64::from(pool.treaty.member(id).guarantee)).sum();
        MemberFigures { name: name.clone(), guarantee_gpus, ..MemberFigures::default() }
    };
    let mut members: Vec<MemberFigures> = (0..).zip(names).map(party).collect();
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

#[cfg(test)]
mod tests {
    use concord_treaty::document::Document;
    use concord_treaty::snapshot::{Gang, Holding, Node, Slot};
    use concord_treaty::units::Labels;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_runs_on_a_reserve_is_in_its_figures_and_in_no_members() {
        let text = json!({"title": "t", "reclaim": {"noticeSeconds": 10},
            "members": [{"name": "a", "guarantee": {"gpus": 8}}],
            "reserves": [{"name": "public", "size": {"gpus": 8}}]});
        let document: Document = serde_json::from_value(text).unwrap();
        let rules = Rules::validate(&document).unwrap();
        let state = ClaimState::Holding(Holding {
            slots: vec![Slot { node: "n".into(), gpus: 4 }],
            basis: Basis::Guaranteed,
            since: TimestampMillis(0),
            phase: Phase::Running,
            promised_to: None,
            saves: Default::default(),
        });
        let gang = Gang { pods: 1, gpus_per_pod: 4 };
        let on_reserve = rules.party_id("public").unwrap();
        let claim = Claim { state, ..Claim::new("x/runs".into(), on_reserve, gang, TimestampMillis(0)) };
        let node =
            |name: &str| Node { name: name.into(), gpus: 8, schedulable: true, labels: Labels::default() };
        let snapshot = Snapshot::new(vec![node("m"), node("n")], vec![claim]);
        let figures = Figures::of(&rules, &snapshot, Timestamp::from_second(1).unwrap());
        let used: Vec<(&str, i64, i64)> =
            figures.members.iter().map(|m| (m.name.as_str(), m.guarantee_gpus, m.guaranteed_gpus)).collect();
        assert_eq!(used, [("a", 8, 0), ("public", 8, 4)]);
        assert_eq!(figures.used_gpus, 4, "the sum of the parties is that of the pool");
    }
}

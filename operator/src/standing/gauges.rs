//! Gauges of the pool, from the same figures as the treaty's status.

use std::collections::BTreeMap;

use concord_api::snapshot::millis;
use concord_treaty::plan::Wait;
use concord_treaty::snapshot::{Basis, Claim, ClaimState, Phase, Snapshot};
use concord_treaty::terms::Terms;
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::TimestampMillis;
use k8s_openapi::jiff::Timestamp;

use super::{capacity, held, shortfalls};
use crate::metrics::pool::PoolMetrics;

/// States of a claim that are counted, in the words of `GpuClaim.status.state`.
const STATES: [&str; 4] = ["queued", "admitted", "reclaiming", "stopping"];

/// Sets all of them. Members and reasons that are no more lose their series.
pub fn gauge(metrics: &PoolMetrics, rules: &Rules, snapshot: &Snapshot, waits: &[Wait], now: Timestamp) {
    let terms = Terms::at(rules, snapshot, millis(now));
    by_member(metrics, rules, &terms, snapshot, millis(now));
    let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
    for wait in waits {
        *reasons.entry(wait.reason.code()).or_default() += 1;
    }
    for (reason, claims) in reasons {
        metrics.claims_waiting.with_label_values(&[reason]).set(claims);
    }
    let used: i64 = snapshot.claims.iter().map(held).sum();
    metrics.gpus_capacity.set(capacity(snapshot));
    metrics.gpus_idle.set((capacity(snapshot) - used).max(0));
    metrics.treaty_in_force.set(rules.holds_on(rules.day(millis(now))).into());
    metrics.treaty_kept.set(shortfalls(&terms, snapshot).is_empty().into());
}

/// What the claims of one member come to.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    states: [i64; STATES.len()],
    gpus_queued: i64,
    past_notice: i64,
    guaranteed: i64,
    borrowed: i64,
}

/// By the index of the member; one pass over the claims.
fn tallies(rules: &Rules, snapshot: &Snapshot, now: TimestampMillis) -> Vec<Tally> {
    let mut tallies = vec![Tally::default(); rules.member_ids().count()];
    for claim in snapshot.claims.iter() {
        let (Some(state), Some(tally)) = (state(claim), tallies.get_mut(claim.member.index())) else {
            continue;
        };
        tally.states[state] += 1;
        match claim.holding() {
            None => {
                tally.gpus_queued += i64::from(claim.gang.gpus());
                tally.past_notice += i64::from(is_past_notice(rules, claim, now));
            }
            Some(holding) if holding.basis == Basis::Borrowed => tally.borrowed += held(claim),
            Some(_) => tally.guaranteed += held(claim),
        }
    }
    tallies
}

fn by_member(metrics: &PoolMetrics, rules: &Rules, terms: &Terms, snapshot: &Snapshot, now: TimestampMillis) {
    metrics.forget_series();
    let members = rules.member_ids().zip(tallies(rules, snapshot, now)).map(|(id, tally)| {
        let guarantee: i64 = terms.pools.iter().map(|pool| i64::from(pool.treaty.member(id).guarantee)).sum();
        (id, tally, guarantee, (guarantee - tally.guaranteed).max(0))
    });
    let members: Vec<_> = members.collect();
    let all_unused: i64 = members.iter().map(|(.., unused)| unused).sum();
    let borrowed: i64 = members.iter().map(|(_, tally, ..)| tally.borrowed).sum();
    let lent_share = borrowed.min(all_unused) as f64 / all_unused.max(1) as f64;
    for (id, tally, guarantee, unused) in members {
        let member = rules.member(id).name.as_str();
        for (state, count) in STATES.into_iter().zip(tally.states) {
            metrics.claims.with_label_values(&[member, state]).set(count);
        }
        metrics.gpus_queued.with_label_values(&[member]).set(tally.gpus_queued);
        metrics.claims_past_notice.with_label_values(&[member]).set(tally.past_notice);
        metrics.gpus_guaranteed.with_label_values(&[member]).set(guarantee);
        metrics.gpus_in_use.with_label_values(&[member, "guaranteed"]).set(tally.guaranteed);
        metrics.gpus_in_use.with_label_values(&[member, "borrowed"]).set(tally.borrowed);
        metrics.gpus_unused_guarantee.with_label_values(&[member]).set(unused);
        metrics.gpus_lent.with_label_values(&[member]).set(unused as f64 * lent_share);
    }
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

/// Due, and waiting longer than the notice and the minimum run of the borrowers in its place.
fn is_past_notice(rules: &Rules, claim: &Claim, now: TimestampMillis) -> bool {
    let promised =
        |since: TimestampMillis| since.after(rules.reclaim_notice()).after(rules.reclaim().minimum_run);
    claim.due.as_ref().is_some_and(|due| promised(due.since) < now)
}

#[cfg(test)]
mod tests {
    use concord_treaty::document::Document;
    use concord_treaty::reason::WaitReason;
    use concord_treaty::snapshot::{Due, Gang, Holding, Node, Slot};
    use concord_treaty::units::{Labels, MemberId};
    use serde_json::json;

    use super::*;
    use crate::metrics::Metrics;

    fn rules() -> Rules {
        let member = |name: &str, gpus: u32| json!({"name": name, "guarantee": {"gpus": gpus}});
        let text = json!({"title": "t", "reclaim": {"noticeSeconds": 10},
            "members": [member("a", 8), member("b", 4), member("c", 4)]});
        let document: Document = serde_json::from_value(text).unwrap();
        Rules::validate(&document).unwrap()
    }

    fn claim(name: &str, member: u16, state: ClaimState) -> Claim {
        let gang = Gang { pods: 1, gpus_per_pod: 4 };
        Claim { state, ..Claim::new(name.into(), MemberId(member), gang, TimestampMillis(0)) }
    }

    fn holding(basis: Basis, phase: Phase) -> ClaimState {
        let slots = vec![Slot { node: "n".into(), gpus: 4 }];
        let since = TimestampMillis(0);
        ClaimState::Holding(Holding {
            slots,
            basis,
            since,
            phase,
            promised_to: None,
            saves: Default::default(),
        })
    }

    #[test]
    fn what_is_borrowed_is_lent_by_those_who_leave_their_own_unused() {
        let waiting = ClaimState::Waiting { put_back: false };
        let due = Some(Due { since: TimestampMillis(0), places: vec![(0, 4)] });
        let claims = vec![
            claim("x/runs", 0, holding(Basis::Guaranteed, Phase::Running)),
            claim("x/told", 2, holding(Basis::Borrowed, Phase::Noticed { deadline: TimestampMillis(5) })),
            Claim { due, ..claim("x/waits", 1, waiting) },
        ];
        let node = Node { name: "n".into(), gpus: 16, schedulable: true, labels: Labels::default() };
        let snapshot = Snapshot::new(vec![node], claims);
        let wait = Wait { claim: "x/waits".into(), place: 1, reason: WaitReason::WaitingForReclaim };
        let metrics = Metrics::new().unwrap();
        gauge(&metrics.pool, &rules(), &snapshot, &[wait], Timestamp::from_second(11).unwrap());
        let text = metrics.render().unwrap();
        for line in [
            r#"gpus_in_use{basis="guaranteed",member="a"} 4"#,
            r#"gpus_in_use{basis="borrowed",member="c"} 4"#,
            r#"gpus_unused_guarantee{member="a"} 4"#,
            r#"gpus_lent{member="b"} 1.333"#,
            r#"claims{member="c",state="reclaiming"} 1"#,
            r#"claims{member="b",state="queued"} 1"#,
            r#"claims_waiting{reason="WaitingForReclaim"} 1"#,
            r#"claims_past_notice{member="b"} 1"#,
            r#"gpus_queued{member="b"} 4"#,
            "gpus_idle 8",
            "treaty_kept 1",
        ] {
            assert!(text.contains(&format!("concord_operator_{line}")), "{line}\n{text}");
        }
    }
}

//! Gauges of the pool, from the same figures as the treaty's status.

use std::collections::BTreeMap;

use concord_treaty::plan::Wait;

use super::figures::{Figures, MemberFigures, STATES};
use crate::metrics::pool::PoolMetrics;

/// Sets all of them. Members and reasons that are no more lose their series.
pub fn gauge(metrics: &PoolMetrics, figures: &Figures, waits: &[Wait]) {
    metrics.forget_series();
    by_member(metrics, &figures.members);
    let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
    for wait in waits {
        *reasons.entry(wait.reason.code()).or_default() += 1;
    }
    for (reason, claims) in reasons {
        metrics.claims_waiting.with_label_values(&[reason]).set(claims);
    }
    metrics.gpus_capacity.set(figures.capacity_gpus);
    metrics.gpus_idle.set((figures.capacity_gpus - figures.used_gpus).max(0));
    metrics.treaty_in_force.set(figures.holds.into());
    metrics.treaty_kept.set(figures.shortfalls.is_empty().into());
}

fn by_member(metrics: &PoolMetrics, members: &[MemberFigures]) {
    let all_unused: i64 = members.iter().map(MemberFigures::unused_gpus).sum();
    let borrowed: i64 = members.iter().map(|member| member.borrowed_gpus).sum();
    let lent_share = borrowed.min(all_unused) as f64 / all_unused.max(1) as f64;
    for member in members {
        let (name, unused) = (member.name.as_str(), member.unused_gpus());
        for (state, count) in STATES.into_iter().zip(member.claims) {
            metrics.claims.with_label_values(&[name, state]).set(count);
        }
        metrics.gpus_queued.with_label_values(&[name]).set(member.queued_gpus);
        metrics.claims_past_notice.with_label_values(&[name]).set(member.claims_past_notice);
        metrics.gpus_guaranteed.with_label_values(&[name]).set(member.guarantee_gpus);
        metrics.gpus_in_use.with_label_values(&[name, "guaranteed"]).set(member.guaranteed_gpus);
        metrics.gpus_in_use.with_label_values(&[name, "borrowed"]).set(member.borrowed_gpus);
        metrics.gpus_unused_guarantee.with_label_values(&[name]).set(unused);
        metrics.gpus_lent.with_label_values(&[name]).set(unused as f64 * lent_share);
    }
}

#[cfg(test)]
mod tests {
    use concord_treaty::document::Document;
    use concord_treaty::reason::WaitReason;
    use concord_treaty::snapshot::{
        Basis, Claim, ClaimState, Due, Gang, Holding, Node, Phase, Slot, Snapshot,
    };
    use concord_treaty::treaty::Treaty as Rules;
    use concord_treaty::units::{Labels, MemberId, TimestampMillis};
    use k8s_openapi::jiff::Timestamp;
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
        let figures = Figures::of(&rules(), &snapshot, Timestamp::from_second(11).unwrap());
        gauge(&metrics.pool, &figures, &[wait]);
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

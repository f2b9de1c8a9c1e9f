//! When there is nothing to decide: the last look at the pool found nothing to do, and nothing has happened since. Pure.

use concord_treaty::snapshot::{Claim, ClaimState, Phase, Snapshot};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::TimestampMillis;

/// A situation in which nothing was left to do.
pub struct Quiet {
    /// The treaty.
    pub rules: Rules,
    /// The pool.
    pub snapshot: Snapshot,
    /// When it was looked at.
    pub decided_at: TimestampMillis,
}

impl Quiet {
    /// Times at which something is to be decided although nothing is seen to happen: a notice runs out, or a claim
    /// that the pool finished early ends in its member's line alone.
    pub fn alarms(&self) -> impl Iterator<Item = TimestampMillis> + '_ {
        let alarm = |c: &Claim| match (&c.state, &c.due) {
            (ClaimState::Holding(h), _) => match h.phase {
                Phase::Noticed { deadline } => Some(deadline),
                Phase::Running | Phase::Stopping => None,
            },
            (ClaimState::Finished { runtime }, Some(due)) => Some(due.since.after(*runtime)),
            _ => None,
        };
        self.snapshot.claims.iter().filter_map(alarm).filter(|at| *at > self.decided_at)
    }

    /// Whether there may be something to do again: something else is seen, an alarm went off, or it is another day of
    /// the treaty, on which other clauses may hold.
    pub fn is_past(&self, rules: &Rules, snapshot: &Snapshot, now: TimestampMillis) -> bool {
        self.alarms().any(|at| at <= now)
            || self.rules.day(self.decided_at) != rules.day(now)
            // Windows open and close by the clock: the next tick may find them changed.
            || !rules.windows().is_empty() && now > self.decided_at
            || self.rules != *rules
            || !differs_by_saves_only(&self.snapshot, snapshot)
    }
}

/// Whether nothing but the saves of running claims is different: they say whom it would cost least to stop, and nobody is
/// to be stopped. Those that save by the clock would otherwise be news all the time.
fn differs_by_saves_only(before: &Snapshot, after: &Snapshot) -> bool {
    if before == after {
        return true;
    }
    if before.claims.len() != after.claims.len() {
        return false;
    }
    let same =
        |(before, after): (&Claim, &Claim)| before == after || without_save(before) == without_save(after);
    let Snapshot { nodes, claims, standings, openings, quotas, awards } = before;
    (nodes, standings, openings) == (&after.nodes, &after.standings, &after.openings)
        && (quotas, awards) == (&after.quotas, &after.awards)
        && claims.iter().zip(after.claims.iter()).all(same)
}

fn without_save(claim: &Claim) -> Claim {
    let mut claim = claim.clone();
    if let ClaimState::Holding(holding) = &mut claim.state {
        holding.saved_at = None;
    }
    claim
}

#[cfg(test)]
mod tests {
    use concord_api::snapshot::millis;
    use concord_treaty::document::Document;
    use concord_treaty::snapshot::{Basis, Gang, Holding, Slot};
    use concord_treaty::units::MemberId;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_save_is_no_news_and_anything_else_is() {
        let held = |saved_at, since| {
            let slots = vec![Slot { node: "n1".into(), gpus: 8 }];
            let (since, saved_at) = (TimestampMillis(since), Some(TimestampMillis(saved_at)));
            let holding = Holding {
                slots,
                basis: Basis::Borrowed,
                since,
                phase: Phase::Running,
                promised_to: None,
                saved_at,
            };
            let gang = Gang { pods: 1, gpus_per_pod: 8 };
            let claim = Claim::new("lab/x".into(), MemberId(0), gang, TimestampMillis(0));
            Snapshot::new(Vec::new(), vec![Claim { state: ClaimState::Holding(holding), ..claim }])
        };
        assert!(differs_by_saves_only(&held(5, 1), &held(5, 1)));
        assert!(differs_by_saves_only(&held(5, 1), &held(9, 1)));
        assert!(!differs_by_saves_only(&held(5, 1), &held(9, 2)));
        assert!(!differs_by_saves_only(&held(5, 1), &Snapshot::default()));
    }

    #[test]
    fn a_new_day_of_the_treaty_is_news_even_when_nothing_happened() {
        let text = json!({"title": "t", "timeZone": "Asia/Tokyo", "reclaim": {"noticeSeconds": 1},
            "members": [{"name": "a", "guarantee": {"gpus": 8}}]});
        let document: Document = serde_json::from_value(text).unwrap();
        let rules = Rules::validate(&document).unwrap();
        let at = |text: &str| millis(text.parse().unwrap());
        let quiet = Quiet {
            rules: rules.clone(),
            snapshot: Snapshot::default(),
            decided_at: at("2027-03-31T14:00:00Z"),
        };
        assert!(!quiet.is_past(&rules, &Snapshot::default(), at("2027-03-31T14:59:59Z")));
        assert!(quiet.is_past(&rules, &Snapshot::default(), at("2027-03-31T15:00:00Z")));
    }
}

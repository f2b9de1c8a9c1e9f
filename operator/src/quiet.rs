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
            || self.snapshot != *snapshot
    }
}

#[cfg(test)]
mod tests {
    use concord_api::snapshot::millis;
    use concord_treaty::document::Document;
    use serde_json::json;

    use super::*;

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

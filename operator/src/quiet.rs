//! When there is nothing to decide: the last look at the pool found nothing to do, and nothing has happened since. Pure.

use std::sync::Arc;

use concord_treaty::snapshot::{Claim, ClaimState, Phase};
use concord_treaty::treaty::Treaty as Rules;
use concord_treaty::units::TimestampMillis;

use crate::picture::Seen;

/// A situation in which nothing was left to do.
pub struct Quiet {
    rules: Arc<Rules>,
    /// Number of the picture.
    version: u64,
    decided_at: TimestampMillis,
    /// First time after it at which something is to be decided although nothing is seen to happen.
    alarm: Option<TimestampMillis>,
}

impl Quiet {
    /// What was looked at, and when.
    pub fn new(rules: Arc<Rules>, seen: &Seen, decided_at: TimestampMillis) -> Self {
        let alarms = seen.snapshot.claims.iter().filter_map(alarm);
        let alarm = alarms.filter(|at| *at > decided_at).min();
        Self { rules, version: seen.version, decided_at, alarm }
    }

    /// When something is to be decided although nothing is seen to happen.
    pub const fn alarm(&self) -> Option<TimestampMillis> {
        self.alarm
    }

    /// Whether there may be something to do again: something else is seen, an alarm went off, or it is another day of
    /// the treaty, on which other clauses may hold.
    pub fn is_past(&self, rules: &Rules, version: u64, now: TimestampMillis) -> bool {
        self.alarm.is_some_and(|at| at <= now)
            || self.rules.day(self.decided_at) != rules.day(now)
            // Windows open and close by the clock: the next tick may find them changed.
            || !rules.windows().is_empty() && now > self.decided_at
            || *self.rules != *rules
            || self.version != version
    }
}

/// A notice runs out, or a claim that the pool finished early ends in its member's line alone.
fn alarm(claim: &Claim) -> Option<TimestampMillis> {
    match (&claim.state, &claim.due) {
        (ClaimState::Holding(h), _) => match h.phase {
            Phase::Noticed { deadline } => Some(deadline),
            Phase::Running | Phase::Stopping => None,
        },
        (ClaimState::Finished { runtime }, Some(due)) => Some(due.since.after(*runtime)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use concord_api::snapshot::millis;
    use concord_treaty::document::Document;
    use concord_treaty::snapshot::Snapshot;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_new_day_of_the_treaty_is_news_even_when_nothing_happened() {
        let text = json!({"title": "t", "timeZone": "Asia/Tokyo", "reclaim": {"noticeSeconds": 1},
            "members": [{"name": "a", "guarantee": {"gpus": 8}}]});
        let document: Document = serde_json::from_value(text).unwrap();
        let rules = Arc::new(Rules::validate(&document).unwrap());
        let at = |text: &str| millis(text.parse().unwrap());
        let seen = Seen { snapshot: Snapshot::default(), version: 7 };
        let quiet = Quiet::new(Arc::clone(&rules), &seen, at("2027-03-31T14:00:00Z"));
        assert!(!quiet.is_past(&rules, 7, at("2027-03-31T14:59:59Z")));
        assert!(quiet.is_past(&rules, 7, at("2027-03-31T15:00:00Z")));
        assert!(quiet.is_past(&rules, 8, at("2027-03-31T14:59:59Z")), "something has changed");
    }
}

//! What a candidate has seen of the lease. Pure: expiry is a matter of its own clock alone, because the clocks of two
//! machines need not agree on what time it is, only on how long a second lasts.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};

use super::Fence;

/// The lease as it was last seen, and since when it looks so.
#[derive(Debug)]
pub struct Observed {
    spec: Option<LeaseSpec>,
    since: Instant,
    /// Highest number seen: if somebody deletes the lease, its successor goes on counting.
    highest: Fence,
}

impl Observed {
    /// Nothing seen yet.
    pub const fn nothing(now: Instant) -> Self {
        Self { spec: None, since: now, highest: Fence(0) }
    }

    /// Takes in what was read at `now`; any change is a sign of life.
    pub fn see(&mut self, lease: Option<&Lease>, now: Instant) {
        let spec = lease.map(|lease| lease.spec.clone().unwrap_or_default());
        if spec != self.spec {
            self.spec = spec;
            self.since = now;
        }
        let number = self.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0);
        self.highest = self.highest.max(Fence(number));
    }

    /// Whether it may be taken: there is none, nobody holds it, or its holder gave no sign of life for as long as it
    /// said itself, and for `least` at any rate.
    pub fn is_free(&self, least: Duration, now: Instant) -> bool {
        let Some(spec) = self.spec.as_ref() else { return true };
        let said = u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
        self.holder().is_none() || now >= self.since + least.max(Duration::from_secs(said))
    }

    /// Who holds it.
    pub fn holder(&self) -> Option<&str> {
        self.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// The number of the next term.
    pub const fn next_fence(&self) -> Fence {
        Fence(self.highest.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LEAST: Duration = Duration::from_secs(15);

    fn lease(holder: &str, renewed: &str, transitions: i32) -> Lease {
        serde_json::from_value(
            json!({"metadata": {}, "spec": {"holderIdentity": holder, "renewTime": renewed,
            "leaseDurationSeconds": 15, "leaseTransitions": transitions}}),
        )
        .unwrap()
    }

    #[test]
    fn a_lease_expires_by_the_time_since_its_last_change_whatever_its_own_times_say() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut observed = Observed::nothing(start);
        assert!(observed.is_free(LEAST, start), "there is none");
        // A clock that is years behind is as good as any.
        observed.see(Some(&lease("a", "1999-01-01T00:00:00.000000Z", 1)), at(0));
        assert!(!observed.is_free(LEAST, at(14)));
        observed.see(Some(&lease("a", "1999-01-01T00:00:00.000000Z", 1)), at(14));
        assert!(observed.is_free(LEAST, at(15)));
        observed.see(Some(&lease("a", "1999-01-01T00:00:02.000000Z", 1)), at(15));
        assert!(!observed.is_free(LEAST, at(29)) && observed.is_free(LEAST, at(30)));
    }

    #[test]
    fn a_released_lease_is_free_at_once_and_a_longer_one_is_waited_for() {
        let start = Instant::now();
        let mut observed = Observed::nothing(start);
        let mut long = lease("a", "2027-01-01T00:00:00.000000Z", 1);
        long.spec.as_mut().unwrap().lease_duration_seconds = Some(60);
        observed.see(Some(&long), start);
        assert!(!observed.is_free(LEAST, start + Duration::from_secs(59)));
        observed.see(Some(&lease("", "2027-01-01T00:00:00.000000Z", 1)), start);
        assert!(observed.is_free(LEAST, start) && observed.holder().is_none());
    }

    #[test]
    fn numbers_go_on_when_the_lease_was_deleted() {
        let start = Instant::now();
        let mut observed = Observed::nothing(start);
        assert_eq!(observed.next_fence(), Fence(1));
        observed.see(Some(&lease("a", "2027-01-01T00:00:00.000000Z", 7)), start);
        observed.see(None, start);
        assert_eq!(observed.next_fence(), Fence(8));
        assert!(observed.is_free(LEAST, start));
    }
}

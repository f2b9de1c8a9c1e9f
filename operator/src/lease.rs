//! Which of several operators acts: the holder of one Lease. [`Keeper`] takes it and renews it, the cycle asks
//! [`Leadership`] before every write, and [`fence`] makes sure that nobody of an earlier term writes any more.

pub mod fence;
mod keeper;
mod observed;

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use tokio::sync::watch;

pub use keeper::{Keeper, Place};

/// Number of a term of office: `leaseTransitions` of the lease. No number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence(pub i32);

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A term of office.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Its number.
    pub fence: Fence,
    /// From then on nothing is written any more, unless the lease was renewed meanwhile.
    pub acts_until: Instant,
}

/// How long a lease lasts, and what follows from it. With 15 s: renewed every 2 s, acted under for 10 s after a renewal
/// was sent, looked at every second by those who wait, each request given up after 3 s.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    lease: Duration,
}

impl Timing {
    /// A lease of so many seconds.
    pub const fn of_seconds(seconds: u32) -> Self {
        Self { lease: Duration::from_secs(seconds as u64) }
    }

    const fn lease(self) -> Duration {
        self.lease
    }

    /// Two thirds: clocks that run apart by a third still agree on who acts.
    fn deadline(self) -> Duration {
        self.lease * 2 / 3
    }

    fn renewal(self) -> Duration {
        self.lease * 2 / 15
    }

    fn look(self) -> Duration {
        self.lease / 15
    }

    fn request(self) -> Duration {
        self.lease / 5
    }
}

/// Whether this operator acts. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Leadership {
    term: watch::Receiver<Option<Term>>,
    stop: watch::Receiver<bool>,
}

impl Leadership {
    /// Follows the keeper's term, until `stop` says that the process ends.
    pub const fn new(term: watch::Receiver<Option<Term>>, stop: watch::Receiver<bool>) -> Self {
        Self { term, stop }
    }

    /// The term in which this operator acts, if it does.
    pub fn fence(&self) -> Option<Fence> {
        let term = *self.term.borrow();
        term.filter(|term| Instant::now() < term.acts_until).map(|term| term.fence)
    }

    /// Whether a write that was decided in this term may still begin.
    pub fn may_write(&self, fence: Option<Fence>) -> bool {
        fence.is_some() && fence == self.fence() && !*self.stop.borrow()
    }

    /// Returns when there is something new to see of the term, and at once when the process is to end.
    pub async fn changed(&mut self) {
        let fence = self.term.borrow_and_update().map(|term| term.fence);
        tokio::select! {
            // A renewal is nothing new. Both end only with the process.
            _ = self.term.wait_for(|term| term.map(|term| term.fence) != fence) => {}
            _ = self.stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Whether the process is to end: nothing new is begun.
    pub fn is_ending(&self) -> bool {
        *self.stop.borrow()
    }
}

/// A name that no other process has, also not one of the same pod: host or pod, and something random.
pub fn identity(pod: Option<String>) -> String {
    let host = pod
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map_or_else(|| "operator".to_owned(), |name| name.trim().to_owned());
    // The standard library seeds its hashers from the system's random numbers.
    format!("{host}_{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_ends_by_the_clock_and_another_term_is_not_ones_own() {
        let (terms, term) = watch::channel(None);
        let (stops, stop) = watch::channel(false);
        let leadership = Leadership::new(term, stop);
        assert!(!leadership.may_write(None) && !leadership.may_write(Some(Fence(1))));
        let later = Instant::now() + Duration::from_secs(60);
        terms.send_replace(Some(Term { fence: Fence(2), acts_until: later }));
        assert!(leadership.may_write(Some(Fence(2))));
        assert!(!leadership.may_write(Some(Fence(1))) && !leadership.may_write(None));
        terms.send_replace(Some(Term { fence: Fence(2), acts_until: Instant::now() }));
        assert!(!leadership.may_write(Some(Fence(2))) && leadership.fence().is_none());
        terms.send_replace(Some(Term { fence: Fence(2), acts_until: later }));
        stops.send_replace(true);
        assert!(!leadership.may_write(Some(Fence(2))));
    }

    #[test]
    fn two_processes_of_one_pod_have_different_names() {
        let [a, b] = [(), ()].map(|()| identity(Some("concord-operator-0".to_owned())));
        assert!(a.starts_with("concord-operator-0_") && a != b);
    }
}

//! The thread that reads NVML on a fixed beat, opens it again when it is gone, and publishes the latest reading.
//!
//! A blocked call blocks only this thread: readers see the age of the last reading and stop repeating it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use crate::metrics::Counters;
use crate::nvml::{CallErrors, Session};
use crate::reading::NodeReading;
use crate::state::{NvmlState, Unavailable};

/// Longest wait between two tries to open NVML: a driver that comes back is seen within half a minute, and a node
/// without one costs two `dlopen` a minute.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// What is known now.
#[derive(Debug, Clone)]
pub struct Latest {
    /// State of NVML.
    pub state: NvmlState,
    /// Why there is no reading.
    pub unavailable: Option<Unavailable>,
    /// The last reading; only while NVML is ready.
    pub reading: Option<Arc<NodeReading>>,
    /// End of the last try, by the monotonic clock.
    pub tried: Instant,
    /// End of the last read that worked.
    pub read_at: Option<Timestamp>,
    /// Age from which a reading is not repeated any more.
    pub stale_after: Duration,
}

impl Latest {
    /// The reading, unless NVML has been silent for too long.
    pub fn fresh(&self, now: Instant) -> Option<&NodeReading> {
        self.reading.as_deref().filter(|_| !self.is_silent(now))
    }

    /// True when the thread has been inside one call for too long.
    pub fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.tried) > self.stale_after
    }
}

/// The running thread.
pub struct Sampler {
    /// What it knows.
    pub latest: watch::Receiver<Latest>,
    /// Resolves when it has died.
    pub ended: oneshot::Receiver<()>,
}

/// Starts the thread.
pub fn start(library: Option<PathBuf>, interval: Duration, counters: Counters) -> std::io::Result<Sampler> {
    let (sender, latest) = watch::channel(Latest {
        state: NvmlState::Starting,
        unavailable: None,
        reading: None,
        tried: Instant::now(),
        read_at: None,
        // One slow read among many GPUs is no silence; ten beats are.
        stale_after: (interval * 10).max(RETRY_MAX + Duration::from_secs(10)),
    });
    let (alive, ended) = oneshot::channel();
    std::thread::Builder::new().name("nvml".to_owned()).spawn(move || {
        // Dropped when the thread ends, by return or panic.
        let _alive: oneshot::Sender<()> = alive;
        sample(library, interval, &counters, &sender);
    })?;
    Ok(Sampler { latest, ended })
}

fn sample(library: Option<PathBuf>, interval: Duration, counters: &Counters, latest: &watch::Sender<Latest>) {
    let mut session: Option<Session> = None;
    let mut failures = 0;
    while !latest.is_closed() {
        let started = Instant::now();
        let mut errors = CallErrors::default();
        let result = match session.take() {
            Some(open) => Ok(open),
            None => {
                counters.opens.inc();
                Session::open(library.as_deref())
            }
        };
        let result = result.and_then(|open| open.read(&mut errors).map(|reading| (open, reading)));
        for (call, error, count) in errors.counts() {
            counters.errors.with_label_values(&[call, error]).inc_by(count);
        }
        counters.read_seconds.set(started.elapsed().as_secs_f64());
        let trouble = result.is_err() || errors.session_over();
        failures = if trouble { failures + 1 } else { 0 };
        session = publish(result, latest).filter(|_| !errors.session_over());
        std::thread::sleep(pause(interval, started.elapsed(), failures));
    }
}

/// Tells readers; gives the session back when it can still be used.
fn publish(
    result: Result<(Session, NodeReading), Unavailable>,
    latest: &watch::Sender<Latest>,
) -> Option<Session> {
    let now = Timestamp::now();
    let (session, state, reading, unavailable) = match result {
        Ok((session, reading)) => (Some(session), NvmlState::Ready, Some(Arc::new(reading)), None),
        Err(unavailable) => (None, unavailable.state, None, Some(unavailable)),
    };
    latest.send_modify(|latest| {
        if latest.state != state {
            match &unavailable {
                Some(unavailable) => tracing::warn!(state = state.label(), "{unavailable}"),
                None => tracing::info!(state = state.label(), "NVML answers"),
            }
        }
        latest.state = state;
        latest.read_at = reading.as_ref().map(|_| now).or(latest.read_at);
        latest.reading = reading;
        latest.unavailable = unavailable;
        latest.tried = Instant::now();
    });
    session
}

/// Time to the next beat; doubles with each failure in a row up to [`RETRY_MAX`], or the interval if that is longer.
fn pause(interval: Duration, elapsed: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.min(10));
    let beat = interval.saturating_mul(factor).min(RETRY_MAX.max(interval));
    beat.saturating_sub(elapsed).max(Duration::from_millis(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beat_is_kept_and_failures_slow_it_down_to_a_limit() {
        let second = Duration::from_secs(1);
        assert_eq!(pause(second, Duration::from_millis(300), 0), Duration::from_millis(700));
        assert_eq!(pause(second, Duration::ZERO, 1), Duration::from_secs(2));
        assert_eq!(pause(second, Duration::ZERO, u32::MAX), RETRY_MAX);
        assert_eq!(pause(Duration::from_secs(60), Duration::ZERO, 3), Duration::from_secs(60));
        assert!(
            pause(second, Duration::from_secs(9), 0) > Duration::ZERO,
            "a slow NVML must not spin the thread"
        );
    }

    #[test]
    fn an_old_reading_is_not_repeated() {
        let tried = Instant::now();
        let latest = Latest {
            state: NvmlState::Ready,
            unavailable: None,
            reading: Some(Arc::new(crate::reading::tests::node())),
            tried,
            read_at: None,
            stale_after: Duration::from_secs(40),
        };
        assert!(latest.fresh(tried + Duration::from_secs(40)).is_some());
        assert!(latest.fresh(tried + Duration::from_secs(41)).is_none());
    }
}

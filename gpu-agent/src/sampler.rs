//! The thread that reads NVML on a fixed beat, opens it again when it is gone, keeps the accounts and publishes both.
//!
//! A blocked call blocks only this thread: readers see the age of the last reading and stop repeating it.

mod beat;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use crate::carbon::Intensity;
use crate::health::Trouble;
use crate::kubelet;
use crate::metrics::Counters;
use crate::node_state::NodeState;
use crate::nvml::{CallErrors, Session};
use crate::reading::NodeReading;
use crate::state::{NvmlState, Unavailable};
use crate::state_file::StateFile;
use beat::Beat;

/// Longest wait between two tries to open NVML: a driver that comes back is seen within half a minute, and a node
/// without one costs two `dlopen` a minute.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// A library that does not fit its driver stays so until this process loads another; a mount that is old needs a new pod.
/// So many tries take about a minute.
const MISMATCHES_MAX: u32 = 6;

/// What is known now.
#[derive(Debug, Clone)]
pub struct Latest {
    /// State of NVML.
    pub state: NvmlState,
    /// Why there is no reading.
    pub unavailable: Option<Unavailable>,
    /// The last reading; only while NVML is ready.
    pub reading: Option<Arc<NodeReading>>,
    /// Accounts of all GPUs.
    pub node: Arc<NodeState>,
    /// Each GPU, and what is wrong with it.
    pub health: Arc<Vec<(String, Option<Trouble>)>>,
    /// End of the last try, by the monotonic clock.
    pub tried: Instant,
    /// End of the last read that worked.
    pub read_at: Option<Timestamp>,
    /// Age from which a reading is not repeated any more.
    pub stale_after: Duration,
}

impl Latest {
    /// Before the first try.
    #[must_use]
    pub fn starting(node: NodeState, interval: Duration) -> Self {
        Self {
            state: NvmlState::Starting,
            unavailable: None,
            reading: None,
            node: Arc::new(node),
            health: Arc::default(),
            tried: Instant::now(),
            read_at: None,
            // One slow read among many GPUs is no silence; ten beats are.
            stale_after: (interval * 10).max(RETRY_MAX + Duration::from_secs(10)),
        }
    }

    /// The reading, unless NVML has been silent for too long.
    #[must_use]
    pub fn fresh(&self, now: Instant) -> Option<&NodeReading> {
        self.reading.as_deref().filter(|_| !self.is_silent(now))
    }

    /// True when the thread has been inside one call for too long.
    #[must_use]
    pub fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.tried) > self.stale_after
    }
}

/// How to sample.
pub struct Options {
    /// NVML, when it is not the system's.
    pub library: Option<PathBuf>,
    /// Time between two reads.
    pub interval: Duration,
    /// Boot of the node.
    pub boot_id: String,
    /// Read the use of processes too.
    pub processes: bool,
    /// Idle power, when it is known.
    pub idle_milliwatts: Option<u64>,
    /// XIDs that take no GPU out.
    pub harmless_xids: Vec<u64>,
    /// Time after which an interval's holders are known for sure.
    pub settle: Duration,
    /// Where accounts are kept.
    pub file: Option<StateFile>,
    /// Accounts as they were kept.
    pub node: NodeState,
    /// Who holds what; without a kubelet nobody is charged.
    pub mapping: Option<kubelet::Shared>,
    /// Intensity of the grid.
    pub grid: Arc<RwLock<Option<Intensity>>>,
}

/// What the thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Close NVML, so that the driver can be replaced.
    Release,
    /// Open it again.
    Resume,
    /// Keep the accounts and end.
    Stop,
}

/// The running thread.
pub struct Sampler {
    /// What it knows.
    pub latest: watch::Receiver<Latest>,
    /// By which it is told.
    pub orders: Sender<Order>,
    /// Why it ended.
    pub ended: oneshot::Receiver<String>,
    /// The thread itself.
    pub thread: JoinHandle<()>,
}

/// Starts the thread.
///
/// # Errors
/// When the system has no thread left.
pub fn start(options: Options, counters: Counters) -> std::io::Result<Sampler> {
    let (sender, latest) = watch::channel(Latest::starting(options.node.clone(), options.interval));
    let (alive, ended) = oneshot::channel();
    let (orders, told) = channel();
    let thread = std::thread::Builder::new().name("nvml".to_owned()).spawn(move || {
        // Dropped without a word when the thread panics.
        let said = sample(Beat::new(options, counters), &told, &sender);
        let _ = alive.send(said);
    })?;
    Ok(Sampler { latest, orders, ended, thread })
}

fn sample(mut beat: Beat, told: &Receiver<Order>, latest: &watch::Sender<Latest>) -> String {
    let (mut failures, mut mismatches, mut released) = (0, 0, false);
    loop {
        let started = Instant::now();
        let trouble = if released { beat.idle(latest) } else { beat.read(latest) };
        failures = if trouble.is_some() { failures + 1 } else { 0 };
        mismatches = if trouble == Some(NvmlState::VersionMismatch) { mismatches + 1 } else { 0 };
        if mismatches >= MISMATCHES_MAX {
            return "NVML and the driver stay of different releases; a new process may find the right library".to_owned();
        }
        match told.recv_timeout(pause(beat.interval(), started.elapsed(), failures)) {
            Ok(Order::Release) => {
                released = true;
                beat.close();
            }
            Ok(Order::Resume) => released = false,
            Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => {
                beat.keep(true);
                return "told to stop".to_owned();
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Time to the next beat; doubles with each failure in a row up to [`RETRY_MAX`], or the interval if that is longer.
fn pause(interval: Duration, elapsed: Duration, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.min(10));
    let beat = interval.saturating_mul(factor).min(RETRY_MAX.max(interval));
    beat.saturating_sub(elapsed).max(Duration::from_millis(10))
}

/// One try: the session to go on with, and what it found.
type Try = (Option<Session>, Result<NodeReading, Unavailable>, CallErrors);

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
        let reading = Some(Arc::new(crate::reading::tests::node()));
        let latest = Latest { reading, ..Latest::starting(NodeState::default(), Duration::from_secs(1)) };
        let tried = latest.tried;
        assert!(latest.fresh(tried + Duration::from_secs(40)).is_some());
        assert!(latest.fresh(tried + Duration::from_secs(41)).is_none());
    }
}

//! One beat: read, listen, book, keep, publish.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Latest, Options, Try};
use crate::events::{Heard, Listener};
use crate::kubelet;
use crate::metrics::Counters;
use crate::node_state::{Known, NodeState};
use crate::nvml::{CallErrors, Session};
use crate::processes::pods_of;
use crate::reading::NodeReading;
use crate::state::{NvmlState, Unavailable};

/// Times between two looks for a GPU that is missing.
const LOOK_MIN: Duration = Duration::from_secs(2);
const LOOK_MAX: Duration = Duration::from_secs(30);

/// What lives from beat to beat.
pub struct Beat {
    options: Options,
    counters: Counters,
    node: NodeState,
    session: Option<Session>,
    listener: Option<Listener>,
    /// While a GPU is missing: when NVML is opened again to look for it, and the time to the look after that.
    look: Option<(Instant, Duration)>,
}

impl Beat {
    /// Before the first.
    pub fn new(mut options: Options, counters: Counters) -> Self {
        let mut node = std::mem::take(&mut options.node);
        node.boot(&options.boot_id);
        Self { options, counters, node, session: None, listener: None, look: None }
    }

    /// Time between two beats.
    pub fn interval(&self) -> Duration {
        self.options.interval
    }

    /// Reads NVML and publishes; says what is wrong.
    pub fn read(&mut self, latest: &watch::Sender<Latest>) -> Option<NvmlState> {
        let started = Instant::now();
        let (session, result, errors) = self.ask();
        for (call, error, count) in errors.counts() {
            self.counters.errors.with_label_values(&[call, error]).inc_by(count);
        }
        self.counters.read_seconds.set(started.elapsed().as_secs_f64());
        let over = errors.session_over() && session.is_some();
        self.session = session;
        if let Ok(reading) = &result {
            self.take(reading);
        }
        self.hear();
        if over {
            self.end_session();
            self.node.session_over();
        } else if self.is_time_to_look(errors.lost_device()) {
            self.end_session();
        } else {
            self.listen();
        }
        self.settle();
        self.keep(false);
        let state = result.as_ref().map_or_else(|unavailable| unavailable.state, |_| NvmlState::Ready);
        self.publish(state, result, latest);
        if state == NvmlState::Ready && !over { None } else { Some(state) }
    }

    /// A GPU that is missing is looked for by opening NVML again, at most every half minute: the others are read meanwhile.
    fn is_time_to_look(&mut self, lost: bool) -> bool {
        if self.session.is_none() || !(lost || self.node.misses_a_gpu()) {
            self.look = None;
            return false;
        }
        let now = Instant::now();
        let (at, pause) = *self.look.get_or_insert((now + LOOK_MIN, LOOK_MIN * 2));
        if now < at {
            return false;
        }
        self.look = Some((now + pause, (pause * 2).min(LOOK_MAX)));
        true
    }

    /// A beat without NVML, because it was let go.
    pub fn idle(&mut self, latest: &watch::Sender<Latest>) -> Option<NvmlState> {
        self.settle();
        self.keep(false);
        let unavailable = Unavailable {
            state: NvmlState::Released,
            library: "closed".to_owned(),
            cause: "it was let go on request".to_owned(),
        };
        self.publish(NvmlState::Released, Err(unavailable), latest);
        None
    }

    /// Closes NVML, so that nothing of this process holds the driver.
    pub fn close(&mut self) {
        if self.session.is_some() {
            self.end_session();
            self.node.session_over();
        }
        tracing::info!("NVML was let go");
    }

    /// Writes the accounts; `last` forces them to the disk.
    pub fn keep(&mut self, last: bool) {
        let Some(file) = &mut self.options.file else { return };
        if let Err(error) = file.save(&self.node, last) {
            if self.counters.state_errors.get() == 0 {
                tracing::warn!("accounts cannot be kept: {error}");
            }
            self.counters.state_errors.inc();
        }
    }

    fn ask(&mut self) -> Try {
        let mut errors = CallErrors::default();
        let opened = match self.session.take() {
            Some(open) => Ok(open),
            None => {
                self.counters.opens.inc();
                Session::open(self.options.library.as_deref(), self.options.processes)
            }
        };
        match opened {
            Err(unavailable) => (None, Err(unavailable), errors),
            Ok(mut session) => match session.read(&mut errors) {
                Ok(reading) => (Some(session), Ok(reading), errors),
                Err(unavailable) => {
                    // It was open: the driver or all GPUs are gone.
                    self.session = Some(session);
                    self.end_session();
                    self.node.session_over();
                    (None, Err(unavailable), errors)
                }
            },
        }
    }

    fn end_session(&mut self) {
        if self.listener.take().is_some_and(|listener| !listener.stop()) {
            tracing::warn!("a call that waits for events does not return; it keeps NVML open");
        }
        self.session = None;
    }

    fn take(&mut self, reading: &NodeReading) {
        let pods = self.options.processes.then(|| {
            pods_of(reading.devices.iter().flat_map(|d| d.processes.iter().flat_map(|p| p.keys().copied())))
        });
        for (uuid, cause) in self.node.take(reading, pods.as_ref(), self.options.idle_milliwatts) {
            tracing::warn!(gpu = uuid, cause = cause.label(), "the GPU's counter began anew");
            self.counters.epochs.with_label_values(&[uuid.as_str(), cause.label()]).inc();
        }
    }

    fn listen(&mut self) {
        let Some(session) = self.session.as_ref().filter(|_| self.listener.is_none()) else { return };
        match Listener::start(session.nvml()) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => tracing::warn!("cannot listen to events: {error}"),
        }
    }

    fn hear(&mut self) {
        let Self { listener, node, counters, options, .. } = self;
        while let Some(heard) = listener.as_ref().and_then(Listener::next) {
            match heard {
                Heard::Listening(gpus) => counters.listening.set(i64::try_from(gpus).unwrap_or(i64::MAX)),
                Heard::Failed(error) => counters.errors.with_label_values(&["event_wait", error]).inc(),
                Heard::Change => {}
                Heard::Xid(xid) => {
                    let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
                    let (gi, ci) = (number(xid.instance.map(|i| i.0)), number(xid.instance.map(|i| i.1)));
                    let code = xid.xid.to_string();
                    counters.xids.with_label_values(&[&xid.uuid, &code, &gi, &ci]).inc();
                    let out = node.see_xid(&xid.uuid, xid.xid, &options.harmless_xids);
                    tracing::warn!(gpu = xid.uuid, xid = xid.xid, taken_out = out, "Xid");
                }
            }
        }
    }

    fn settle(&mut self) {
        let Some(mapping) = &self.options.mapping else {
            self.node.charge_nobody();
            return;
        };
        let now = Timestamp::now().as_microsecond();
        let settled = now - i64::try_from(self.options.settle.as_micros()).unwrap_or(i64::MAX);
        let mapping = kubelet::lock(mapping);
        let grid = self.options.grid.read().unwrap_or_else(PoisonError::into_inner);
        let known = Known {
            holdings: &mapping.holdings,
            replicas: &mapping.replicas,
            // What ended after the kubelet's last answer has to wait for the next.
            until_microseconds: mapping.listed_microseconds.map_or(i64::MIN, |listed| listed.min(settled)),
            grid: grid.as_ref(),
        };
        self.node.settle(&known, now);
    }

    fn publish(
        &self,
        state: NvmlState,
        result: Result<NodeReading, Unavailable>,
        latest: &watch::Sender<Latest>,
    ) {
        let (reading, unavailable) = match result {
            Ok(reading) => (Some(Arc::new(reading)), None),
            Err(unavailable) => (None, Some(unavailable)),
        };
        let health = Arc::new(self.node.judge(state, reading.as_deref()));
        let node = Arc::new(self.node.clone());
        latest.send_modify(|latest| {
            if latest.state != state {
                match &unavailable {
                    Some(unavailable) => tracing::warn!(state = state.label(), "{unavailable}"),
                    None => tracing::info!(state = state.label(), "NVML answers"),
                }
            }
            latest.state = state;
            latest.read_at = reading.as_ref().map(|_| Timestamp::now()).or(latest.read_at);
            latest.reading = reading;
            latest.unavailable = unavailable;
            latest.node = node;
            latest.health = health;
            latest.tried = Instant::now();
        });
    }
}

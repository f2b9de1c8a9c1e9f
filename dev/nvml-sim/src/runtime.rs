//! What one loaded library remembers between calls: the scenario file, whether it is initialised, event sets and GPM
//! samples. The only module with a clock and a file; what the values are is the model's business.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::clock::Clock;
use crate::code::Code;
use crate::model::{Effect, Event, GpmSample, call_effect, hangs};
use crate::scenario::Scenario;

/// Names the scenario file.
const SCENARIO_VARIABLE: &str = "CONCORD_NVML_SIM_SCENARIO";
/// Unix seconds of scenario time 0; wins over the file.
const START_VARIABLE: &str = "CONCORD_NVML_SIM_START";
/// Scenario file beside the library, when the variable is not set.
const SCENARIO_BESIDE: &str = "scenario.yaml";
/// The file is looked at for changes at most so often.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// While a call hangs or waits, it looks so often whether it may go on.
const POLL: Duration = Duration::from_millis(5);

/// The scenario and its time during one call.
#[derive(Clone)]
pub struct Moment {
    pub scenario: Arc<Scenario>,
    pub clock: Clock,
    pub seconds: f64,
}

/// Events that a client waits for together.
#[derive(Default)]
pub struct EventSet {
    /// GPU, mask and the scenario time until which its events are in the queue.
    pub registered: Vec<(usize, u64, f64)>,
    pub queue: std::collections::VecDeque<Event>,
}

#[derive(Default)]
pub struct Runtime {
    loaded: Option<Loaded>,
    session: Option<Session>,
    /// Scenario time of the first initialisation since the dynamic loader loaded this library.
    loaded_at: Option<f64>,
    /// Start of scenario time that the variable names, once that was read.
    named_start: Option<Option<f64>>,
    /// Start of scenario time when neither variable nor file names one.
    own_start: Option<f64>,
    error_counts: Vec<u64>,
    complaint: String,
    pub event_sets: BTreeMap<u64, EventSet>,
    pub gpm_samples: BTreeMap<u64, Option<GpmSample>>,
    pub next_id: u64,
}

/// What tells one version of a file from the next. The clock of a file system ticks in milliseconds, so a file that was
/// put in another's place is told by its number too.
type Stamp = (u64, SystemTime, u64);

struct Loaded {
    path: PathBuf,
    stamp: Option<Stamp>,
    looked: Instant,
    scenario: Arc<Scenario>,
}

struct Session {
    uses: u32,
    driver_loads: usize,
    /// Indices of the GPUs that were there at initialisation: NVML's index to the scenario's.
    gpus: Vec<usize>,
}

static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// The one of this loaded library. Never held while a call waits.
pub fn with<T>(act: impl FnOnce(&mut Runtime) -> T) -> T {
    let mut guard: MutexGuard<'_, Option<Runtime>> = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    act(guard.get_or_insert_with(Runtime::default))
}

/// Begins a call: after the scenario's delays and hangs, the moment at which it is answered.
pub fn enter(symbol: &str, gpu: Option<usize>) -> Result<Moment, Code> {
    let (moment, effect) = with(|runtime| {
        let moment = runtime.moment()?;
        let effect = call_effect(&moment.scenario, symbol, gpu, moment.seconds, &mut runtime.error_counts);
        Ok((moment, effect))
    })?;
    let moment = if effect.hangs || effect.delay_milliseconds > 0 {
        endure(symbol, gpu, effect);
        with(Runtime::moment)?
    } else {
        moment
    };
    effect.code.map_or(Ok(moment), Err)
}

/// Waits for as long as the faults say.
fn endure(symbol: &str, gpu: Option<usize>, effect: Effect) {
    std::thread::sleep(Duration::from_millis(effect.delay_milliseconds.into()));
    // The scenario may be rewritten meanwhile, so that a hang without an end can be ended.
    while with(|runtime| runtime.now().is_some_and(|now| hangs(&now.scenario, symbol, gpu, now.seconds))) {
        std::thread::sleep(POLL);
    }
}

/// Polls until `ready` has a value, for at most so long.
pub fn poll<T>(timeout: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = ready() {
            return Some(value);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::sleep(POLL.min(left));
    }
}

/// `nvmlInit`.
pub fn initialise(symbol: &str) -> Result<(), Code> {
    let effect = with(|runtime| {
        let now = runtime.now().ok_or(Code::UNKNOWN)?;
        runtime.loaded_at.get_or_insert(now.seconds);
        Ok(call_effect(&now.scenario, symbol, None, now.seconds, &mut runtime.error_counts))
    })?;
    endure(symbol, None, effect);
    if let Some(code) = effect.code {
        return Err(code);
    }
    with(|runtime| {
        let now = runtime.now().ok_or(Code::UNKNOWN)?;
        runtime.open(&now)
    })
}

/// `nvmlShutdown`.
pub fn shut_down() -> Result<(), Code> {
    with(|runtime| {
        let session = runtime.session.as_mut().ok_or(Code::UNINITIALIZED)?;
        session.uses -= 1;
        if session.uses == 0 {
            runtime.close();
        }
        Ok(())
    })
}

impl Runtime {
    fn open(&mut self, now: &Moment) -> Result<(), Code> {
        let Scenario { faults, driver_version: first, gpus, .. } = &*now.scenario;
        let driver_loads = faults.loads(now.seconds);
        if let Some(session) = &mut self.session
            && session.driver_loads == driver_loads
        {
            session.uses += 1;
            return Ok(());
        }
        let driver = faults.driver(first, now.seconds).ok_or(Code::DRIVER_NOT_LOADED)?;
        if faults.library(first, self.loaded_at.unwrap_or(now.seconds)) != driver {
            return Err(Code::LIB_RM_VERSION_MISMATCH);
        }
        self.close();
        let present = (0..gpus.len()).filter(|gpu| !faults.lost(*gpu, now.seconds)).collect();
        self.session = Some(Session { uses: 1, driver_loads, gpus: present });
        Ok(())
    }

    fn close(&mut self) {
        self.session = None;
        self.event_sets.clear();
        self.gpm_samples.clear();
    }

    /// Now, while the library is initialised and the driver it was initialised with is loaded.
    pub fn moment(&mut self) -> Result<Moment, Code> {
        let session_loads = self.session.as_ref().ok_or(Code::UNINITIALIZED)?.driver_loads;
        let now = self.now().ok_or(Code::UNKNOWN)?;
        let faults = &now.scenario.faults;
        if faults.driver(&now.scenario.driver_version, now.seconds).is_none() {
            return Err(Code::DRIVER_NOT_LOADED);
        }
        if faults.loads(now.seconds) != session_loads {
            return Err(Code::UNINITIALIZED);
        }
        Ok(now)
    }

    /// Scenario indices of the GPUs by NVML's index.
    pub fn gpus(&self, moment: &Moment) -> Vec<usize> {
        // A rewritten scenario may have fewer; further ones appear, as with hot plug, at the next initialisation.
        let known = self.session.iter().flat_map(|session| session.gpus.iter().copied());
        known.filter(|gpu| *gpu < moment.scenario.gpus.len()).collect()
    }

    /// Version of this library: that of the driver when it was loaded.
    pub fn library_version(&self, moment: &Moment) -> String {
        let loaded_at = self.loaded_at.unwrap_or(moment.seconds);
        moment.scenario.faults.library(&moment.scenario.driver_version, loaded_at).to_owned()
    }

    /// A new id for a handle.
    pub fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The scenario as its file says now; `None`, said on stderr, while none could ever be read.
    fn now(&mut self) -> Option<Moment> {
        self.look();
        let unix_seconds = unix_seconds();
        let scenario = Arc::clone(&self.loaded.as_ref()?.scenario);
        let start_unix_seconds = self
            .named_start()?
            .or(scenario.start_unix_seconds)
            .unwrap_or_else(|| *self.own_start.get_or_insert(unix_seconds));
        let clock = Clock { start_unix_seconds, speed: scenario.speed };
        let seconds = clock.scenario_seconds(unix_seconds);
        Some(Moment { scenario, clock, seconds })
    }

    /// What the variable names, read once; `None`, said on stderr, when it is no number.
    fn named_start(&mut self) -> Option<Option<f64>> {
        if self.named_start.is_none() {
            let text = std::env::var(START_VARIABLE).unwrap_or_default();
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            if number.is_none() && !text.trim().is_empty() {
                self.complain(format!("{START_VARIABLE}: {text:?} is no time in Unix seconds"));
                return None;
            }
            self.named_start = Some(number);
        }
        self.named_start
    }

    /// Reads the file when it is new or has changed. A file that became wrong leaves the old scenario in place.
    fn look(&mut self) {
        if self.loaded.as_ref().is_some_and(|loaded| loaded.looked.elapsed() < LOOK_EVERY) {
            return;
        }
        let path = match &self.loaded {
            Some(loaded) => loaded.path.clone(),
            None => match scenario_path() {
                Some(path) => path,
                None => {
                    return self.complain(format!(
                        "no scenario: set {SCENARIO_VARIABLE} to a scenario file, or put {SCENARIO_BESIDE} beside the library"
                    ));
                }
            },
        };
        let stamp = stamp(&path);
        if let Some(loaded) = &mut self.loaded {
            loaded.looked = Instant::now();
            if loaded.stamp == stamp {
                return;
            }
            loaded.stamp = stamp;
        }
        match Scenario::read(&path) {
            Ok(scenario) => {
                self.complaint.clear();
                self.loaded =
                    Some(Loaded { path, stamp, looked: Instant::now(), scenario: Arc::new(scenario) });
            }
            Err(error) => self.complain(error.to_string()),
        }
    }

    /// Says what is wrong with the scenario, once.
    fn complain(&mut self, message: String) {
        if self.complaint != message {
            eprintln!("NVML SIMULATOR (concord-nvml-sim): {message}");
            self.complaint = message;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the library's clock; the model gets the time as a parameter")]
fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.modified().ok()?, metadata.len()))
}

fn scenario_path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(SCENARIO_VARIABLE).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let beside = crate::abi::own_path()?.parent()?.join(SCENARIO_BESIDE);
    beside.is_file().then_some(beside)
}

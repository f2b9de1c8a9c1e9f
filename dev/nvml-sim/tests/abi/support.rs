//! A library of its own for each test: a copy of what cargo built, with a scenario beside it. The dynamic loader takes
//! another file for another library, so tests in one process do not see each other's state.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use concord_nvml_sim::library_beside;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// So slow that scenario time stands still during a test.
const STANDING_SPEED: f64 = 1e-6;

pub struct Library {
    folder: tempfile::TempDir,
    scenario: String,
}

impl Library {
    /// With a scenario (without its clock) that stands at that scenario time.
    pub fn at(seconds: f64, scenario: &str) -> Self {
        let built = library_beside(&std::env::current_exe().unwrap())
            .expect("cargo builds the library for its tests");
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(built, folder.path().join("libnvidia-ml.so.1")).unwrap();
        let library = Self { folder, scenario: scenario.to_owned() };
        library.go_to(seconds);
        library
    }

    /// Writes the scenario again so that it stands at another time; the library looks for changes ten times a second.
    pub fn go_to(&self, seconds: f64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let start = now - seconds / STANDING_SPEED;
        self.write(&format!(
            "clock: {{start_unix_seconds: {start}, speed: {STANDING_SPEED}}}\n{}",
            self.scenario
        ));
    }

    /// Replaces the scenario file at once.
    pub fn write(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.folder.path().join("scenario.yaml")).unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }

    pub fn try_init(&self) -> Result<Nvml, NvmlError> {
        Nvml::builder().lib_path(self.path().as_os_str()).init()
    }

    pub fn init(&self) -> Nvml {
        self.try_init().unwrap()
    }
}

/// Asks until the answer is there, for at most ten seconds.
pub fn until<T: PartialEq + std::fmt::Debug>(wanted: T, mut ask: impl FnMut() -> T) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = ask();
        if answer == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "still {answer:?} and not {wanted:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Name of an error, or `ok`.
pub fn said<T>(answer: Result<T, NvmlError>) -> String {
    answer.map_or_else(|error| format!("{error:?}"), |_| "ok".to_owned())
}

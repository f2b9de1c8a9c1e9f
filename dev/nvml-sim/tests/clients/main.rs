//! Clients that others wrote read the simulator. They are fetched and built once, pinned, into a cache outside the tree.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "scenarios begin at times of the wall clock")]

mod cache;
mod go;
mod python;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use concord_nvml_sim::library_beside;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A scenario that runs since some seconds, and a folder with the library under the name that clients look for.
struct Run {
    folder: tempfile::TempDir,
    scenario: PathBuf,
    start: f64,
}

impl Run {
    /// It has run for so many seconds now.
    fn at(seconds: f64, scenario: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = library_beside(&std::env::current_exe().unwrap()).unwrap();
        std::os::unix::fs::symlink(library, folder.path().join("libnvidia-ml.so.1")).unwrap();
        Self { folder, scenario: here(scenario), start: unix_seconds() - seconds }
    }

    /// A program that finds the simulator in place of the driver's library.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_LIBRARY_PATH", self.folder.path())
            .env("CONCORD_NVML_SIM_SCENARIO", &self.scenario)
            .env("CONCORD_NVML_SIM_START", self.start.to_string());
        command
    }

    /// Scenario time.
    fn seconds(&self) -> f64 {
        unix_seconds() - self.start
    }
}

//! Keeps one program running: starts it again a second after it has died, until it is told to stop.
//!
//! What a Deployment does in a real cluster. `<state>.json` always names the process that runs now.

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use crate::{files::write_public, process::ProcessRecord};

/// Pause before a program that has died is started again.
const PAUSE: Duration = Duration::from_secs(1);
/// Time for a graceful end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The supervised program as it is now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Supervised {
    /// The running process.
    pub process: ProcessRecord,
    /// How often it has been started.
    pub starts: u32,
}

impl Supervised {
    /// Reads the state file.
    pub fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Kills it as a crash would. Never its supervisor, never anybody else. False if it is not running now.
    pub fn kill(&self) -> bool {
        let pid = Pid::from_raw(self.process.pid).filter(|_| self.process.is_alive());
        pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
    }
}

/// Runs `program` until SIGTERM.
pub async fn supervise(state: PathBuf, program: PathBuf, arguments: Vec<String>) -> Result<()> {
    let mut told = signal(SignalKind::terminate())?;
    let mut starts = 0;
    loop {
        starts += 1;
        let mut child = Command::new(&program)
            .args(&arguments)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        say(&format!("start {starts} of {}, pid {}", program.display(), child.id().unwrap_or_default()));
        // It may already be dead; then there is nothing to remember.
        if let Some(Ok(process)) = child.id().map(|pid| ProcessRecord::of("supervised", 0, pid)) {
            write_public(&state, &serde_json::to_string(&Supervised { process, starts })?)?;
        }
        tokio::select! {
            status = child.wait() => say(&format!("it has ended: {}", words(&status?))),
            _ = told.recv() => return stop(child).await,
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => (),
            _ = told.recv() => return Ok(()),
        }
    }
}

async fn stop(mut child: Child) -> Result<()> {
    if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        // It may have had the same signal as this process, and be gone.
        let _gone = kill_process(pid, Signal::TERM);
    }
    match tokio::time::timeout(STOP_LIMIT, child.wait()).await {
        Ok(status) => say(&format!("stopped: {}", words(&status?))),
        Err(_) => {
            say("does not stop; killed");
            child.kill().await?;
        }
    }
    Ok(())
}

fn words(status: &ExitStatus) -> String {
    status.to_string()
}

/// Into the program's own log, with the time, so that restarts stand where they happened.
fn say(what: &str) {
    eprintln!("{} supervisor: {what}", jiff::Timestamp::now());
}

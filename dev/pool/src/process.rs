//! A program that runs in the background: how it is recognised later, and how it is ended.
//!
//! A process id alone may by now belong to somebody else. The record therefore also holds the start time and the boot,
//! and nothing is signalled unless all three agree.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

/// How often a process that is being stopped is looked at.
const POLL: Duration = Duration::from_millis(10);
/// After SIGKILL the kernel needs a moment; longer than this means that the process hangs in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Name of the log and of the record; unique within a data directory.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables added to the environment.
    pub environment: Vec<(String, String)>,
}

impl Launch {
    /// Runs `program` under `name`, so far without arguments.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), program: program.into(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds `--name=value`.
    #[must_use]
    pub fn flag(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.arg(format!("--{name}={value}"))
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}

/// Enough to recognise a process that somebody started earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Name from [`Launch`].
    pub name: String,
    /// Position in the order of starting; stopping goes the other way.
    pub order: u32,
    /// Process id, also the id of its process group.
    pub pid: i32,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot to which the two above belong.
    pub boot_id: String,
}

impl ProcessRecord {
    /// Describes the process that has just been started with this id.
    pub(crate) fn of(name: &str, order: u32, pid: u32) -> Result<Self> {
        let pid = i32::try_from(pid)?;
        let (_, start_ticks) =
            status(pid).with_context(|| format!("{name} (pid {pid}) is already gone from /proc"))?;
        Ok(Self { name: name.to_owned(), order, pid, start_ticks, boot_id: boot_id()? })
    }

    /// Is this very process running? A zombie is not.
    pub fn is_alive(&self) -> bool {
        let same_boot = boot_id().is_ok_and(|id| id == self.boot_id);
        let running = |(state, ticks)| ticks == self.start_ticks && !matches!(state, 'Z' | 'X');
        same_boot && status(self.pid).is_some_and(running)
    }

    /// Asks the process group to end, and kills it when it has not ended within `limit`. `reap` is called while
    /// waiting, so that a parent can collect its child.
    pub fn stop(&self, limit: Duration, mut reap: impl FnMut()) -> Result<()> {
        for (signal, limit) in [(Signal::TERM, limit), (Signal::KILL, KILL_LIMIT)] {
            let Some(group) = Pid::from_raw(self.pid).filter(|_| self.is_alive()) else { return Ok(()) };
            // The group can vanish between the look and the signal; then the next look says so.
            let _gone = kill_process_group(group, signal);
            let started = Instant::now();
            while started.elapsed() < limit {
                reap();
                if !self.is_alive() {
                    return Ok(());
                }
                thread::sleep(POLL);
            }
        }
        bail!("{} (pid {}) does not end, not even by SIGKILL", self.name, self.pid)
    }
}

/// State letter and start time of a process.
fn status(pid: i32) -> Option<(char, u64)> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may contain anything, so count from its end.
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 22 of proc(5); the state is field 3.
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn boot_id() -> Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt, process::Command, time::Duration};

    use super::ProcessRecord;

    #[test]
    fn a_stale_record_never_ends_somebody_else() {
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let record = ProcessRecord::of("sleep", 0, child.id()).unwrap();
        assert!(record.is_alive());

        let earlier = ProcessRecord { start_ticks: record.start_ticks - 1, ..record.clone() };
        let before_reboot = ProcessRecord { boot_id: "another".into(), ..record.clone() };
        for stale in [earlier, before_reboot] {
            assert!(!stale.is_alive());
            stale.stop(Duration::from_secs(1), || ()).unwrap();
        }
        assert!(record.is_alive());

        record.stop(Duration::from_secs(5), || drop(child.try_wait())).unwrap();
        assert!(!record.is_alive());
    }

    #[test]
    fn a_process_that_ignores_the_request_is_killed() {
        let script = "trap '' TERM; while :; do sleep 0.05; done";
        let mut child = Command::new("sh").args(["-c", script]).process_group(0).spawn().unwrap();
        let record = ProcessRecord::of("sh", 0, child.id()).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        record.stop(Duration::from_millis(200), || drop(child.try_wait())).unwrap();
        assert!(!record.is_alive());
    }
}

//! The background programs of one data directory, in the order in which they were started.
//!
//! `<data>/run/<name>.json` remembers each of them, `<data>/logs/<name>.log` has what it prints. Owned programs end with
//! the value that started them, even when a test panics or is killed; detached ones go on until somebody attaches and
//! stops them.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, PipeWriter, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    files::{last_lines, write_public},
    process::{Launch, ProcessRecord},
};

/// Time for a graceful end. The slowest, the API server, takes about a second when nobody is connected.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// Lines of a log that an error shows.
const LOG_LINES: usize = 20;

/// Who ends the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifetime {
    /// They end with the value that started them.
    #[default]
    Owned,
    /// They go on after the starter has ended.
    Detached,
}

/// Background programs of one data directory.
#[derive(Debug)]
pub struct Processes {
    data_dir: PathBuf,
    lifetime: Lifetime,
    running: Vec<Running>,
    /// Recorded by an earlier start and not stopped, but gone: crashed, or the machine was restarted.
    ended: Vec<ProcessRecord>,
    guard: Option<Guard>,
}

#[derive(Debug)]
struct Running {
    record: ProcessRecord,
    /// How it was started; unknown if an earlier starter did it.
    launch: Option<Launch>,
    /// Present if this process is the parent; it must then collect the child.
    child: Option<Child>,
    /// Length of the log before the start; what comes before says nothing about this run.
    log_start: usize,
}

impl Processes {
    /// Starts with no programs. Refused while programs of an earlier start are running.
    pub fn new(data_dir: &Path, lifetime: Lifetime) -> Result<Self> {
        let earlier = Self::attach(data_dir)?;
        let alive: Vec<String> = earlier.names().map(str::to_owned).collect();
        ensure!(
            alive.is_empty(),
            "already running in {}: {}; stop that first",
            data_dir.display(),
            alive.join(", ")
        );
        for record in earlier.ended() {
            remove(&earlier.record_path(&record.name))?;
        }
        let guard = (lifetime == Lifetime::Owned).then(Guard::new).transpose()?;
        Ok(Self { data_dir: data_dir.to_owned(), lifetime, running: Vec::new(), ended: Vec::new(), guard })
    }

    /// Takes up the programs that an earlier start left running; they stay detached.
    pub fn attach(data_dir: &Path) -> Result<Self> {
        let mut records = Vec::new();
        let folder = data_dir.join("run");
        if folder.is_dir() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "json") {
                    let text = fs::read_to_string(&path)?;
                    let record: ProcessRecord = serde_json::from_str(&text)
                        .with_context(|| format!("{} is damaged", path.display()))?;
                    records.push(record);
                }
            }
        }
        records.sort_by_key(|record| record.order);
        let (alive, ended): (Vec<_>, Vec<_>) = records.into_iter().partition(ProcessRecord::is_alive);
        let running = alive
            .into_iter()
            .map(|record| Running { record, launch: None, child: None, log_start: 0 })
            .collect();
        Ok(Self { data_dir: data_dir.to_owned(), lifetime: Lifetime::Detached, running, ended, guard: None })
    }

    /// Starts a program in a process group of its own, so that the terminal's Ctrl-C does not reach it.
    pub fn spawn(&mut self, launch: &Launch) -> Result<()> {
        let Launch { name, program, arguments, environment } = launch;
        ensure!(!self.names().any(|known| known == name), "{name} is already running");
        let log = self.log(name);
        fs::create_dir_all(self.data_dir.join("logs"))?;
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let log_start = usize::try_from(output.metadata()?.len())?;
        let mut child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let order = self.running.last().map_or(0, |last| last.record.order + 1);
        let recorded = ProcessRecord::of(name, order, child.id()).and_then(|record| {
            if let Some(guard) = &mut self.guard {
                guard.watch(record.pid)?;
            }
            write_public(&self.record_path(name), &serde_json::to_string(&record)?)?;
            Ok(record)
        });
        match recorded {
            Ok(record) => {
                let launch = Some(launch.clone());
                self.running.push(Running { record, launch, child: Some(child), log_start });
            }
            Err(error) => {
                child.kill()?;
                child.wait()?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// An error with the end of its log unless `name` is running.
    pub fn ensure_alive(&mut self, name: &str) -> Result<()> {
        let Some(process) = self.running.iter_mut().find(|process| process.record.name == name) else {
            bail!("{name} has not been started");
        };
        if process.record.is_alive() {
            return Ok(());
        }
        // A child that is not alive is a zombie or gone, so that this does not wait.
        let status = process.child.as_mut().map(Child::wait).transpose()?;
        let how = status.map_or_else(String::new, |status| format!(" with {status}"));
        let log_start = process.log_start;
        let log = self.log(name);
        bail!(
            "{name} has ended{how}; the end of {}:\n{}",
            log.display(),
            last_lines(&log, log_start, LOG_LINES)
        )
    }

    /// Stops a program for a while, as a machine that hangs would.
    pub fn pause(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::STOP)
    }

    /// Lets it go on.
    pub fn resume(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::CONT)
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let process = self.running.iter().find(|process| process.record.name == name);
        let record = process.map(|process| &process.record).filter(|record| record.is_alive());
        let group = record.and_then(|record| Pid::from_raw(record.pid));
        let group = group.with_context(|| format!("{name} is not running"))?;
        kill_process_group(group, signal).with_context(|| format!("cannot send {signal:?} to {name}"))
    }

    /// Kills a program as a crash would. Says how to start it as it was.
    pub fn crash(&mut self, name: &str) -> Result<Launch> {
        let process = self.running.iter().find(|process| process.record.name == name);
        let launch = process.and_then(|process| process.launch.clone());
        let launch = launch.with_context(|| format!("{name} was not started here"))?;
        self.signal(name, Signal::KILL)?;
        self.stop(name)?;
        Ok(launch)
    }

    /// Stops one program; nothing happens if it is not running.
    pub fn stop(&mut self, name: &str) -> Result<()> {
        if let Some(position) = self.running.iter().position(|process| process.record.name == name) {
            let mut process = self.running.remove(position);
            let child = &mut process.child;
            process.record.stop(STOP_LIMIT, || {
                // Collecting a child twice is harmless, and a failure shows up as a process that does not end.
                let _collected = child.as_mut().map(Child::try_wait);
            })?;
            if let Some(child) = child {
                child.wait()?;
            }
            if let Some(guard) = &mut self.guard {
                guard.forget(process.record.pid)?;
            }
            remove(&self.record_path(name))?;
        }
        Ok(())
    }

    /// Stops all programs, the last started first. Goes on after a failure and returns the first one.
    pub fn stop_all(&mut self) -> Result<()> {
        let names: Vec<String> = self.names().rev().map(str::to_owned).collect();
        let mut results: Vec<Result<()>> = names.iter().map(|name| self.stop(name)).collect();
        results.extend(self.ended.iter().map(|record| remove(&self.record_path(&record.name))));
        results.into_iter().collect()
    }

    /// Names of the running programs, first started first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.running.iter().map(|process| process.record.name.as_str())
    }

    /// The records of the running programs, first started first.
    pub fn records(&self) -> impl Iterator<Item = &ProcessRecord> {
        self.running.iter().map(|process| &process.record)
    }

    /// Programs that have ended though nobody stopped them.
    pub fn ended(&self) -> &[ProcessRecord] {
        &self.ended
    }

    /// Where a program's output goes.
    pub fn log(&self, name: &str) -> PathBuf {
        self.data_dir.join("logs").join(format!("{name}.log"))
    }

    /// The end of a program's log, also when it has ended.
    pub fn last_log_lines(&self, name: &str, count: usize) -> String {
        last_lines(&self.log(name), 0, count)
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.data_dir.join("run").join(format!("{name}.json"))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Owned
            && let Err(error) = self.stop_all()
        {
            tracing::error!("{error:#}");
        }
    }
}

/// Removes a file that somebody else may have removed already.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// A shell that kills the owned process groups if their owner disappears without having stopped them: by Ctrl-C,
/// SIGKILL or an abort, where no destructor runs. It notices because its input ends.
#[derive(Debug)]
struct Guard {
    input: Option<PipeWriter>,
    shell: Child,
}

impl Guard {
    /// Reads `<group>` (watch it), `-<group>` (it has been stopped, its id may be given to others) and `end`.
    const SCRIPT: &str = r#"groups=
while read -r line; do case $line in
    end) exit 0 ;;
    -*) others=; for group in $groups; do [ "$group" = "$line" ] || others="$others $group"; done; groups=$others ;;
    *) groups="-$line $groups" ;;
esac; done
for group in $groups; do kill -s KILL -- "$group"; done"#;

    fn new() -> Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        let shell = Command::new("/bin/sh")
            .args(["-c", Self::SCRIPT])
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start /bin/sh")?;
        Ok(Self { input: Some(writer), shell })
    }

    fn watch(&mut self, group: i32) -> Result<()> {
        let input = self.input.as_mut().context("the guard has ended")?;
        writeln!(input, "{group}").context("cannot reach the guard")
    }

    fn forget(&mut self, group: i32) -> Result<()> {
        self.watch(-group)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Everything has been stopped by now. Should the shell be gone already, there is nothing to do either.
        if let Some(mut input) = self.input.take() {
            let _told = writeln!(input, "end");
        }
        let _ended = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::CommandExt,
        process::{Child, Command},
    };

    use super::{Guard, Lifetime, Processes};
    use crate::process::Launch;

    fn sleeper() -> (Child, i32) {
        let child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let id = i32::try_from(child.id()).unwrap();
        (child, id)
    }

    #[test]
    fn the_guard_kills_what_its_owner_left_and_nothing_else() {
        let ((mut left, left_id), (mut stopped, stopped_id)) = (sleeper(), sleeper());
        let mut guard = Guard::new().unwrap();
        guard.watch(left_id).unwrap();
        guard.watch(stopped_id).unwrap();
        guard.forget(stopped_id).unwrap();

        guard.input = None; // as when the owner is killed
        guard.shell.wait().unwrap();
        assert!(!left.wait().unwrap().success());
        assert_eq!(stopped.try_wait().unwrap(), None);
        stopped.kill().unwrap();
        stopped.wait().unwrap();
    }

    #[test]
    fn a_program_that_dies_is_reported_with_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = Processes::new(folder.path(), Lifetime::Owned).unwrap();
        let launch =
            Launch::new("doomed", "/bin/sh").arg("-c").arg("sleep 0.1; echo no such treaty >&2; exit 3");
        processes.spawn(&launch).unwrap();
        let error = loop {
            match processes.ensure_alive("doomed") {
                Ok(()) => std::thread::sleep(std::time::Duration::from_millis(10)),
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            error.contains("exit status: 3")
                && error.contains("doomed.log")
                && error.contains("no such treaty")
        );
    }

    #[test]
    fn detached_programs_survive_and_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut starter = Processes::new(folder.path(), Lifetime::Detached).unwrap();
        starter.spawn(&Launch::new("first", "sleep").arg("60")).unwrap();
        starter.spawn(&Launch::new("second", "sleep").arg("60")).unwrap();
        assert!(Processes::new(folder.path(), Lifetime::Owned).is_err(), "the folder is in use");

        let mut later = Processes::attach(folder.path()).unwrap();
        assert_eq!(later.names().collect::<Vec<_>>(), ["first", "second"]);
        // The starter is still their parent here and has to collect them; `later` only sees that they are gone.
        later.stop_all().unwrap();
        assert_eq!(Processes::attach(folder.path()).unwrap().names().count(), 0);
        assert!(starter.ensure_alive("first").is_err());
        starter.stop_all().unwrap();
    }
}

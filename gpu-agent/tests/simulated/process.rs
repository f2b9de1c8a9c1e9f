//! The agent as a process, and the simulator's library with a scenario beside it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use concord_nvml_sim::library_beside;

/// A copy of the simulator of its own, so that tests do not share a scenario.
pub struct Simulator {
    pub folder: tempfile::TempDir,
}

impl Simulator {
    /// Scenario time starts now and runs as fast as the clock.
    pub fn new(scenario: &str) -> Self {
        let built = library_beside(&std::env::current_exe().unwrap()).expect("cargo builds the simulator");
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(built, folder.path().join("libnvidia-ml.so.1")).unwrap();
        let simulator = Self { folder };
        simulator.write(scenario);
        simulator
    }

    /// Replaces the scenario, which starts anew.
    pub fn write(&self, scenario: &str) {
        let now = jiff::Timestamp::now().as_duration().as_secs_f64();
        let new = self.path("new");
        std::fs::write(&new, format!("clock: {{start_unix_seconds: {now}}}\n{scenario}")).unwrap();
        std::fs::rename(new, self.path("scenario.yaml")).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub struct Agent {
    child: Child,
    address: SocketAddr,
}

impl Agent {
    /// `run` with the simulator and further options.
    pub fn start(simulator: &Simulator, options: &[&str]) -> Self {
        Self::start_in(simulator, options, None)
    }

    /// The same with the credentials of a cluster.
    pub fn start_in(simulator: &Simulator, options: &[&str], kubeconfig: Option<&Path>) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_concord-gpu-agent"));
        command.args(["run", "--listen", &address.to_string(), "--nvml-library"]);
        command.arg(simulator.path("libnvidia-ml.so.1")).args(options);
        command
            .env_remove("RUST_BACKTRACE")
            .env_remove("NODE_NAME")
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        Self { child: command.spawn().unwrap(), address }
    }

    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Asks until the metrics fulfil the condition, for at most half a minute.
    pub fn wait(&self, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let metrics = Metrics(self.get("/metrics").unwrap_or_default());
            if !metrics.0.is_empty() && holds(&metrics) {
                return metrics;
            }
            assert!(Instant::now() < deadline, "never: {what}; last: {}", metrics.0);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let told = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// Waits for the end.
    pub fn end(mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A scrape.
pub struct Metrics(pub String);

impl Metrics {
    /// Sum of the samples of a metric whose labels contain all of some texts; `None` without any.
    pub fn sum(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let values: Vec<f64> = self
            .0
            .lines()
            .filter_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' '])))
            .filter(|rest| labels.iter().all(|label| rest.contains(label)))
            .filter_map(|rest| rest.rsplit_once(' ')?.1.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// The state that is 1.
    pub fn state(&self) -> Option<&str> {
        let is_one = |line: &&str| line.starts_with("concord_gpu_nvml_state{") && line.ends_with(" 1");
        self.0.lines().find(is_one)?.split('"').nth(1)
    }
}

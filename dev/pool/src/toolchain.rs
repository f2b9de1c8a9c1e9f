//! The control plane's programs, built once from `dev/control-plane/go.mod` and kept in a cache outside the tree.
//!
//! The cache key covers everything that decides the bytes: go.mod, go.sum, the flags and the Go release. A finished
//! build appears by an atomic rename; a lock keeps two starters from building the same thing twice.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

use crate::progress::Progress;

/// The Kubernetes release that the pool runs; `dev/control-plane/go.mod` requires the same.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

/// One program of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The store behind the API server.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// Job, namespace, garbage collection and the other controllers.
    KubeControllerManager,
    /// The scheduler.
    KubeScheduler,
    /// The command line client.
    Kubectl,
    /// Simulates nodes and the pods on them.
    Kwok,
}

impl Tool {
    /// All programs, the one that compiles the most shared packages early.
    pub const ALL: [Tool; 6] = [
        Tool::Etcd,
        Tool::KubeApiserver,
        Tool::KubeControllerManager,
        Tool::KubeScheduler,
        Tool::Kubectl,
        Tool::Kwok,
    ];

    /// File name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Etcd => "etcd",
            Tool::KubeApiserver => "kube-apiserver",
            Tool::KubeControllerManager => "kube-controller-manager",
            Tool::KubeScheduler => "kube-scheduler",
            Tool::Kubectl => "kubectl",
            Tool::Kwok => "kwok",
        }
    }

    /// Go import path of its main package, as in the `tool` block of go.mod.
    fn package(self) -> &'static str {
        match self {
            Tool::Etcd => "go.etcd.io/etcd/server/v3",
            Tool::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Tool::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Tool::KubeScheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Tool::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Tool::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
        }
    }
}

/// A folder that holds every [`Tool`].
#[derive(Debug, Clone)]
pub struct Toolchain {
    bin: PathBuf,
}

impl Toolchain {
    /// Returns the built programs, building them first if this set has never been built here.
    pub fn ensure(progress: &Progress) -> Result<Self> {
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../control-plane");
        let module =
            module.canonicalize().with_context(|| format!("no Go module in {}", module.display()))?;
        let cache = cache_directory()?.join("control-plane");
        let key = cache_key(&module)?;
        let finished = cache.join(&key);
        let toolchain = Self { bin: finished.join("bin") };
        if finished.is_dir() {
            return Ok(toolchain);
        }

        fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let lock = File::create(cache.join(format!("{key}.lock")))?;
        if lock.try_lock().is_err() {
            progress.line("another process is building the control plane; waiting for it");
            lock.lock()?;
        }
        // The other process may have finished it meanwhile.
        if !finished.is_dir() {
            let unfinished = cache.join(format!("{key}.unfinished"));
            build_all(&module, &unfinished.join("bin"), progress)?;
            fs::rename(&unfinished, &finished)
                .with_context(|| format!("cannot move the finished build to {}", finished.display()))?;
        }
        Ok(toolchain)
    }

    /// Uses programs that are already in `bin`, as recorded by an earlier start.
    pub fn at(bin: PathBuf) -> Result<Self> {
        for tool in Tool::ALL {
            ensure!(bin.join(tool.name()).is_file(), "{} is not in {}", tool.name(), bin.display());
        }
        Ok(Self { bin })
    }

    /// The folder, for a PATH.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// Path of one program.
    pub fn path(&self, tool: Tool) -> PathBuf {
        self.bin.join(tool.name())
    }
}

/// `$CONCORD_CACHE`, else `$XDG_CACHE_HOME/concord`, else `~/.cache/concord`.
pub fn cache_directory() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(cache) = set("CONCORD_CACHE") {
        return Ok(cache);
    }
    let parent = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    Ok(parent.context("none of CONCORD_CACHE, XDG_CACHE_HOME and HOME is set")?.join("concord"))
}

fn build_all(module: &Path, bin: &Path, progress: &Progress) -> Result<()> {
    fs::create_dir_all(bin).with_context(|| format!("cannot create {}", bin.display()))?;
    let count = Tool::ALL.len();
    progress
        .line(format!("building {count} programs of the control plane; minutes the first time, then cached"));
    for (position, tool) in (1..).zip(Tool::ALL) {
        progress.line(format!("[{position}/{count}] building {} …", tool.name()));
        let started = Instant::now();
        build(module, tool, &bin.join(tool.name()))?;
        progress.line(format!(
            "[{position}/{count}] {} built in {} s",
            tool.name(),
            started.elapsed().as_secs()
        ));
    }
    Ok(())
}

fn build(module: &Path, tool: Tool, output: &Path) -> Result<()> {
    let mut command = go(module);
    command.args(build_flags()).arg("-o").arg(output).arg(tool.package());
    let result = command.output().context("cannot run go")?;
    if !result.status.success() {
        let text = String::from_utf8_lossy(&result.stderr);
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(20)..];
        bail!(
            "`go build {}` in {} failed with {}:\n{}",
            tool.package(),
            module.display(),
            result.status,
            tail.join("\n")
        );
    }
    Ok(())
}

/// Go with an environment of its own: flags or a workspace of the user's must not change what is built.
fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .stdin(Stdio::null())
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env("GOFLAGS", "")
        .env_remove("GOOS")
        .env_remove("GOARCH");
    command
}

fn build_flags() -> Vec<String> {
    let mut minor = KUBERNETES_VERSION.trim_start_matches('v').split('.').skip(1);
    let minor = minor.next().unwrap_or_default();
    // Without these the server calls itself v0.0.0-master and clients refuse to compare versions.
    let versions: String = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
        .iter()
        .map(|package| {
            format!(
                " -X {package}.gitVersion={KUBERNETES_VERSION} -X {package}.gitMajor=1 -X {package}.gitMinor={minor}"
            )
        })
        .collect();
    let flags = ["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags"];
    flags.into_iter().map(str::to_owned).chain([format!("-s -w{versions}")]).collect()
}

fn cache_key(module: &Path) -> Result<String> {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for file in ["go.mod", "go.sum"] {
        let path = module.join(file);
        digest.update(&fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        digest.update(&[0]);
    }
    digest.update(build_flags().join("\0").as_bytes());
    let version = go(module).arg("version").output().context("cannot run go")?;
    ensure!(
        version.status.success(),
        "`go version` failed: {}",
        String::from_utf8_lossy(&version.stderr).trim()
    );
    digest.update(&version.stdout);
    Ok(digest.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

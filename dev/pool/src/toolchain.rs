//! The control plane's programs, built once from `dev/control-plane/go.mod`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::{go_module::GoModule, progress::Progress};

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
        let programs: Vec<(&str, &str)> = Tool::ALL.map(|tool| (tool.name(), tool.package())).into();
        let module = GoModule {
            directory: Path::new(env!("CARGO_MANIFEST_DIR")).join("../control-plane"),
            cache: "control-plane",
            title: "the control plane",
            programs: &programs,
            linker_flags: &linker_flags(),
        };
        let toolchain = Self { bin: module.ensure(progress)? };
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

fn linker_flags() -> String {
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
    format!("-s -w{versions}")
}

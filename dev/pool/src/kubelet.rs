//! The kubelet's own pod-resources service for nodes without a kubelet, built once from `dev/kubelet/main.go`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{ControlPlane, Launch, go_module::GoModule, progress::Progress};

/// Name of the program, its log and its record.
pub const PROGRAM: &str = "kubelet-pod-resources";

/// Path of the program; it is built first if it has never been built here. It is of the control plane's release.
///
/// # Errors
/// When Go is missing or does not build it.
pub fn pod_resources_program(progress: &Progress) -> Result<PathBuf> {
    let development = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let main = development.join("kubelet/main.go").canonicalize().context("no dev/kubelet/main.go")?;
    let module = GoModule {
        directory: development.join("control-plane"),
        cache: "kubelet",
        title: "the kubelet's pod-resources service",
        programs: &[(PROGRAM, &main.to_string_lossy())],
        linker_flags: "-s -w",
    };
    Ok(module.ensure(progress)?.join(PROGRAM))
}

/// Starts it for nodes, each with a folder of its own.
///
/// # Errors
/// When it cannot be built or started.
pub async fn start_pod_resources(
    plane: &mut ControlPlane,
    folders: impl IntoIterator<Item = &Path>,
    progress: &Progress,
) -> Result<()> {
    let build = progress.clone();
    let program = tokio::task::spawn_blocking(move || pod_resources_program(&build)).await??;
    let launch = Launch::new(PROGRAM, program);
    let launch = folders.into_iter().fold(launch, |launch, folder| launch.arg(folder.display().to_string()));
    plane.spawn(&launch)
}

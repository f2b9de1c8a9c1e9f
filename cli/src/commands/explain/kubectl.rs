//! Asking a cluster through kubectl, so that its flags, plugins and logins are the reader's own.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What is asked: objects of the cluster as one list.
const GET: [&str; 5] = [
    "get",
    "treaties.concord.dev,memberquotas.concord.dev,projects.concord.dev,gpuclaims.concord.dev,nodes",
    "-A",
    "-o",
    "json",
];

/// The same as people type it.
pub const BY_HAND: &str = "kubectl get treaties,memberquotas,projects,gpuclaims,nodes -A -o json";

/// Flags that kubectl gets as they are.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options for kubectl")]
pub struct KubectlOptions {
    /// File with the addresses of clusters
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "trace"])]
    kubeconfig: Option<String>,
    /// Context of that file
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "trace"])]
    context: Option<String>,
    /// Cluster of that file
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "trace"])]
    cluster: Option<String>,
    /// User of that file
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "trace"])]
    user: Option<String>,
    /// Give up after this time, for example 30s
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "trace"])]
    request_timeout: Option<String>,
}

/// The list, as kubectl prints it.
///
/// # Errors
/// kubectl is not there, or fails; what it says is passed on.
pub fn get(options: &KubectlOptions) -> Result<Vec<u8>> {
    let KubectlOptions { kubeconfig, context, cluster, user, request_timeout } = options;
    let flags = [
        ("--kubeconfig", kubeconfig),
        ("--context", context),
        ("--cluster", cluster),
        ("--user", user),
        ("--request-timeout", request_timeout),
    ];
    let mut command = Command::new("kubectl");
    command.args(GET).stdin(Stdio::null());
    for (flag, value) in flags {
        command.args(value.iter().map(|value| format!("{flag}={value}")));
    }
    let output = command.output().with_context(|| {
        format!("cannot run kubectl; install it, or read a file: --from FILE with the output of {BY_HAND}")
    })?;
    if !output.status.success() {
        bail!("kubectl {} failed:\n{}", GET.join(" "), String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(output.stdout)
}

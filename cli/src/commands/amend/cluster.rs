//! The cluster, through kubectl, so that its flags, plugins and logins are the reader's own.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Which cluster, as kubectl knows it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Options for kubectl")]
pub struct ClusterArguments {
    /// File with the addresses of clusters
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<String>,
    /// Context of that file
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl ClusterArguments {
    /// What kubectl prints.
    ///
    /// # Errors
    /// kubectl is not there, or fails; what it says is passed on.
    pub fn kubectl(&self, arguments: &[&str], input: Option<&str>) -> Result<Vec<u8>> {
        let Self { kubeconfig, context } = self;
        let mut command = Command::new("kubectl");
        command.args(arguments);
        for (flag, value) in [("--kubeconfig", kubeconfig), ("--context", context)] {
            command.args(value.iter().map(|value| format!("{flag}={value}")));
        }
        let piped = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(piped).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run kubectl; install it, or work on files")?;
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(input.as_bytes()).context("cannot write to kubectl")?;
        }
        let output = child.wait_with_output().context("cannot wait for kubectl")?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            bail!("kubectl {} failed:\n{}", arguments.join(" "), told.trim_end());
        }
        Ok(output.stdout)
    }
}

//! What the control plane has done and used, read in the same way around a run of either scheduler.

use anyhow::{Context, Result};
use concord_pool::ControlPlane;
use kube::Client;

use crate::{calls::Counters, usage::Usage};

/// One look.
pub struct Reading {
    /// The API server's counters.
    pub counters: Counters,
    /// What the API server has used.
    pub api_server: Usage,
    /// What etcd has used.
    pub etcd: Usage,
}

impl Reading {
    /// Looks.
    ///
    /// # Errors
    /// When the API server does not answer, or one of the two is gone.
    pub async fn take(plane: &mut ControlPlane, admin: &Client) -> Result<Self> {
        let counters = Counters::look(admin).await?;
        let mut used = |name| pid_of(plane, name).and_then(Usage::of);
        Ok(Self { counters, api_server: used("kube-apiserver")?, etcd: used("etcd")? })
    }

    /// What happened since an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            counters: self.counters.since(&earlier.counters),
            api_server: self.api_server.since(&earlier.api_server),
            etcd: self.etcd.since(&earlier.etcd),
        }
    }
}

/// The process of a running program.
///
/// # Errors
/// When it does not run.
pub fn pid_of(plane: &mut ControlPlane, name: &str) -> Result<i32> {
    let found = plane.processes().records().find(|record| record.name == name).map(|record| record.pid);
    found.with_context(|| format!("{name} is not running"))
}

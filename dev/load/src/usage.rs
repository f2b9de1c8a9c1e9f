//! What a process has used, from `/proc`, as `getrusage` would say it of a child.

use std::fs;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Clock ticks of a second in `/proc`; fixed by the kernel's interface on every platform that the pool runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time and memory of one process since its start.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// CPU seconds in the program.
    pub user_seconds: f64,
    /// CPU seconds in the kernel on its behalf.
    pub system_seconds: f64,
    /// Largest resident memory so far, MiB.
    pub peak_rss_mebibytes: f64,
}

impl Usage {
    /// Of a running process.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: i32) -> Result<Self> {
        let line = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
        // Behind the program's name: field 3 is the state, 14 and 15 are the ticks in user and in system mode.
        let fields: Vec<&str> =
            line.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) as f64;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        let kibibytes: f64 = peak.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0.0);
        Ok(Self {
            user_seconds: ticks(11) / TICKS_PER_SECOND,
            system_seconds: ticks(12) / TICKS_PER_SECOND,
            peak_rss_mebibytes: kibibytes / 1_024.0,
        })
    }

    /// CPU seconds, in the program and in the kernel.
    pub fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }

    /// What was used since an earlier look; the peak is the whole process's.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            user_seconds: self.user_seconds - earlier.user_seconds,
            system_seconds: self.system_seconds - earlier.system_seconds,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn this_process_can_be_looked_at() {
        let id = i32::try_from(std::process::id()).unwrap();
        assert!(Usage::of(id).unwrap().peak_rss_mebibytes > 0.0);
        assert!(Usage::of(i32::MAX).is_err());
    }
}

//! Whether the agent has something to say, and else what it waits for. Pure.

use std::time::Instant;

use crate::sampler::Latest;
use crate::state::NvmlState;

/// `None` when ready, else a sentence.
pub fn waits_for(latest: &Latest, now: Instant) -> Option<String> {
    if latest.is_silent(now) {
        let seconds = now.saturating_duration_since(latest.tried).as_secs();
        return Some(format!(
            "waiting for NVML, which has not answered for {seconds} s; see the kernel log (dmesg)"
        ));
    }
    match (latest.state, &latest.unavailable) {
        (NvmlState::Ready, _) => None,
        (_, Some(unavailable)) => Some(format!("waiting for NVML: {unavailable}")),
        (_, None) => Some("waiting for the first read of NVML".to_owned()),
    }
}

//! What failed in one read, by call and kind.

use std::collections::BTreeMap;
use std::fmt;

use nvml_wrapper::error::NvmlError;

use crate::state::{ends_session, error_label};

/// Errors of single calls in one read.
#[derive(Debug, Default)]
pub struct CallErrors {
    counts: BTreeMap<(&'static str, &'static str), u64>,
    session_over: bool,
    lost_device: bool,
    reset_required: bool,
}

impl CallErrors {
    /// A value that may be absent: what the GPU does not support is no error.
    pub fn value<T>(&mut self, call: &'static str, result: Result<T, NvmlError>) -> Option<T> {
        result.inspect_err(|error| self.note(call, error)).ok()
    }

    /// A call without which the GPU cannot be told at all.
    pub fn device<T>(&mut self, call: &'static str, result: Result<T, NvmlError>) -> Option<T> {
        let wants_reset = matches!(result, Err(NvmlError::ResetRequired));
        self.lost_device |= result.is_err() && !wants_reset;
        self.value(call, result)
    }

    fn note(&mut self, call: &'static str, error: &NvmlError) {
        // 26: the call is there for old GPUs alone.
        if matches!(error, NvmlError::NotSupported | NvmlError::UnexpectedVariant(26)) {
            return;
        }
        *self.counts.entry((call, error_label(error))).or_default() += 1;
        self.session_over |= ends_session(error);
        self.reset_required |= matches!(error, NvmlError::ResetRequired);
    }

    /// Errors by call and kind.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.counts.iter().map(|((call, error), count)| (*call, *error, *count))
    }

    /// True when NVML must be opened again.
    #[must_use]
    pub fn session_over(&self) -> bool {
        self.session_over
    }

    /// True when a GPU that NVML lists is not in the reading.
    #[must_use]
    pub fn lost_device(&self) -> bool {
        self.lost_device
    }

    /// True when a call asked for a reset since this was last asked.
    pub fn take_reset_required(&mut self) -> bool {
        std::mem::take(&mut self.reset_required)
    }
}

impl fmt::Display for CallErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.counts().map(|(call, error, count)| format!("{call}: {error} x{count}")).collect();
        f.write_str(if parts.is_empty() { "not supported" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

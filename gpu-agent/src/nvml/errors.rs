//! What failed in one read, by call and kind.

use std::collections::BTreeMap;
use std::fmt;

use nvml_wrapper::error::NvmlError;

use crate::state::{NvmlState, ends_session, error_label, loses_gpu};

/// Errors of single calls in one read.
#[derive(Debug, Default)]
pub struct CallErrors {
    counts: BTreeMap<(&'static str, &'static str), u64>,
    session_over: bool,
    lost_device: bool,
    /// What calls of the GPU that is being read said.
    lost: bool,
    reset_required: bool,
    whole: Option<NvmlState>,
}

impl CallErrors {
    /// A value that may be absent: what the GPU does not support, or this NVML has no function for, is no error.
    pub fn value<T>(&mut self, call: &'static str, result: Result<T, NvmlError>) -> Option<T> {
        let unknown = matches!(result, Err(NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound));
        result
            .inspect_err(|error| {
                if !unknown {
                    self.note(call, error);
                }
            })
            .ok()
    }

    /// A call without which the GPU cannot be told at all.
    pub fn device<T>(&mut self, call: &'static str, result: Result<T, NvmlError>) -> Option<T> {
        let wants_reset = matches!(result, Err(NvmlError::ResetRequired));
        self.lost_device |= result.is_err() && !wants_reset;
        result.inspect_err(|error| self.note(call, error)).ok()
    }

    fn note(&mut self, call: &'static str, error: &NvmlError) {
        // 26: the call is there for old GPUs alone.
        if matches!(error, NvmlError::NotSupported | NvmlError::UnexpectedVariant(26)) {
            return;
        }
        *self.counts.entry((call, error_label(error))).or_default() += 1;
        self.session_over |= ends_session(error);
        self.lost_device |= loses_gpu(error);
        self.lost |= loses_gpu(error);
        if ends_session(error) || matches!(error, NvmlError::NoPermission | NvmlError::OperatingSystem) {
            self.whole.get_or_insert(NvmlState::of(error));
        }
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

    /// True when a GPU that NVML lists does not answer.
    #[must_use]
    pub fn lost_device(&self) -> bool {
        self.lost_device
    }

    /// Whether a call asked for a reset, and whether one said that the GPU is lost, since this was last asked.
    pub fn take_signs(&mut self) -> (bool, bool) {
        (std::mem::take(&mut self.reset_required), std::mem::take(&mut self.lost))
    }

    /// State of the whole of NVML that the errors mean when no GPU answers.
    #[must_use]
    pub fn state_without_gpus(&self) -> NvmlState {
        self.whole.unwrap_or(NvmlState::Failed)
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

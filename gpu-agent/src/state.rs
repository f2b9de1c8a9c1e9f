//! In which state NVML is, as one closed list, with what to do about it. Pure but for the names of NVML's errors.

use std::fmt;

use nvml_wrapper::error::NvmlError;

/// State of NVML on this node; the `state` label of `concord_gpu_nvml_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NvmlState {
    /// Not tried yet.
    Starting,
    /// Answers.
    Ready,
    /// The library cannot be loaded.
    LibraryMissing,
    /// The library was loaded, but lacks what every NVML has.
    LibraryUnusable,
    /// The kernel driver is not loaded.
    DriverNotLoaded,
    /// Library and kernel driver are of different releases.
    VersionMismatch,
    /// The driver refuses this user or container.
    NoPermission,
    /// NVML answers, but lists no GPU.
    NoDevices,
    /// Closed on request, so that a driver can be replaced.
    Released,
    /// Any other failure of the whole of NVML.
    Failed,
}

impl NvmlState {
    /// Every state, so that each has a series.
    pub const ALL: [Self; 10] = [
        Self::Starting,
        Self::Ready,
        Self::LibraryMissing,
        Self::LibraryUnusable,
        Self::DriverNotLoaded,
        Self::VersionMismatch,
        Self::NoPermission,
        Self::NoDevices,
        Self::Released,
        Self::Failed,
    ];

    /// Label of the metric.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::LibraryMissing => "library_missing",
            Self::LibraryUnusable => "library_unusable",
            Self::DriverNotLoaded => "driver_not_loaded",
            Self::VersionMismatch => "version_mismatch",
            Self::NoPermission => "no_permission",
            Self::NoDevices => "no_devices",
            Self::Released => "released",
            Self::Failed => "failed",
        }
    }

    /// What an engineer does about it.
    const fn advice(self) -> &'static str {
        match self {
            Self::Starting | Self::Ready => "nothing to do",
            Self::LibraryMissing => {
                "install the NVIDIA driver (on Debian and Ubuntu the library is in libnvidia-ml1 or libnvidia-compute-<release>); in a container use the NVIDIA runtime with NVIDIA_DRIVER_CAPABILITIES=utility; or name the file with --nvml-library"
            }
            Self::LibraryUnusable => {
                "the file is no NVML of a supported driver; name the right one with --nvml-library"
            }
            Self::DriverNotLoaded => "load the kernel module: modprobe nvidia",
            Self::VersionMismatch => {
                "the driver was upgraded in place: reload the kernel module or reboot the node"
            }
            Self::NoPermission => "let this user open /dev/nvidiactl and /dev/nvidia*",
            Self::NoDevices => {
                "check that the GPUs are visible: lspci -d 10de:, and NVIDIA_VISIBLE_DEVICES in a container"
            }
            Self::Released => "take the node's label away or send SIGUSR2 when the driver is back",
            Self::Failed => "see the kernel log (dmesg) for lines of NVRM",
        }
    }

    /// State after NVML could not be opened or asked for its devices.
    #[must_use]
    pub const fn of(error: &NvmlError) -> Self {
        match error {
            NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => Self::LibraryMissing,
            NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => Self::LibraryUnusable,
            NvmlError::DriverNotLoaded => Self::DriverNotLoaded,
            NvmlError::LibRmVersionMismatch => Self::VersionMismatch,
            NvmlError::NoPermission | NvmlError::OperatingSystem => Self::NoPermission,
            _ => Self::Failed,
        }
    }
}

/// Why no GPU can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// State that it means; never `Ready`.
    pub state: NvmlState,
    /// Library that was asked.
    pub library: String,
    /// What the loader or NVML said.
    pub cause: String,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, library, cause } = self;
        write!(f, "NVML ({library}) cannot be used: {cause}. To fix it: {}", state.advice())
    }
}

impl std::error::Error for Unavailable {}

/// Label of an error of one call; closed, so that the number of series is bounded.
#[must_use]
pub const fn error_label(error: &NvmlError) -> &'static str {
    match error {
        NvmlError::Uninitialized => "uninitialized",
        NvmlError::NotSupported => "not_supported",
        NvmlError::NoPermission => "no_permission",
        NvmlError::NotFound => "not_found",
        NvmlError::DriverNotLoaded => "driver_not_loaded",
        NvmlError::Timeout => "timeout",
        NvmlError::GpuLost => "gpu_lost",
        NvmlError::ResetRequired => "reset_required",
        NvmlError::LibRmVersionMismatch => "version_mismatch",
        NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => "function_not_found",
        NvmlError::NoData => "no_data",
        NvmlError::Unknown => "unknown",
        NvmlError::InvalidArg => "invalid_argument",
        NvmlError::OperatingSystem => "operating_system",
        // Codes that the wrapper has no name for.
        NvmlError::UnexpectedVariant(25) => "argument_version_mismatch",
        NvmlError::UnexpectedVariant(27) => "not_ready",
        NvmlError::UnexpectedVariant(28) => "gpu_not_found",
        _ => "other",
    }
}

/// True when all handles of this session are worth nothing any more, so that NVML must be opened again at once.
#[must_use]
pub const fn ends_session(error: &NvmlError) -> bool {
    matches!(error, NvmlError::Uninitialized | NvmlError::DriverNotLoaded | NvmlError::LibRmVersionMismatch)
}

/// True when one GPU is gone. Others can still be read; whether it is back is only seen when NVML is opened again. 28 is
/// `NVML_ERROR_GPU_NOT_FOUND`, which the wrapper has no name for.
#[must_use]
pub const fn loses_gpu(error: &NvmlError) -> bool {
    matches!(error, NvmlError::GpuLost | NvmlError::UnexpectedVariant(28))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_distinct() {
        let mut labels: Vec<&str> = NvmlState::ALL.iter().map(|s| s.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), NvmlState::ALL.len());
    }

    #[test]
    fn a_missing_value_is_nothing_a_lost_gpu_concerns_itself_and_a_lost_driver_all() {
        for error in [NvmlError::NotSupported, NvmlError::ResetRequired] {
            assert!(!ends_session(&error) && !loses_gpu(&error));
        }
        for error in [NvmlError::GpuLost, NvmlError::UnexpectedVariant(28)] {
            assert!(!ends_session(&error) && loses_gpu(&error));
        }
        assert!(ends_session(&NvmlError::DriverNotLoaded));
    }
}

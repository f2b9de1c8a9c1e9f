//! Whether a GPU may get work, and else why not. Pure.
//!
//! A fault of an application (some XIDs) says nothing of the GPU. A GPU that was taken out comes back: when it answers
//! again, when the driver asks for nothing any more, or after a reset, which is seen as a new epoch of its driver.

use serde::{Deserialize, Serialize};

/// XIDs that an application causes and that leave the GPU as it was; those that NVIDIA's device plugin leaves out too.
pub const APPLICATION_XIDS: [u64; 6] = [13, 31, 43, 45, 68, 109];
/// XIDs that tell of something that was mended or has a sign of its own: row remapping (63), contained ECC (92, 94),
/// and the recovery action (154).
pub const INFORMATIVE_XIDS: [u64; 4] = [63, 92, 94, 154];

/// What NVML says of one GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signs {
    /// It does not answer, or is not listed any more.
    pub lost: bool,
    /// Calls say that it has to be reset.
    pub reset_required: bool,
    /// A row of its memory could not be remapped.
    pub row_remap_failed: Option<bool>,
    /// Rows of its memory are remapped with the next reset.
    pub row_remap_pending: Option<bool>,
    /// NVML's field `GPU_RECOVERY_ACTION`: 0 none, 1 reset the GPU, 2 restart the node, 3 drain, 4 drain and reset, 5 IMEX.
    pub recovery_action: Option<u64>,
}

/// An XID that takes a GPU out until it is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FatalXid {
    /// Its number.
    pub xid: u64,
    /// Number of the driver's epoch in which it came.
    pub epoch: u64,
}

/// A closed list of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It does not answer.
    Lost,
    /// It has to be reset.
    ResetRequired,
    /// Its memory cannot be mended.
    RowRemapFailed,
    /// The driver asks for an action, given with its number.
    RecoveryNeeded(u64),
    /// An XID that no application causes.
    Xid(u64),
    /// Memory rows wait for a reset.
    RowRemapPending,
    /// NVML cannot be used at all.
    DriverUnavailable,
    /// NVML was let go on request, for instance for an upgrade of the driver.
    Released,
}

impl Trouble {
    /// Reason code of `GpuNode`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Lost => "Lost",
            Self::ResetRequired => "ResetRequired",
            Self::RowRemapFailed => "RowRemapFailed",
            Self::RecoveryNeeded(_) => "RecoveryNeeded",
            Self::Xid(_) => "Xid",
            Self::RowRemapPending => "RowRemapPending",
            Self::DriverUnavailable => "DriverUnavailable",
            Self::Released => "Released",
        }
    }

    /// The reason in a sentence, with what mends it.
    #[must_use]
    pub fn message(self) -> String {
        match self {
            Self::Lost => {
                "the GPU does not answer; drain the node and restart it, look at the kernel log for Xid 79"
                    .into()
            }
            Self::ResetRequired => {
                "the driver wants the GPU to be reset: drain it, then nvidia-smi --gpu-reset".into()
            }
            Self::RowRemapFailed => "a row of its memory could not be remapped; have the GPU replaced".into(),
            Self::RecoveryNeeded(action) => {
                let wants = match action {
                    1 => "to reset the GPU",
                    2 => "to restart the node",
                    3 => "to drain the GPU",
                    4 => "to drain the GPU and to reset it",
                    5 => "to recover IMEX",
                    _ => "an action that this agent does not know",
                };
                format!("the driver asks {wants} (recovery action {action})")
            }
            Self::Xid(xid) => {
                format!(
                    "Xid {xid} was reported, which no application causes; reset the GPU (see NVIDIA's catalogue of Xids)"
                )
            }
            Self::RowRemapPending => {
                "rows of its memory are remapped with the next reset: drain it and reset it".into()
            }
            Self::DriverUnavailable => {
                "NVML cannot be used on this node; the agent's /readyz says why".into()
            }
            Self::Released => {
                "NVML was let go on request; annotate or signal the agent when the driver is back".into()
            }
        }
    }
}

/// What is remembered of a GPU between reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// The last XID that took it out.
    pub fatal: Option<FatalXid>,
}

impl History {
    /// Takes in an XID that came in an epoch. True when it takes the GPU out.
    pub fn see(&mut self, xid: u64, epoch: u64, harmless: &[u64]) -> bool {
        let fatal = !harmless.contains(&xid);
        if fatal {
            self.fatal = Some(FatalXid { xid, epoch });
        }
        fatal
    }

    /// The gravest trouble of a GPU in an epoch; `None` when it may get work. XIDs of earlier epochs are over.
    #[must_use]
    pub fn judge(&self, signs: &Signs, epoch: u64) -> Option<Trouble> {
        let Signs { lost, reset_required, row_remap_failed, row_remap_pending, recovery_action } = *signs;
        let xid = self.fatal.filter(|fatal| fatal.epoch == epoch).map(|fatal| Trouble::Xid(fatal.xid));
        let troubles = [
            lost.then_some(Trouble::Lost),
            reset_required.then_some(Trouble::ResetRequired),
            (row_remap_failed == Some(true)).then_some(Trouble::RowRemapFailed),
            recovery_action.filter(|action| *action != 0).map(Trouble::RecoveryNeeded),
            xid,
            (row_remap_pending == Some(true)).then_some(Trouble::RowRemapPending),
        ];
        troubles.into_iter().flatten().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harmless() -> Vec<u64> {
        [&APPLICATION_XIDS[..], &INFORMATIVE_XIDS[..]].concat()
    }

    #[test]
    fn an_application_that_faults_takes_no_gpu_out() {
        let mut history = History::default();
        for xid in harmless() {
            assert!(!history.see(xid, 0, &harmless()));
        }
        assert_eq!(history.judge(&Signs::default(), 0), None);
    }

    #[test]
    fn a_reset_makes_it_healthy_again() {
        let mut history = History::default();
        assert!(history.see(48, 2, &harmless()));
        assert_eq!(history.judge(&Signs::default(), 2), Some(Trouble::Xid(48)));
        assert_eq!(history.judge(&Signs::default(), 3), None);
    }

    #[test]
    fn silence_of_nvml_is_no_trouble_and_the_gravest_is_said() {
        let history = History { fatal: Some(FatalXid { xid: 79, epoch: 0 }) };
        let mut signs = Signs { row_remap_pending: Some(true), recovery_action: Some(2), ..Signs::default() };
        assert_eq!(history.judge(&signs, 0), Some(Trouble::RecoveryNeeded(2)));
        signs.lost = true;
        assert_eq!(history.judge(&signs, 0), Some(Trouble::Lost));
        assert_eq!(History::default().judge(&Signs::default(), 0), None);
    }

    #[test]
    fn every_reason_fits_the_kind_and_says_what_to_do() {
        let all = [
            Trouble::Lost,
            Trouble::ResetRequired,
            Trouble::RowRemapFailed,
            Trouble::RecoveryNeeded(2),
            Trouble::Xid(79),
            Trouble::RowRemapPending,
            Trouble::DriverUnavailable,
            Trouble::Released,
        ];
        let mut reasons: Vec<&str> = all.iter().map(|trouble| trouble.reason()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        assert_eq!(reasons.len(), all.len());
        assert!(all.iter().all(|trouble| (30..500).contains(&trouble.message().len())));
    }
}

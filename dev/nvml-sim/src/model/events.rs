//! Events that a client can wait for.

use crate::scenario::Scenario;

/// NVML's bits.
pub mod event_types {
    /// Corrected ECC error.
    pub const SINGLE_BIT_ECC: u64 = 0x1;
    /// ECC error that was not corrected.
    pub const DOUBLE_BIT_ECC: u64 = 0x2;
    /// XID.
    pub const XID: u64 = 0x8;
    /// All that this library sends.
    pub const SUPPORTED: u64 = SINGLE_BIT_ECC | DOUBLE_BIT_ECC | XID;
}

/// Something that happened on a GPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// Which GPU.
    pub gpu: usize,
    /// Scenario time.
    pub seconds: f64,
    /// Bit of its type.
    pub kind: u64,
    /// The XID; 0 for other types.
    pub value: u64,
    /// GPU instance, when the driver can tell.
    pub gpu_instance: Option<u32>,
    /// Compute instance, when the driver can tell.
    pub compute_instance: Option<u32>,
}

impl Scenario {
    /// What happened on a GPU after one scenario time and until another, of the types of `mask`, in order of time.
    #[must_use]
    pub fn events(&self, gpu: usize, mask: u64, after: f64, until: f64) -> Vec<Event> {
        let inside = |seconds: f64| after < seconds && seconds <= until;
        let xids =
            self.faults.xids.iter().filter(|xid| xid.gpu == gpu && inside(xid.at_seconds)).map(|xid| Event {
                gpu,
                seconds: xid.at_seconds,
                kind: event_types::XID,
                value: xid.code,
                gpu_instance: xid.gpu_instance,
                compute_instance: xid.compute_instance,
            });
        let errors = self.faults.ecc.iter().filter(|errors| errors.gpu == gpu && inside(errors.at_seconds));
        let ecc = errors.flat_map(|errors| {
            let event = |kind| Event {
                gpu,
                seconds: errors.at_seconds,
                kind,
                value: 0,
                gpu_instance: None,
                compute_instance: None,
            };
            let single = (errors.corrected > 0).then(|| event(event_types::SINGLE_BIT_ECC));
            let double = (errors.uncorrected > 0).then(|| event(event_types::DOUBLE_BIT_ECC));
            single.into_iter().chain(double)
        });
        let mut events: Vec<Event> = xids.chain(ecc).filter(|event| event.kind & mask != 0).collect();
        events.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        events
    }
}

//! What the GpuNode object says of this node. Pure.

use concord_api::gpu_node::{GpuDevice, GpuNodeStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use crate::health::Trouble;

/// Most GPUs that the kind has room for.
const GPUS_MAX: usize = 64;

/// The status, without the time of observation.
#[must_use]
pub fn status(
    health: &[(String, Option<Trouble>)],
    driver_version: Option<&str>,
    tolerated: &[String],
) -> GpuNodeStatus {
    let device = |(uuid, trouble): &(String, Option<Trouble>)| {
        let trouble = trouble.filter(|trouble| !tolerated.iter().any(|reason| reason == trouble.reason()));
        GpuDevice {
            uuid: uuid.clone(),
            healthy: trouble.is_none(),
            reason: trouble.map(|trouble| trouble.reason().to_owned()),
            message: trouble.map(Trouble::message),
        }
    };
    let gpus: Vec<GpuDevice> = health.iter().take(GPUS_MAX).map(device).collect();
    let count = |healthy: bool| i64::try_from(gpus.iter().filter(|gpu| gpu.healthy == healthy).count());
    GpuNodeStatus {
        observed_at: None,
        driver_version: driver_version.map(str::to_owned),
        healthy_gpus: count(true).unwrap_or(0),
        unhealthy_gpus: count(false).unwrap_or(0),
        gpus,
    }
}

/// Whether and when to write.
#[must_use]
pub fn is_due(
    written: Option<(&GpuNodeStatus, Timestamp)>,
    status: &GpuNodeStatus,
    now: Timestamp,
    heartbeat_seconds: i64,
) -> bool {
    let Some((last, at)) = written else { return true };
    last != status || now.as_second() - at.as_second() >= heartbeat_seconds
}

/// The status with the time.
#[must_use]
pub fn dated(status: &GpuNodeStatus, now: Timestamp) -> GpuNodeStatus {
    GpuNodeStatus { observed_at: Some(MicroTime(now)), ..status.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Vec<(String, Option<Trouble>)> {
        vec![("GPU-a".to_owned(), None), ("GPU-b".to_owned(), Some(Trouble::RowRemapPending))]
    }

    #[test]
    fn it_counts_and_says_why() {
        let found = status(&health(), Some("590"), &[]);
        assert_eq!((found.healthy_gpus, found.unhealthy_gpus), (1, 1));
        assert_eq!(found.gpus[1].reason.as_deref(), Some("RowRemapPending"));
        assert!(found.gpus[0].reason.is_none() && found.gpus[0].message.is_none());
        let found = status(&health(), None, &["RowRemapPending".to_owned()]);
        assert_eq!(found.unhealthy_gpus, 0, "what is tolerated takes no GPU out");
    }

    #[test]
    fn it_is_written_on_a_change_and_with_the_heartbeat() {
        let (now, status) = (Timestamp::UNIX_EPOCH, status(&health(), None, &[]));
        let other = GpuNodeStatus { driver_version: Some("590".to_owned()), ..status.clone() };
        assert!(is_due(None, &status, now, 300));
        assert!(!is_due(Some((&status, now)), &status, now, 300));
        assert!(is_due(Some((&other, now)), &status, now, 300));
        let later = Timestamp::from_second(300).unwrap();
        assert!(is_due(Some((&status, now)), &status, later, 300));
    }
}

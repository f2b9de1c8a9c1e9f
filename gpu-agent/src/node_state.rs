//! All accounts of a node, and what one read of NVML does to them. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::books::{Account, Activity, Replicas};
use crate::carbon::Intensity;
use crate::energy::{DriverLife, EpochCause, Sample};
use crate::health::{History, Signs, Trouble};
use crate::holdings::Holdings;
use crate::reading::{DeviceReading, NodeReading};
use crate::state::NvmlState;

/// Closed claims are published so long.
const CLAIM_KEPT_MICROSECONDS: i64 = 3_600 * 1_000_000;

/// What outlives the agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeState {
    /// Boot of the node in which this was written.
    pub boot_id: String,
    /// How often NVML had to be opened again in this boot.
    pub session: u64,
    /// By UUID of the GPU.
    pub accounts: BTreeMap<String, Account>,
}

/// Who held what, as far as that is known, and until when.
pub struct Known<'a> {
    /// Holdings.
    pub holdings: &'a Holdings,
    /// Replicas.
    pub replicas: &'a Replicas,
    /// Intervals that end later have to wait.
    pub until_microseconds: i64,
    /// Intensity of the grid.
    pub grid: Option<&'a Intensity>,
}

impl NodeState {
    /// The node was started, perhaps again. GPUs of an earlier boot may have been taken out: they are not missed, and
    /// their accounts stay.
    pub fn boot(&mut self, boot_id: &str) {
        if self.boot_id != boot_id {
            boot_id.clone_into(&mut self.boot_id);
            self.session = 0;
        }
    }

    /// NVML has to be opened again, because the driver was gone or it was let go.
    pub fn session_over(&mut self) {
        self.session += 1;
    }

    /// Takes a reading in; returns which epochs began.
    pub fn take(
        &mut self,
        node: &NodeReading,
        pods_of_processes: Option<&BTreeMap<u32, String>>,
        idle_milliwatts: Option<u64>,
    ) -> Vec<(String, EpochCause)> {
        let driver_version = node.driver_version.clone().unwrap_or_default();
        let life = DriverLife { boot_id: self.boot_id.clone(), driver_version, session: self.session };
        let mut began = Vec::new();
        for device in &node.devices {
            let account = self.accounts.entry(device.uuid.clone()).or_default();
            account.idle.configured_milliwatts = idle_milliwatts;
            account.missing = false;
            // A GPU that waits for a reset says nothing of its instances.
            if !device.reset_required {
                account.gpu = device.place();
            }
            let sample = Sample {
                wall_microseconds: device.wall_microseconds,
                monotonic_microseconds: device.monotonic_microseconds,
                counter_millijoules: device.energy_millijoules,
                power_milliwatts: device.power_milliwatts,
                life: DriverLife { session: life.session + account.losses, ..life.clone() },
            };
            let step = account.take(&sample, activity(device, pods_of_processes));
            began.extend(step.began.map(|cause| (device.uuid.clone(), cause)));
        }
        for (uuid, account) in &mut self.accounts {
            if !node.devices.iter().any(|device| device.uuid == *uuid) {
                account.meter.forget_power();
                account.losses += u64::from(!account.missing);
                account.missing = true;
            }
        }
        began
    }

    /// A GPU of this boot is not read.
    #[must_use]
    pub fn misses_a_gpu(&self) -> bool {
        self.accounts.values().any(|account| account.missing && self.is_of_this_boot(account))
    }

    /// A GPU of an earlier boot may have been taken out.
    fn is_of_this_boot(&self, account: &Account) -> bool {
        account.meter.boot_id().is_none_or(|id| id == self.boot_id)
    }

    /// Charges what is known by now.
    pub fn settle(&mut self, known: &Known<'_>, now_microseconds: i64) {
        for account in self.accounts.values_mut() {
            account.settle(known.until_microseconds, known.holdings, known.replicas, known.grid);
            account.retire_before(now_microseconds - CLAIM_KEPT_MICROSECONDS);
        }
    }

    /// Without a kubelet nobody can be charged, and nothing waits for it.
    pub fn charge_nobody(&mut self) {
        self.accounts.values_mut().for_each(Account::drop_pending);
    }

    /// Takes in an XID of a GPU. True when it takes the GPU out.
    pub fn see_xid(&mut self, uuid: &str, xid: u64, harmless: &[u64]) -> bool {
        let Some(account) = self.accounts.get_mut(uuid) else { return false };
        let epoch = account.meter.epochs;
        account.history.see(xid, epoch, harmless)
    }

    /// Each GPU of this boot, and what is wrong with it.
    #[must_use]
    pub fn judge(&self, state: NvmlState, reading: Option<&NodeReading>) -> Vec<(String, Option<Trouble>)> {
        let accounts = self.accounts.iter().filter(|(_, account)| self.is_of_this_boot(account));
        let judge = |(uuid, account): (&String, &Account)| {
            let whole = match state {
                NvmlState::Released => Some(Trouble::Released),
                NvmlState::Ready => None,
                _ => Some(Trouble::DriverUnavailable),
            };
            let device = reading.and_then(|node| node.devices.iter().find(|device| device.uuid == *uuid));
            let trouble = whole.or_else(|| judge_device(&account.history, device, account.meter.epochs));
            (uuid.clone(), trouble)
        };
        accounts.map(judge).collect()
    }
}

fn judge_device(history: &History, device: Option<&DeviceReading>, epoch: u64) -> Option<Trouble> {
    let flag = |name: &'static str| device.and_then(|d| d.value(name, "")).map(|value| value != 0.0);
    let action = device.and_then(|d| d.value("recovery_action", ""));
    let signs = Signs {
        lost: device.is_none_or(|device| device.lost),
        reset_required: device.is_some_and(|device| device.reset_required),
        row_remap_failed: flag("row_remap_failed"),
        row_remap_pending: flag("row_remap_pending"),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small code of NVML")]
        recovery_action: action.map(|action| action as u64),
    };
    history.judge(&signs, epoch)
}

/// What ran: by performance counters where there are such, by processes where they are read.
fn activity(device: &DeviceReading, pods_of_processes: Option<&BTreeMap<u32, String>>) -> Activity {
    let instances: Option<BTreeMap<u32, u64>> = device
        .instances
        .iter()
        .map(|instance| {
            let ratio = *instance.activity_ratio.as_ref()?.get("sm")?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1")]
            let parts = (ratio * 10_000.0) as u64;
            Some((instance.gpu_instance, parts * instance.multiprocessors))
        })
        .collect();
    let pods = device.processes.as_ref().zip(pods_of_processes).map(|(processes, pods)| {
        let mut by_pod: BTreeMap<String, u64> = BTreeMap::new();
        for (process, used) in processes {
            // A process of no pod counts as one of a pod that holds nothing.
            *by_pod.entry(pods.get(process).cloned().unwrap_or_default()).or_default() += used;
        }
        by_pod
    });
    let whole = device.utilisation_percent == Some(0);
    let divided =
        device.mig_slices.is_some() && instances.as_ref().is_some_and(|all| all.values().all(|v| *v == 0));
    Activity { instances: instances.filter(|all| !all.is_empty()), pods, idle: whole || divided }
}

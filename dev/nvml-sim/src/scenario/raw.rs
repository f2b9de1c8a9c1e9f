//! A scenario as it is written. Reading checks each value alone; `check` checks them together and builds the [`super::Scenario`].

use serde::Deserialize;

use crate::code::Code;
use crate::curve::Curve;
use crate::profile::Profile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    pub version: u32,
    #[serde(default = "node")]
    pub node: String,
    #[serde(default)]
    pub clock: RawClock,
    #[serde(default)]
    pub driver: RawDriver,
    pub gpus: Vec<RawGpu>,
    #[serde(default)]
    pub workloads: Vec<RawWorkload>,
    #[serde(default)]
    pub faults: RawFaults,
}

fn node() -> String {
    "simulated-node".to_owned()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawClock {
    pub start_unix_seconds: Option<f64>,
    pub speed: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawDriver {
    pub version: String,
    pub cuda: u32,
}

impl Default for RawDriver {
    fn default() -> Self {
        Self { version: "590.48.01".to_owned(), cuda: 13010 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawGpu {
    pub profile: Profile,
    pub uuid: Option<String>,
    pub name: Option<String>,
    pub minor: Option<u32>,
    pub numa_node: Option<u32>,
    #[serde(default)]
    pub mig: Option<Vec<RawInstance>>,
    pub idle_watts: Option<f64>,
    #[serde(default)]
    pub counter_bias_ratio: f64,
    #[serde(default)]
    pub power_bias_ratio: f64,
    pub energy_update_milliseconds: Option<u32>,
    pub power_update_milliseconds: Option<u32>,
    #[serde(default)]
    pub energy_at: RawEnergy,
    #[serde(default)]
    pub mig_devices_give_power: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEnergy {
    pub seconds: f64,
    pub joules: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawInstance {
    pub profile: String,
    pub gpu_instance: u32,
    #[serde(default)]
    pub compute_instance: u32,
    pub index: Option<u32>,
    pub uuid: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWorkload {
    pub name: String,
    pub pod: Option<Pod>,
    pub on: Vec<RawPlace>,
    #[serde(default)]
    pub start_seconds: f64,
    pub end_seconds: Option<f64>,
    pub repeat: Option<RawRepeat>,
    pub power_watts: Curve,
    #[serde(default = "busy")]
    pub busy_percent: Curve,
    pub sm_percent: Option<Curve>,
    pub tensor_percent: Option<Curve>,
    pub memory_busy_percent: Option<Curve>,
    #[serde(default = "nothing")]
    pub memory_mib: Curve,
    pub pids: Option<Vec<u32>>,
}

fn busy() -> Curve {
    Curve::constant(100.0)
}

fn nothing() -> Curve {
    Curve::constant(0.0)
}

/// The container that holds a workload's devices, for servers of the kubelet's pod-resources protocol.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pod {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub name: String,
    /// Container of the pod.
    #[serde(default = "container")]
    pub container: String,
}

fn container() -> String {
    "main".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPlace {
    pub gpu: usize,
    pub gpu_instance: Option<u32>,
    pub share: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRepeat {
    pub every_seconds: f64,
    pub times: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawFaults {
    pub errors: Vec<RawError>,
    pub delays: Vec<RawDelay>,
    pub hangs: Vec<RawHang>,
    pub lost: Vec<RawLost>,
    pub resets: Vec<RawReset>,
    pub driver_reloads: Vec<RawReload>,
    pub xids: Vec<RawXid>,
    pub ecc: Vec<RawEcc>,
    pub remapped_rows: Vec<RawRemap>,
    pub throttles: Vec<RawThrottle>,
    pub recovery_actions: Vec<RawRecovery>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawCalls {
    pub from: Option<u64>,
    pub to: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawError {
    pub code: Code,
    pub symbols: Option<Vec<String>>,
    pub gpu: Option<usize>,
    #[serde(default)]
    pub from_seconds: f64,
    pub to_seconds: Option<f64>,
    #[serde(default)]
    pub calls: RawCalls,
    pub probability: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDelay {
    pub milliseconds: u32,
    pub symbols: Option<Vec<String>>,
    pub gpu: Option<usize>,
    #[serde(default)]
    pub from_seconds: f64,
    pub to_seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHang {
    pub symbols: Option<Vec<String>>,
    pub gpu: Option<usize>,
    #[serde(default)]
    pub from_seconds: f64,
    pub to_seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLost {
    pub gpu: usize,
    pub from_seconds: f64,
    pub to_seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawReset {
    pub gpu: usize,
    pub at_seconds: f64,
    #[serde(default)]
    pub lasts_seconds: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawReload {
    pub at_seconds: f64,
    #[serde(default)]
    pub lasts_seconds: f64,
    pub version: Option<String>,
    pub library_replaced_at_seconds: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawXid {
    pub gpu: usize,
    pub at_seconds: f64,
    pub code: u64,
    pub gpu_instance: Option<u32>,
    pub compute_instance: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEcc {
    pub gpu: usize,
    pub at_seconds: f64,
    #[serde(default)]
    pub corrected: u64,
    #[serde(default)]
    pub uncorrected: u64,
    #[serde(default)]
    pub sram: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRemap {
    pub gpu: usize,
    pub at_seconds: f64,
    #[serde(default)]
    pub correctable: u32,
    #[serde(default)]
    pub uncorrectable: u32,
    #[serde(default)]
    pub pending: bool,
    #[serde(default)]
    pub failure: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawThrottle {
    pub gpu: usize,
    pub from_seconds: f64,
    pub to_seconds: Option<f64>,
    pub reasons: Vec<Reason>,
}

/// Why clocks are lower than they could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Power limit.
    SwPowerCap,
    /// Hardware slowdown.
    HwSlowdown,
    /// Software thermal slowdown.
    SwThermal,
    /// Hardware thermal slowdown.
    HwThermal,
    /// The facility's power brake.
    HwPowerBrake,
}

impl Reason {
    /// NVML's bit.
    #[must_use]
    pub fn bit(self) -> u64 {
        match self {
            Reason::SwPowerCap => 0x4,
            Reason::HwSlowdown => 0x8,
            Reason::SwThermal => 0x20,
            Reason::HwThermal => 0x40,
            Reason::HwPowerBrake => 0x80,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRecovery {
    pub gpu: usize,
    pub from_seconds: f64,
    pub to_seconds: Option<f64>,
    pub action: u32,
}

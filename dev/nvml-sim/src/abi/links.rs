//! PCI Express and `NVLink`. Every link leads to a switch and works; simulated work moves nothing over either.

use std::ffi::{c_uint, c_ulonglong};
use std::time::Duration;

use nvml_wrapper_sys::bindings::nvmlPciInfo_t;

use super::{characters, device_values};
use crate::code::Code;
use crate::model::Device;

/// Lanes.
const PCIE_WIDTH: c_uint = 16;
/// A real call measures for that long.
const THROUGHPUT_WAIT: Duration = Duration::from_millis(20);
/// NVML's number of a switch at the other end.
const SWITCH: c_uint = 2;

/// MB/s of a lane by generation.
fn lane_speed(generation: u32) -> c_uint {
    match generation {
        5 => 32_000,
        _ => 16_000,
    }
}

/// A link of that number exists; MIG devices and GPUs with MIG on have none.
fn link(device: &Device<'_>, link: c_uint) -> Result<(), Code> {
    device.without_mig()?;
    if link < device.gpu().kind.nvlinks.0 { Ok(()) } else { Err(Code::INVALID_ARGUMENT) }
}

fn generation(device: &Device<'_>) -> Result<c_uint, Code> {
    device.whole().map(|()| device.gpu().kind.pcie_generation)
}

device_values! {
    nvmlDeviceGetCurrPcieLinkGeneration() -> c_uint = |device| generation(&device);
    nvmlDeviceGetMaxPcieLinkGeneration() -> c_uint = |device| generation(&device);
    nvmlDeviceGetGpuMaxPcieLinkGeneration() -> c_uint = |device| generation(&device);
    nvmlDeviceGetCurrPcieLinkWidth() -> c_uint = |device| device.whole().map(|()| PCIE_WIDTH);
    nvmlDeviceGetMaxPcieLinkWidth() -> c_uint = |device| device.whole().map(|()| PCIE_WIDTH);
    nvmlDeviceGetPcieSpeed() -> c_uint = |device| generation(&device).map(lane_speed);
    nvmlDeviceGetPcieLinkMaxSpeed() -> c_uint = |device| generation(&device).map(|g| if g == 5 { 5 } else { 4 });
    nvmlDeviceGetPcieReplayCounter() -> c_uint = |device| device.whole().map(|()| 0);
    nvmlDeviceGetPcieThroughput(_counter: c_uint) -> c_uint = |device| {
        device.whole()?;
        std::thread::sleep(THROUGHPUT_WAIT);
        Ok(0)
    };
    nvmlDeviceGetNvLinkState(number: c_uint) -> c_uint = |device| link(&device, number).map(|()| 1);
    nvmlDeviceGetNvLinkVersion(number: c_uint) -> c_uint =
        |device| link(&device, number).map(|()| device.gpu().kind.nvlinks.1);
    nvmlDeviceGetNvLinkCapability(number: c_uint, capability: c_uint) -> c_uint =
        |device| link(&device, number).map(|()| (capability != 4).into());
    nvmlDeviceGetNvLinkRemoteDeviceType(number: c_uint) -> c_uint = |device| link(&device, number).map(|()| SWITCH);
    nvmlDeviceGetNvLinkErrorCounter(number: c_uint, counter: c_uint) -> c_ulonglong = |device| {
        link(&device, number)?;
        if counter < 5 { Ok(0) } else { Err(Code::INVALID_ARGUMENT) }
    };
    nvmlDeviceGetNvLinkRemotePciInfo_v2(number: c_uint) -> nvmlPciInfo_t = |device| {
        link(&device, number)?;
        let bus = 0xe0 + number % 4;
        Ok(nvmlPciInfo_t {
            busIdLegacy: characters(&format!("0000:{bus:02X}:00.0")),
            domain: 0,
            bus,
            device: 0,
            pciDeviceId: 0,
            pciSubSystemId: 0,
            busId: characters(&format!("00000000:{bus:02X}:00.0")),
        })
    };
}

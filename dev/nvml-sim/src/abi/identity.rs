//! What a GPU is. Serial number, part number and VBIOS version say that it is simulated.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlDeviceAddressingMode_t, nvmlPciInfo_t, nvmlReturn_t};

use super::{
    aliases, characters, check_version, device_texts, device_values, on_device, put, put_text, runtime,
};
use crate::code::Code;
use crate::model::Device;

/// NVML's number of the brand "NVIDIA".
const BRAND_NVIDIA: c_uint = 14;

/// Bus of the GPU.
pub(super) fn bus_number(device: &Device<'_>) -> u32 {
    0x10 + 3 * device.index() as u32
}

/// Serial number.
pub(super) fn serial(device: &Device<'_>) -> String {
    format!("SIMULATOR-{}-{:02}", device.gpu().kind.short_name, device.index())
}

/// PCI address and ids.
pub(super) fn pci_info(device: &Device<'_>) -> nvmlPciInfo_t {
    let bus = bus_number(device);
    let (id, subsystem) = device.gpu().kind.pci_ids;
    nvmlPciInfo_t {
        busIdLegacy: characters(&format!("0000:{bus:02X}:00.0")),
        domain: 0,
        bus,
        device: 0,
        pciDeviceId: id,
        pciSubSystemId: subsystem,
        busId: characters(&format!("00000000:{bus:02X}:00.0")),
    }
}

device_texts! {
    nvmlDeviceGetName = |device| Ok(device.name());
    nvmlDeviceGetUUID = |device| Ok(device.uuid().to_owned());
    nvmlDeviceGetSerial = |device| Ok(serial(&device));
    nvmlDeviceGetBoardPartNumber = |device| Ok(format!("SIMULATOR-{}", device.gpu().kind.short_name));
    nvmlDeviceGetVbiosVersion = |device| Ok(format!("SIMULATOR.{}", device.gpu().kind.short_name));
    nvmlDeviceGetInforomImageVersion = |device| device.whole().map(|()| "SIMULATOR".to_owned());
}

device_values! {
    nvmlDeviceGetPciInfo_v3() -> nvmlPciInfo_t = |device| Ok(pci_info(&device));
    nvmlDeviceGetMinorNumber() -> c_uint = |device| Ok(device.gpu().minor);
    nvmlDeviceGetModuleId() -> c_uint = |device| Ok(device.index() as c_uint);
    nvmlDeviceGetBrand() -> c_uint = |_device| Ok(BRAND_NVIDIA);
    nvmlDeviceGetArchitecture() -> c_uint = |device| Ok(device.gpu().kind.architecture);
    nvmlDeviceGetBoardId() -> c_uint = |device| Ok(bus_number(&device) << 8);
    nvmlDeviceGetMultiGpuBoard() -> c_uint = |_device| Ok(0);
    nvmlDeviceGetNumGpuCores() -> c_uint = |device| device.whole().map(|()| device.gpu().kind.cores);
    nvmlDeviceGetMemoryBusWidth() -> c_uint = |device| device.whole().map(|()| device.gpu().kind.memory_bus_bits);
    nvmlDeviceGetBusType() -> c_uint = |_device| Ok(2);
    nvmlDeviceGetPersistenceMode() -> c_uint = |device| device.whole().map(|()| 1);
    nvmlDeviceGetComputeMode() -> c_uint = |_device| Ok(0);
    nvmlDeviceGetDisplayMode() -> c_uint = |device| device.whole().map(|()| 0);
    nvmlDeviceGetDisplayActive() -> c_uint = |device| device.whole().map(|()| 0);
    nvmlDeviceGetVirtualizationMode() -> c_uint = |_device| Ok(0);
    nvmlDeviceGetAccountingMode() -> c_uint = |device| device.without_mig().map(|()| 0);
    nvmlDeviceGetNumFans() -> c_uint = |device| device.whole().map(|()| 0);
    nvmlDeviceGetFanSpeed() -> c_uint = |_device| Err(Code::NOT_SUPPORTED);
    nvmlDeviceGetFanSpeed_v2(_fan: c_uint) -> c_uint = |_device| Err(Code::NOT_SUPPORTED);
}

/// NVML's index: among the GPUs that were there at initialisation.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetIndex(device: nvmlDevice_t, target: *mut c_uint) -> nvmlReturn_t {
    on_device("nvmlDeviceGetIndex", device, |device, moment| {
        let present = runtime::with(|runtime| runtime.gpus(moment));
        let index = match device.instance() {
            Some(instance) => instance.index,
            None => present.iter().position(|gpu| *gpu == device.index()).ok_or(Code::GPU_IS_LOST)? as c_uint,
        };
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, index) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetInforomVersion(
    device: nvmlDevice_t,
    _object: c_uint,
    buffer: *mut c_char,
    length: c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetInforomVersion", device, |device, _| {
        device.whole()?;
        // SAFETY: NVML's contract: null, or a buffer of that length.
        unsafe { put_text("SIMULATOR", buffer, length) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCudaComputeCapability(
    device: nvmlDevice_t,
    major: *mut c_int,
    minor: *mut c_int,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetCudaComputeCapability", device, |device, _| {
        let (major_value, minor_value) = device.gpu().kind.compute_capability;
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe {
            put(major, major_value)?;
            put(minor, minor_value)
        }
    })
}

/// BAR1 is a window onto memory; simulated work uses none of it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetBAR1MemoryInfo(
    device: nvmlDevice_t,
    target: *mut nvml_wrapper_sys::bindings::nvmlBAR1Memory_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetBAR1MemoryInfo", device, |device, _| {
        let total: c_ulonglong = device.gpu().kind.bar1_bytes;
        let value =
            nvml_wrapper_sys::bindings::nvmlBAR1Memory_t { bar1Total: total, bar1Free: total, bar1Used: 0 };
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, value) }
    })
}

/// Memory of processes is not shared with the GPU.
const ADDRESSING_NONE: c_uint = 0;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAddressingMode(
    device: nvmlDevice_t,
    target: *mut nvmlDeviceAddressingMode_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetAddressingMode", device, |_, _| {
        // SAFETY: NVML's contract: null, or a structure whose version word says what it is.
        unsafe {
            check_version(target, 1)?;
            put(&raw mut (*target).value, ADDRESSING_NONE)
        }
    })
}

aliases! {
    nvmlDeviceGetPciInfo(device: nvmlDevice_t, target: *mut nvmlPciInfo_t) = nvmlDeviceGetPciInfo_v3;
    nvmlDeviceGetPciInfo_v2(device: nvmlDevice_t, target: *mut nvmlPciInfo_t) = nvmlDeviceGetPciInfo_v3;
}

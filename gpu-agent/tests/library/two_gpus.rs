//! A library with NVML's interface and no hardware, which `tests/agent.rs` compiles and names to the agent: GPU 0 gives
//! every value, GPU 1 none that is optional. `CONCORD_TEST_NVML` chooses a fault. Its numbers are inventions of a test.
#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_uint, c_ulonglong};

const SUCCESS: c_int = 0;
const NOT_SUPPORTED: c_int = 3;
const INSUFFICIENT_SIZE: c_int = 7;
const DRIVER_NOT_LOADED: c_int = 9;
const GPU_IS_LOST: c_int = 15;

/// Handles are the index plus one, so that none is null.
type Handle = usize;

fn fault(name: &str) -> bool {
    std::env::var("CONCORD_TEST_NVML").is_ok_and(|value| value == name)
}

unsafe fn write_text(text: &str, buffer: *mut c_char, length: c_uint) -> c_int {
    if text.len() + 1 > length as usize {
        return INSUFFICIENT_SIZE;
    }
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), buffer, text.len());
        *buffer.add(text.len()) = 0;
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> c_int {
    if fault("no_driver") { DRIVER_NOT_LOADED } else { SUCCESS }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(buffer: *mut c_char, length: c_uint) -> c_int {
    unsafe { write_text("590.48.01", buffer, length) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetNVMLVersion(buffer: *mut c_char, length: c_uint) -> c_int {
    unsafe { write_text("13.590.48.01", buffer, length) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> c_int {
    unsafe { *count = if fault("no_devices") { 0 } else { 2 } };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, handle: *mut Handle) -> c_int {
    if index == 1 && fault("lost") {
        return GPU_IS_LOST;
    }
    unsafe { *handle = index as usize + 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(device: Handle, buffer: *mut c_char, length: c_uint) -> c_int {
    unsafe { write_text(&format!("GPU-{}", device - 1), buffer, length) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(_device: Handle, buffer: *mut c_char, length: c_uint) -> c_int {
    unsafe { write_text("Test GPU", buffer, length) }
}

/// Writes for GPU 0 only.
unsafe fn only_first<T>(device: Handle, target: *mut T, value: T) -> c_int {
    if device != 1 {
        return NOT_SUPPORTED;
    }
    unsafe { target.write(value) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: Handle, milliwatts: *mut c_uint) -> c_int {
    unsafe { only_first(device, milliwatts, 69_850) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTotalEnergyConsumption(device: Handle, millijoules: *mut c_ulonglong) -> c_int {
    unsafe { only_first(device, millijoules, 187_400) }
}

#[repr(C)]
pub struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: Handle, target: *mut Utilization) -> c_int {
    unsafe { only_first(device, target, Utilization { gpu: 42, memory: 7 }) }
}

#[repr(C)]
pub struct MemoryV2 {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: Handle, target: *mut MemoryV2) -> c_int {
    let version = unsafe { (*target).version };
    let value = MemoryV2 { version, total: 85_520_809_984, reserved: 0, free: 84_447_068_160, used: 1_073_741_824 };
    unsafe { only_first(device, target, value) }
}

//! Memory and the processes that use it.

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlMemory_t, nvmlMemory_v2_t, nvmlProcessInfo_t, nvmlReturn_t,
};

use super::{check_version, device_values, on_device, put, put_list};
use crate::model::{Device, Process};

/// In place of an instance id that there is none of.
pub(super) const NO_INSTANCE: c_uint = u32::MAX;

device_values! {
    nvmlDeviceGetMemoryInfo() -> nvmlMemory_t = |device| {
        let memory = device.memory();
        // The older structure counts what the driver keeps as used.
        Ok(nvmlMemory_t { total: memory.total, free: memory.free(), used: memory.used + memory.reserved })
    };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(
    device: nvmlDevice_t,
    target: *mut nvmlMemory_v2_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetMemoryInfo_v2", device, |device, _| {
        let memory = device.memory();
        // SAFETY: NVML's contract: null, or a structure whose version word says what it is.
        unsafe {
            check_version(target, 2)?;
            let version = (&raw const (*target).version).read_unaligned();
            let (total, reserved, used) = (memory.total, memory.reserved, memory.used);
            put(target, nvmlMemory_v2_t { version, total, reserved, free: memory.free(), used })
        }
    })
}

fn process_info(process: &Process) -> nvmlProcessInfo_t {
    nvmlProcessInfo_t {
        pid: process.pid,
        usedGpuMemory: process.memory_bytes,
        gpuInstanceId: process.gpu_instance.unwrap_or(NO_INSTANCE),
        computeInstanceId: process.compute_instance.unwrap_or(NO_INSTANCE),
    }
}

unsafe fn put_processes(
    symbol: &str,
    device: nvmlDevice_t,
    count: *mut c_uint,
    target: *mut nvmlProcessInfo_t,
    processes: impl FnOnce(Device<'_>) -> Vec<Process>,
) -> nvmlReturn_t {
    on_device(symbol, device, |device, _| {
        let list: Vec<nvmlProcessInfo_t> = processes(device).iter().map(process_info).collect();
        // SAFETY: NVML's contract: null, or an array of so many values.
        unsafe { put_list(&list, count, target) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: nvmlDevice_t,
    count: *mut c_uint,
    target: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t {
    // SAFETY: the same contract.
    unsafe {
        put_processes("nvmlDeviceGetComputeRunningProcesses_v3", device, count, target, |device| {
            device.processes()
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: nvmlDevice_t,
    count: *mut c_uint,
    target: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t {
    // SAFETY: the same contract.
    unsafe {
        put_processes("nvmlDeviceGetGraphicsRunningProcesses_v3", device, count, target, |_| Vec::new())
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
    device: nvmlDevice_t,
    count: *mut c_uint,
    target: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t {
    // SAFETY: the same contract.
    unsafe {
        put_processes("nvmlDeviceGetMPSComputeRunningProcesses_v3", device, count, target, |_| Vec::new())
    }
}

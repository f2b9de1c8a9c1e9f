//! Initialisation, versions and texts.

use std::ffi::{c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings::nvmlReturn_t;

use super::{guarded, on_system, put, put_text, runtime};
use crate::code::Code;
use crate::model::process_name;

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> nvmlReturn_t {
    guarded(|| runtime::initialise("nvmlInit_v2"))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInit() -> nvmlReturn_t {
    nvmlInit_v2()
}

/// The flags change what happens without GPUs only, and a scenario without GPUs initialises anyway.
#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> nvmlReturn_t {
    guarded(|| runtime::initialise("nvmlInitWithFlags"))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> nvmlReturn_t {
    guarded(runtime::shut_down)
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(result: nvmlReturn_t) -> *const c_char {
    Code::text_with_nul(result).as_ptr().cast()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(buffer: *mut c_char, length: c_uint) -> nvmlReturn_t {
    on_system("nvmlSystemGetDriverVersion", |moment| {
        let version = moment.scenario.faults.driver(&moment.scenario.driver_version, moment.seconds);
        // SAFETY: NVML's contract: null, or a buffer of that length.
        unsafe { put_text(version.ok_or(Code::DRIVER_NOT_LOADED)?, buffer, length) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetNVMLVersion(buffer: *mut c_char, length: c_uint) -> nvmlReturn_t {
    on_system("nvmlSystemGetNVMLVersion", |moment| {
        let library = runtime::with(|runtime| runtime.library_version(moment));
        let text = format!("{}.{library}", moment.scenario.cuda_version / 1000);
        // SAFETY: NVML's contract: null, or a buffer of that length.
        unsafe { put_text(&text, buffer, length) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) -> nvmlReturn_t {
    on_system("nvmlSystemGetCudaDriverVersion_v2", |moment| {
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(version, moment.scenario.cuda_version as c_int) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion(version: *mut c_int) -> nvmlReturn_t {
    on_system("nvmlSystemGetCudaDriverVersion", |moment| {
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(version, moment.scenario.cuda_version as c_int) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetProcessName(
    pid: c_uint,
    buffer: *mut c_char,
    length: c_uint,
) -> nvmlReturn_t {
    on_system("nvmlSystemGetProcessName", |moment| {
        let name = process_name(&moment.scenario, pid).ok_or(Code::NOT_FOUND)?;
        // SAFETY: NVML's contract: null, or a buffer of that length.
        unsafe { put_text(&name, buffer, length) }
    })
}

/// No S-class units.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlUnitGetCount(count: *mut c_uint) -> nvmlReturn_t {
    // SAFETY: NVML's contract: null, or room for one value.
    on_system("nvmlUnitGetCount", |_| unsafe { put(count, 0) })
}

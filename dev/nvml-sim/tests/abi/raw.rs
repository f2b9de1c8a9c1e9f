//! Calls that nvml-wrapper does not wrap, or wraps with a loss; and what the library must not write.

use std::ffi::c_char;
use std::mem::zeroed;

use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{nvmlFieldValue_t, nvmlGpmMetricsGet_t};

use crate::support::Library;

const GPU: &str = "version: 1
gpus: [{profile: h100}]
workloads:
  - {name: a, on: [{gpu: 0, share: 0}], power_watts: 100, busy_percent: 40}
  - {name: b, on: [{gpu: 0, share: 1}], power_watts: 100, busy_percent: 30}
";

/// Type and raw value of a field, or its return code.
pub fn field(nvml: &Nvml, gpu: &Device<'_>, id: u32, scope: u32) -> Result<(u32, u64), u32> {
    // SAFETY: one value of the right type.
    unsafe {
        let mut value: nvmlFieldValue_t = zeroed();
        (value.fieldId, value.scopeId) = (id, scope);
        let call = nvml.lib().nvmlDeviceGetFieldValues.as_ref().unwrap();
        assert_eq!(call(gpu.handle(), 1, &mut value), 0);
        if value.nvmlReturn == 0 { Ok((value.valueType, value.value.ullVal)) } else { Err(value.nvmlReturn) }
    }
}

#[test]
fn nothing_is_written_beyond_a_buffer() {
    let library = Library::at(10.0, GPU);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let uuid = gpu.uuid().unwrap();
    for (length, code) in [(uuid.len() + 1, 0), (uuid.len(), 7), (0, 7)] {
        let mut buffer = [0x55 as c_char; 64];
        // SAFETY: the buffer is longer than what is said.
        let answer = unsafe {
            (nvml.lib().nvmlDeviceGetUUID.as_ref().unwrap())(gpu.handle(), buffer.as_mut_ptr(), length as u32)
        };
        assert_eq!(answer, code, "{length}");
        let untouched = if code == 0 { length } else { 0 };
        assert!(buffer[untouched..].iter().all(|byte| *byte == 0x55), "{length}");
    }
}

#[test]
fn an_array_that_is_too_short_is_not_touched_and_its_length_is_told() {
    let library = Library::at(10.0, GPU);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let call = nvml.lib().nvmlDeviceGetComputeRunningProcesses_v3.as_ref().unwrap();
    // SAFETY: the array is as long as or longer than what is said.
    unsafe {
        let mut array: [nvml_wrapper_sys::bindings::nvmlProcessInfo_t; 3] = zeroed();
        let mut count = 1;
        assert_eq!(call(gpu.handle(), &mut count, array.as_mut_ptr()), 7);
        assert_eq!((count, array[0].pid), (2, 0));
        count = 3;
        assert_eq!(call(gpu.handle(), &mut count, array.as_mut_ptr()), 0);
        assert_eq!((count, array[2].pid), (2, 0));
        assert_ne!(array[1].pid, 0);
        count = 0;
        assert_eq!(call(gpu.handle(), &mut count, std::ptr::null_mut()), 7);
    }
}

#[test]
fn gpm_touches_the_metrics_that_are_asked_for_and_no_other() {
    let library = Library::at(10.0, GPU);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let lib = nvml.lib();
    // SAFETY: structures of the right type; samples are allocated before they are used.
    unsafe {
        let (mut first, mut second) = (std::ptr::null_mut(), std::ptr::null_mut());
        let alloc = lib.nvmlGpmSampleAlloc.as_ref().unwrap();
        assert_eq!((alloc(&mut first), alloc(&mut second)), (0, 0));
        let get = lib.nvmlGpmSampleGet.as_ref().unwrap();
        assert_eq!(get(gpu.handle(), first), 0);
        library.go_to(12.0);
        let mut request: nvmlGpmMetricsGet_t = zeroed();
        (request.version, request.numMetrics, request.sample1, request.sample2) = (1, 2, first, second);
        (request.metrics[0].metricId, request.metrics[1].metricId) = (1, 20);
        (request.metrics[2].metricId, request.metrics[2].value) = (1, 77.0);
        let metrics = lib.nvmlGpmMetricsGet.as_ref().unwrap();
        crate::support::until(0, || {
            assert_eq!(get(gpu.handle(), second), 0);
            metrics(&mut request)
        });
        assert_eq!((request.metrics[0].nvmlReturn, request.metrics[0].value.round()), (0, 70.0));
        assert_eq!(request.metrics[1].nvmlReturn, 3);
        assert_eq!((request.metrics[2].nvmlReturn, request.metrics[2].value), (0, 77.0));
        request.version = 2;
        assert_eq!(metrics(&mut request), 25);
        let free = lib.nvmlGpmSampleFree.as_ref().unwrap();
        assert_eq!((free(first), free(second), free(second)), (0, 0, 2));
    }
}

#[test]
fn null_and_invented_handles_are_invalid_arguments() {
    let library = Library::at(10.0, GPU);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let power = nvml.lib().nvmlDeviceGetPowerUsage.as_ref().unwrap();
    // SAFETY: the library does not follow handles.
    unsafe {
        let mut milliwatts = 0;
        for handle in [0usize, 1, 0xdead_beef, gpu.handle() as usize + 0x1000, usize::MAX] {
            assert_eq!(power(handle as *mut _, &mut milliwatts), 2, "{handle:#x}");
        }
        assert_eq!(power(gpu.handle(), std::ptr::null_mut()), 2);
        assert_eq!(power(gpu.handle(), &mut milliwatts), 0);
    }
}

#[test]
fn structures_of_another_version_are_refused() {
    let library = Library::at(10.0, GPU);
    let nvml = library.init();
    let gpu = nvml.device_by_index(0).unwrap();
    let call = nvml.lib().nvmlDeviceGetMemoryInfo_v2.as_ref().unwrap();
    // SAFETY: a structure of the right type.
    unsafe {
        let mut memory: nvml_wrapper_sys::bindings::nvmlMemory_v2_t = zeroed();
        memory.version = 0x0100_0028;
        assert_eq!((call(gpu.handle(), &mut memory), memory.total), (25, 0));
        memory.version = 0x0200_0028;
        assert_eq!((call(gpu.handle(), &mut memory), memory.total), (0, 81559 << 20));
    }
}

#[test]
fn the_list_of_symbols_is_what_the_library_exports() {
    let library = Library::at(0.0, GPU);
    // The linker that built the library comes with nm.
    let output =
        std::process::Command::new("nm").args(["-D", "--defined-only"]).arg(library.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut exported: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .filter(|name| name.starts_with("nvml"))
        .collect();
    exported.sort_unstable();
    assert_eq!(exported, concord_nvml_sim::SYMBOLS);
}

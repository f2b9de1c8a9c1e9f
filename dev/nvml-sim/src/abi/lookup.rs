//! From index, UUID, PCI address or serial number to a handle.

use std::ffi::{c_char, c_uint};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

use super::identity::{bus_number, serial};
use super::{aliases, handle_of, on_system, put, runtime, text_of};
use crate::code::Code;
use crate::model::Device;
use crate::runtime::Moment;

/// GPUs that were there at initialisation, by NVML's index.
fn devices(moment: &Moment) -> impl Iterator<Item = Device<'_>> {
    let gpus = runtime::with(|runtime| runtime.gpus(moment));
    gpus.into_iter().filter_map(|gpu| Device::new(&moment.scenario, gpu, moment.seconds))
}

/// The first GPU that fits; lost ones keep their handle and answer `GPU_IS_LOST` when asked.
fn find<'m>(moment: &'m Moment, fits: impl Fn(&Device<'_>) -> bool) -> Result<Device<'m>, Code> {
    devices(moment).find(|device| fits(device)).ok_or(Code::NOT_FOUND)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> nvmlReturn_t {
    on_system("nvmlDeviceGetCount_v2", |moment| {
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(count, devices(moment).count() as c_uint) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, target: *mut nvmlDevice_t) -> nvmlReturn_t {
    on_system("nvmlDeviceGetHandleByIndex_v2", |moment| {
        let device = devices(moment).nth(index as usize).ok_or(Code::INVALID_ARGUMENT)?;
        if moment.scenario.faults.lost(device.index(), moment.seconds) {
            return Err(Code::GPU_IS_LOST);
        }
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, handle_of(&device)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(
    uuid: *const c_char,
    target: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    on_system("nvmlDeviceGetHandleByUUID", |moment| {
        // SAFETY: NVML's contract: null, or a text with a final NUL.
        let uuid = unsafe { text_of(uuid) }?;
        let mig = devices(moment).find_map(|gpu| {
            let found = gpu.gpu().mig.iter().flatten().find(|instance| instance.uuid == uuid)?;
            gpu.mig_device(found.gpu_instance)
        });
        let device = mig.map_or_else(|| find(moment, |gpu| gpu.uuid() == uuid), Ok)?;
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, handle_of(&device)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleBySerial(
    text: *const c_char,
    target: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    on_system("nvmlDeviceGetHandleBySerial", |moment| {
        // SAFETY: NVML's contract: null, or a text with a final NUL.
        let text = unsafe { text_of(text) }?;
        let device = find(moment, |gpu| serial(gpu) == text)?;
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, handle_of(&device)) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(
    text: *const c_char,
    target: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    on_system("nvmlDeviceGetHandleByPciBusId_v2", |moment| {
        // SAFETY: NVML's contract: null, or a text with a final NUL.
        let wanted = bus_of_text(unsafe { text_of(text) }?).ok_or(Code::INVALID_ARGUMENT)?;
        let device = find(moment, |gpu| bus_number(gpu) == wanted)?;
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, handle_of(&device)) }
    })
}

/// The bus of `domain:bus:device.function`; the domain may be missing. All GPUs here are device 0 of domain 0.
fn bus_of_text(text: &str) -> Option<u32> {
    let (rest, place) = text.rsplit_once(':')?;
    let bus = rest.rsplit_once(':').map_or(rest, |(_, bus)| bus);
    place.starts_with("00").then_some(())?;
    u32::from_str_radix(bus, 16).ok()
}

aliases! {
    nvmlDeviceGetCount(count: *mut c_uint) = nvmlDeviceGetCount_v2;
    nvmlDeviceGetHandleByIndex(index: c_uint, target: *mut nvmlDevice_t) = nvmlDeviceGetHandleByIndex_v2;
    nvmlDeviceGetHandleByPciBusId(text: *const c_char, target: *mut nvmlDevice_t) = nvmlDeviceGetHandleByPciBusId_v2;
}

//! Which GPUs and processors are near each other: by NUMA node, with 32 processors on each.

use std::ffi::{c_uint, c_ulong};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

use super::{Target, device_values, handle_of, on_device, put, put_list};
use crate::code::Code;
use crate::model::Device;
use crate::runtime::Moment;

/// NVML's levels: below one NUMA node, and across them.
const NODE: c_uint = 40;
const SYSTEM: c_uint = 50;
/// Processors of a NUMA node.
const PROCESSORS_OF_NODE: u32 = 32;

fn level(one: &Device<'_>, other: &Device<'_>) -> c_uint {
    if one.gpu().numa_node == other.gpu().numa_node { NODE } else { SYSTEM }
}

fn device_of(handle: nvmlDevice_t, moment: &Moment) -> Result<Device<'_>, Code> {
    Target::of(handle as usize).ok_or(Code::INVALID_ARGUMENT)?.device(moment)
}

device_values! {
    nvmlDeviceGetNumaNodeId() -> c_uint = |device| device.whole().map(|()| device.gpu().numa_node);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTopologyCommonAncestor(
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    target: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetTopologyCommonAncestor", one, |one, moment| {
        let other = device_of(other, moment)?;
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, if one.index() == other.index() { 0 } else { level(&one, &other) }) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTopologyNearestGpus(
    device: nvmlDevice_t,
    wanted: c_uint,
    count: *mut c_uint,
    target: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetTopologyNearestGpus", device, |device, moment| {
        let gpus = 0..moment.scenario.gpus.len();
        let others = gpus.filter_map(|gpu| Device::new(&moment.scenario, gpu, moment.seconds));
        let near = others.filter(|other| other.index() != device.index() && level(&device, other) == wanted);
        let handles: Vec<nvmlDevice_t> = near.map(|other| handle_of(&other)).collect();
        // SAFETY: NVML's contract: null, or an array of so many values. A null array asks for the count.
        unsafe {
            if target.is_null() {
                put(count, handles.len() as c_uint)
            } else {
                put_list(&handles, count, target)
            }
        }
    })
}

/// All GPUs reach each other over the switches, unless MIG is on.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetP2PStatus(
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    _capability: c_uint,
    target: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetP2PStatus", one, |one, moment| {
        let other = device_of(other, moment)?;
        let works = one.without_mig().is_ok() && other.without_mig().is_ok();
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, if works { 0 } else { 5 }) }
    })
}

/// Sets the bits `from..to` in an array of words, and clears the others.
///
/// # Safety
/// `words` is null or has `length` words.
unsafe fn put_bits(words: *mut c_ulong, length: c_uint, from: u32, to: u32) -> Result<(), Code> {
    if words.is_null() {
        return Err(Code::INVALID_ARGUMENT);
    }
    if length.saturating_mul(c_ulong::BITS) < to {
        return Err(Code::INSUFFICIENT_SIZE);
    }
    for position in 0..length {
        let first = position * c_ulong::BITS;
        let bits = (from..to).filter(|bit| (first..first + c_ulong::BITS).contains(bit));
        let word = bits.fold(0, |word, bit| word | 1 << (bit - first));
        // SAFETY: the array has `length` words.
        unsafe { words.add(position as usize).write_unaligned(word) };
    }
    Ok(())
}

fn processors(device: &Device<'_>) -> (u32, u32) {
    let first = device.gpu().numa_node * PROCESSORS_OF_NODE;
    (first, first + PROCESSORS_OF_NODE)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCpuAffinity(
    device: nvmlDevice_t,
    length: c_uint,
    words: *mut c_ulong,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetCpuAffinity", device, |device, _| {
        let (from, to) = processors(&device);
        // SAFETY: NVML's contract: null, or an array of so many words.
        unsafe { put_bits(words, length, from, to) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCpuAffinityWithinScope(
    device: nvmlDevice_t,
    length: c_uint,
    words: *mut c_ulong,
    _scope: c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetCpuAffinityWithinScope", device, |device, _| {
        let (from, to) = processors(&device);
        // SAFETY: NVML's contract: null, or an array of so many words.
        unsafe { put_bits(words, length, from, to) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryAffinity(
    device: nvmlDevice_t,
    length: c_uint,
    words: *mut c_ulong,
    _scope: c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetMemoryAffinity", device, |device, _| {
        let node = device.gpu().numa_node;
        // SAFETY: NVML's contract: null, or an array of so many words.
        unsafe { put_bits(words, length, node, node + 1) }
    })
}

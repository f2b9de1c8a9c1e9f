//! ECC errors, remapped rows and retired pages.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlEccErrorCounts_t, nvmlEccSramErrorStatus_t, nvmlReturn_t,
    nvmlRowRemapperHistogramValues_t,
};

use super::{check_version, device_values, on_device, put};
use crate::code::Code;
use crate::model::Device;

/// NVML's numbers of memories.
const DRAM: c_uint = 2;
const SRAM: c_uint = 7;

/// Corrected (0) or not (1).
fn corrected(kind: c_uint) -> Result<bool, Code> {
    match kind {
        0 => Ok(true),
        1 => Ok(false),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

/// Since the last load of the driver (0) or ever (1).
fn volatile(counter: c_uint) -> Result<bool, Code> {
    corrected(counter)
}

fn by_memory(
    device: &Device<'_>,
    kind: c_uint,
    counter: c_uint,
    memory: c_uint,
) -> Result<c_ulonglong, Code> {
    let ecc = device.ecc(volatile(counter)?);
    match (memory, corrected(kind)?) {
        (DRAM, true) => Ok(ecc.dram_corrected),
        (DRAM, false) => Ok(ecc.dram_uncorrected),
        (SRAM, true) => Ok(ecc.sram_corrected),
        (SRAM, false) => Ok(ecc.sram_uncorrected),
        _ => Err(Code::NOT_SUPPORTED),
    }
}

device_values! {
    nvmlDeviceGetTotalEccErrors(kind: c_uint, counter: c_uint) -> c_ulonglong =
        |device| Ok(device.ecc(volatile(counter)?).total(corrected(kind)?));
    nvmlDeviceGetMemoryErrorCounter(kind: c_uint, counter: c_uint, memory: c_uint) -> c_ulonglong =
        |device| by_memory(&device, kind, counter, memory);
    nvmlDeviceGetDetailedEccErrors(kind: c_uint, counter: c_uint) -> nvmlEccErrorCounts_t = |device| {
        let dram = by_memory(&device, kind, counter, DRAM)?;
        Ok(nvmlEccErrorCounts_t { l1Cache: 0, l2Cache: 0, deviceMemory: dram, registerFile: 0 })
    };
    nvmlDeviceGetRowRemapperHistogram() -> nvmlRowRemapperHistogramValues_t = |device| {
        let [max, high, partial, low, none] = device.row_histogram()?;
        Ok(nvmlRowRemapperHistogramValues_t { max, high, partial, low, none })
    };
    nvmlDeviceGetRetiredPagesPendingStatus() -> c_uint = |_device| Err(Code::NOT_SUPPORTED);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetEccMode(
    device: nvmlDevice_t,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetEccMode", device, |device, _| {
        device.whole()?;
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe {
            put(current, 1)?;
            put(pending, 1)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRemappedRows(
    device: nvmlDevice_t,
    correctable: *mut c_uint,
    uncorrectable: *mut c_uint,
    pending: *mut c_uint,
    failure: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetRemappedRows", device, |device, _| {
        let rows = device.remapped_rows()?;
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe {
            put(correctable, rows.correctable)?;
            put(uncorrectable, rows.uncorrectable)?;
            put(pending, rows.pending.into())?;
            put(failure, rows.failure.into())
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSramEccErrorStatus(
    device: nvmlDevice_t,
    target: *mut nvmlEccSramErrorStatus_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetSramEccErrorStatus", device, |device, _| {
        device.whole()?;
        let (ever, now) = (device.ecc(false), device.ecc(true));
        // SAFETY: NVML's contract: null, or a structure whose version word says what it is.
        unsafe {
            check_version(target, 1)?;
            let version = (&raw const (*target).version).read_unaligned();
            let value = nvmlEccSramErrorStatus_t {
                version,
                aggregateUncParity: 0,
                aggregateUncSecDed: ever.sram_uncorrected,
                aggregateCor: ever.sram_corrected,
                volatileUncParity: 0,
                volatileUncSecDed: now.sram_uncorrected,
                volatileCor: now.sram_corrected,
                aggregateUncBucketL2: 0,
                aggregateUncBucketSm: ever.sram_uncorrected,
                aggregateUncBucketPcie: 0,
                aggregateUncBucketMcu: 0,
                aggregateUncBucketOther: 0,
                bThresholdExceeded: 0,
            };
            put(target, value)
        }
    })
}

/// Ampere and newer remap rows instead.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRetiredPages(
    device: nvmlDevice_t,
    _cause: c_uint,
    _count: *mut c_uint,
    _addresses: *mut c_ulonglong,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetRetiredPages", device, |_, _| Err(Code::NOT_SUPPORTED))
}

/// Ampere and newer remap rows instead.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRetiredPages_v2(
    device: nvmlDevice_t,
    _cause: c_uint,
    _count: *mut c_uint,
    _addresses: *mut c_ulonglong,
    _times: *mut c_ulonglong,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetRetiredPages_v2", device, |_, _| Err(Code::NOT_SUPPORTED))
}

//! GPM: samples, and metrics between two of them.

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlGpmMetric_t, nvmlGpmMetricsGet_t, nvmlGpmSample_t, nvmlGpmSupport_t, nvmlReturn_t,
};

use super::{on_device, on_system, put, runtime};
use crate::code::Code;
use crate::model::{Device, GpmSample, gpm_metric};

/// In the handles of samples, so that small numbers are none.
const SAMPLE_MARK: u64 = 0x5108 << 32;
/// The version of the structures.
const VERSION: u32 = 1;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmQueryDeviceSupport(
    device: nvmlDevice_t,
    target: *mut nvmlGpmSupport_t,
) -> nvmlReturn_t {
    on_device("nvmlGpmQueryDeviceSupport", device, |device, _| {
        if target.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: not null, and by NVML's contract a structure with its version.
        unsafe {
            if (&raw const (*target).version).read_unaligned() != VERSION {
                return Err(Code::ARGUMENT_VERSION_MISMATCH);
            }
            put(&raw mut (*target).isSupportedDevice, device.has_gpm().into())
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleAlloc(target: *mut nvmlGpmSample_t) -> nvmlReturn_t {
    on_system("nvmlGpmSampleAlloc", |_| {
        let id = runtime::with(|runtime| {
            let id = SAMPLE_MARK | runtime.new_id();
            runtime.gpm_samples.insert(id, None);
            id
        });
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, id as usize as nvmlGpmSample_t) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpmSampleFree(sample: nvmlGpmSample_t) -> nvmlReturn_t {
    on_system("nvmlGpmSampleFree", |_| {
        let removed = runtime::with(|runtime| runtime.gpm_samples.remove(&(sample as u64)));
        removed.map(|_| ()).ok_or(Code::INVALID_ARGUMENT)
    })
}

fn keep(device: Device<'_>, sample: nvmlGpmSample_t) -> Result<(), Code> {
    let now = device.gpm_sample()?;
    runtime::with(|runtime| {
        *runtime.gpm_samples.get_mut(&(sample as u64)).ok_or(Code::INVALID_ARGUMENT)? = Some(now);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpmSampleGet(device: nvmlDevice_t, sample: nvmlGpmSample_t) -> nvmlReturn_t {
    on_device("nvmlGpmSampleGet", device, |device, _| {
        device.whole().map_err(|_| Code::INVALID_ARGUMENT)?;
        keep(device, sample)
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpmMigSampleGet(
    device: nvmlDevice_t,
    gpu_instance: c_uint,
    sample: nvmlGpmSample_t,
) -> nvmlReturn_t {
    on_device("nvmlGpmMigSampleGet", device, |device, _| {
        device.whole().map_err(|_| Code::INVALID_ARGUMENT)?;
        keep(device.mig_device(gpu_instance).ok_or(Code::INVALID_ARGUMENT)?, sample)
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmMetricsGet(request: *mut nvmlGpmMetricsGet_t) -> nvmlReturn_t {
    on_system("nvmlGpmMetricsGet", |moment| {
        if request.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // SAFETY: not null. Newer headers have room for more metrics than this one, and callers may give less memory
        // than either, so only the head and the `numMetrics` entries that are asked for are touched.
        let (version, count, first, second, metrics) = unsafe {
            (
                (&raw const (*request).version).read_unaligned(),
                (&raw const (*request).numMetrics).read_unaligned(),
                (&raw const (*request).sample1).read_unaligned(),
                (&raw const (*request).sample2).read_unaligned(),
                (&raw mut (*request).metrics).cast::<nvmlGpmMetric_t>(),
            )
        };
        if version != VERSION {
            return Err(Code::ARGUMENT_VERSION_MISMATCH);
        }
        let kept = |sample: nvmlGpmSample_t| -> Result<GpmSample, Code> {
            let known = runtime::with(|runtime| runtime.gpm_samples.get(&(sample as u64)).copied());
            known.flatten().ok_or(Code::INVALID_ARGUMENT)
        };
        let (first, second) = (kept(first)?, kept(second)?);
        for position in 0..count as usize {
            // SAFETY: entry `position` is below `numMetrics`.
            unsafe {
                let entry = metrics.add(position);
                let id = (&raw const (*entry).metricId).read_unaligned();
                let (code, value) = match gpm_metric(&moment.scenario, first, second, id) {
                    Ok(value) => (0, value),
                    Err(Code(code)) => (code, 0.0),
                };
                (&raw mut (*entry).nvmlReturn).write_unaligned(code);
                (&raw mut (*entry).value).write_unaligned(value);
            }
        }
        Ok(())
    })
}

//! How busy a GPU and its processes are.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlProcessUtilizationSample_t, nvmlReturn_t, nvmlSample_t, nvmlUtilization_t, nvmlValue_t,
};

use super::{device_values, on_device, put, put_list};
use crate::code::Code;
use crate::model::Device;

/// What encoder and decoder calls say of how long they look, in microseconds.
const SAMPLING_PERIOD_MICROSECONDS: c_uint = 167_000;
/// NVML's type of an unsigned int.
const UNSIGNED_INT: c_uint = 1;

device_values! {
    nvmlDeviceGetUtilizationRates() -> nvmlUtilization_t =
        |device| device.utilisation_percent().map(|(gpu, memory)| nvmlUtilization_t { gpu, memory });
}

/// Simulated work uses none of the video and image engines.
macro_rules! idle_engines {
    ($($symbol:ident)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol(device: nvmlDevice_t, percent: *mut c_uint, period: *mut c_uint) -> nvmlReturn_t {
            on_device(stringify!($symbol), device, |device, _| {
                device.without_mig()?;
                // SAFETY: NVML's contract: null, or room for one value.
                unsafe {
                    put(percent, 0)?;
                    put(period, SAMPLING_PERIOD_MICROSECONDS)
                }
            })
        }
    )*};
}

idle_engines! {
    nvmlDeviceGetEncoderUtilization nvmlDeviceGetDecoderUtilization nvmlDeviceGetJpgUtilization nvmlDeviceGetOfaUtilization
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: nvmlDevice_t,
    target: *mut nvmlProcessUtilizationSample_t,
    count: *mut c_uint,
    last_seen: c_ulonglong,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetProcessUtilization", device, |device, moment| {
        let samples = device.process_samples(moment.clock.of_stamp(last_seen))?;
        let list: Vec<nvmlProcessUtilizationSample_t> = samples
            .iter()
            .map(|sample| nvmlProcessUtilizationSample_t {
                pid: sample.pid,
                timeStamp: moment.clock.stamp_microseconds(sample.seconds),
                smUtil: sample.busy_percent,
                memUtil: sample.memory_percent,
                encUtil: 0,
                decUtil: 0,
            })
            .collect();
        // SAFETY: NVML's contract: null, or an array of so many values.
        unsafe { put_list(&list, count, target) }
    })
}

/// The latest sample of a kind, when it is newer than what the caller has seen: the driver's buffer is not simulated.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSamples(
    device: nvmlDevice_t,
    kind: c_uint,
    last_seen: c_ulonglong,
    value_type: *mut c_uint,
    count: *mut c_uint,
    target: *mut nvmlSample_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetSamples", device, |device, moment| {
        let value = sample(&device, kind)?;
        let stamp = moment.clock.stamp_microseconds(moment.seconds);
        if stamp <= last_seen {
            return Err(Code::NOT_FOUND);
        }
        let sample = nvmlSample_t { timeStamp: stamp, sampleValue: nvmlValue_t { ullVal: value.into() } };
        // SAFETY: NVML's contract: null, or room for one value and an array of so many. A null array asks for the count.
        unsafe {
            put(value_type, UNSIGNED_INT)?;
            if target.is_null() { put(count, 1) } else { put_list(&[sample], count, target) }
        }
    })
}

fn sample(device: &Device<'_>, kind: c_uint) -> Result<u32, Code> {
    match kind {
        0 => device.power_usage_milliwatts(),
        1 => device.utilisation_percent().map(|(gpu, _)| gpu),
        2 => device.utilisation_percent().map(|(_, memory)| memory),
        3 | 4 | 8 | 9 => device.without_mig().map(|()| 0),
        5 => device.clock_mhz(1).ok_or(Code::NOT_SUPPORTED),
        6 => device.clock_mhz(2).ok_or(Code::NOT_SUPPORTED),
        _ => Err(Code::NOT_SUPPORTED),
    }
}

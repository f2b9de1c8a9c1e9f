//! Power, its limits, the energy counter and temperatures.

use std::ffi::{c_int, c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlMarginTemperature_t, nvmlReturn_t, nvmlTemperature_t};

use super::{check_version, device_values, on_device, put};
use crate::code::Code;
use crate::model::Device;

/// Degrees Celsius of NVML's thresholds: shutdown, slowdown, memory, GPU.
const THRESHOLDS_CELSIUS: [u32; 4] = [95, 89, 95, 87];

fn milliwatts(device: &Device<'_>, watts: f64) -> Result<c_uint, Code> {
    device.whole().map(|()| (watts * 1000.0) as c_uint)
}

device_values! {
    nvmlDeviceGetPowerUsage() -> c_uint = |device| device.power_usage_milliwatts();
    nvmlDeviceGetTotalEnergyConsumption() -> c_ulonglong = |device| device.counter_millijoules();
    nvmlDeviceGetPowerManagementMode() -> c_uint = |device| device.whole().map(|()| 1);
    nvmlDeviceGetPowerManagementLimit() -> c_uint = |device| milliwatts(&device, device.gpu().kind.limit_watts.1);
    nvmlDeviceGetPowerManagementDefaultLimit() -> c_uint =
        |device| milliwatts(&device, device.gpu().kind.limit_watts.1);
    nvmlDeviceGetEnforcedPowerLimit() -> c_uint = |device| milliwatts(&device, device.gpu().kind.limit_watts.1);
    nvmlDeviceGetPowerSource() -> c_uint = |device| device.whole().map(|()| 0);
    nvmlDeviceGetTemperature(sensor: c_uint) -> c_uint = |device| {
        if sensor == 0 { device.whole().map(|()| device.celsius().0) } else { Err(Code::INVALID_ARGUMENT) }
    };
    nvmlDeviceGetTemperatureThreshold(threshold: c_uint) -> c_uint = |device| {
        let celsius = THRESHOLDS_CELSIUS.get(threshold as usize).copied().ok_or(Code::NOT_SUPPORTED);
        device.whole().and(celsius)
    };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerManagementLimitConstraints(
    device: nvmlDevice_t,
    least: *mut c_uint,
    most: *mut c_uint,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetPowerManagementLimitConstraints", device, |device, _| {
        let limit = device.gpu().kind.limit_watts;
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe {
            put(least, milliwatts(&device, limit.0)?)?;
            put(most, milliwatts(&device, limit.2)?)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperatureV(
    device: nvmlDevice_t,
    target: *mut nvmlTemperature_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetTemperatureV", device, |device, _| {
        device.whole()?;
        // SAFETY: NVML's contract: null, or a structure whose version word says what it is.
        unsafe {
            check_version(target, 1)?;
            if (&raw const (*target).sensorType).read_unaligned() != 0 {
                return Err(Code::INVALID_ARGUMENT);
            }
            put(&raw mut (*target).temperature, device.celsius().0 as c_int)
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMarginTemperature(
    device: nvmlDevice_t,
    target: *mut nvmlMarginTemperature_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetMarginTemperature", device, |device, _| {
        device.whole()?;
        let margin = THRESHOLDS_CELSIUS[3] as c_int - device.celsius().0 as c_int;
        // SAFETY: NVML's contract: null, or a structure whose version word says what it is.
        unsafe {
            check_version(target, 1)?;
            put(&raw mut (*target).marginTemperature, margin)
        }
    })
}

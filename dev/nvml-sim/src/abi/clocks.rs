//! Clocks, what holds them down, and performance states.

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t, nvmlViolationTime_t};

use super::{device_values, on_device, put};
use crate::code::Code;
use crate::model::Device;
use crate::scenario::Reason;

/// NVML's bits that a captured H100 says it can give.
const SUPPORTED_REASONS: c_ulonglong = 0x1ff;
/// NVML's numbers of a clock's kinds of value: now, and the highest that a customer may set.
const CLOCK_NOW: c_uint = 0;
const CLOCK_MOST: c_uint = 3;

fn now(device: &Device<'_>, clock: c_uint) -> Result<c_uint, Code> {
    device.whole()?;
    device.clock_mhz(clock as usize).ok_or(Code::INVALID_ARGUMENT)
}

fn most(device: &Device<'_>, clock: c_uint) -> Result<c_uint, Code> {
    device.whole()?;
    device.gpu().kind.max_clocks_mhz.get(clock as usize).copied().ok_or(Code::INVALID_ARGUMENT)
}

device_values! {
    nvmlDeviceGetClockInfo(clock: c_uint) -> c_uint = |device| now(&device, clock);
    nvmlDeviceGetMaxClockInfo(clock: c_uint) -> c_uint = |device| most(&device, clock);
    nvmlDeviceGetMaxCustomerBoostClock(clock: c_uint) -> c_uint = |device| most(&device, clock);
    nvmlDeviceGetClock(clock: c_uint, kind: c_uint) -> c_uint = |device| match kind {
        CLOCK_NOW => now(&device, clock),
        CLOCK_MOST => most(&device, clock),
        _ => Err(Code::DEPRECATED),
    };
    nvmlDeviceGetApplicationsClock(_clock: c_uint) -> c_uint = |_device| Err(Code::DEPRECATED);
    nvmlDeviceGetDefaultApplicationsClock(_clock: c_uint) -> c_uint = |_device| Err(Code::DEPRECATED);
    nvmlDeviceGetCurrentClocksThrottleReasons() -> c_ulonglong = |device| Ok(device.clock_event_reasons());
    nvmlDeviceGetCurrentClocksEventReasons() -> c_ulonglong = |device| Ok(device.clock_event_reasons());
    nvmlDeviceGetSupportedClocksThrottleReasons() -> c_ulonglong = |_device| Ok(SUPPORTED_REASONS);
    nvmlDeviceGetSupportedClocksEventReasons() -> c_ulonglong = |_device| Ok(SUPPORTED_REASONS);
    nvmlDeviceGetPerformanceState() -> c_uint = |device| device.whole().map(|()| 0);
    nvmlDeviceGetPowerState() -> c_uint = |device| device.whole().map(|()| 0);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetViolationStatus(
    device: nvmlDevice_t,
    policy: c_uint,
    target: *mut nvmlViolationTime_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetViolationStatus", device, |device, moment| {
        device.whole()?;
        let reasons: &[Reason] = match policy {
            0 => &[Reason::SwPowerCap, Reason::HwPowerBrake],
            1 => &[Reason::SwThermal, Reason::HwThermal],
            2..=6 | 10 | 11 => &[],
            _ => return Err(Code::INVALID_ARGUMENT),
        };
        let value = nvmlViolationTime_t {
            referenceTime: moment.clock.stamp_microseconds(moment.seconds),
            violationTime: device.held_down_nanoseconds(reasons),
        };
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, value) }
    })
}

/// Driver models are a matter of Windows.
macro_rules! driver_models {
    ($($symbol:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $symbol(device: nvmlDevice_t, _current: *mut c_uint, _pending: *mut c_uint) -> nvmlReturn_t {
            on_device(stringify!($symbol), device, |_, _| Err(Code::NOT_SUPPORTED))
        }
    )*};
}

driver_models! { nvmlDeviceGetDriverModel nvmlDeviceGetDriverModel_v2 }

//! Event sets. Only what happens after a registration is seen.

use std::ffi::{c_uint, c_ulonglong};
use std::time::Duration;

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlEventData_t, nvmlEventSet_t, nvmlReturn_t};

use super::{Target, aliases, device_values, on_device, on_system, put, runtime};
use crate::abi::memory::NO_INSTANCE;
use crate::code::Code;
use crate::model::{Event, event_types};
use crate::runtime::{EventSet, Runtime};

/// In the handles of event sets, so that small numbers are none.
const SET_MARK: u64 = 0x5107 << 32;

device_values! {
    nvmlDeviceGetSupportedEventTypes() -> c_ulonglong = |device| device.whole().map(|()| event_types::SUPPORTED);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetCreate(target: *mut nvmlEventSet_t) -> nvmlReturn_t {
    on_system("nvmlEventSetCreate", |_| {
        let id = runtime::with(|runtime| {
            let id = SET_MARK | runtime.new_id();
            runtime.event_sets.insert(id, EventSet::default());
            id
        });
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, id as usize as nvmlEventSet_t) }
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlEventSetFree(set: nvmlEventSet_t) -> nvmlReturn_t {
    on_system("nvmlEventSetFree", |_| {
        let removed = runtime::with(|runtime| runtime.event_sets.remove(&(set as u64)));
        removed.map(|_| ()).ok_or(Code::INVALID_ARGUMENT)
    })
}

#[unsafe(no_mangle)]
extern "C" fn nvmlDeviceRegisterEvents(
    device: nvmlDevice_t,
    mask: c_ulonglong,
    set: nvmlEventSet_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceRegisterEvents", device, |device, moment| {
        device.whole().map_err(|_| Code::INVALID_ARGUMENT)?;
        if mask & !event_types::SUPPORTED != 0 {
            return Err(Code::NOT_SUPPORTED);
        }
        runtime::with(|runtime| {
            let set = runtime.event_sets.get_mut(&(set as u64)).ok_or(Code::INVALID_ARGUMENT)?;
            set.registered.push((device.index(), mask, moment.seconds));
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlEventSetWait_v2(
    set: nvmlEventSet_t,
    target: *mut nvmlEventData_t,
    timeout_milliseconds: c_uint,
) -> nvmlReturn_t {
    on_system("nvmlEventSetWait_v2", |_| {
        let timeout = Duration::from_millis(timeout_milliseconds.into());
        let next =
            runtime::poll(timeout, || runtime::with(|runtime| next_event(runtime, set as u64)).transpose());
        let event = next.unwrap_or(Err(Code::TIMEOUT))?;
        let value = nvmlEventData_t {
            device: Target::gpu(event.gpu).handle() as nvmlDevice_t,
            eventType: event.kind,
            eventData: event.value,
            gpuInstanceId: event.gpu_instance.unwrap_or(NO_INSTANCE),
            computeInstanceId: event.compute_instance.unwrap_or(NO_INSTANCE),
        };
        // SAFETY: NVML's contract: null, or room for one value.
        unsafe { put(target, value) }
    })
}

/// The oldest event of the set that was not given yet; an error once a GPU of the set is lost and all events are given.
fn next_event(runtime: &mut Runtime, set: u64) -> Result<Option<Event>, Code> {
    let moment = runtime.moment()?;
    let set = runtime.event_sets.get_mut(&set).ok_or(Code::INVALID_ARGUMENT)?;
    let mut fresh: Vec<Event> = Vec::new();
    for (gpu, mask, seen) in &mut set.registered {
        fresh.extend(moment.scenario.events(*gpu, *mask, *seen, moment.seconds));
        *seen = seen.max(moment.seconds);
    }
    fresh.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    set.queue.extend(fresh);
    let event = set.queue.pop_front();
    let lost = set.registered.iter().any(|(gpu, ..)| moment.scenario.faults.lost(*gpu, moment.seconds));
    if event.is_none() && lost { Err(Code::GPU_IS_LOST) } else { Ok(event) }
}

aliases! {
    nvmlEventSetWait(set: nvmlEventSet_t, target: *mut nvmlEventData_t, timeout: c_uint) = nvmlEventSetWait_v2;
}

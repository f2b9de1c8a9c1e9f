//! Events: masks, instances, and that only what comes after a registration is seen.

use std::mem::zeroed;

use nvml_wrapper::Nvml;
use nvml_wrapper_sys::bindings::{nvmlEventData_t, nvmlEventSet_t};

use crate::support::{Library, until};

const SINGLE_BIT: u64 = 1;
const XID: u64 = 8;

const SCENARIO: &str = "version: 1
gpus:
  - profile: h100
    mig: [{profile: 3g.40gb, gpu_instance: 2}]
  - profile: h100
faults:
  xids:
    - {gpu: 0, at_seconds: 5, code: 13}
    - {gpu: 0, at_seconds: 20, code: 43, gpu_instance: 2, compute_instance: 0}
    - {gpu: 0, at_seconds: 21, code: 79}
    - {gpu: 1, at_seconds: 22, code: 94}
  ecc:
    - {gpu: 0, at_seconds: 15, corrected: 2}
  lost:
    - {gpu: 0, from_seconds: 30}
";

fn new_set(nvml: &Nvml) -> nvmlEventSet_t {
    let mut set = std::ptr::null_mut();
    // SAFETY: room for one value.
    assert_eq!(unsafe { (nvml.lib().nvmlEventSetCreate.as_ref().unwrap())(&mut set) }, 0);
    set
}

fn register(nvml: &Nvml, gpu: u32, mask: u64, set: nvmlEventSet_t) -> u32 {
    let gpu = nvml.device_by_index(gpu).unwrap();
    // SAFETY: the library does not follow handles.
    unsafe { (nvml.lib().nvmlDeviceRegisterEvents.as_ref().unwrap())(gpu.handle(), mask, set) }
}

/// Type, value and instances of the next event, or the return code.
fn wait(nvml: &Nvml, set: nvmlEventSet_t, milliseconds: u32) -> Result<(u64, u64, u32, u32), u32> {
    // SAFETY: room for one value.
    unsafe {
        let mut event: nvmlEventData_t = zeroed();
        let code = (nvml.lib().nvmlEventSetWait_v2.as_ref().unwrap())(set, &mut event, milliseconds);
        if code != 0 {
            return Err(code);
        }
        Ok((event.eventType, event.eventData, event.gpuInstanceId, event.computeInstanceId))
    }
}

#[test]
fn events_pass_the_mask_and_keep_their_instances() {
    let library = Library::at(10.0, SCENARIO);
    let nvml = library.init();
    let (xids, all) = (new_set(&nvml), new_set(&nvml));
    assert_eq!(register(&nvml, 0, XID, xids), 0);
    assert_eq!(register(&nvml, 0, XID | SINGLE_BIT, all), 0);
    assert_eq!(wait(&nvml, xids, 0), Err(10), "what was before a registration is not seen");
    library.go_to(25.0);
    until(Ok((XID, 43, 2, 0)), || wait(&nvml, xids, 50));
    assert_eq!(wait(&nvml, xids, 0), Ok((XID, 79, u32::MAX, u32::MAX)));
    assert_eq!(wait(&nvml, xids, 0), Err(10), "GPU 1 is not registered");
    assert_eq!(wait(&nvml, all, 0), Ok((SINGLE_BIT, 0, u32::MAX, u32::MAX)));
    assert_eq!(wait(&nvml, all, 0).map(|event| event.1), Ok(43));
}

#[test]
fn waiting_tells_of_a_lost_gpu_after_its_events() {
    let library = Library::at(20.5, SCENARIO);
    let nvml = library.init();
    let set = new_set(&nvml);
    assert_eq!(register(&nvml, 0, XID, set), 0);
    library.go_to(31.0);
    until(Ok(79), || wait(&nvml, set, 50).map(|event| event.1));
    assert_eq!(wait(&nvml, set, 50), Err(15));
}

#[test]
fn what_cannot_be_registered_says_so_and_leaves_the_set_usable() {
    let library = Library::at(10.0, SCENARIO);
    let nvml = library.init();
    let set = new_set(&nvml);
    assert_eq!(register(&nvml, 0, 0x100, set), 3);
    let mig = nvml.device_by_index(0).unwrap().mig_device_by_index(0).unwrap();
    let call = nvml.lib().nvmlDeviceRegisterEvents.as_ref().unwrap();
    // SAFETY: the library does not follow handles.
    assert_eq!(unsafe { call(mig.handle(), XID, set) }, 2);
    assert_eq!(register(&nvml, 0, XID, std::ptr::null_mut()), 2);
    assert_eq!(register(&nvml, 0, XID, set), 0);
}

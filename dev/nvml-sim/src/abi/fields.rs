//! Field values: many at once, each with a return code of its own.

use std::ffi::{c_int, c_longlong};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlFieldValue_t, nvmlReturn_t, nvmlValue_t};

use super::on_device;
use crate::code::Code;
use crate::model::FieldValue;

/// NVML's types of value.
const UNSIGNED_INT: u32 = 1;
const UNSIGNED_LONG_LONG: u32 = 3;
const SIGNED_INT: u32 = 5;

#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: nvmlDevice_t,
    count: c_int,
    values: *mut nvmlFieldValue_t,
) -> nvmlReturn_t {
    on_device("nvmlDeviceGetFieldValues", device, |device, moment| {
        let count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(Code::INVALID_ARGUMENT)?;
        if values.is_null() {
            return Err(Code::INVALID_ARGUMENT);
        }
        let stamp = moment.clock.stamp_microseconds(moment.seconds) as c_longlong;
        for position in 0..count {
            // SAFETY: NVML's contract: an array of `count` values.
            unsafe {
                let entry = values.add(position);
                let mut value = entry.read_unaligned();
                let found = device.field(value.fieldId, value.scopeId);
                answer(&mut value, found);
                value.timestamp = stamp;
                value.latencyUsec = 0;
                entry.write_unaligned(value);
            }
        }
        Ok(())
    })
}

fn answer(entry: &mut nvmlFieldValue_t, value: Result<FieldValue, Code>) {
    // The union is written whole, so that no byte of it is left from the caller.
    let (kind, value) = match value {
        Ok(FieldValue::UnsignedInt(value)) => (UNSIGNED_INT, nvmlValue_t { ullVal: value.into() }),
        Ok(FieldValue::UnsignedLongLong(value)) => (UNSIGNED_LONG_LONG, nvmlValue_t { ullVal: value }),
        Ok(FieldValue::SignedInt(value)) => {
            let bits = u32::from_ne_bytes(value.to_ne_bytes());
            (SIGNED_INT, nvmlValue_t { ullVal: bits.into() })
        }
        Err(Code(code)) => {
            entry.nvmlReturn = code;
            return;
        }
    };
    (entry.nvmlReturn, entry.valueType, entry.value) = (0, kind, value);
}

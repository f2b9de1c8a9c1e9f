//! The built library through nvml-wrapper, as any client loads it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![allow(clippy::disallowed_methods, reason = "scenarios begin at times of the wall clock")]
#![allow(unsafe_code, reason = "some calls of NVML have no safe wrapper")]

mod events;
mod faults;
mod mig;
mod raw;
mod support;
mod values;

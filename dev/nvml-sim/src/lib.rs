//! SIMULATOR of NVML, NVIDIA's management library: a `libnvidia-ml.so.1` without hardware, driven by a scenario file.
//!
//! ```text
//! scenario file ──▶ scenario (checked) ──▶ model: state at a scenario time, pure ──▶ abi: the C functions
//!                                             └──▶ truth: joules that the scenario implies
//! wall clock ──▶ clock ──▶ scenario time
//! ```
//!
//! The model has no clock and does no I/O, so tests and tools link this crate and ask it what a client should have read.

mod abi;
mod clock;
mod code;
mod curve;
mod find;
pub mod model;
mod profile;
mod runtime;
pub mod scenario;
mod symbols;
pub mod truth;

pub use clock::Clock;
pub use code::Code;
pub use curve::Curve;
pub use find::library_beside;
pub use profile::{MigProfile, Profile};
pub use scenario::Scenario;
pub use symbols::SYMBOLS;

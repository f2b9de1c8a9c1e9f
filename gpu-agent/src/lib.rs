//! Parts of `concord-gpu-agent`. The rules are pure: no I/O, no clock, no randomness.
//!
//! [`energy`] meters a GPU, [`holdings`] says who held it, [`attribution`] charges them, [`books`] keeps the accounts of one
//! GPU and [`node_state`] those of all; [`health`] judges a GPU, [`carbon`] turns joules into grams. The other modules read
//! NVML ([`nvml`], [`events`], [`sampler`]), the kubelet ([`kubelet`]) and the API server ([`cluster`]), and publish
//! ([`metrics`], [`serve`]).

pub mod attribution;
pub mod books;
pub mod carbon;
pub mod cluster;
pub mod device_id;
pub mod energy;
pub mod events;
pub mod gpu_node;
pub mod grid;
pub mod health;
pub mod holdings;
pub mod inventory;
pub mod kubelet;
pub mod metrics;
pub mod node_state;
pub mod nvml;
pub mod owner;
pub mod processes;
pub mod quantities;
pub mod readiness;
pub mod reading;
pub mod sampler;
pub mod serve;
pub mod split;
pub mod state;
pub mod state_file;
pub mod table;

//! The local pool: a real Kubernetes control plane with simulated GPU nodes, on one machine.
//!
//! ```text
//! Toolchain (Go builds, cached) ─┐
//! Certificates, Tokens ──────────┼─> ControlPlane::start ─> etcd ─> kube-apiserver ─> controllers, scheduler, kwok
//! Options (identities, …) ───────┘                       └─> one kubeconfig per identity
//! ```
//!
//! `make up` starts it detached; integration tests start one each and own it. Read [`control_plane`] first.
//!
//! On top of it stands what `make up` shows: [`pool`] sets up Concord with its operator, [`replay`] submits the jobs of
//! a real trace, [`audit`] counts what happened from the API alone.

pub mod agents;
pub mod audit;
pub mod certificates;
pub mod components;
pub mod control_plane;
pub mod energy;
mod files;
pub mod go_module;
pub mod identity;
pub mod kubeconfig;
pub mod kubelet;
pub mod kwok;
pub mod nodes;
pub mod openid_provider;
pub mod people;
pub mod pool;
mod ports;
pub mod prerequisites;
pub mod probe;
pub mod process;
pub mod processes;
pub mod progress;
pub mod record;
pub mod replay;
pub mod setup;
pub mod status;
pub mod supervise;
pub mod toolchain;

pub use control_plane::{ControlPlane, Options, Ports};
pub use go_module::GoModule;
pub use identity::Identity;
pub use nodes::SimulatedNode;
pub use ports::free_port;
pub use process::Launch;
pub use processes::{Lifetime, Processes};
pub use progress::Progress;
pub use toolchain::{Tool, Toolchain};

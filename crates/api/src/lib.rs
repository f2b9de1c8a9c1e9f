//! Kubernetes types of Concord, shared by its programs, and the names that they use in a cluster.
#![forbid(unsafe_code)]

pub mod amendment;
pub mod application;
pub mod claim;
pub mod conditions;
pub mod gpu_node;
pub mod hours;
pub mod incident;
pub mod member_quota;
pub mod names;
pub mod node;
pub mod project;
pub mod snapshot;
pub mod treaty;

pub use amendment::{Amendment, AmendmentSpec, AmendmentState, AmendmentStatus};
pub use application::{Application, ApplicationSpec, ApplicationStatus};
pub use claim::{ClaimBasis, ClaimPhase, GpuClaim, GpuClaimSpec, GpuClaimStatus};
pub use gpu_node::{GpuNode, GpuNodeSpec, GpuNodeStatus};
pub use incident::{Incident, IncidentSpec};
pub use member_quota::{MemberQuota, MemberQuotaSpec, MemberQuotaStatus};
pub use project::{Project, ProjectSpec, ProjectStatus};
pub use treaty::{Treaty, TreatySpec, TreatyStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// All CRDs, in the order in which people should read them.
#[must_use]
pub fn custom_resource_definitions() -> Vec<CustomResourceDefinition> {
    vec![
        Treaty::crd(),
        Amendment::crd(),
        MemberQuota::crd(),
        Application::crd(),
        Project::crd(),
        GpuClaim::crd(),
        GpuNode::crd(),
        Incident::crd(),
    ]
}

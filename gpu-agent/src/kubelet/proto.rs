//! Messages of the kubelet's pod-resources service, v1: `k8s.io/kubelet/pkg/apis/podresources/v1/api.proto`. What the agent
//! does not read (CPUs, memory, topology) is left out; protobuf skips unknown fields.

use prost::Message;

/// Asks for all pods.
#[derive(Clone, PartialEq, Message)]
pub struct ListPodResourcesRequest {}

/// All pods.
#[derive(Clone, PartialEq, Message)]
pub struct ListPodResourcesResponse {
    /// The pods.
    #[prost(message, repeated, tag = "1")]
    pub pod_resources: Vec<PodResources>,
}

/// Asks for all devices.
#[derive(Clone, PartialEq, Message)]
pub struct AllocatableResourcesRequest {}

/// All devices, held or not.
#[derive(Clone, PartialEq, Message)]
pub struct AllocatableResourcesResponse {
    /// The devices.
    #[prost(message, repeated, tag = "1")]
    pub devices: Vec<ContainerDevices>,
}

/// A pod, by name alone.
#[derive(Clone, PartialEq, Message)]
pub struct PodResources {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its namespace.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// Its containers.
    #[prost(message, repeated, tag = "3")]
    pub containers: Vec<ContainerResources>,
}

/// A container.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerResources {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Devices of device plugins.
    #[prost(message, repeated, tag = "2")]
    pub devices: Vec<ContainerDevices>,
    /// Devices of DRA drivers.
    #[prost(message, repeated, tag = "5")]
    pub dynamic_resources: Vec<DynamicResource>,
}

/// Devices of one resource.
#[derive(Clone, PartialEq, Message)]
pub struct ContainerDevices {
    /// Such as `nvidia.com/gpu`.
    #[prost(string, tag = "1")]
    pub resource_name: String,
    /// Their ids.
    #[prost(string, repeated, tag = "2")]
    pub device_ids: Vec<String>,
}

/// Devices of one `ResourceClaim`.
#[derive(Clone, PartialEq, Message)]
pub struct DynamicResource {
    /// Its name.
    #[prost(string, tag = "2")]
    pub claim_name: String,
    /// Its namespace.
    #[prost(string, tag = "3")]
    pub claim_namespace: String,
    /// The devices.
    #[prost(message, repeated, tag = "4")]
    pub claim_resources: Vec<ClaimResource>,
}

/// A device of a DRA driver.
#[derive(Clone, PartialEq, Message)]
pub struct ClaimResource {
    /// Its driver.
    #[prost(string, tag = "2")]
    pub driver_name: String,
    /// Its pool.
    #[prost(string, tag = "3")]
    pub pool_name: String,
    /// Its name.
    #[prost(string, tag = "4")]
    pub device_name: String,
    /// Its share, when it is shared.
    #[prost(string, optional, tag = "5")]
    pub share_id: Option<String>,
}

//! GpuNode: what the agent on a node says of its GPUs.

use concord_treaty::units::Gpus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A node as its agent sees it. The object's name is the node's; only the agent on that node writes it, so there is
/// nothing to wish for in the spec.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "GpuNode",
    plural = "gpunodes",
    shortname = "gn",
    doc = "GPUs of one node as its agent reads them: which are healthy, and why the others are not.",
    status = "GpuNodeStatus",
    category = "concord",
    printcolumn = r#"{"name":"Healthy","type":"integer","jsonPath":".status.healthyGpus"}"#,
    printcolumn = r#"{"name":"Unhealthy","type":"integer","jsonPath":".status.unhealthyGpus"}"#,
    printcolumn = r#"{"name":"Driver","type":"string","priority":1,"jsonPath":".status.driverVersion"}"#,
    printcolumn = r#"{"name":"Reasons","type":"string","priority":1,"jsonPath":".status.gpus[?(@.healthy==false)].reason"}"#,
    printcolumn = r#"{"name":"Seen","type":"date","jsonPath":".status.observedAt"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GpuNodeSpec {}

/// What the agent read last.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct GpuNodeStatus {
    /// When the agent looked; refreshed slowly also when nothing changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<MicroTime>,
    /// Version of the NVIDIA driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80))]
    pub driver_version: Option<String>,
    /// GPUs that work.
    #[schemars(range(min = 0, max = 1_024))]
    pub healthy_gpus: i64,
    /// GPUs that must not get work; `gpus` says why.
    #[schemars(range(min = 0, max = 1_024))]
    pub unhealthy_gpus: i64,
    /// Each GPU that the agent sees.
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["uuid"]))]
    pub gpus: Vec<GpuDevice>,
}

/// One GPU.
#[derive(JsonSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GpuDevice {
    /// UUID as NVML gives it, such as `GPU-…`.
    #[schemars(length(min = 1, max = 96))]
    pub uuid: String,
    /// False while it must not get work.
    pub healthy: bool,
    /// Why not: CamelCase code; only while it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// The reason in a sentence, with what would mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub message: Option<String>,
}

impl GpuNode {
    /// GPUs that must not get work; 0 before the agent has said anything, because missing is not broken.
    #[must_use]
    pub fn unhealthy_gpus(&self) -> Gpus {
        let count = self.status.as_ref().map_or(0, |status| status.unhealthy_gpus);
        Gpus::try_from(count).unwrap_or(0)
    }
}

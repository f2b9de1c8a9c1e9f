//! The agent on a real API server with the rights of the chart and a token that is bound to its node: whom it charges, what it
//! writes, and how the node's label makes it let NVML go.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use concord_api::GpuNode;
use concord_api::gpu_node::GpuNodeStatus;
use concord_pool::{ControlPlane, Identity, Options, SimulatedNode, Tool, nodes, setup};
use kube::config::Kubeconfig;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::kubelet::Kubelet;
use crate::process::{Agent, Metrics, Simulator};

const NODE: &str = "node-000";
const ACCOUNT: &str = "concord-gpu-agent";
const SCENARIO: &str = "
version: 1
node: cluster
gpus:
  - {profile: h100, uuid: GPU-a}
  - {profile: h100, uuid: GPU-b}
workloads:
  - {name: train, on: [{gpu: 0}], power_watts: 500, busy_percent: 95, memory_mib: 60000}
";

struct Cluster {
    runtime: Runtime,
    plane: Option<ControlPlane>,
    admin: Client,
    folder: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::for_test(folder.path());
        options.identities = vec![Identity::admin()];
        let (plane, admin) = runtime.block_on(async {
            let plane = ControlPlane::start(options).await.unwrap();
            let admin = plane.client(Identity::ADMIN).await.unwrap();
            setup::install(&admin, &concord_pool::pool::chart()).await.unwrap();
            let node = SimulatedNode {
                name: NODE.to_owned(),
                owner: "pool".to_owned(),
                gpu_class: "simulated".to_owned(),
                rack: "r0".to_owned(),
                gpus: 2,
            };
            nodes::create(&admin, &[node]).await.unwrap();
            nodes::wait_ready(&admin, 1, |_, _| ()).await.unwrap();
            (plane, admin)
        });
        Self { runtime, plane: Some(plane), admin, folder }
    }

    fn kubectl(&self, arguments: &[&str], input: Option<&Value>) -> String {
        let plane = self.plane.as_ref().unwrap();
        let mut child = Command::new(plane.toolchain().path(Tool::Kubectl))
            .arg("--kubeconfig")
            .arg(plane.kubeconfig(Identity::ADMIN))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        if let Some(input) = input {
            std::io::Write::write_all(&mut stdin, input.to_string().as_bytes()).unwrap();
        }
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "kubectl {arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn pod(&self, namespace: &str, name: &str, annotations: &Value) {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
            "spec": {"nodeName": NODE, "automountServiceAccountToken": false,
                "containers": [{"name": "main", "image": "main"}]}});
        self.kubectl(&["apply", "-f", "-"], Some(&pod));
    }

    /// Credentials as the kubelet would give them to the agent's pod.
    fn credentials(&self) -> PathBuf {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": ACCOUNT, "namespace": "concord-system"}});
        self.kubectl(&["apply", "-f", "-"], Some(&account));
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent", "namespace": "concord-system"},
            "spec": {"nodeName": NODE, "serviceAccountName": ACCOUNT, "automountServiceAccountToken": false,
                "containers": [{"name": "agent", "image": "agent"}]}});
        self.kubectl(&["apply", "-f", "-"], Some(&pod));
        let bound = ["--bound-object-kind", "Pod", "--bound-object-name", "agent"];
        let token =
            self.kubectl(&[&["-n", "concord-system", "create", "token", ACCOUNT], &bound[..]].concat(), None);
        let mut kubeconfig =
            Kubeconfig::read_from(self.plane.as_ref().unwrap().kubeconfig(Identity::ADMIN)).unwrap();
        for user in &mut kubeconfig.auth_infos {
            user.auth_info = Some(serde_json::from_value(json!({"token": token.trim()})).unwrap());
        }
        let path = self.folder.path().join("agent.kubeconfig");
        std::fs::write(&path, serde_yaml::to_string(&kubeconfig).unwrap()).unwrap();
        path
    }

    /// Reads the GpuNode until it is as wanted, for at most half a minute.
    fn says(&self, what: &str, holds: impl Fn(&GpuNodeStatus) -> bool) -> GpuNodeStatus {
        let api: Api<GpuNode> = Api::all(self.admin.clone());
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let found = self.runtime.block_on(api.get_opt(NODE)).unwrap().and_then(|node| node.status);
            if let Some(status) = found.clone().filter(&holds) {
                return status;
            }
            assert!(Instant::now() < deadline, "never: {what}; last: {found:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(plane) = self.plane.take() {
            let _ = self.runtime.block_on(plane.stop());
        }
    }
}

fn charged(metrics: &Metrics, claim: &str) -> Option<f64> {
    metrics.sum(
        "concord_gpu_claim_allocated_joules_total",
        &[&format!("claim=\"{claim}\""), "namespace=\"default\""],
    )
}

#[test]
fn the_agent_charges_claims_and_speaks_for_its_node() {
    let cluster = Cluster::start();
    let credentials = cluster.credentials();
    cluster.pod("default", "train-0", &json!({"concord.dev/claim": "gang-of-train"}));
    let simulator = Simulator::new(SCENARIO);
    let kubelet = Kubelet::start(&simulator.path("kubelet.sock"), Arc::default());
    kubelet.hold(&[("default", "train-0", &["GPU-a"])]);
    let socket = kubelet.socket.to_str().unwrap().to_owned();
    let options = ["--node", NODE, "--pod-resources", &socket, "--settle-seconds", "1"];
    let agent = Agent::start_in(&simulator, &options, Some(&credentials));

    let metrics = agent.wait("the claim is charged", |m| charged(m, "gang-of-train") > Some(500.0));
    assert_eq!(metrics.sum("concord_gpu_attribution_residual_joules", &[]), Some(0.0));
    let status = cluster.says("both GPUs are healthy", |status| status.healthy_gpus == 2);
    assert_eq!((status.unhealthy_gpus, status.driver_version.as_deref()), (0, Some("590.48.01")));
    assert!(status.observed_at.is_some());

    // The pod has ended, and then is gone; the kubelet still lists it, as it does for a while.
    let ended =
        ["patch", "pod", "train-0", "--subresource=status", "-p", r#"{"status":{"phase":"Succeeded"}}"#];
    cluster.kubectl(&ended, None);
    let over = |m: &Metrics| m.sum("concord_gpu_unjoined_containers", &["ended"]) == Some(1.0);
    let metrics = agent.wait("what has ended holds nothing", over);
    assert_eq!(metrics.sum("concord_gpu_holdings", &[]), None);
    cluster.kubectl(&["delete", "pod", "train-0", "--grace-period=0", "--force"], None);
    let unknown = |m: &Metrics| m.sum("concord_gpu_unjoined_containers", &["unknown"]) == Some(1.0);
    let metrics = agent.wait("its holding has ended", unknown);
    assert_eq!(metrics.sum("concord_gpu_holdings", &[]), None);

    cluster.kubectl(&["label", "node", NODE, "concord.dev/release-nvml=true"], None);
    agent.wait("NVML was let go", |m| m.state() == Some("released"));
    let status = cluster.says("no GPU gets work", |status| status.unhealthy_gpus == 2);
    assert_eq!(status.gpus[0].reason.as_deref(), Some("Released"));
    cluster.kubectl(&["label", "node", NODE, "concord.dev/release-nvml-"], None);
    cluster.says("both are back", |status| status.healthy_gpus == 2 && status.gpus[0].reason.is_none());
}

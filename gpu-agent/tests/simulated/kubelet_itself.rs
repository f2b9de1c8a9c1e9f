//! The agent against Kubernetes' own pod-resources server (`dev/kubelet`): the real messages, the real limit of calls, and a
//! socket that is replaced.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use concord_gpu_agent::kubelet::client::Client;
use concord_pool::Progress;
use concord_pool::kubelet::pod_resources_program;
use serde_json::{Value, json};

use crate::process::{Agent, Metrics, Simulator};

const SCENARIO: &str = "
version: 1
node: kubelet
gpus:
  - {profile: h100, uuid: GPU-a}
  - {profile: h100, uuid: GPU-b}
";

struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    /// Starts it, and waits for its socket.
    fn start(folder: &Path) -> Self {
        let socket = folder.join("pod-resources/kubelet.sock");
        let _ = std::fs::remove_file(&socket);
        let program = pod_resources_program(&Progress::default()).unwrap();
        let child = Command::new(program).arg(folder).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            assert!(Instant::now() < deadline, "no socket");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, folder: folder.to_owned() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("pod-resources/kubelet.sock")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(folder: &Path, pods: &[Value]) {
    let resource = |ids: &[&str]| json!([{"resource": "nvidia.com/gpu", "ids": ids}]);
    let state = json!({"allocatable": resource(&["GPU-a::0", "GPU-a::1", "GPU-b"]), "pods": pods});
    let new = folder.join("new");
    std::fs::write(&new, state.to_string()).unwrap();
    std::fs::rename(new, folder.join("kubelet.json")).unwrap();
}

fn pod(name: &str, container: &Value) -> Value {
    json!({"namespace": "lab", "name": name, "uid": name, "phase": "Running", "containers": [container]})
}

/// Asks as fast as it can until it is told to stop; says how often it was refused.
fn flood(socket: PathBuf, stop: &AtomicBool) -> u32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = Client::new(socket).unwrap();
        let mut refused = 0;
        while !stop.load(Ordering::Relaxed) {
            let answer = client.list().await;
            refused += u32::from(answer.is_err_and(|status| status.code() == tonic::Code::ResourceExhausted));
        }
        refused
    })
}

#[test]
fn kubernetes_own_server_is_understood_its_limit_borne_and_its_restart_survived() {
    let simulator = Simulator::new(SCENARIO);
    let folder = simulator.folder.path().to_owned();
    let plugin = json!({"name": "c", "devices": [{"resource": "nvidia.com/gpu", "ids": ["GPU-a::1"]}]});
    let dra = json!({"name": "c", "dynamic": [{"claim": "x", "namespace": "lab", "driver": "gpu.nvidia.com",
        "pool": "kubelet", "device": "gpu-1"}]});
    write(&folder, &[pod("plugin", &plugin), pod("dra", &dra)]);
    let server = Server::start(&folder);
    let socket = server.socket();
    let agent = Agent::start(&simulator, &["--pod-resources", socket.to_str().unwrap()]);
    let held = |m: &Metrics| m.sum("concord_gpu_holdings", &[]);
    let metrics = agent.wait("both are held", |m| held(m) == Some(2.0));
    assert_eq!(
        metrics.sum("concord_gpu_holdings", &["GPU-b"]),
        Some(1.0),
        "the DRA driver names minor numbers"
    );
    assert_eq!(metrics.sum("concord_gpu_unresolved_devices", &[]), Some(0.0));

    let stop = Arc::new(AtomicBool::new(false));
    let asking = std::thread::spawn({
        let (stop, socket) = (Arc::clone(&stop), socket.clone());
        move || flood(socket, &stop)
    });
    let refused =
        |m: &Metrics| m.sum("concord_gpu_kubelet_errors_total", &["resource_exhausted"]) >= Some(1.0);
    let metrics = agent.wait("the agent was refused too", refused);
    stop.store(true, Ordering::Relaxed);
    assert!(asking.join().unwrap() > 0);
    assert_eq!(held(&metrics), Some(2.0), "the last answer stays");

    drop(server);
    write(&folder, &[pod("dra", &dra)]);
    let _server = Server::start(&folder);
    let metrics = agent.wait("it asks the new one", |m| held(m) == Some(1.0));
    assert_eq!(metrics.sum("concord_gpu_holdings", &["GPU-b"]), Some(1.0));
}

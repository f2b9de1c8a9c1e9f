//! What the node agent costs on a node with many MIG instances: CPU, memory, time of a scrape. The GPUs are simulated; the agent,
//! the kubelet's protocol, the API server and the pods are real.

pub mod conservation;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use concord_pool::{
    ControlPlane, Identity, Launch, Progress, energy::Energy, free_port, kubelet, probe::Probe,
    probe::until_healthy, replay::statistics::Summary, setup,
};
use kube::Client;
use serde_json::{Value, json};

use crate::{figures::Figure, meter::pid_of, usage::Usage};

const NODE: &str = "gpu-node";
const NAMESPACE: &str = "lab";
const AGENT: &str = "concord-gpu-agent";
/// Until everything has been asked once.
const WARM_UP: Duration = Duration::from_secs(15);
const SCRAPES: usize = 300;

/// The node that is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// GPUs.
    pub gpus: usize,
    /// MIG instances of each, at most 7; 0: MIG is off, and each GPU is held as a whole.
    pub instances: usize,
}

impl Size {
    /// Devices that a pod can hold.
    fn devices(self) -> Vec<(String, usize, Option<usize>)> {
        let of = |gpu| {
            let whole = (self.instances == 0).then(|| (format!("GPU-{gpu}"), gpu, None));
            let parts = (0..self.instances).map(move |i| (format!("MIG-{gpu}-{i}"), gpu, Some(7 + i)));
            whole.into_iter().chain(parts)
        };
        (0..self.gpus).flat_map(of).collect()
    }

    fn scenario(self) -> Value {
        let instance = |gpu: usize, i: usize| json!({"profile": "1g.10gb", "gpu_instance": 7 + i, "uuid": format!("MIG-{gpu}-{i}")});
        let gpu = |gpu: usize| {
            let mut object = json!({"profile": "h100", "uuid": format!("GPU-{gpu}")});
            if self.instances > 0 {
                object["mig"] = (0..self.instances).map(|i| instance(gpu, i)).collect();
            }
            object
        };
        let workload = |(id, gpu, instance): &(String, usize, Option<usize>)| {
            let mut place = json!({"gpu": gpu});
            if let Some(instance) = instance {
                place["gpu_instance"] = json!(instance);
            }
            json!({"name": id, "on": [place], "power_watts": 40, "busy_percent": 80, "memory_mib": 4_096})
        };
        json!({
            "version": 1, "node": NODE,
            "gpus": (0..self.gpus).map(gpu).collect::<Vec<_>>(),
            "workloads": self.devices().iter().map(workload).collect::<Vec<_>>(),
        })
    }

    fn kubelet(self) -> Value {
        let resource = if self.instances > 0 { "nvidia.com/mig-1g.10gb" } else { "nvidia.com/gpu" };
        let pod = |(index, (id, ..)): (usize, &(String, usize, Option<usize>))| {
            json!({
                "namespace": NAMESPACE, "name": name(index), "uid": name(index), "phase": "Running",
                "containers": [{"name": "main", "devices": [{"resource": resource, "ids": [id]}]}],
            })
        };
        let devices = self.devices();
        let ids: Vec<&String> = devices.iter().map(|(id, ..)| id).collect();
        json!({
            "pods": devices.iter().enumerate().map(pod).collect::<Vec<_>>(),
            "allocatable": [{"resource": resource, "ids": ids}],
        })
    }
}

fn name(index: usize) -> String {
    format!("pod-{index:02}")
}

/// Runs the agent for so long, scraped each second, and then scrapes it alone.
///
/// # Errors
/// When a program does not start, or the agent charges nothing.
pub async fn cost(
    control: &mut ControlPlane,
    agent: &Path,
    library: &Path,
    size: Size,
    length: Duration,
    progress: &Progress,
) -> Result<Vec<Figure>> {
    let admin = control.client(Identity::ADMIN).await?;
    let pods = size.devices().len();
    make_pods(&admin, pods).await?;
    let folder = control.data_dir().join("node");
    fs::create_dir_all(folder.join("state"))?;
    fs::write(folder.join("scenario.yaml"), serde_yaml::to_string(&size.scenario())?)?;
    fs::write(folder.join("kubelet.json"), size.kubelet().to_string())?;
    kubelet::start_pod_resources(control, [folder.as_path()], progress).await?;
    let options = Start { agent, library, folder: &folder, settle_seconds: 10, idle_watts: None };
    let client = start(control, &options).await?;
    tokio::time::sleep(WARM_UP).await;

    let pid = pid_of(control, AGENT)?;
    let (begun, before) = (Instant::now(), Usage::of(pid)?);
    let mut text = String::new();
    while begun.elapsed() < length {
        text = scrape(&client).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let used = Usage::of(pid)?.since(&before);
    let seconds = begun.elapsed().as_secs_f64();
    let mut milliseconds = Vec::with_capacity(SCRAPES);
    for _ in 0..SCRAPES {
        let begun = Instant::now();
        scrape(&client).await?;
        milliseconds.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    let scrapes = Summary::of(milliseconds);
    let energy = Energy::of([text.as_str()])?;
    let charged: f64 = energy.charged_joules.values().sum();
    ensure!(charged > 0.0, "the agent charged nothing; see {}", control.processes().log(AGENT).display());
    let percent = used.cpu_seconds() / seconds * 100.0;
    Ok(vec![
        Figure::new("GPUs, pods that hold devices", format!("{} simulated, {pods}", size.gpus)),
        Figure::new(
            "CPU, read and scraped each second",
            format!("{percent:.2} % of a core over {seconds:.0} s"),
        ),
        Figure::new("largest resident memory", format!("{:.1} MiB", used.peak_rss_mebibytes)),
        Figure::milliseconds("scrape, one after the other", scrapes),
        Figure::new("size of a scrape", format!("{} KiB", text.len() / 1_024)),
        Figure::new(
            "joules charged; not accounted for",
            format!("{charged:.0}; {:.3}", energy.residual_joules),
        ),
    ])
}

/// How the agent is started.
struct Start<'a> {
    agent: &'a Path,
    library: &'a Path,
    /// Of the node: scenario, the kubelet's socket, state.
    folder: &'a Path,
    settle_seconds: u32,
    idle_watts: Option<f64>,
}

async fn start(control: &mut ControlPlane, options: &Start<'_>) -> Result<Client> {
    let Start { agent, library, folder, settle_seconds, idle_watts } = *options;
    let port = free_port()?;
    let mut launch = Launch::new(AGENT, agent)
        .arg("run")
        .flag("listen", format!("127.0.0.1:{port}"))
        .flag("node", NODE)
        .flag("nvml-library", library.display())
        .flag("pod-resources", folder.join("pod-resources/kubelet.sock").display())
        .flag("state-directory", folder.join("state").display())
        .env("CONCORD_NVML_SIM_SCENARIO", folder.join("scenario.yaml").display().to_string())
        .flag("settle-seconds", settle_seconds)
        .env("KUBECONFIG", control.kubeconfig(Identity::ADMIN).display().to_string());
    if let Some(watts) = idle_watts {
        launch = launch.flag("idle-watts", watts);
    }
    control.spawn(&launch)?;
    let config =
        || -> Result<kube::Config> { Ok(kube::Config::new(format!("http://127.0.0.1:{port}").parse()?)) };
    until_healthy(control.processes(), AGENT, &Probe::new(config()?, "/readyz")?).await?;
    Ok(Client::try_from(config()?)?)
}

async fn scrape(client: &Client) -> Result<String> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    client.request_text(request).await.context("the agent does not answer")
}

/// Pods that run on the node; nobody else is in the cluster that would say so.
async fn make_pods(admin: &Client, count: usize) -> Result<()> {
    make_node(admin).await?;
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::namespaced(admin.clone(), NAMESPACE);
    for index in 0..count {
        let name = name(index);
        make_pod(admin, &name).await?;
        let status = json!({"status": {"phase": "Running"}});
        let params = kube::api::PatchParams::default();
        pods.patch_status(&name, &params, &kube::api::Patch::Merge(status)).await?;
    }
    Ok(())
}

/// The node, and a namespace in which pods can be made.
async fn make_node(admin: &Client) -> Result<()> {
    setup::apply(admin, &object("Node", NODE)).await?;
    setup::apply(admin, &object("Namespace", NAMESPACE)).await?;
    let mut account = object("ServiceAccount", "default");
    account["metadata"]["namespace"] = json!(NAMESPACE);
    setup::apply(admin, &account).await
}

/// A pod on the node, of the claim of its name.
async fn make_pod(admin: &Client, name: &str) -> Result<()> {
    let mut pod = object("Pod", name);
    pod["metadata"]["namespace"] = json!(NAMESPACE);
    pod["metadata"]["annotations"] = json!({"concord.dev/claim": name});
    pod["spec"] = json!({"nodeName": NODE, "automountServiceAccountToken": false,
        "containers": [{"name": "main", "image": "work"}]});
    setup::apply(admin, &pod).await
}

fn object(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}})
}

/// The agent and the simulated driver beside this program.
///
/// # Errors
/// When this program's own file is not found, or one of them was not built.
pub fn programs() -> Result<(PathBuf, PathBuf)> {
    let beside = concord_pool::pool::beside_this_program;
    let (agent, library) = (beside(AGENT)?, beside("libconcord_nvml_sim.so")?);
    for file in [&agent, &library] {
        ensure!(file.is_file(), "no file {}; `make build` builds it", file.display());
    }
    Ok((agent, library))
}

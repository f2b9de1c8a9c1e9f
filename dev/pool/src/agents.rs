//! Node agents on some of the simulated nodes: the real agent, the real protocol of the kubelet, and a simulated driver.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::Node};
use kube::{Api, Client, ResourceExt, api::ListParams, api::PostParams};
use serde_json::json;

use crate::{
    ControlPlane, Identity, Launch, Progress, kubeconfig, kubelet, pool,
    pool::{AUDITOR, PoolState},
    ports::prefer_port,
    probe::Probe,
    probe::until_healthy,
    setup,
};

/// Name of the log and the record of what gives pods their simulated GPUs.
const NODE_SIM: &str = "concord-node-sim";
/// Account and namespace of the agents, as the chart has them.
const ACCOUNT: (&str, &str) = ("concord-system", "concord-gpu-agent");
/// Longer than anybody leaves a local pool alone.
const TOKEN_SECONDS: i64 = 7 * 86_400;
/// Pods of the replay last seconds, so it is known early who held what.
const SETTLE_SECONDS: u32 = 3;

/// The programs that agents on simulated nodes need.
#[derive(Debug, Clone)]
pub struct Agents {
    /// On so many nodes, spread over the pool.
    pub count: usize,
    /// The agent.
    pub agent: PathBuf,
    /// What gives the pods of these nodes GPUs.
    pub node_sim: PathBuf,
    /// The simulated driver.
    pub library: PathBuf,
}

impl Agents {
    /// The programs that were built beside this one.
    ///
    /// # Errors
    /// When this program's own file is not found.
    pub fn beside_this_program(count: usize) -> Result<Self> {
        Ok(Self {
            count,
            agent: pool::beside_this_program("concord-gpu-agent")?,
            node_sim: pool::beside_this_program(NODE_SIM)?,
            library: pool::beside_this_program("libconcord_nvml_sim.so")?,
        })
    }

    /// Starts them; agents that run already are replaced.
    ///
    /// # Errors
    /// When one of them does not become healthy.
    pub async fn start(&self, plane: &mut ControlPlane, progress: &Progress) -> Result<()> {
        let data = plane.data_dir().to_owned();
        let mut state = PoolState::load(&data);
        let earlier: Vec<String> = state.agent_ports.keys().map(|node| program(node)).collect();
        for name in earlier.iter().map(String::as_str).chain([NODE_SIM, kubelet::PROGRAM]) {
            plane.processes().stop(name)?;
        }
        let ports = std::mem::take(&mut state.agent_ports);
        if self.count > 0 {
            for file in [&self.agent, &self.node_sim, &self.library] {
                ensure!(file.is_file(), "no file {}; `make build` builds it", file.display());
            }
            let admin = plane.client(Identity::ADMIN).await?;
            let nodes = spread(&admin, self.count).await?;
            self.start_simulators(plane, &nodes, progress).await?;
            for node in &nodes {
                let port = prefer_port(ports.get(node).copied())?;
                self.start_one(plane, &admin, node, port).await?;
                state.agent_ports.insert(node.clone(), port);
            }
            progress
                .line(format!("node agents are ready on {} nodes; their GPUs are simulated", nodes.len()));
        }
        state.save(&data)
    }

    async fn start_simulators(
        &self,
        plane: &mut ControlPlane,
        nodes: &[String],
        progress: &Progress,
    ) -> Result<()> {
        let folder = folder(plane.data_dir());
        let auditor = plane.kubeconfig(AUDITOR).display().to_string();
        let launch =
            Launch::new(NODE_SIM, &self.node_sim).flag("data", folder.display()).env("KUBECONFIG", auditor);
        let launch = nodes.iter().fold(launch, |launch, node| launch.flag("node", node));
        plane.spawn(&launch)?;
        let folders: Vec<PathBuf> = nodes.iter().map(|node| folder.join(node)).collect();
        kubelet::start_pod_resources(plane, folders.iter().map(PathBuf::as_path), progress).await
    }

    async fn start_one(&self, plane: &mut ControlPlane, admin: &Client, node: &str, port: u16) -> Result<()> {
        let folder = folder(plane.data_dir()).join(node);
        let kubeconfig = folder.join("kubeconfig.yaml");
        std::fs::create_dir_all(folder.join("state"))?;
        kubeconfig::with_token(&plane.kubeconfig(AUDITOR), &kubeconfig, &token(admin, node).await?)?;
        let name = program(node);
        let launch = Launch::new(&name, &self.agent)
            .arg("run")
            .flag("listen", format!("127.0.0.1:{port}"))
            .flag("node", node)
            .flag("nvml-library", self.library.display())
            .flag("pod-resources", folder.join("pod-resources/kubelet.sock").display())
            .flag("state-directory", folder.join("state").display())
            .flag("settle-seconds", SETTLE_SECONDS)
            .env("CONCORD_NVML_SIM_SCENARIO", folder.join("scenario.yaml").display().to_string())
            .env("KUBECONFIG", kubeconfig.display().to_string());
        plane.spawn(&launch)?;
        let probe = Probe::new(kube::Config::new(format!("http://127.0.0.1:{port}").parse()?), "/readyz")?;
        until_healthy(plane.processes(), &name, &probe).await
    }
}

/// Name of an agent's log and record.
fn program(node: &str) -> String {
    format!("agent-{node}")
}

fn folder(data: &Path) -> PathBuf {
    data.join("nodes")
}

/// So many nodes, evenly over all of them in the order of their names.
async fn spread(admin: &Client, count: usize) -> Result<Vec<String>> {
    let api: Api<Node> = Api::all(admin.clone());
    let mut names: Vec<String> =
        api.list(&ListParams::default()).await?.iter().map(ResourceExt::name_any).collect();
    names.sort();
    let (all, count) = (names.len(), count.min(names.len()));
    Ok((0..count).map(|index| names[index * all / count].clone()).collect())
}

/// A token as the kubelet gives it to the agent's pod on the node: for a pod that runs there.
async fn token(admin: &Client, node: &str) -> Result<String> {
    let (namespace, account) = ACCOUNT;
    let metadata = |name: &str| json!({"name": name, "namespace": namespace});
    setup::apply(
        admin,
        &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(account)}),
    )
    .await?;
    let pod = program(node);
    // Its container is the process that this program starts.
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata(&pod),
        "spec": {"nodeName": node, "serviceAccountName": account, "automountServiceAccountToken": false,
            "containers": [{"name": "agent", "image": "concord-gpu-agent"}]},
    });
    setup::apply(admin, &object).await?;
    let request: TokenRequest = serde_json::from_value(json!({"spec": {
        "audiences": [], "expirationSeconds": TOKEN_SECONDS,
        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod},
    }}))?;
    let api: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(admin.clone(), namespace);
    let answer = api.create_token_request(account, &PostParams::default(), &request).await;
    let answer = answer.with_context(|| format!("no token for the agent on {node}"))?;
    answer.status.and_then(|status| status.token).context("the API server gave no token")
}

/// Agents' metrics by node.
pub async fn metrics(ports: &BTreeMap<String, u16>) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for (node, port) in ports {
        let config = kube::Config::new(format!("http://127.0.0.1:{port}").parse()?);
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = Client::try_from(config)?.request_text(request).await;
        texts.insert(node.clone(), text.with_context(|| format!("the agent on {node} does not answer"))?);
    }
    Ok(texts)
}

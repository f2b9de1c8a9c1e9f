//! A real control plane with Concord installed and the operator's own binary running against it.

#[path = "support/kept.rs"]
pub mod kept;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use concord_api::{ClaimPhase, GpuClaim, conditions};
use concord_pool::{ControlPlane, Identity, Options, SimulatedNode, Tool, nodes, setup};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

pub const PATIENCE: Duration = Duration::from_secs(60);
pub const OPERATOR: &str = "operator";
pub const RESEARCHER: &str = "researcher";
/// Has the rights that a test gives it.
pub const EDITOR: &str = "editor";
/// Of tests in which the operator dies often; it waits that long for its own lease.
const SHORT_LEASE_SECONDS: u32 = 4;

pub struct Pool {
    plane: Option<ControlPlane>,
    folder: tempfile::TempDir,
    operator: Option<Operator>,
    lease_seconds: u32,
    pub admin: Client,
    /// Acts as a person of every project.
    pub researcher: Client,
}

impl Pool {
    /// `node_count` nodes of 8 GPUs, the treaty and one project `<member>-lab` a member.
    pub async fn start(node_count: usize, members: &[(&str, u32)], notice_seconds: u32) -> Self {
        Self::start_with_lease(node_count, members, notice_seconds, SHORT_LEASE_SECONDS).await
    }

    /// The same with operators that take over from each other after so many seconds.
    pub async fn start_with_lease(
        node_count: usize,
        members: &[(&str, u32)],
        notice_seconds: u32,
        lease_seconds: u32,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::for_test(folder.path());
        let account = concord_api::names::OPERATOR_USER;
        options.identities = vec![
            Identity::admin(),
            Identity::new(OPERATOR).user(account).group("system:serviceaccounts"),
            Identity::new(RESEARCHER).user("researcher"),
            Identity::new(EDITOR).user("editor"),
        ];
        let plane = ControlPlane::start(options).await.unwrap();
        let admin = plane.client(Identity::ADMIN).await.unwrap();
        let researcher = plane.client(RESEARCHER).await.unwrap();
        let mut pool = Self { plane: Some(plane), folder, operator: None, lease_seconds, admin, researcher };
        setup::install(&pool.admin, &concord_pool::pool::chart()).await.unwrap();
        let wanted: Vec<SimulatedNode> = (0..node_count).map(node).collect();
        nodes::create(&pool.admin, &wanted).await.unwrap();
        nodes::wait_ready(&pool.admin, node_count, |_, _| ()).await.unwrap();
        pool.apply(&treaty(members, notice_seconds));
        for (member, _) in members {
            pool.apply(&project(member));
        }
        pool.start_operator();
        for (member, _) in members {
            pool.wait_for_project(member).await;
        }
        if let Some((member, _)) = members.first() {
            pool.wait_for_policies(&format!("{member}-lab")).await;
        }
        pool
    }

    pub fn plane(&self) -> &ControlPlane {
        self.plane.as_ref().expect("runs until stop()")
    }

    /// Where the admin's credentials are.
    pub fn kubeconfig(&self) -> std::path::PathBuf {
        self.plane().kubeconfig(Identity::ADMIN)
    }

    pub fn plane_mut(&mut self) -> &mut ControlPlane {
        self.plane.as_mut().expect("runs until stop()")
    }

    /// Goes with the pool.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let (out, ok) = self.try_kubectl(Identity::ADMIN, arguments, None);
        assert!(ok, "kubectl {arguments:?}: {out}");
        out
    }

    pub fn kubectl_program(&self) -> std::path::PathBuf {
        self.plane().toolchain().path(Tool::Kubectl)
    }

    pub fn kubeconfig_of_admin(&self) -> std::path::PathBuf {
        self.plane().kubeconfig(Identity::ADMIN)
    }

    pub fn apply(&self, object: &Value) {
        let (out, ok) = self.try_kubectl(Identity::ADMIN, &["apply", "-f", "-"], Some(object));
        assert!(ok, "{out}");
    }

    /// Output with errors, and whether it succeeded.
    pub fn try_kubectl(&self, identity: &str, arguments: &[&str], input: Option<&Value>) -> (String, bool) {
        let mut child = Command::new(self.plane().toolchain().path(Tool::Kubectl))
            .arg("--kubeconfig")
            .arg(self.plane().kubeconfig(identity))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        if let Some(input) = input {
            stdin.write_all(input.to_string().as_bytes()).unwrap();
        }
        drop(stdin);
        let done = child.wait_with_output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        (String::from_utf8_lossy(&text).into_owned(), done.status.success())
    }

    pub fn start_operator(&mut self) {
        self.operator = Some(self.spawn_operator("operator"));
    }

    /// The same with other options.
    pub fn start_operator_with(&mut self, options: &[&str]) {
        self.operator = Some(self.spawn_operator_with("operator", |command| {
            command.args(options);
        }));
    }

    /// By which the operator is let in.
    pub fn operator_token(&self) -> String {
        let config = std::fs::read_to_string(self.plane().kubeconfig(OPERATOR)).unwrap();
        let config: Value = serde_yaml::from_str(&config).unwrap();
        config["users"][0]["user"]["token"].as_str().unwrap().to_owned()
    }

    /// An operator that the API server can ask about new texts, and where.
    pub fn start_reviewing_operator(&mut self) -> String {
        let listen = format!("127.0.0.1:{}", free_port());
        self.start_operator_with(&["--review-listen", &listen]);
        format!("https://{listen}/review")
    }

    /// What the pool's operator answers to a GET, without its head.
    pub fn ask_operator(&self, path: &str) -> String {
        let answer = self.operator.as_ref().unwrap().get(path);
        answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned()
    }

    /// The operator that the pool was started with, for whoever treats it badly.
    pub fn take_operator(&mut self) -> Operator {
        self.operator.take().unwrap()
    }

    /// One more operator.
    pub fn spawn_operator(&self, name: &str) -> Operator {
        self.spawn_operator_with(name, |_| ())
    }

    /// One more operator, with a command that was changed at the last moment.
    pub fn spawn_operator_with(&self, name: &str, change: impl FnOnce(&mut Command)) -> Operator {
        let port = free_port();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("operator.log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_concord-operator"));
        command
            .args(["run", "--name", name, "--listen", &format!("127.0.0.1:{port}")])
            .args(["--lease-seconds", &self.lease_seconds.to_string()])
            .env("KUBECONFIG", self.plane().kubeconfig(OPERATOR))
            .stderr(log);
        change(&mut command);
        Operator { child: command.spawn().unwrap(), port }
    }

    /// A client with the operator's rights.
    pub async fn as_operator(&self) -> Client {
        self.plane().client(OPERATOR).await.unwrap()
    }

    /// Holder and number of the present term.
    pub async fn term(&self) -> (String, i32) {
        let leases: Api<Lease> = Api::namespaced(self.admin.clone(), "concord-system");
        let spec = leases.get_opt("concord-operator").await.unwrap().and_then(|l| l.spec).unwrap_or_default();
        (spec.holder_identity.unwrap_or_default(), spec.lease_transitions.unwrap_or(0))
    }

    /// As `kill -9` does it.
    pub fn kill_operator(&mut self) {
        drop(self.operator.take());
    }

    /// What the running operator tells Prometheus.
    pub fn metrics(&self) -> String {
        self.operator.as_ref().map(|operator| operator.get("/metrics")).unwrap_or_default()
    }

    pub fn operator_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("operator.log")).unwrap_or_default()
    }

    /// The API server reads policies some time after they were stored.
    async fn wait_for_policies(&self, namespace: &str) {
        let jobs: Api<Job> = Api::namespaced(self.researcher.clone(), namespace);
        let trial = PostParams { dry_run: true, ..PostParams::default() };
        self.eventually("Jobs are held", async || {
            let held = jobs.create(&trial, &job("trial", 1, 1, 1.0)).await.ok()?;
            (held.spec?.suspend == Some(true)).then_some(())
        })
        .await;
    }

    async fn wait_for_project(&self, member: &str) {
        let projects: Api<concord_api::Project> = Api::all(self.admin.clone());
        self.eventually(&format!("project {member}-lab is ready"), async || {
            let status = projects.get(&format!("{member}-lab")).await.unwrap().status?;
            conditions::holds(&status.conditions, "Ready").then_some(())
        })
        .await;
    }

    /// Asks again until there is an answer; panics with the operator's log when there is none in time.
    pub async fn eventually<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "not in {PATIENCE:?}: {what}\n{}\n{}",
                self.claims_table(),
                self.operator_log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn claims_table(&self) -> String {
        self.try_kubectl(Identity::ADMIN, &["get", "gpuclaims", "-A", "-o", "wide"], None).0
    }

    /// Submits a Job as a person of the member's project would.
    pub async fn submit(&self, member: &str, name: &str, pods: u32, gpus: u32, run_seconds: f64) -> Job {
        let jobs: Api<Job> = Api::namespaced(self.researcher.clone(), &format!("{member}-lab"));
        jobs.create(&PostParams::default(), &job(name, pods, gpus, run_seconds)).await.unwrap()
    }

    pub async fn claim(&self, member: &str, name: &str) -> Option<GpuClaim> {
        let claims: Api<GpuClaim> = Api::namespaced(self.admin.clone(), &format!("{member}-lab"));
        claims.get_opt(name).await.unwrap()
    }

    pub async fn wait_for_state(&self, member: &str, name: &str, state: ClaimPhase) -> GpuClaim {
        self.eventually(&format!("claim {member}-lab/{name} is {state:?}"), async || {
            let claim = self.claim(member, name).await?;
            (claim.status.as_ref()?.state == state).then_some(claim)
        })
        .await
    }

    /// GPUs of pods that are bound to a node and not finished, by node; from pods alone.
    pub async fn gpus_by_node(&self) -> std::collections::BTreeMap<String, u32> {
        let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::all(self.admin.clone());
        let mut used = std::collections::BTreeMap::new();
        for pod in pods.list(&ListParams::default()).await.unwrap() {
            let (Some(spec), Some(status)) = (pod.spec, pod.status) else { continue };
            let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
            let Some(node) = spec.node_name.filter(|_| !over) else { continue };
            let limits = spec
                .containers
                .iter()
                .filter_map(|c| c.resources.as_ref()?.limits.as_ref()?.get("nvidia.com/gpu"));
            *used.entry(node).or_default() += limits.map(|q| q.0.parse::<u32>().unwrap()).sum::<u32>();
        }
        used
    }

    pub async fn stop(mut self) {
        self.kill_operator();
        self.plane.take().unwrap().stop().await.unwrap();
    }
}

/// A running operator; killed when dropped, as `kill -9` does it.
pub struct Operator {
    child: Child,
    port: u16,
}

impl Operator {
    /// Sends a signal by its short name.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", r#"kill -s "$0" "$1""#, signal, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// As `kill -9` does it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// It ended, by itself or killed.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Tells it to stop and waits until it did; whether it was content.
    pub fn stop(mut self) -> bool {
        self.signal("TERM");
        self.child.wait().unwrap().success()
    }

    /// What it answers to a GET; nothing when it does not answer.
    pub fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = write!(stream, "GET {path} HTTP/1.0\r\n\r\n");
            let _ = stream.read_to_string(&mut answer);
        }
        answer
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Free a moment ago; whoever takes it first makes the test fail, not lie.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn node(index: usize) -> SimulatedNode {
    let name = format!("node-{index:03}");
    SimulatedNode {
        name,
        owner: "pool".to_owned(),
        gpu_class: "simulated".to_owned(),
        rack: "r0".to_owned(),
        gpus: 8,
    }
}

pub fn treaty(members: &[(&str, u32)], notice_seconds: u32) -> Value {
    let members: Vec<Value> =
        members.iter().map(|(name, gpus)| json!({"name": name, "guarantee": {"gpus": gpus}})).collect();
    json!({
        "apiVersion": "concord.dev/v1alpha1", "kind": "Treaty", "metadata": {"name": "test"},
        "spec": {"title": "Treaty of a test", "members": members, "reclaim": {"noticeSeconds": notice_seconds}},
    })
}

fn project(member: &str) -> Value {
    json!({
        "apiVersion": "concord.dev/v1alpha1", "kind": "Project", "metadata": {"name": format!("{member}-lab")},
        "spec": {"member": member, "purpose": "tests", "people": [{"kind": "User", "name": "researcher"}]},
    })
}

pub fn job(name: &str, pods: u32, gpus: u32, run_seconds: f64) -> Job {
    let object = json!({
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed", "parallelism": pods, "completions": pods,
            "template": {
                "metadata": {"annotations": {concord_pool::kwok::RUN_DURATION: format!("{run_seconds}s")}},
                "spec": {
                    "restartPolicy": "Never", "automountServiceAccountToken": false,
                    "containers": [{"name": "train", "image": "training", "resources": {"limits": {"nvidia.com/gpu": gpus.to_string()}}}],
                },
            },
        },
    });
    serde_json::from_value(object).unwrap()
}

//! A real control plane with Concord installed, the operator's own program, and the portal in front of it on a socket. Only
//! the login is left out: sessions are opened as a login would have opened them.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use concord_api::GpuClaim;
use concord_pool::{ControlPlane, Identity, Options, SimulatedNode, Tool, nodes, setup};
use concord_quota_api::app::Shared;
use concord_quota_api::auth::Principal;
use concord_quota_api::{pool::Pool, router::router};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::people::{self, Visitor};

pub const PATIENCE: Duration = Duration::from_secs(60);
const OPERATOR: &str = "operator";
const PORTAL: &str = "portal";

/// Everything that a test needs of the world.
pub struct Real {
    plane: Option<ControlPlane>,
    folder: tempfile::TempDir,
    operator: Option<Child>,
    up: Arc<AtomicBool>,
    pub admin: Client,
    pub app: Shared,
    pub origin: String,
}

impl Real {
    /// `node_count` nodes of 8 GPUs under that treaty, and these projects.
    pub async fn start(node_count: usize, treaty: &Value, projects: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::for_test(folder.path());
        options.identities = vec![
            Identity::new(OPERATOR)
                .user(concord_api::names::OPERATOR_USER)
                .group("system:serviceaccounts")
                .group("system:serviceaccounts:concord-system"),
            people::portal_identity(PORTAL),
        ];
        let plane = ControlPlane::start(options).await.unwrap();
        let admin = plane.client(Identity::ADMIN).await.unwrap();
        setup::install(&admin, &concord_pool::pool::chart()).await.unwrap();
        people::let_portal_act(&admin).await;
        let wanted: Vec<SimulatedNode> = (0..node_count).map(node).collect();
        nodes::create(&admin, &wanted).await.unwrap();
        nodes::wait_ready(&admin, node_count, |_, _| ()).await.unwrap();
        setup::apply(&admin, treaty).await.unwrap();
        for project in projects {
            setup::apply(&admin, project).await.unwrap();
        }
        let operator = Some(operator(&plane, folder.path()));
        let up = Arc::new(AtomicBool::new(true));
        let client = cuttable(plane.client(PORTAL).await.unwrap(), up.clone());
        let (pool, follow) = Pool::follow(&client);
        tokio::spawn(follow);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let app = Arc::new(super::app(pool, Some(people::login(&origin)), client).await);
        tokio::spawn(axum::serve(listener, router(app.clone())).into_future());
        let real = Self { plane: Some(plane), folder, operator, up, admin, app, origin };
        for project in projects {
            let name = project["metadata"]["name"].as_str().unwrap();
            setup::wait_project_ready(&real.admin, name).await.unwrap();
        }
        real
    }

    /// Somebody with a session.
    pub async fn visitor(&self, person: &Principal) -> Visitor {
        Visitor::new(&self.origin, Some(people::session(&self.app, person).await))
    }

    /// Until the API server's policies hold the person's Jobs: it reads them some time after they were stored.
    pub async fn wait_held_back(&self, person: &Principal, project: &str) {
        let client = self.app.acting.as_person(person).unwrap();
        setup::wait_held_back(&client, project).await.unwrap();
    }

    /// Somebody without.
    pub fn nobody(&self) -> Visitor {
        Visitor::new(&self.origin, None)
    }

    /// Cuts the portal off from the API server, or connects it again.
    pub fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }

    pub fn kubectl(&self, arguments: &[&str], input: Option<&Value>) -> String {
        let plane = self.plane.as_ref().unwrap();
        let mut child = Command::new(plane.toolchain().path(Tool::Kubectl))
            .arg("--kubeconfig")
            .arg(plane.kubeconfig(Identity::ADMIN))
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
        String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned()
    }

    /// Lets the pods of a Job end: a simulated pod runs until it is told how long it runs.
    pub fn finish(&self, project: &str, job: &str) -> String {
        let selector = format!("batch.kubernetes.io/job-name={job}");
        let duration = "concord.dev/simulated-run-duration=1s";
        self.kubectl(&["annotate", "pods", "-n", project, "-l", &selector, duration, "--overwrite"], None)
    }

    pub async fn claim(&self, project: &str, name: &str) -> Option<GpuClaim> {
        Api::<GpuClaim>::namespaced(self.admin.clone(), project).get_opt(name).await.unwrap()
    }

    /// Asks again until there is an answer; panics with the operator's log when there is none in time.
    pub async fn eventually<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            if start.elapsed() > PATIENCE {
                let log =
                    std::fs::read_to_string(self.folder.path().join("operator.log")).unwrap_or_default();
                let claims = self.kubectl(&["get", "gpuclaims,jobs,pods", "-A", "-o", "wide"], None);
                panic!("not in {PATIENCE:?}: {what}\n{claims}\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn stop(mut self) {
        self.stop_operator();
        self.plane.take().unwrap().stop().await.unwrap();
    }

    pub fn stop_operator(&mut self) {
        if let Some(mut operator) = self.operator.take() {
            let _ = operator.kill();
            let _ = operator.wait();
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        self.stop_operator();
    }
}

fn operator(plane: &ControlPlane, folder: &Path) -> Child {
    let program = Path::new(env!("CARGO_BIN_EXE_concord-quota-api")).with_file_name("concord-operator");
    assert!(program.is_file(), "this test runs concord-operator; build it: cargo build -p concord-operator");
    let log = std::fs::File::create(folder.join("operator.log")).unwrap();
    Command::new(program)
        .args(["run", "--listen", &format!("127.0.0.1:{}", concord_pool::free_port().unwrap())])
        .args(["--lease-seconds", "4"])
        .env("KUBECONFIG", plane.kubeconfig(OPERATOR))
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A client whose line to the API server can be cut.
fn cuttable(client: Client, up: Arc<AtomicBool>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let (client, up) = (client.clone(), up.clone());
        async move {
            if !up.load(Ordering::SeqCst) {
                return Err(tower::BoxError::from("cut off"));
            }
            client.send(request).await.map_err(tower::BoxError::from)
        }
    });
    Client::new(service, namespace)
}

fn node(index: usize) -> SimulatedNode {
    SimulatedNode {
        name: format!("node-{index:03}"),
        owner: "pool".to_owned(),
        gpu_class: "simulated".to_owned(),
        rack: "r0".to_owned(),
        gpus: 8,
    }
}

/// A treaty of members with guarantees.
pub fn treaty(members: &[(&str, u32)], notice_seconds: u32) -> Value {
    let members: Vec<Value> =
        members.iter().map(|(name, gpus)| json!({"name": name, "guarantee": {"gpus": gpus}})).collect();
    json!({
        "apiVersion": "concord.dev/v1alpha1", "kind": "Treaty", "metadata": {"name": "test"},
        "spec": {"title": "Treaty of a test", "members": members, "reclaim": {"noticeSeconds": notice_seconds}},
    })
}

/// A project `<member>-lab` with these people.
pub fn project(member: &str, people: &[Value]) -> Value {
    json!({
        "apiVersion": "concord.dev/v1alpha1", "kind": "Project", "metadata": {"name": format!("{member}-lab")},
        "spec": {"member": member, "purpose": "A test", "people": people},
    })
}

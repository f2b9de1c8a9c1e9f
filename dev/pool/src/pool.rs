//! Concord on the local pool, from nothing to ready: control plane, rights, nodes, treaty, operator, projects.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use concord_api::{
    Treaty,
    names::{OPERATOR_USER, QUOTA_API_USER},
};
use futures::future::try_join_all;
use kube::Client;
use serde::{Deserialize, Serialize};

use crate::people::{self, PeoplePorts};
use crate::{
    ControlPlane, Identity, Launch, Lifetime, Options, Processes, Progress, agents::Agents,
    files::write_public, kubeconfig, nodes, ports::prefer_port, probe::Probe, probe::until_healthy,
    replay::manifest, setup,
};

/// Name of the operator's log and of its record among the pool's programs.
pub const OPERATOR: &str = "concord-operator";
/// Name of the public pages' log and record.
pub const QUOTA_API: &str = "concord-quota-api";
/// Identity of the audit, which only reads.
pub const AUDITOR: &str = "auditor";
/// The supervisor never runs two operators, so one that was killed is not waited for longer than that.
const LEASE_SECONDS: u32 = 5;
/// Name of the record of a local pool.
const RECORD_ORIGIN: &str = "local-pool.concord.example/record";

/// What the pool is made of.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// Folder for everything that the pool writes.
    pub data: PathBuf,
    /// The treaty; the members bring as many nodes as it guarantees them.
    pub treaty: PathBuf,
    /// Projects.
    pub projects: PathBuf,
    /// The operator's program.
    pub operator: PathBuf,
    /// The public pages' program.
    pub quota_api: PathBuf,
    /// Node agents.
    pub agents: Agents,
}

/// What later commands must know; `<data>/pool.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PoolState {
    /// Port of the operator's `/metrics` and `/readyz`.
    pub operator_port: u16,
    /// Port at which the API server asks the operator about new treaties and quotas.
    #[serde(default)]
    pub review_port: u16,
    /// Port of the public pages.
    #[serde(default)]
    pub quota_api_port: u16,
    /// Port at which the API server fetches the keys of the portal's tokens.
    #[serde(default)]
    pub token_port: u16,
    /// Ports of the identity providers.
    #[serde(default)]
    pub people: PeoplePorts,
    /// By node: port of the agent on it.
    #[serde(default)]
    pub agent_ports: BTreeMap<String, u16>,
}

impl PoolState {
    /// Reads the file; defaults if there is none.
    pub fn load(data: &Path) -> Self {
        let text = fs::read_to_string(data.join("pool.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(crate) fn save(&self, data: &Path) -> Result<()> {
        write_public(&data.join("pool.json"), &serde_json::to_string(self)?)
    }

    /// Address of the public pages.
    pub fn quota_api_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.quota_api_port)
    }

    /// Issuer of the portal's tokens, as the API server knows it.
    pub fn token_issuer(&self) -> String {
        format!("https://127.0.0.1:{}", self.token_port)
    }

    /// Address of an endpoint of the operator.
    pub fn operator_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.operator_port)
    }
}

/// What Concord is in a cluster, as Helm installs it.
pub fn chart() -> PathBuf {
    repository().join("helm/concord")
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// A program that was built beside this one.
pub fn beside_this_program(name: &str) -> Result<PathBuf> {
    let here = env::current_exe().context("cannot find this program's own file")?;
    Ok(here.with_file_name(name))
}

/// The file that names the operator's process.
pub fn operator_state(data: &Path) -> PathBuf {
    data.join("operator.json")
}

/// The identity of a member's researcher.
pub fn researcher(member: &str) -> String {
    format!("researcher-{member}")
}

/// A client that does not retry by itself: whoever measures or paces must see every failure.
pub async fn client(plane: &ControlPlane, identity: &str) -> Result<Client> {
    let mut config = kubeconfig::load(&plane.kubeconfig(identity)).await.with_context(|| {
        format!("the pool was started without identity {identity}; start it anew with `make down up`")
    })?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// Starts what is not running and brings everything to what the files say.
pub async fn up(blueprint: &Blueprint, progress: &Progress) -> Result<ControlPlane> {
    for program in [&blueprint.operator, &blueprint.quota_api] {
        ensure!(program.is_file(), "no program at {}; `make build` builds it", program.display());
    }
    let treaty = setup::read_treaty(&blueprint.treaty)?;
    let mut plane = control_plane(&blueprint.data, &treaty, progress).await?;
    let admin = plane.client(Identity::ADMIN).await?;

    setup::install(&admin, &chart()).await?;
    setup::let_auditor_read(&admin).await?;
    let first = treaty.spec.members.first().context("a treaty has members")?;
    people::bind_roles(&admin, &first.name).await?;
    progress.line("definitions, rights and admission policies are applied");

    let wanted = setup::nodes(&treaty)?;
    nodes::create(&admin, &wanted).await?;
    nodes::wait_ready(&admin, wanted.len(), |_, _| ()).await?;
    let members = treaty.spec.members.len();
    progress.line(format!("{} simulated nodes of {members} members are ready", wanted.len()));

    setup::apply_file(&admin, &blueprint.treaty).await?;
    setup::apply_file(&admin, &blueprint.projects).await?;
    blueprint.agents.start(&mut plane, progress).await?;
    start_operator(&mut plane, &blueprint.operator).await?;
    progress.line("concord-operator is ready");
    let people = start_quota_api(&mut plane, &blueprint.quota_api, progress).await?;
    progress.line(format!("the portal is ready; who can log in (DEMO): {}", people.display()));

    let names = treaty.spec.members.iter().map(|member| manifest::namespace(&member.name));
    let names: Vec<String> = names.collect();
    let ready = try_join_all(names.iter().map(|name| setup::wait_project_ready(&admin, name))).await;
    ready.with_context(|| format!("see {}", plane.processes().log(OPERATOR).display()))?;
    for (member, namespace) in treaty.spec.members.iter().zip(&names) {
        setup::wait_held_back(&plane.client(&researcher(&member.name)).await?, namespace).await?;
    }
    progress
        .line(format!("{} projects are ready; their Jobs wait for the operator's admission", names.len()));
    Ok(plane)
}

async fn control_plane(data: &Path, treaty: &Treaty, progress: &Progress) -> Result<ControlPlane> {
    let mut earlier = Processes::attach(data)?;
    if earlier.names().next().is_some() && earlier.ended().is_empty() {
        progress.line("the control plane is already running");
        return ControlPlane::attach(data);
    }
    // What is left of a pool of which some parts have died.
    tokio::task::spawn_blocking(move || earlier.stop_all()).await??;
    let operator = Identity::new("operator")
        .user(OPERATOR_USER)
        .group("system:serviceaccounts")
        .group("system:serviceaccounts:concord-system");
    let quota_api = Identity::new(QUOTA_API)
        .user(QUOTA_API_USER)
        .group("system:serviceaccounts")
        .group("system:serviceaccounts:concord-system");
    let mut state = PoolState::load(data);
    state.token_port = prefer_port((state.token_port != 0).then_some(state.token_port))?;
    fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
    state.save(data)?;
    let researchers = treaty.spec.members.iter().map(|member| Identity::new(researcher(&member.name)));
    let options = Options {
        lifetime: Lifetime::Detached,
        token_issuer: Some(state.token_issuer()),
        identities: [operator, quota_api, Identity::new(AUDITOR)].into_iter().chain(researchers).collect(),
        progress: progress.clone(),
        ..Options::new(data)
    };
    let started = Instant::now();
    let plane = ControlPlane::start(options).await;
    plane.with_context(|| format!("the control plane did not start ({} s)", started.elapsed().as_secs()))
}

/// Folder of the public record among a pool's data.
pub fn record(data: &Path) -> PathBuf {
    data.join("record")
}

/// The key that signs the record; made once by the operator's own program.
async fn record_key(data: &Path, program: &Path) -> Result<PathBuf> {
    let file = data.join("record.key");
    if !file.exists() {
        let made = tokio::process::Command::new(program)
            .args(["record-key", RECORD_ORIGIN])
            .arg(&file)
            .output()
            .await;
        let made = made.with_context(|| format!("cannot run {}", program.display()))?;
        ensure!(made.status.success(), "no key for the record: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(file)
}

/// Starts the operator under a supervisor; one that runs already is replaced, because the program may be newer.
async fn start_operator(plane: &mut ControlPlane, program: &Path) -> Result<()> {
    let data = plane.data_dir().to_owned();
    plane.processes().stop(OPERATOR)?;
    let mut state = PoolState::load(&data);
    state.operator_port = prefer_port((state.operator_port != 0).then_some(state.operator_port))?;
    state.review_port = prefer_port((state.review_port != 0).then_some(state.review_port))?;
    state.save(&data)?;
    let key = record_key(&data, program).await?;
    let launch = Launch::new(OPERATOR, env::current_exe()?)
        .arg("supervise")
        .flag("state", operator_state(&data).display())
        .arg("--")
        .arg(program.display().to_string())
        .arg("run")
        .flag("listen", format!("127.0.0.1:{}", state.operator_port))
        .flag("review-listen", format!("127.0.0.1:{}", state.review_port))
        .flag("lease-seconds", LEASE_SECONDS)
        .flag("record", record(&data).display())
        .flag("record-key", key.display())
        .flag("record-every-seconds", 2)
        .flag("energy-every-seconds", 60)
        .env("KUBECONFIG", plane.kubeconfig("operator").display().to_string());
    let agents = state.agent_ports.iter();
    let launch = agents.fold(launch, |launch, (node, port)| {
        launch.flag("agents", format!("{node}=http://127.0.0.1:{port}"))
    });
    let launch = if state.agent_ports.is_empty() { launch } else { launch.arg("--agents-simulated") };
    plane.spawn(&launch)?;
    let probe = Probe::new(kube::Config::new(state.operator_url("").parse()?), "/readyz")?;
    until_healthy(plane.processes(), OPERATOR, &probe).await?;
    let admin = plane.client(Identity::ADMIN).await?;
    let url = format!("https://127.0.0.1:{}/review", state.review_port);
    setup::let_operator_review(&admin, &chart(), &url).await
}

/// Starts the portal and the providers where its demo people log in; the file that says who they are.
async fn start_quota_api(plane: &mut ControlPlane, program: &Path, progress: &Progress) -> Result<PathBuf> {
    let data = plane.data_dir().to_owned();
    plane.processes().stop(QUOTA_API)?;
    let mut state = PoolState::load(&data);
    ensure!(
        state.token_port != 0,
        "this pool was started by an older release; start it anew with `make down up`"
    );
    state.quota_api_port = prefer_port((state.quota_api_port != 0).then_some(state.quota_api_port))?;
    let origin = state.quota_api_url("");
    let files = people::start(plane, &mut state.people, &origin, progress).await?;
    state.save(&data)?;
    let certificates = plane.certificates()?;
    let launch = Launch::new(QUOTA_API, program)
        .flag("listen", format!("127.0.0.1:{}", state.quota_api_port))
        .flag("database", format!("sqlite://{}", data.join("portal.db").display()))
        .flag("providers", files.providers.display())
        .flag("public-url", &origin)
        // The API server speaks to issuers by https only; browsers come without, since no browser knows the pool's authority.
        .flag("token-listen", format!("127.0.0.1:{}", state.token_port))
        .flag("token-certificate", certificates.serving.certificate.display())
        .flag("token-key", certificates.serving.key.display())
        .flag("token-issuer", state.token_issuer())
        .flag("kube-server", plane.server())
        .flag("record", record(&data).display())
        .flag("kube-ca-file", certificates.authority.display())
        .env("KUBECONFIG", plane.kubeconfig(QUOTA_API).display().to_string());
    let launch = state
        .agent_ports
        .values()
        .fold(launch, |launch, port| launch.flag("agents", format!("http://127.0.0.1:{port}/metrics")));
    let launch = if state.agent_ports.is_empty() { launch } else { launch.arg("--agents-simulated") };
    plane.spawn(&launch)?;
    let probe = Probe::new(kube::Config::new(state.quota_api_url("").parse()?), "/readyz")?;
    until_healthy(plane.processes(), QUOTA_API, &probe).await?;
    Ok(files.people)
}

/// Stops everything, and removes the data unless it is to be kept.
pub async fn down(data: &Path, keep: bool, progress: &Progress) -> Result<()> {
    let mut processes = Processes::attach(data)?;
    let count = processes.names().count();
    tokio::task::spawn_blocking(move || processes.stop_all()).await??;
    progress.line(format!("{count} programs stopped"));
    if keep || !data.exists() {
        return Ok(());
    }
    // Never removes a folder that only happens to have been named.
    if !data.join("control-plane.json").exists() && !data.join("tokens.csv").exists() {
        bail!("{} does not look like a pool's data; not removed", data.display());
    }
    fs::remove_dir_all(data).with_context(|| format!("cannot remove {}", data.display()))?;
    progress.line(format!("{} removed", data.display()));
    Ok(())
}

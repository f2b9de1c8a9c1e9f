//! A real Kubernetes control plane on loopback ports, from nothing to ready in seconds.
//!
//! Everything of one control plane lives in its data directory, so several run side by side and one survives its
//! starter. Order of starting: etcd, API server, then controllers, scheduler and kwok at once.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client, config::AuthInfo};
use serde::{Deserialize, Serialize};

use crate::{
    certificates::Certificates,
    components::{Setting, authentication_configuration, scheduler_configuration},
    files::write_public,
    identity::{Identity, Tokens},
    kubeconfig, kwok,
    ports::prefer_port,
    probe::{Probe, until_healthy},
    process::Launch,
    processes::{Lifetime, Processes},
    progress::Progress,
    toolchain::{Tool, Toolchain},
};

/// Tries with other ports when somebody else took one between looking and listening.
const PORT_TRIES: usize = 5;
/// The default namespace and its service account appear within a second of the controllers' start.
const NAMESPACE_LIMIT: Duration = Duration::from_secs(60);

/// How to start a control plane.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder for all its files; made if absent, taken up again if an earlier start left it.
    pub data_dir: PathBuf,
    /// Callers beside the administrator and the control plane's own parts.
    pub identities: Vec<Identity>,
    /// Run the controllers and the scheduler. Off where etcd and the API server alone are to be measured: then nodes,
    /// pods and Jobs stay as they are written, and no namespace is ever emptied.
    pub controllers: bool,
    /// Run kwok, without which no pod ever runs; only with the controllers.
    pub kwok: bool,
    /// Issuer, an https address on this machine with the control plane's serving certificate, by whose tokens the API server
    /// knows people too.
    pub token_issuer: Option<String>,
    /// Who stops it.
    pub lifetime: Lifetime,
    /// Keep every confirmed write over a power failure. Off only in tests, where it saves time.
    pub durable: bool,
    /// Told what is going on.
    pub progress: Progress,
}

impl Options {
    /// A durable control plane with kwok in `data_dir` that ends with its value.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            identities: Vec::new(),
            controllers: true,
            kwok: true,
            token_issuer: None,
            lifetime: Lifetime::Owned,
            durable: true,
            progress: Progress::default(),
        }
    }

    /// etcd and the API server alone, without fsync: what other projects' load tests (`envtest`) call a control plane.
    pub fn bare(data_dir: impl Into<PathBuf>) -> Self {
        Self { controllers: false, kwok: false, ..Self::for_test(data_dir) }
    }

    /// The same for a test: no fsync.
    pub fn for_test(data_dir: impl Into<PathBuf>) -> Self {
        Self { durable: false, ..Self::new(data_dir) }
    }
}

/// A running control plane.
#[derive(Debug)]
pub struct ControlPlane {
    data_dir: PathBuf,
    toolchain: Toolchain,
    processes: Processes,
    state: State,
}

/// The programs that only speak to the API server.
#[derive(Debug, Clone, Copy)]
struct Workers {
    kwok: bool,
}

/// What a later `attach` or restart must know; `<data>/control-plane.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    bin: PathBuf,
    ports: Ports,
}

/// Where everything listens on 127.0.0.1.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Ports {
    /// etcd, for clients.
    pub etcd: u16,
    /// etcd, for peers that do not exist.
    pub etcd_peer: u16,
    /// The API server.
    pub apiserver: u16,
    /// Health and metrics of the controller manager.
    pub controller_manager: u16,
    /// Health and metrics of the scheduler.
    pub scheduler: u16,
    /// Health and metrics of kwok; plain HTTP.
    pub kwok: u16,
}

impl ControlPlane {
    /// Starts everything and returns when it is ready for work. On failure all that was started is stopped again.
    pub async fn start(options: Options) -> Result<Self> {
        let Options { data_dir, identities, controllers, kwok, token_issuer, lifetime, durable, progress } =
            options;
        let builder = progress.clone();
        let toolchain = tokio::task::spawn_blocking(move || Toolchain::ensure(&builder)).await??;
        fs::create_dir_all(&data_dir).with_context(|| format!("cannot create {}", data_dir.display()))?;
        let data_dir = data_dir.canonicalize()?;
        let started = Instant::now();

        let earlier = State::load(&data_dir).ok().map(|state| state.ports).unwrap_or_default();
        let state = State { bin: toolchain.bin().to_owned(), ports: earlier };
        let processes = Processes::new(&data_dir, lifetime)?;
        let mut plane = Self { data_dir, toolchain, processes, state };
        let workers = controllers.then_some(Workers { kwok });
        match plane.bring_up(&identities, workers, token_issuer.as_deref(), durable).await {
            Ok(()) => {
                progress.line(format!(
                    "control plane ready in {:.1} s at {}",
                    started.elapsed().as_secs_f64(),
                    plane.server()
                ));
                Ok(plane)
            }
            Err(error) => {
                plane.processes.stop_all()?;
                Err(error)
            }
        }
    }

    /// Takes up a control plane that an earlier start left running; it goes on when the value is dropped.
    pub fn attach(data_dir: impl AsRef<Path>) -> Result<Self> {
        let data_dir = data_dir.as_ref();
        let state = State::load(data_dir)?;
        let processes = Processes::attach(data_dir)?;
        let toolchain = Toolchain::at(state.bin.clone())?;
        Ok(Self { data_dir: data_dir.canonicalize()?, toolchain, processes, state })
    }

    /// Stops everything in reverse order; the data stays.
    pub async fn stop(mut self) -> Result<()> {
        tokio::task::spawn_blocking(move || self.processes.stop_all()).await?
    }

    /// Starts a further program whose life is tied to this control plane: stopped before it, logged beside it.
    pub fn spawn(&mut self, launch: &Launch) -> Result<()> {
        self.processes.spawn(launch)
    }

    /// The programs that are running.
    pub fn processes(&mut self) -> &mut Processes {
        &mut self.processes
    }

    /// The kubeconfig of an identity, by its short name.
    pub fn kubeconfig(&self, name: &str) -> PathBuf {
        kubeconfig_path(&self.data_dir, name)
    }

    /// A client that acts as an identity, by its short name.
    pub async fn client(&self, name: &str) -> Result<Client> {
        Ok(Client::try_from(kubeconfig::load(&self.kubeconfig(name)).await?)?)
    }

    /// Its keys and certificates.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn certificates(&self) -> Result<Certificates> {
        Certificates::ensure(&self.data_dir.join("certificates"))
    }

    /// The folder of this control plane.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Address of the API server.
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.state.ports.apiserver)
    }

    /// Where the parts listen.
    pub fn ports(&self) -> Ports {
        self.state.ports
    }

    /// The programs it runs, kubectl among them.
    pub fn toolchain(&self) -> &Toolchain {
        &self.toolchain
    }

    async fn bring_up(
        &mut self,
        identities: &[Identity],
        workers: Option<Workers>,
        token_issuer: Option<&str>,
        durable: bool,
    ) -> Result<()> {
        let certificates = Certificates::ensure(&self.data_dir.join("certificates"))?;
        let everyone: Vec<Identity> = Identity::components()
            .into_iter()
            .chain([Identity::admin()])
            .chain(identities.iter().cloned())
            .collect();
        let tokens = Tokens::ensure(self.data_dir.join("tokens.csv"), &everyone)?;

        self.start_etcd(&certificates, durable).await?;
        let authentication = token_issuer
            .map(|issuer| -> Result<PathBuf> {
                let path = self.data_dir.join("authentication.json");
                let document = authentication_configuration(issuer, &certificates.authority_pem()?);
                write_public(&path, &document.to_string())?;
                Ok(path)
            })
            .transpose()?;
        self.start_apiserver(&certificates, &tokens, &everyone, authentication.as_deref()).await?;
        let Some(Workers { kwok }) = workers else { return self.state.save(&self.data_dir) };
        let admin = self.client(Identity::ADMIN).await?;
        if kwok {
            kwok::grant(&admin).await?;
            kwok::release_nodes(&admin).await?;
            kwok::write_configuration(&self.kwok_configuration())?;
        }
        self.start_workers(&certificates, kwok).await?;
        self.state.save(&self.data_dir)?;
        self.default_namespace_is_usable(&admin).await
    }

    async fn start_etcd(&mut self, certificates: &Certificates, durable: bool) -> Result<()> {
        let wanted = self.state.ports;
        for attempt in 0..PORT_TRIES {
            let port = prefer_port(earlier(attempt, wanted.etcd))?;
            let peer = prefer_port(earlier(attempt, wanted.etcd_peer))?;
            (self.state.ports.etcd, self.state.ports.etcd_peer) = (port, peer);
            let launch = self.setting(certificates).etcd(port, peer, durable);
            let mut config = config(format!("https://127.0.0.1:{port}"), Some(&certificates.etcd_authority))?;
            config.auth_info = AuthInfo {
                client_certificate: Some(certificates.etcd_client.certificate.display().to_string()),
                client_key: Some(certificates.etcd_client.key.display().to_string()),
                ..AuthInfo::default()
            };
            if self.launch_until_healthy(&launch, &Probe::new(config, "/health")?).await? {
                return Ok(());
            }
        }
        bail!("etcd found no free port in {PORT_TRIES} tries")
    }

    async fn start_apiserver(
        &mut self,
        certificates: &Certificates,
        tokens: &Tokens,
        everyone: &[Identity],
        authentication: Option<&Path>,
    ) -> Result<()> {
        let wanted = self.state.ports.apiserver;
        for attempt in 0..PORT_TRIES {
            let port = prefer_port(earlier(attempt, wanted))?;
            self.state.ports.apiserver = port;
            let authority = certificates.authority_pem()?;
            for identity in everyone {
                let (path, token) = (self.kubeconfig(&identity.name), tokens.of(identity)?);
                kubeconfig::write(&path, &self.server(), &authority, &identity.user, token)?;
            }
            let etcd = self.state.ports.etcd;
            let launch = self.setting(certificates).apiserver(port, etcd, tokens.path(), authentication);
            let probe = Probe::new(kubeconfig::load(&self.kubeconfig(Identity::ADMIN)).await?, "/readyz")?;
            if self.launch_until_healthy(&launch, &probe).await? {
                return Ok(());
            }
        }
        bail!("the API server found no free port in {PORT_TRIES} tries")
    }

    /// Starts the programs that only speak to the API server. All are launched before the first is waited for.
    async fn start_workers(&mut self, certificates: &Certificates, kwok: bool) -> Result<()> {
        let configuration = self.data_dir.join("scheduler.json");
        let scheduler = self.kubeconfig(Tool::KubeScheduler.name());
        write_public(&configuration, &scheduler_configuration(&scheduler).to_string())?;

        let mut waiting = vec![Tool::KubeControllerManager, Tool::KubeScheduler];
        waiting.extend(kwok.then_some(Tool::Kwok));
        for attempt in 0..PORT_TRIES {
            let mut launched = Vec::new();
            for tool in waiting {
                let launch = self.worker(tool, certificates, attempt)?;
                self.processes.spawn(&launch)?;
                launched.push((tool, self.worker_probe(tool, certificates)?));
            }
            waiting = Vec::new();
            for (tool, probe) in launched {
                if !self.wait_or_forget(tool.name(), &probe).await? {
                    waiting.push(tool);
                }
            }
            if waiting.is_empty() {
                return Ok(());
            }
        }
        bail!("{waiting:?} found no free port in {PORT_TRIES} tries")
    }

    fn worker(&mut self, tool: Tool, certificates: &Certificates, attempt: usize) -> Result<Launch> {
        let slot = self.state.ports.slot(tool).context("not a worker")?;
        *slot = prefer_port(earlier(attempt, *slot))?;
        let port = *slot;
        let kubeconfig = self.kubeconfig(tool.name());
        let setting = self.setting(certificates);
        Ok(match tool {
            Tool::KubeControllerManager => setting.controller_manager(port, &kubeconfig),
            Tool::KubeScheduler => {
                setting.scheduler(port, &kubeconfig, &self.data_dir.join("scheduler.json"))
            }
            _ => kwok::launch(&self.toolchain, port, &kubeconfig, &self.kwok_configuration()),
        })
    }

    fn worker_probe(&mut self, tool: Tool, certificates: &Certificates) -> Result<Probe> {
        let port = *self.state.ports.slot(tool).context("not a worker")?;
        match tool {
            Tool::Kwok => Probe::new(config(format!("http://127.0.0.1:{port}"), None)?, "/healthz"),
            _ => Probe::new(
                config(format!("https://127.0.0.1:{port}"), Some(&certificates.authority))?,
                "/healthz",
            ),
        }
    }

    async fn launch_until_healthy(&mut self, launch: &Launch, probe: &Probe) -> Result<bool> {
        self.processes.spawn(launch)?;
        self.wait_or_forget(&launch.name, probe).await
    }

    /// True when healthy, false when the program died because its port was taken.
    async fn wait_or_forget(&mut self, name: &str, probe: &Probe) -> Result<bool> {
        match until_healthy(&mut self.processes, name, probe).await {
            Ok(()) => Ok(true),
            Err(error) if error.to_string().contains("address already in use") => {
                self.processes.stop(name)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Until its service account exists no pod can be created in the namespace.
    async fn default_namespace_is_usable(&self, admin: &Client) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), "default");
        let started = Instant::now();
        while accounts.get_opt("default").await?.is_none() {
            if started.elapsed() > NAMESPACE_LIMIT {
                bail!("no service account in the default namespace after {} s", NAMESPACE_LIMIT.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Ok(())
    }

    fn setting<'a>(&'a self, certificates: &'a Certificates) -> Setting<'a> {
        Setting { toolchain: &self.toolchain, certificates, data_dir: &self.data_dir }
    }

    fn kwok_configuration(&self) -> PathBuf {
        self.data_dir.join("kwok.yaml")
    }
}

impl Ports {
    fn slot(&mut self, tool: Tool) -> Option<&mut u16> {
        match tool {
            Tool::KubeControllerManager => Some(&mut self.controller_manager),
            Tool::KubeScheduler => Some(&mut self.scheduler),
            Tool::Kwok => Some(&mut self.kwok),
            Tool::Etcd | Tool::KubeApiserver | Tool::Kubectl => None,
        }
    }
}

impl State {
    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("control-plane.json")
    }

    fn load(data_dir: &Path) -> Result<Self> {
        let path = Self::path(data_dir);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("no control plane in {} ({})", data_dir.display(), path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    fn save(&self, data_dir: &Path) -> Result<()> {
        write_public(&Self::path(data_dir), &serde_json::to_string_pretty(self)?)
    }
}

/// The port of an earlier start (0 if there was none) is worth one attempt.
fn earlier(attempt: usize, port: u16) -> Option<u16> {
    (attempt == 0 && port != 0).then_some(port)
}

fn kubeconfig_path(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join("kubeconfigs").join(format!("{name}.yaml"))
}

fn config(url: String, authority: Option<&Path>) -> Result<kube::Config> {
    let mut config = kube::Config::new(url.parse()?);
    config.root_cert_file = authority.map(Path::to_owned);
    Ok(config)
}

//! `concord-quota-api`: reads the command line, connects to the cluster and serves.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use axum_server::tls_rustls::RustlsConfig;
use clap::{Args, Parser};
use concord_quota_api::acting::Acting;
use concord_quota_api::app::{App, Shared};
use concord_quota_api::auth::{ClusterAddress, Lifetimes, Login, Provider, PublicUrl, providers_file};
use concord_quota_api::energy::Energy;
use concord_quota_api::history::sampler;
use concord_quota_api::jobs::Jobs;
use concord_quota_api::limits::{Limits, Network, Rates};
use concord_quota_api::may::Rights;
use concord_quota_api::metrics::Metrics;
use concord_quota_api::notices::{self, Mailer, Ways, Webhook};
use concord_quota_api::pool::Pool;
use concord_quota_api::public::Public;
use concord_quota_api::public::record::Record;
use concord_quota_api::router::{for_api_server, router};
use concord_quota_api::store::Store;
use concord_quota_api::store::seal::Seal;
use jiff::SignedDuration;
use openidconnect::url::Url;
use tokio::sync::Notify;

/// Longest time between being told to stop and the end; Kubernetes grants 30 s.
const FAREWELL: Duration = Duration::from_secs(10);

/// Shows everybody who uses a pool's GPUs, and logs in those who work in it.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "The cluster is found as kubectl finds it: KUBECONFIG, ~/.kube/config, or the pod's service account. What it must be allowed is the ClusterRole concord-quota-api of the chart.\n\nWithout --providers there is no login; the public pages need none.\n\nExample:\n  concord-quota-api --providers providers.yaml --public-url https://quota.example.org"
)]
struct Arguments {
    /// Address to listen on; TLS is the ingress's work.
    #[arg(long, env = "CONCORD_LISTEN", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Log lines as JSON.
    #[arg(long, env = "CONCORD_LOG_JSON")]
    log_json: bool,
    /// Database of sessions, drafts and history: <sqlite:///path/portal.db> for one server, <postgres://user@host/name> for
    /// several. The address may hold a password, so give it as a variable.
    #[arg(
        long,
        env = "CONCORD_DATABASE",
        default_value = "sqlite://concord-portal.db",
        hide_env_values = true
    )]
    database: String,
    /// File with 64 hexadecimal digits (openssl rand -hex 32), by which keys that sign tokens are sealed in the database. All
    /// replicas need the same.
    #[arg(long, env = "CONCORD_SEAL_KEY_FILE", value_name = "FILE")]
    seal_key_file: Option<PathBuf>,
    #[command(flatten)]
    public: PublicArguments,
    #[command(flatten)]
    login: LoginArguments,
    #[command(flatten)]
    notices: NoticeArguments,
}

/// How applicants and the coalition's programs are told; without these they look at the pages.
#[derive(Args)]
#[command(next_help_heading = "Notices")]
struct NoticeArguments {
    /// Mail server: <smtps://user:password@host>, or <smtp://host:587?tls=required>. It may hold a password, so give it as a
    /// variable.
    #[arg(long, env = "CONCORD_SMTP", value_name = "URL", hide_env_values = true, requires_all = ["mail_from", "public_url"])]
    smtp: Option<String>,
    /// Sender of mails, such as "Concord <access@example.org>".
    #[arg(long, value_name = "ADDRESS", requires = "smtp")]
    mail_from: Option<String>,
    /// Address that is called when something happens to an application, as JSON, signed.
    #[arg(long, value_name = "URL", requires = "webhook_secret_file")]
    webhook: Option<String>,
    /// File with the secret of that signature (HMAC-SHA-256 in X-Concord-Signature-256).
    #[arg(long, value_name = "FILE", requires = "webhook")]
    webhook_secret_file: Option<PathBuf>,
}

#[derive(Args)]
#[command(next_help_heading = "Public pages")]
struct PublicArguments {
    /// Metrics of node agents, for the page on energy, such as <http://10.0.0.5:9400/metrics>. Absent: nothing is measured.
    #[arg(long, value_name = "URL", value_delimiter = ',', env = "CONCORD_AGENTS")]
    agents: Vec<Url>,
    /// Say on the page on energy that the GPUs are simulated.
    #[arg(long, requires = "agents")]
    agents_simulated: bool,
    /// Folder of the public record, which the operator writes; it is served at /record.
    #[arg(long, value_name = "FOLDER", env = "CONCORD_RECORD")]
    record: Option<PathBuf>,
    /// Networks of proxies whose X-Forwarded-For names the client; without it each proxy counts as one client.
    #[arg(long, value_name = "NETWORK", value_delimiter = ',', env = "CONCORD_TRUSTED_PROXIES")]
    trusted_proxies: Vec<Network>,
    /// Requests that one client may make by second in the long run.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    requests_by_second: u32,
    /// Requests that one client may make at once before that counts.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests_at_once: u32,
}

#[derive(Args)]
#[command(next_help_heading = "Login")]
struct LoginArguments {
    /// YAML file of the identity providers; docs/login.md describes it.
    #[arg(long, env = "CONCORD_PROVIDERS", value_name = "FILE", requires = "public_url")]
    providers: Option<PathBuf>,
    /// Where browsers reach this server, such as <https://quota.example.org>. Each provider must know
    /// <PUBLIC-URL>/callback/<NAME>.
    #[arg(long, env = "CONCORD_PUBLIC_URL", value_name = "URL", requires = "providers")]
    public_url: Option<String>,
    /// Hours until a session ends, whatever happens in it.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i64).range(1..=168))]
    session_hours: i64,
    /// Minutes until a session ends in which nothing is asked.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(i64).range(1..=10080))]
    session_idle_minutes: i64,
    /// Address with TLS at which the API server fetches the keys of our tokens, if it cannot reach the public one.
    #[arg(long, value_name = "ADDRESS", requires_all = ["providers", "token_certificate", "token_key"])]
    token_listen: Option<SocketAddr>,
    /// PEM file of the certificate of --token-listen.
    #[arg(long, value_name = "FILE", requires = "token_listen")]
    token_certificate: Option<PathBuf>,
    /// PEM file of its key.
    #[arg(long, value_name = "FILE", requires = "token_listen")]
    token_key: Option<PathBuf>,
    /// Issuer in our tokens, as the API server's `AuthenticationConfiguration` names it; by default the public URL.
    #[arg(long, value_name = "URL", requires = "providers")]
    token_issuer: Option<String>,
    /// Address of the API server in the kubeconfig that people get; without it they get none.
    #[arg(long, value_name = "URL", requires = "providers")]
    kube_server: Option<String>,
    /// PEM file of its certificate authority.
    #[arg(long, value_name = "FILE", requires = "kube_server")]
    kube_ca_file: Option<PathBuf>,
}

/// Where the API server asks, with what certificate.
struct TokenListener {
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, log_json, database, seal_key_file, public, login, notices } = Arguments::parse();
    start_log(log_json);
    let ways = configure_notices(notices, login.public_url.as_deref())?;
    let (login, token_listener) = configure_login(login)?;
    let config =
        kube::Config::infer().await.context("no cluster found: set KUBECONFIG or run inside a cluster")?;
    let client = kube::Client::try_from(config).context("the cluster's configuration cannot be used")?;
    let store = Store::open(&database).await.context("the database of --database cannot be used")?;
    let store = match seal_key_file {
        Some(file) => store.sealed_by(seal_of(&file)?),
        None => store,
    };
    let (pool, follow) = Pool::follow(&client);
    let (public, limits) = configure_public(public)?;
    let app = Arc::new(App {
        pool,
        login,
        acting: Acting::new(client),
        rights: Rights::default(),
        store,
        jobs: Jobs::default(),
        public,
        limits,
        metrics: Metrics::new()?,
    });
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: is another server there? choose --listen"))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, login = app.login.is_some(), "concord-quota-api starts");
    let service = router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let stop = Arc::new(Notify::new());
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().notified_owned());
    let mut serving = pin!(serving.into_future());
    let told = tokio::select! {
        () = follow => bail!("the watches ended"),
        () = sampler::run(app.clone()) => bail!("the sampler ended"),
        () = notices::run(app.clone(), ways) => bail!("the notices ended"),
        served = &mut serving => return served.context("cannot serve"),
        served = serve_keys(token_listener, app) => return served,
        told = stop_signal() => told,
    };
    told.context("cannot wait for signals")?;
    tracing::info!("told to stop: nothing new is taken, and what is under way is answered");
    stop.notify_one();
    // Pages that follow a job end only when their browser goes away.
    let _ = tokio::time::timeout(FAREWELL, serving).await;
    Ok(())
}

fn seal_of(file: &Path) -> anyhow::Result<Seal> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("--seal-key-file {} cannot be read", file.display()))?;
    Seal::of_hex(&text).map_err(|why| anyhow::anyhow!("--seal-key-file {}: {why}", file.display()))
}

fn configure_public(arguments: PublicArguments) -> anyhow::Result<(Public, Limits)> {
    let PublicArguments {
        agents,
        agents_simulated,
        record,
        trusted_proxies,
        requests_by_second,
        requests_at_once,
    } = arguments;
    let record = record.map(|folder| {
        Record::in_folder(&folder).with_context(|| format!("--record {} cannot be used", folder.display()))
    });
    let rates =
        Rates { by_second: requests_by_second.into(), burst: requests_at_once.into(), trusted_proxies };
    Ok((Public::new(Energy::new(agents, agents_simulated), record.transpose()?), Limits::new(rates)))
}

fn configure_notices(arguments: NoticeArguments, public_url: Option<&str>) -> anyhow::Result<Ways> {
    let NoticeArguments { smtp, mail_from, webhook, webhook_secret_file } = arguments;
    let mut ways = Ways::default();
    if let (Some(smtp), Some(from), Some(origin)) = (smtp, mail_from, public_url) {
        ways.mail = Some(Mailer::new(&smtp, &from, origin).map_err(anyhow::Error::msg)?);
    }
    if let (Some(url), Some(file)) = (webhook, webhook_secret_file) {
        let secret = std::fs::read(&file)
            .with_context(|| format!("--webhook-secret-file {} cannot be read", file.display()))?;
        ways.webhook = Some(Webhook::new(&url, secret.trim_ascii()).map_err(anyhow::Error::msg)?);
    }
    Ok(ways)
}

fn configure_login(arguments: LoginArguments) -> anyhow::Result<(Option<Login>, Option<TokenListener>)> {
    let LoginArguments {
        providers,
        public_url,
        session_hours,
        session_idle_minutes,
        token_listen,
        token_certificate,
        token_key,
        token_issuer,
        kube_server,
        kube_ca_file,
    } = arguments;
    let (Some(file), Some(public_url)) = (providers, public_url) else { return Ok((None, None)) };
    let public = PublicUrl::parse(&public_url).map_err(anyhow::Error::msg).context("--public-url")?;
    let configs = providers_file::load(&file).context("--providers cannot be used")?;
    let providers =
        configs.into_iter().map(|config| Provider::new(config, &public)).collect::<Result<_, _>>();
    let providers =
        providers.map_err(anyhow::Error::msg).with_context(|| format!("in {}", file.display()))?;
    let lifetimes = Lifetimes {
        session: SignedDuration::from_hours(session_hours),
        idle: SignedDuration::from_mins(session_idle_minutes),
    };
    let mut login = Login::new(providers, public, lifetimes);
    if let Some(issuer) = token_issuer {
        login.token_issuer = issuer;
    }
    if let Some(server) = kube_server {
        let ca_pem = kube_ca_file
            .map(|file| {
                std::fs::read(&file)
                    .with_context(|| format!("--kube-ca-file {} cannot be read", file.display()))
            })
            .transpose()?;
        login.cluster = Some(ClusterAddress { server, ca_pem });
    }
    let listener = match (token_listen, token_certificate, token_key) {
        (Some(listen), Some(certificate), Some(key)) => Some(TokenListener { listen, certificate, key }),
        _ => None,
    };
    Ok((Some(login), listener))
}

/// Serves the keys to the API server; without a listener it never ends.
async fn serve_keys(listener: Option<TokenListener>, app: Shared) -> anyhow::Result<()> {
    let Some(TokenListener { listen, certificate, key }) = listener else {
        return std::future::pending().await;
    };
    let config = RustlsConfig::from_pem_file(&certificate, &key).await.with_context(|| {
        format!(
            "--token-certificate {} and --token-key {} cannot be used",
            certificate.display(),
            key.display()
        )
    })?;
    let service = for_api_server(app).into_make_service();
    let served = axum_server::bind_rustls(listen, config).serve(service).await;
    served.with_context(|| format!("cannot serve keys on {listen}; choose another --token-listen"))
}

async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    }
}

fn start_log(json: bool) {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,kube=warn".into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if json { log.json().init() } else { log.init() }
}

//! `concord-quota-api`: reads the command line, connects to the cluster and serves.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, Parser};
use concord_quota_api::acting::Acting;
use concord_quota_api::app::App;
use concord_quota_api::auth::{Login, Provider, ProviderConfig};
use concord_quota_api::jobs::Jobs;
use concord_quota_api::may::Rights;
use concord_quota_api::metrics::Metrics;
use concord_quota_api::notices::{self, Mailer, Ways, Webhook};
use concord_quota_api::pool::Pool;
use concord_quota_api::router::router;
use concord_quota_api::store::Store;
use jiff::SignedDuration;

/// Shows everybody who uses a pool's GPUs, and logs in those who work in it.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "The cluster is found as kubectl finds it: KUBECONFIG, ~/.kube/config, or the pod's service account. It needs get, list and watch of treaties and gpuclaims in concord.dev.\n\nWithout --issuer there is no login; the public pages need none.\n\nExample:\n  concord-quota-api --issuer https://id.example.org --client-id concord --client-secret-file secret --public-url https://quota.example.org"
)]
struct Arguments {
    /// Address to listen on; TLS is the ingress's work.
    #[arg(long, env = "CONCORD_LISTEN", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Log lines as JSON.
    #[arg(long, env = "CONCORD_LOG_JSON")]
    log_json: bool,
    /// Database of sessions, drafts and history: sqlite:///path/portal.db for one server, postgres://user@host/name for
    /// several. The address may hold a password, so give it as a variable.
    #[arg(
        long,
        env = "CONCORD_DATABASE",
        default_value = "sqlite://concord-portal.db",
        hide_env_values = true
    )]
    database: String,
    #[command(flatten)]
    login: LoginArguments,
    #[command(flatten)]
    notices: NoticeArguments,
}

/// How applicants and the coalition's programs are told; without these they look at the pages.
#[derive(Args)]
#[command(next_help_heading = "Notices")]
struct NoticeArguments {
    /// Mail server: smtps://user:password@host, or smtp://host:587?tls=required. It may hold a password, so give it as a
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
#[command(next_help_heading = "Login")]
struct LoginArguments {
    /// OpenID provider, exactly as its discovery document names it.
    #[arg(long, value_name = "URL", requires_all = ["client_id", "client_secret_file", "public_url"])]
    issuer: Option<String>,
    /// Name of this server at the provider; its redirect URI there is <PUBLIC-URL>/callback.
    #[arg(long, value_name = "ID", requires = "issuer")]
    client_id: Option<String>,
    /// File with the secret that belongs to it; a line break at its end is ignored.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    client_secret_file: Option<PathBuf>,
    /// Where browsers reach this server, such as <https://quota.example.org>.
    #[arg(long, value_name = "URL", requires = "issuer")]
    public_url: Option<String>,
    /// Scope to ask for beyond openid; may be repeated.
    #[arg(long = "extra-scope", value_name = "SCOPE", requires = "issuer")]
    extra_scopes: Vec<String>,
    /// Claim that holds a person's groups, in the ID token or else in the user info.
    #[arg(long, value_name = "CLAIM", default_value = "groups")]
    groups_claim: String,
    /// PEM file of further certificate authorities, for a provider with a private one.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    issuer_ca_file: Option<PathBuf>,
    /// Hours until a session ends.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i64).range(1..=168))]
    session_hours: i64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, log_json, database, login, notices } = Arguments::parse();
    start_log(log_json);
    let ways = configure_notices(notices, login.public_url.as_deref())?;
    let login = configure_login(login)?;
    let config =
        kube::Config::infer().await.context("no cluster found: set KUBECONFIG or run inside a cluster")?;
    let client = kube::Client::try_from(config).context("the cluster's configuration cannot be used")?;
    let store = Store::open(&database).await.context("the database of --database cannot be used")?;
    let (pool, follow) = Pool::follow(&client);
    let app = Arc::new(App {
        pool,
        login,
        acting: Acting::new(client),
        rights: Rights::default(),
        store,
        jobs: Jobs::default(),
        metrics: Metrics::new()?,
    });
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: is another server there? choose --listen"))?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %listen, login = app.login.is_some(), "concord-quota-api starts");
    tokio::select! {
        () = follow => bail!("the watches ended"),
        () = notices::run(app.clone(), ways) => bail!("the notices ended"),
        served = axum::serve(listener, router(app)).into_future() => served.context("cannot serve"),
        told = stop_signal() => told.context("cannot wait for signals"),
    }
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

fn configure_login(arguments: LoginArguments) -> anyhow::Result<Option<Login>> {
    let LoginArguments {
        issuer,
        client_id,
        client_secret_file,
        public_url,
        extra_scopes,
        groups_claim,
        issuer_ca_file,
        session_hours,
    } = arguments;
    let (Some(issuer), Some(client_id), Some(secret), Some(public_url)) =
        (issuer, client_id, client_secret_file, public_url)
    else {
        return Ok(None);
    };
    let client_secret = std::fs::read_to_string(&secret)
        .with_context(|| format!("--client-secret-file {} cannot be read", secret.display()))?;
    let client_secret = client_secret.trim_end_matches(['\r', '\n']).to_owned();
    if client_secret.is_empty() {
        bail!("--client-secret-file {} is empty", secret.display());
    }
    let ca_pem = issuer_ca_file
        .map(|file| {
            std::fs::read(&file)
                .with_context(|| format!("--issuer-ca-file {} cannot be read", file.display()))
        })
        .transpose()?;
    let config =
        ProviderConfig { issuer, client_id, client_secret, public_url, extra_scopes, groups_claim, ca_pem };
    let provider = Provider::new(config).map_err(anyhow::Error::msg)?;
    Ok(Some(Login::new(provider, SignedDuration::from_hours(session_hours))))
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

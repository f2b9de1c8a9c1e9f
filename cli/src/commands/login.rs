//! `concord login`: the program that `kubectl` runs to get a token from the portal, by the device flow (RFC 8628).
//!
//! The kubeconfig that the portal gives to people names it. The token is kept until it runs out, and renewed without anybody's
//! help until the session at the portal ends; both are in one file that only its owner may read, behind a lock, because two
//! `kubectl` at once must not use one renewal secret twice.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use reqwest::blocking::Client;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Under which name the portal knows this program, and for whom its tokens are.
const CLIENT: &str = "concord-kube";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// One answer of the portal.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// A token that runs out sooner than this is renewed now, so that a long list is not cut off.
const EARLY: SignedDuration = SignedDuration::from_secs(60);
/// Longest time between two questions that a portal may ask for.
const INTERVAL_SECONDS_MAX: u64 = 60;

/// Arguments of `concord login`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Address of the portal
    #[arg(long, value_name = "URL")]
    portal: String,
    /// PEM file of a further certificate authority, for a portal with a private one
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Log in anew, even if the session still lasts
    #[arg(long)]
    again: bool,
}

/// What is kept between two runs.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    token: String,
    expires: Timestamp,
    renewal: String,
}

#[derive(Debug, Deserialize)]
struct Asked {
    device_code: String,
    user_code: String,
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    expires_in: i64,
    #[serde(default)]
    interval: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Given {
    access_token: String,
    expires_in: i64,
    refresh_token: String,
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: String,
}

/// Prints a token as `kubectl` reads it.
///
/// # Errors
/// When the portal cannot be reached, or the person does not let this program in.
pub fn run(arguments: &Arguments) -> Result<()> {
    let portal = Portal::new(arguments)?;
    let mut file = open(&kept_file(&portal.origin)?)?;
    // The other kubectl's login is ours too; it is waited for.
    file.lock().context("cannot lock the file of tokens")?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let kept: Option<Kept> = serde_json::from_str(&text).ok().filter(|_| !arguments.again);
    let now = Timestamp::now();
    let kept = match kept {
        Some(kept) if now.checked_add(EARLY).is_ok_and(|soon| soon < kept.expires) => return print(&kept),
        Some(kept) => portal.renew(&kept.renewal)?,
        None => None,
    };
    let kept = match kept {
        Some(kept) => kept,
        None => portal.log_in()?,
    };
    write(&mut file, &serde_json::to_string(&kept)?)?;
    print(&kept)
}

/// The server's side.
struct Portal {
    origin: String,
    http: Client,
}

impl Portal {
    fn new(arguments: &Arguments) -> Result<Self> {
        let origin = arguments.portal.trim_end_matches('/').to_owned();
        let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
        if !origin.starts_with("https://") && !local.iter().any(|start| origin.starts_with(start)) {
            bail!("--portal {origin} must begin with https:// (http:// is for this machine only)");
        }
        // A redirect could lead the renewal secret elsewhere.
        let mut http = Client::builder().timeout(ANSWER_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if let Some(path) = &arguments.ca_file {
            let pem = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            for certificate in reqwest::Certificate::from_pem_bundle(&pem)? {
                http = http.add_root_certificate(certificate);
            }
        }
        Ok(Self { origin, http: http.build()? })
    }

    fn log_in(&self) -> Result<Kept> {
        let asked = self.http.post(self.at("/device_authorization")).form(&[("client_id", CLIENT)]).send();
        let asked = asked.with_context(|| format!("cannot reach {}", self.origin))?;
        let status = asked.status();
        if !status.is_success() {
            bail!("{} gives no code: it answered {status}", self.origin);
        }
        let asked: Asked = asked.json().context("the portal's answer cannot be read")?;
        let page = asked.verification_uri_complete.as_deref().unwrap_or(&asked.verification_uri);
        // kubectl passes standard error on to the terminal, and keeps standard output to itself.
        eprintln!("To let kubectl in, open {page}\nand check that it shows this code: {}", asked.user_code);
        let deadline = Timestamp::now().checked_add(SignedDuration::from_secs(asked.expires_in))?;
        let mut interval_seconds = asked.interval.unwrap_or(5).clamp(1, INTERVAL_SECONDS_MAX);
        while Timestamp::now() < deadline {
            std::thread::sleep(Duration::from_secs(interval_seconds));
            match self.token(&[("grant_type", DEVICE_GRANT), ("device_code", &asked.device_code)])? {
                Ok(kept) => return Ok(kept),
                Err(refused) => match refused.as_str() {
                    "authorization_pending" => {}
                    "slow_down" => interval_seconds = (interval_seconds + 5).min(INTERVAL_SECONDS_MAX),
                    "access_denied" => bail!("you refused kubectl at {page}"),
                    "expired_token" => bail!("the code has run out; start kubectl again"),
                    other => bail!("{} refused: {other}", self.origin),
                },
            }
        }
        bail!("nobody typed the code in time; start kubectl again")
    }

    /// `None` when the session has ended and the person must log in anew.
    fn renew(&self, renewal: &str) -> Result<Option<Kept>> {
        match self.token(&[("grant_type", "refresh_token"), ("refresh_token", renewal)])? {
            Ok(kept) => Ok(Some(kept)),
            Err(refused) if refused == "invalid_grant" => Ok(None),
            Err(refused) => bail!("{} refused: {refused}", self.origin),
        }
    }

    /// A token, or the portal's word for why not.
    fn token(&self, fields: &[(&str, &str)]) -> Result<std::result::Result<Kept, String>> {
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("client_id", CLIENT)]).collect();
        let answer = self.http.post(self.at("/token")).form(&fields).send();
        let answer = answer.with_context(|| format!("cannot reach {}", self.origin))?;
        let status = answer.status();
        if status == reqwest::StatusCode::BAD_REQUEST {
            let refused: Refused = answer.json().context("the portal's answer cannot be read")?;
            return Ok(Err(refused.error));
        }
        if !status.is_success() {
            bail!("{} gives no token: it answered {status}", self.origin);
        }
        let Given { access_token, expires_in, refresh_token } =
            answer.json().context("the portal's answer cannot be read")?;
        let expires = Timestamp::now().checked_add(SignedDuration::from_secs(expires_in))?;
        Ok(Ok(Kept { token: access_token, expires, renewal: refresh_token }))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// Where tokens of a portal are kept.
fn kept_file(origin: &str) -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME is set")?;
    let name: String = origin.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(cache.join("concord/login").join(format!("{name}.json")))
}

fn open(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    file.with_context(|| format!("cannot open {}", path.display()))
}

fn write(file: &mut File, text: &str) -> Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes()).context("cannot keep the token")
}

fn print(kept: &Kept) -> Result<()> {
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": { "token": kept.token, "expirationTimestamp": kept.expires },
    });
    writeln!(std::io::stdout(), "{credential}")?;
    Ok(())
}

//! Real OpenID providers, each a program of its own: the Go one that the local pool has too, and the Node one of another
//! project. Nothing of the protocol is imitated here.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use concord_pool::Progress;
use concord_pool::openid_provider::{self, OpenIdProvider as Settings, SECRET};
use concord_quota_api::auth::providers_file::{Kind, ProviderConfig};

use super::installed;

/// Whom both providers know: user name and password. The user name is also the subject.
pub const USER: (&str, &str) = ("applicant-academic", "demo-applicant-academic");
/// Another one, who has fewer rights.
pub const OTHER: (&str, &str) = ("applicant-ngo", "demo-applicant-ngo");
/// The only one at the provider of guests.
pub const GUEST: (&str, &str) = ("guest", "demo-guest");

/// A running provider; stopped when dropped.
pub struct OpenIdProvider {
    child: Child,
    /// The portal's short name for it.
    pub name: &'static str,
    /// Issuer.
    pub issuer: String,
    kind: Kind,
}

impl OpenIdProvider {
    /// The Go provider `demo`, for the portal at that origin.
    pub fn start(portal: &str) -> Self {
        Self::go(portal, "demo", "people.json", Kind::Federation)
    }

    /// The Go provider `guests`, which anybody can join.
    pub fn guests(portal: &str) -> Self {
        Self::go(portal, "guests", "guests.json", Kind::Guest)
    }

    fn go(portal: &str, name: &'static str, people: &str, kind: Kind) -> Self {
        let port = free_port();
        let people = openid_provider::folder().join(people);
        let settings = Settings { port, people, portal: portal.to_owned(), name };
        let launch = settings.launch(program());
        let child = Command::new(&launch.program)
            .args(&launch.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(port);
        Self { child, name, issuer: settings.issuer(), kind }
    }

    /// The Node provider `node`.
    pub fn node(portal: &str) -> Self {
        let port = free_port();
        let child = Command::new("node")
            .arg(node_modules().join("server.mjs"))
            .args([&port.to_string(), portal, "node", SECRET])
            .arg(openid_provider::folder().join("people.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs Node.js, to run an OpenID provider; install: sudo apt-get install nodejs npm");
        wait_for(port);
        Self { child, name: "node", issuer: format!("http://localhost:{port}"), kind: Kind::Federation }
    }

    /// What the portal is told of it.
    pub fn config(&self) -> ProviderConfig {
        ProviderConfig {
            name: self.name.to_owned(),
            title: format!("The provider {}", self.name),
            issuer: self.issuer.clone(),
            client_id: openid_provider::CLIENT.to_owned(),
            client_secret: SECRET.to_owned(),
            scopes: vec!["profile".to_owned(), "email".to_owned()],
            groups_claim: "groups".to_owned(),
            ca_pem: None,
            kind: self.kind,
            vouched: Vec::new(),
        }
    }

    /// What an administrator of the provider does: `rotate` its keys, or `logout?subject=…`.
    pub async fn operate(&self, operation: &str) {
        let url = format!("{}/operations/{operation}", self.issuer.trim_end_matches('/'));
        let answer = reqwest::Client::new().post(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{operation}: {}", answer.text().await.unwrap());
    }
}

impl Drop for OpenIdProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "the provider did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| openid_provider::program(&Progress::default()).unwrap())
}

/// The provider's program beside the packages that it needs.
fn node_modules() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/providers/node");
    installed::npm("node-openid-provider", &source, &["server.mjs"])
}

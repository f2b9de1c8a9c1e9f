//! A real OpenID provider: the Go program named in `dev/openid-provider/go.mod`, built once into the cache and started
//! on a free port. Nothing of the protocol is imitated here.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ring::digest::{Context, SHA256};

/// A user that the provider knows by itself.
pub const USER: (&str, &str) = ("test-user@localhost", "verysecure");
/// The subject of that user.
pub const SUBJECT: &str = "id1";
/// A client that the provider knows by itself.
pub const CLIENT: (&str, &str) = ("web", "secret");

/// A running provider; stopped when dropped.
pub struct OpenIdProvider {
    child: Child,
    /// Issuer.
    pub issuer: String,
}

impl OpenIdProvider {
    /// Starts one that lets browsers go back to `redirect_uri`.
    pub fn start(redirect_uri: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program())
            .env("PORT", port.to_string())
            .env("REDIRECT_URI", redirect_uri)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { child, issuer: format!("http://localhost:{port}/") };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("localhost", port)).is_err() {
            assert!(Instant::now() < deadline, "the provider did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        started
    }
}

impl Drop for OpenIdProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build)
}

/// Half a minute the first time, then cached by everything that decides the bytes.
fn build() -> PathBuf {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/openid-provider");
    let mut digest = Context::new(&SHA256);
    for file in ["go.mod", "go.sum"] {
        digest.update(&fs::read(module.join(file)).unwrap());
    }
    digest.update(&go(&module, &["version"]));
    let key: String = digest.finish().as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let folder = cache().join("openid-provider").join(key);
    let program = folder.join("openid-provider");
    if !program.is_file() {
        fs::create_dir_all(&folder).unwrap();
        // A name of its own until it is whole: two test runs may build at once.
        let unfinished = folder.join(format!("unfinished-{}", std::process::id()));
        let output = unfinished.to_str().unwrap();
        let package = "github.com/zitadel/oidc/v3/example/server";
        go(
            &module,
            &[
                "build",
                "-mod=readonly",
                "-buildvcs=false",
                "-trimpath",
                "-ldflags",
                "-s -w",
                "-o",
                output,
                package,
            ],
        );
        fs::rename(&unfinished, &program).unwrap();
    }
    program
}

/// Go with an environment of its own: flags or a workspace of the user's must not change what is built.
fn go(module: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .args(arguments)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env("GOFLAGS", "");
    let output = command.output().expect("this test needs Go, to build an OpenID provider");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`go {}` failed: {error}", arguments.join(" "));
    output.stdout
}

fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("CONCORD_CACHE").unwrap_or_else(|| {
        let parent = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        parent.expect("one of CONCORD_CACHE, XDG_CACHE_HOME and HOME must be set").join("concord")
    })
}

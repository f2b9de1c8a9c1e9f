//! The databases on which the store is tested: SQLite, and a PostgreSQL of the tests' own, started from Debian's package as a
//! user who is not root. `CONCORD_TEST_POSTGRES=postgres://…/` uses one that runs already.

use std::io::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use concord_quota_api::store::Store;

const USER: &str = "concord";

/// One fresh store on each database, with its name for messages.
pub async fn stores() -> Vec<(&'static str, Store)> {
    vec![("SQLite", sqlite().await), ("PostgreSQL", postgres().await)]
}

/// A store in a file that is forgotten with the machine's temporary files.
pub async fn sqlite() -> Store {
    let folder = tempfile::tempdir().unwrap().keep();
    Store::open(&format!("sqlite://{}", folder.join("portal.db").display())).await.unwrap()
}

/// A store in a database of its own.
pub async fn postgres() -> Store {
    Store::open(&postgres_url().await).await.unwrap()
}

/// Address of a database of its own, which several stores can open as several replicas would.
pub async fn postgres_url() -> String {
    static SERVER: OnceLock<String> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base = tokio::task::spawn_blocking(|| {
        SERVER.get_or_init(|| std::env::var("CONCORD_TEST_POSTGRES").unwrap_or_else(|_| start())).clone()
    })
    .await
    .unwrap();
    let name = format!("portal_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let of = |database: &str| base.replacen("/postgres", &format!("/{database}"), 1);
    sqlx::any::install_default_drivers();
    let admin = sqlx::AnyPool::connect(&of("postgres")).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    of(&name)
}

/// Starts a server that ends with this process; its address.
fn start() -> String {
    let bin = newest().expect("tests of the store need PostgreSQL; install: sudo apt-get install postgresql");
    let folder = tempfile::Builder::new().prefix("concord-postgres-").tempdir().unwrap().keep();
    let account = (own_uid() == 0).then(service_account);
    let data = folder.join("data");
    if let Some((uid, gid)) = account {
        chown(&folder, Some(uid), Some(gid)).unwrap();
    }
    let made = command(&bin.join("initdb"), account)
        .arg("--pgdata")
        .arg(&data)
        .args(["--username", USER, "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
    let server = keep_running(&bin, &folder, &data, account);
    // Its standard input is the rope by which it hangs: it is never closed before this process ends.
    std::mem::forget(server);
    wait_for(&folder);
    // A socket and no port: nothing else on this machine can be in the way.
    format!("postgres://{USER}@localhost/postgres?host={}", folder.display())
}

/// The server below a shell that ends it, and removes its files, when nobody holds the other end of the pipe any more.
fn keep_running(bin: &Path, folder: &Path, data: &Path, account: Option<(u32, u32)>) -> Child {
    let script = "\"$1\" -D \"$2\" -k \"$3\" -c listen_addresses= -c fsync=off -c max_connections=200 >\"$3/log\" 2>&1 & \
                  server=$!; read -r _; kill -INT $server; wait $server; rm -rf \"$3\"";
    let mut shell = command(Path::new("/bin/sh"), account);
    shell
        .args(["-c", script, "sh"])
        .arg(bin.join("postgres"))
        .arg(data)
        .arg(folder)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C on the tests must not reach it before the shell has seen the pipe close.
        .process_group(0);
    let mut child = shell.spawn().unwrap();
    child.stdin.as_mut().unwrap().flush().unwrap();
    child
}

fn wait_for(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let socket = folder.join(".s.PGSQL.5432");
    let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    while !(socket.exists() && log().contains("ready to accept connections")) {
        assert!(Instant::now() < deadline, "PostgreSQL did not start: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn command(program: &Path, account: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = account {
        command.uid(uid).gid(gid);
    }
    command
}

fn newest() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let folders =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.join("bin/initdb").exists());
    folders.max_by_key(version).map(|path| path.join("bin"))
}

/// Who runs this; PostgreSQL does not start as root.
fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid()
}

/// User and group of the account that Debian's package has made.
fn service_account() -> (u32, u32) {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = accounts.lines().find(|line| line.starts_with("postgres:")).expect("no account postgres");
    let fields: Vec<&str> = line.split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

//! What is fetched and built once, in a cache outside the tree, for each set of what decides its bytes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use uuid::Uuid;

/// The folder of a build; `build` fills it when this set was never built here.
pub fn built(decides: &str, build: impl FnOnce(&Path)) -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user =
        || set("XDG_CACHE_HOME").unwrap_or_else(|| set("HOME").unwrap().join(".cache")).join("concord");
    let cache = set("CONCORD_CACHE").unwrap_or_else(user).join("nvml-sim-clients");
    fs::create_dir_all(&cache).unwrap();
    let key = Uuid::new_v5(&Uuid::NAMESPACE_OID, decides.as_bytes()).to_string();
    let finished = cache.join(&key);
    let lock = File::create(cache.join(format!("{key}.lock"))).unwrap();
    lock.lock().unwrap();
    if !finished.is_dir() {
        let unfinished = cache.join(format!("{key}.unfinished"));
        build(&unfinished);
        fs::rename(&unfinished, &finished).unwrap();
    }
    finished
}

/// Output of a command that must succeed.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{out}\n{err}");
    out.into_owned()
}

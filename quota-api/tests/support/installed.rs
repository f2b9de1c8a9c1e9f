//! What tests need of package registries, installed once for each set of lock files, outside the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use concord_pool::go_module::{built_once, cache_directory};
use ring::digest::{Context, SHA256};

/// The folder in which these files of `source` were installed; `install` fills it, where they have been copied already.
pub fn installed(name: &str, source: &Path, files: &[&str], install: impl FnOnce(&Path)) -> PathBuf {
    let mut digest = Context::new(&SHA256);
    for file in files {
        digest.update(&fs::read(source.join(file)).unwrap());
    }
    let key: String = digest.finish().as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let folders = cache_directory().unwrap().join(name);
    // Several tests, each a program of its own, may want it at once.
    let built = built_once(
        &folders,
        &key,
        || (),
        |folder| {
            fs::create_dir_all(folder)?;
            for file in files {
                fs::copy(source.join(file), folder.join(file))?;
            }
            install(folder);
            Ok(())
        },
    );
    built.unwrap()
}

/// What `npm ci` installs by the lock file of that folder.
pub fn npm(name: &str, source: &Path, programs: &[&str]) -> PathBuf {
    let files = [&["package.json", "package-lock.json"], programs].concat();
    installed(name, source, &files, |folder| {
        let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        succeed(Command::new("npm").args(npm).current_dir(folder), "sudo apt-get install nodejs npm");
    })
}

/// The interpreter with the packages of `tests/clients/requirements.txt`.
pub fn python() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let folder = installed("portal-clients", &source, &["requirements.txt"], |folder| {
        let hint = "sudo apt-get install python3-venv";
        succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv")), hint);
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
        let exactly = ["--require-hashes", "--only-binary", ":all:", "-r", "requirements.txt"];
        let mut install = Command::new(folder.join("venv/bin/python"));
        succeed(install.args(pip).args(exactly).current_dir(folder), hint);
    });
    folder.join("venv/bin/python")
}

fn succeed(command: &mut Command, hint: &str) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; install: {hint}"));
    let told = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&told));
}

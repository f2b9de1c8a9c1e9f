//! Programs of other projects, built once from a Go module that only names them (`dev/control-plane`, `dev/kueue`) and kept
//! in a cache outside the tree.
//!
//! The cache key covers everything that decides the bytes: go.mod, go.sum, the flags and the Go release. A finished
//! build appears by an atomic rename; a lock keeps two starters from building the same thing twice.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

use crate::progress::Progress;

/// A Go module and the programs that are built from it.
#[derive(Debug, Clone)]
pub struct GoModule<'a> {
    /// Folder with go.mod and go.sum.
    pub directory: PathBuf,
    /// Name of its folder in the cache.
    pub cache: &'a str,
    /// What is built, for people.
    pub title: &'a str,
    /// File names of the programs and the import paths of their main packages; the one that compiles the most shared
    /// packages early. The path of a file that ends in `.go` is built with the module's requirements.
    pub programs: &'a [(&'a str, &'a str)],
    /// What `-ldflags` gets.
    pub linker_flags: &'a str,
}

impl GoModule<'_> {
    /// The folder of the built programs; they are built first if this set has never been built here.
    ///
    /// # Errors
    /// When Go is missing or does not build them.
    pub fn ensure(&self, progress: &Progress) -> Result<PathBuf> {
        let module = self.directory.canonicalize();
        let module = module.with_context(|| format!("no Go module in {}", self.directory.display()))?;
        let cache = cache_directory()?.join(self.cache);
        let key = self.cache_key(&module)?;
        let wait = || progress.line(format!("another process is building {}; waiting for it", self.title));
        let finished = built_once(&cache, &key, wait, |unfinished| {
            self.build_all(&module, &unfinished.join("bin"), progress)
        })?;
        Ok(finished.join("bin"))
    }

    /// Where the sources of a module lie that this one requires; they are fetched if they are not there.
    ///
    /// # Errors
    /// When Go is missing or cannot get them.
    pub fn sources_of(&self, path: &str) -> Result<PathBuf> {
        let output = go(&self.directory)
            .args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", path])
            .output()
            .context("cannot run go")?;
        let mut directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && directory.is_empty() {
            let output = go(&self.directory).args(["mod", "download", "-json", path]).output()?;
            let answer: serde_json::Value = serde_json::from_slice(&output.stdout)?;
            directory = answer.get("Dir").and_then(|dir| dir.as_str()).unwrap_or_default().to_owned();
        }
        ensure!(!directory.is_empty(), "no sources of {path}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(PathBuf::from(directory))
    }

    fn build_all(&self, module: &Path, bin: &Path, progress: &Progress) -> Result<()> {
        fs::create_dir_all(bin).with_context(|| format!("cannot create {}", bin.display()))?;
        let count = self.programs.len();
        let title = self.title;
        progress.line(format!("building {count} programs of {title}; minutes the first time, then cached"));
        for (position, (name, package)) in (1..).zip(self.programs) {
            progress.line(format!("[{position}/{count}] building {name} …"));
            let started = Instant::now();
            self.build(module, package, &bin.join(name))?;
            progress.line(format!("[{position}/{count}] {name} built in {} s", started.elapsed().as_secs()));
        }
        Ok(())
    }

    fn build(&self, module: &Path, package: &str, output: &Path) -> Result<()> {
        let mut command = go(module);
        command.args(self.flags()).arg("-o").arg(output).arg(package);
        let result = command.output().context("cannot run go")?;
        if !result.status.success() {
            let text = String::from_utf8_lossy(&result.stderr);
            let lines: Vec<&str> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(20)..];
            bail!(
                "`go build {package}` in {} failed with {}:\n{}",
                module.display(),
                result.status,
                tail.join("\n")
            );
        }
        Ok(())
    }

    fn flags(&self) -> Vec<&str> {
        let mut flags = vec!["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags"];
        flags.push(self.linker_flags);
        flags
    }

    fn cache_key(&self, module: &Path) -> Result<String> {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        for path in [module.join("go.mod"), module.join("go.sum")] {
            digest.update(&fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
            digest.update(&[0]);
        }
        digest.update(self.flags().join("\0").as_bytes());
        for (_, package) in self.programs.iter().filter(|(_, package)| package.ends_with(".go")) {
            digest.update(&fs::read(package).with_context(|| format!("cannot read {package}"))?);
        }
        let version = go(module).arg("version").output().context("cannot run go")?;
        ensure!(
            version.status.success(),
            "`go version` failed: {}",
            String::from_utf8_lossy(&version.stderr).trim()
        );
        digest.update(&version.stdout);
        Ok(digest.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// The folder of that key in `cache`; `build` fills it if nobody has done so yet. It appears whole, by a rename, and of several
/// processes that want it one builds it while `wait` is called in the others.
///
/// # Errors
/// When it cannot be built or moved.
pub fn built_once(
    cache: &Path,
    key: &str,
    wait: impl FnOnce(),
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let finished = cache.join(key);
    if finished.is_dir() {
        return Ok(finished);
    }
    fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let lock = File::create(cache.join(format!("{key}.lock")))?;
    if lock.try_lock().is_err() {
        wait();
        lock.lock()?;
    }
    // The other process may have finished it meanwhile.
    if !finished.is_dir() {
        let unfinished = cache.join(format!("{key}.unfinished"));
        build(&unfinished)?;
        fs::rename(&unfinished, &finished)
            .with_context(|| format!("cannot move the finished build to {}", finished.display()))?;
    }
    Ok(finished)
}

/// `$CONCORD_CACHE`, else `$XDG_CACHE_HOME/concord`, else `~/.cache/concord`.
pub fn cache_directory() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(cache) = set("CONCORD_CACHE") {
        return Ok(cache);
    }
    let parent = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    Ok(parent.context("none of CONCORD_CACHE, XDG_CACHE_HOME and HOME is set")?.join("concord"))
}

/// Go with an environment of its own: flags or a workspace of the user's must not change what is built.
fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .stdin(Stdio::null())
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env("GOFLAGS", "")
        .env_remove("GOOS")
        .env_remove("GOARCH");
    command
}

//! Programs of `browser/` with what they are installed with, outside the tree and once for each lock file. Needs Node, Java and
//! Debian's chromium: `make test-prerequisites`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the programs.
pub fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser")
}

/// The folder with their modules, as `package-lock.json` says.
pub fn modules() -> PathBuf {
    let source = programs();
    let home = std::env::var("HOME").unwrap();
    let cache = std::env::var("CONCORD_CACHE").unwrap_or_else(|_| format!("{home}/.cache/concord"));
    let folder = Path::new(&cache).join("browser");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::read(source.join("package-lock.json")).unwrap();
    let is_there = std::fs::read(folder.join("package-lock.json")).is_ok_and(|known| known == lock)
        && folder.join("node_modules/vnu-jar").exists();
    if !is_there {
        std::fs::copy(source.join("package.json"), folder.join("package.json")).unwrap();
        std::fs::write(folder.join("package-lock.json"), lock).unwrap();
        let installed = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder)
            .status()
            .unwrap();
        assert!(installed.success(), "npm ci in {}", folder.display());
    }
    folder
}

//! Writing files whole or not at all, with the mode they must have from their first byte.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result};

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    write(path, text, 0o600)
}

/// Writes a file that anyone may read.
pub fn write_public(path: &Path, text: &str) -> Result<()> {
    write(path, text, 0o644)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let attempt = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = Path::new(&unfinished);
        // A leftover would keep its old mode.
        if unfinished.exists() {
            fs::remove_file(unfinished)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(unfinished)?;
        file.write_all(text.as_bytes())?;
        fs::rename(unfinished, path)
    };
    attempt().with_context(|| format!("cannot write {}", path.display()))
}

/// The last `count` lines that a file holds behind its first `skip` bytes, or a note on why there are none.
pub fn last_lines(path: &Path, skip: usize, count: usize) -> String {
    match fs::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(bytes.get(skip..).unwrap_or_default());
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(count)..].join("\n")
        }
        Err(error) => format!("({} cannot be read: {error})", path.display()),
    }
}

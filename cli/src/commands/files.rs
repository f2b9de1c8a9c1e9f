//! Texts from files, folders and standard input.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use concord_treaty::source::BYTES_MOST;

/// Folders inside folders that are read.
const DEPTH_MOST: usize = 16;

/// A text and the name under which people know it.
pub struct Text {
    /// File name, or `<standard input>`.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Reads one text; `-` is standard input. More than the language allows is not read.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<Text> {
    // One byte more than allowed, so that the check of the size sees it.
    let most = BYTES_MOST as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().take(most).read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(Text { name: "<standard input>".to_owned(), bytes });
    }
    let file = fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(most).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Text { name: path.display().to_string(), bytes })
}

/// The files themselves and the YAML files in folders and the folders inside, in the order of their names.
///
/// # Errors
/// When a folder cannot be listed, or has no YAML file.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            collect(path, DEPTH_MOST, &mut files)?;
            ensure!(files.len() > before, "{} has no file that ends in .yaml or .yml", path.display());
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    ensure!(depth > 0, "{} lies too deep, or in a circle", folder.display());
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<PathBuf>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, depth - 1, files)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    Ok(())
}

//! The checkpoint that a reader keeps: who has seen one can tell when the log changes its story.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use concord_audit::finding::{Findings, Kind};
use concord_ledger::head::{Signed, open};
use concord_ledger::key::LogVerifier;

use crate::commands::record::Record;

/// Where it is kept, if anywhere.
pub struct Kept(Option<PathBuf>);

impl Kept {
    /// Nothing is compared or kept.
    pub const fn nowhere() -> Self {
        Self(None)
    }

    /// In that file, or in one of the reader's state folder for the log of that name.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn of(file: Option<&Path>, record: &Record) -> Result<Self> {
        let file = match file {
            Some(file) => file.to_owned(),
            None => state_file(record.verifier.origin())?,
        };
        Ok(Self(Some(file)))
    }

    /// What was kept; one that this key has not signed is a finding.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, verifier: &LogVerifier, findings: &mut Findings) -> Result<Option<Signed>> {
        let Some(file) = &self.0 else { return Ok(None) };
        let note = match fs::read(file) {
            Ok(note) => note,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        let old = open(verifier, &note);
        if let Err(error) = &old {
            findings
                .add(Kind::Forked, || format!("the checkpoint that you keep in {}: {error}", file.display()));
        }
        Ok(old.ok())
    }

    /// Replaces it as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, note: &[u8]) -> Result<()> {
        let Some(file) = &self.0 else { return Ok(()) };
        let cannot = || format!("cannot keep the checkpoint in {}; --forget keeps none", file.display());
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(cannot)?;
        }
        let mut new = file.clone().into_os_string();
        new.push(".new");
        fs::write(&new, note).and_then(|()| fs::rename(&new, file)).with_context(cannot)
    }

    /// Why nothing was compared.
    pub const fn why_not(&self) -> &'static str {
        match self.0 {
            Some(_) => {
                "you have not seen this log before: from now on a change of what you saw would be found"
            }
            None => "whether it continues what you saw before: you keep no checkpoint",
        }
    }
}

fn state_file(origin: &str) -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let state =
        state.context("neither XDG_STATE_HOME nor HOME is set; name a file: --remember FILE, or --forget")?;
    // Two logs must not share a file: what is no letter, digit, dot or hyphen is written as its number.
    let escaped = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' => c.to_string(),
        other => format!("_{:x}_", u32::from(other)),
    };
    let name: String = origin.chars().map(escaped).collect();
    Ok(state.join("concord/records").join(format!("{name}.checkpoint")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_logs_have_two_files() {
        let names = ["a/b", "a_b", "a_2f_b", "a.b", "../b"].map(|origin| state_file(origin).unwrap());
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{}", name.display());
            assert_eq!(name.parent(), names[0].parent());
        }
    }
}

//! Makes the key that signs the record.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use concord_ledger::key::LogSigner;

/// Writes a new private key, which only its owner may read, into a file that is not there yet; the public one is the answer.
///
/// # Errors
/// When the file is there already or cannot be written, or the name cannot be a key's.
pub fn make(origin: &str, file: &Path) -> anyhow::Result<String> {
    if origin.is_empty() || origin.contains(|c: char| c.is_whitespace() || c == '+') {
        anyhow::bail!(
            "the name {origin:?} must not be empty and has no blank and no plus; for example pool.example.org/record"
        );
    }
    let (private, public) = LogSigner::generate(origin);
    let mut created =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).with_context(
            || format!("{} cannot be made; a key that is there is never replaced", file.display()),
        )?;
    writeln!(created, "{private}")
        .and_then(|()| created.sync_all())
        .with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(public)
}

/// Reads the private key.
///
/// # Errors
/// When it cannot be read, or is no key; the text is not in the error.
pub fn read(file: &Path) -> anyhow::Result<LogSigner> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the record's key {} cannot be read", file.display()))?;
    LogSigner::of_text(&text)
        .with_context(|| format!("{}; make one with concord-operator record-key", file.display()))
}

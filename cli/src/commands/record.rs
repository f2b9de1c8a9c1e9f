//! A public record as commands read it: a folder or an address, its key, and the time in which it must answer.

mod http;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use concord_audit::texts::Texts;
use concord_ledger::files;
use concord_ledger::head::Signed;
use concord_ledger::key::LogVerifier;
use concord_ledger::redact::Opening;
use concord_ledger::text::text_of;
use concord_ledger::tiles::{self, ReadError, Store};
use concord_ledger::verify::{self, Report};
use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use object_store::local::LocalFileSystem;

use concord_audit::history::History;

/// Longest key file: a key has some hundred bytes.
const KEY_BYTES_MAX: u64 = 4_096;
/// Small files read at once.
const AT_ONCE: usize = 16;
/// A shorter record is read before anybody can look at a bar.
const BAR_ENTRIES_MIN: u64 = 20_000;

/// Where a record is, and by whose key it is believed.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// Folder of the record, or its address such as `https://pool.example.org/record`
    #[arg(value_name = "DIR|URL")]
    record: String,
    #[command(flatten)]
    key: KeyArgument,
}

/// The log's key.
#[derive(Debug, Clone, clap::Args)]
pub struct KeyArgument {
    /// The log's public key, or a file with it; get it from somebody else than the pool. Without it the file `key` beside the record is believed
    #[arg(long, value_name = "FILE|KEY")]
    key: Option<String>,
}

/// A record that was found.
pub struct Record {
    /// Its files.
    pub store: Store,
    /// Its key.
    pub verifier: LogVerifier,
    /// The key as it is written.
    pub key: String,
    /// Whether the reader brought the key.
    pub is_key_brought: bool,
}

impl Source {
    /// Of this place.
    pub const fn of(record: String, key: KeyArgument) -> Self {
        Self { record, key }
    }

    /// Finds the record and its key.
    ///
    /// # Errors
    /// When there is none, or no key.
    pub async fn open(&self) -> Result<Record> {
        let store = store(&self.record)?;
        let (key, is_key_brought) = match self.key.text()? {
            Some(key) => (key, true),
            None => (key_beside(&store).await?, false),
        };
        let verifier = LogVerifier::of_text(&key)?;
        Ok(Record { store, verifier, key: key.trim_end().to_owned(), is_key_brought })
    }
}

impl KeyArgument {
    /// The key as it is written, if one was brought.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn text(&self) -> Result<Option<String>> {
        let Some(key) = &self.key else { return Ok(None) };
        // A key has two plus signs; a file of that name can be given as ./NAME.
        let is_key = key.splitn(3, '+').count() == 3 && !key.starts_with(['.', '/']);
        if is_key { Ok(Some(key.clone())) } else { small_file(Path::new(key)).map(Some) }
    }

    /// The key that was brought, where there is nothing beside which one could lie.
    ///
    /// # Errors
    /// When none was.
    pub fn verifier(&self) -> Result<LogVerifier> {
        let text = self.text()?.context("name the log's public key: --key FILE|KEY")?;
        Ok(LogVerifier::of_text(&text)?)
    }
}

/// A file of one key.
///
/// # Errors
/// When it cannot be read or is too long.
pub fn small_file(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    ensure!(length <= KEY_BYTES_MAX, "{} is too long for a key", path.display());
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

async fn key_beside(store: &Store) -> Result<String> {
    let path = object_store::path::Path::from("key");
    let bytes = tiles::read(store, &path)
        .await
        .context("there is no key beside the record; bring one: --key FILE|KEY")?;
    String::from_utf8(bytes.to_vec()).context("the file key beside the record is no text")
}

/// The files at a place.
fn store(place: &str) -> Result<Store> {
    if place.starts_with("http://") || place.starts_with("https://") {
        return Ok(Arc::new(http::Http::new(place)?));
    }
    let folder = match place.strip_prefix("file://") {
        Some(path) => PathBuf::from(path),
        None if place.contains("://") => bail!("{place}: a record is a folder, file://, http:// or https://"),
        None => PathBuf::from(place),
    };
    ensure!(folder.is_dir(), "{} is no folder", folder.display());
    let store = LocalFileSystem::new_with_prefix(&folder);
    Ok(Arc::new(store.with_context(|| format!("cannot read {}", folder.display()))?))
}

/// Runs what waits for files.
///
/// # Errors
/// Its own, or when there are no threads.
pub fn wait<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads")?;
    runtime.block_on(work)
}

impl Record {
    /// Reads all entries up to a checkpoint into a history; a bar on a terminal.
    ///
    /// # Errors
    /// When the files cannot be reached.
    pub async fn read(
        &self,
        newest: Signed,
        kept: Option<&Signed>,
        history: &mut History,
    ) -> Result<Report, ReadError> {
        let bar = bar(newest.size);
        let report = verify::walk(&self.store, newest, kept, |_, entry| {
            history.take(entry);
            bar.inc(1);
        });
        let report = report.await;
        bar.finish_and_clear();
        report
    }

    /// The texts that a history names.
    ///
    /// # Errors
    /// When the files cannot be reached; one that is missing or another is kept as such.
    pub async fn texts(&self, history: &History) -> Result<Texts> {
        let mut texts = Texts::default();
        let read = stream::iter(history.texts()).map(|sha256| async move {
            let text = text_of(&self.store, &sha256).await;
            (sha256, text)
        });
        let mut read = read.buffered(AT_ONCE);
        while let Some((sha256, text)) = read.next().await {
            match text {
                Ok(text) => texts.take(&sha256, Ok(&text)),
                Err(error) if is_of_way(&error) => return Err(error.into()),
                Err(error) => texts.take(&sha256, Err(format!("{error}"))),
            }
        }
        Ok(texts)
    }

    /// The names behind commitments, as far as their openings are there and open them.
    ///
    /// # Errors
    /// When the files cannot be reached.
    pub async fn openings(&self, commitments: Vec<String>) -> Result<BTreeMap<String, String>> {
        let mut names = BTreeMap::new();
        // Other names are no commitments and have no file.
        let commitments =
            commitments.into_iter().filter(|c| c.len() == 64 && c.bytes().all(|b| b.is_ascii_hexdigit()));
        let read = stream::iter(commitments).map(|commitment| async move {
            let bytes = tiles::read(&self.store, &files::opening(&commitment)).await;
            (commitment, bytes)
        });
        let mut read = read.buffered(AT_ONCE);
        while let Some((commitment, bytes)) = read.next().await {
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(error) if error.is_missing() => continue,
                Err(error) => return Err(error.into()),
            };
            let opening: Option<Opening> = serde_json::from_slice(&bytes).ok();
            if let Some(opening) = opening.filter(|opening| opening.commitment() == commitment) {
                names.insert(commitment, opening.name);
            }
        }
        Ok(names)
    }
}

/// Whether a text could not be reached, which says nothing about it.
fn is_of_way(error: &concord_ledger::text::TextError) -> bool {
    use concord_ledger::text::TextError;
    matches!(error, TextError::Read(error @ ReadError::Store { .. }) if !error.is_missing())
}

fn bar(entries: u64) -> ProgressBar {
    if entries < BAR_ENTRIES_MIN {
        return ProgressBar::hidden();
    }
    // Draws nothing where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(Some(entries), ProgressDrawTarget::stderr_with_hz(4));
    if let Ok(style) =
        ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} entries, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

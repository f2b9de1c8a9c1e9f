//! The public record: its files as they are, so that anybody's program can check it, and a page that tells what it is.

use std::path::Path as FilePath;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use concord_ledger::entry::{Entry, Event};
use concord_ledger::files;
use concord_ledger::head::{Signed, open};
use concord_ledger::key::LogVerifier;
use concord_ledger::tiles::{self, Store};
use object_store::local::LocalFileSystem;
use utoipa_axum::router::OpenApiRouter;

use super::answer;
use super::show::{self, Time};
use crate::app::Shared;
use crate::error::Error;
use crate::frame::Frame;
use crate::pages::render;

/// Entries on the page.
const NEWEST: u64 = 50;
/// A tile never changes; neither does a text, whose name is its hash.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// What opens a name can be deleted, and caches must follow.
const A_MINUTE: &str = "public, max-age=60";

/// For everybody.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().route("/treaty/record", get(page)).route("/record/{*file}", get(file))
}

/// Where the record is.
#[derive(Clone)]
pub struct Record(Store);

impl Record {
    /// In a folder, which an operator may only make later.
    ///
    /// # Errors
    /// When the folder cannot be made or used.
    pub fn in_folder(folder: &FilePath) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(std::io::Error::other)?;
        Ok(Self(Arc::new(store)))
    }

    async fn key(&self) -> Result<LogVerifier, Error> {
        let text = self.read(&files::key()).await?;
        LogVerifier::of_text(&String::from_utf8_lossy(&text)).map_err(|error| {
            tracing::error!(%error, "the record's public key cannot be read");
            Error::Internal
        })
    }

    async fn newest(&self, key: &LogVerifier) -> Result<Signed, Error> {
        let note = self.read(&files::checkpoint()).await?;
        open(key, &note).map_err(|error| {
            tracing::error!(%error, "the record's checkpoint is not to be believed");
            Error::Internal
        })
    }

    async fn read(&self, path: &object_store::path::Path) -> Result<Vec<u8>, Error> {
        match tiles::read(&self.0, path).await {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(error) if error.is_missing() => Err(Error::NotFound),
            Err(error) => {
                tracing::error!(%error, "the record cannot be read");
                Err(Error::Internal)
            }
        }
    }

    /// The newest entries, the newest first, with their indexes.
    async fn entries(&self, size: u64) -> Result<Vec<(u64, Entry)>, Error> {
        let first = size.saturating_sub(NEWEST);
        let mut entries = Vec::new();
        let bundles =
            tiles::bundles(size).skip(usize::try_from(first / files::TILE_WIDTH).unwrap_or(usize::MAX));
        for (number, width) in bundles {
            let bytes = self.read(&files::bundle(number, width)).await?;
            let texts = concord_ledger::bundle::unpack(&bytes).unwrap_or_default();
            let of_bundle = (number * files::TILE_WIDTH..).zip(texts);
            entries.extend(of_bundle.filter_map(|(index, text)| Some((index, Entry::read(text).ok()?))));
        }
        entries.retain(|(index, _)| *index >= first);
        entries.reverse();
        Ok(entries)
    }
}

#[derive(Template)]
#[template(path = "public/record.html")]
struct Page {
    known: Option<Known>,
    frame: Frame,
}

struct Known {
    origin: String,
    size: u64,
    root: String,
    key: String,
    address: String,
    entries: Vec<Row>,
}

struct Row {
    index: u64,
    time: Time,
    kind: &'static str,
    about: String,
}

/// What the record is, and how to check it.
pub async fn page(State(app): State<Shared>, headers: HeaderMap, frame: Frame) -> Result<Response, Error> {
    let known = match &app.public.record {
        Some(record) => known(&app, record).await?,
        None => None,
    };
    Ok(answer::page(&headers, render(&Page { known, frame })?))
}

/// `None` until an operator has begun it.
async fn known(app: &Shared, record: &Record) -> Result<Option<Known>, Error> {
    let begun = async {
        let key = record.key().await?;
        Ok((record.newest(&key).await?, key))
    };
    let (newest, key) = match begun.await {
        Ok(begun) => begun,
        Err(Error::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let entries = record.entries(newest.size).await?;
    Ok(Some(Known {
        origin: key.origin().to_owned(),
        size: newest.size,
        root: newest.root.to_string(),
        key: key.text().to_owned(),
        address: app.address("/record").unwrap_or_else(|| "/record".to_owned()),
        entries: entries.iter().map(|(index, entry)| row(*index, entry)).collect(),
    }))
}

fn row(index: u64, entry: &Entry) -> Row {
    let (kind, about) = match &entry.event {
        Event::Usage(usage) => ("usage", usage.party.clone()),
        Event::Treaty(treaty) => ("treaty", treaty.treaty.clone()),
        Event::Capacity(capacity) => {
            ("capacity", capacity.nodes.iter().map(|n| n.nodes).sum::<u32>().to_string())
        }
        Event::Amendment(amendment) => ("amendment", amendment.amendment.clone()),
        Event::Decision(decision) => ("decision", decision.party.clone()),
        Event::Role(role) => ("role", role.role.clone()),
        Event::Incident(incident) => ("incident", incident.title.clone()),
        Event::Energy(energy) => ("energy", energy.node.clone()),
    };
    Row { index, time: show::of_ms(entry.at.as_millisecond()), kind, about }
}

/// A file of the record.
pub async fn file(
    State(app): State<Shared>,
    headers: HeaderMap,
    Path(file): Path<String>,
) -> Result<Response, Error> {
    let record = app.public.record.as_ref().ok_or(Error::NotFound)?;
    let (kind, keep) = served(&file).ok_or(Error::NotFound)?;
    let path = object_store::path::Path::parse(&file).map_err(|_| Error::NotFound)?;
    Ok(answer::tagged(&headers, kind, keep, record.read(&path).await?))
}

/// How a file is served; the writer's own files are nobody else's.
fn served(file: &str) -> Option<(&'static str, &'static str)> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let plain = file.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/' || b == b'.');
    if !plain || file.contains("..") {
        return None;
    }
    match file.split('/').next()? {
        "checkpoint" | "key" if !file.contains('/') => Some((TEXT, answer::SHORTLY)),
        "tile" => Some(("application/octet-stream", FOR_EVER)),
        "text" => Some(("application/json", FOR_EVER)),
        "opening" => Some(("application/json", A_MINUTE)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_readers_are_served() {
        for file in
            ["checkpoint", "key", "tile/0/x001/067", "tile/entries/273.p/112", "text/ab12", "opening/cd34"]
        {
            assert!(served(file).is_some(), "{file}");
        }
        for file in
            ["head/001", "batch/ab", "checkpoint/x", "tile/../head/001", "text/%2e%2e", "", "record.key"]
        {
            assert!(served(file).is_none(), "{file}");
        }
        assert_eq!(served("checkpoint").map(|(_, keep)| keep), Some(answer::SHORTLY));
    }
}

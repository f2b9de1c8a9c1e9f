//! Keys, entries and stores of these tests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use concord_ledger::entry::{End, EndKind, Entry, Event, Usage};
use concord_ledger::key::{LogSigner, LogVerifier};
use concord_ledger::log::{Log, LogError};
use concord_ledger::tiles::Store;
use futures::StreamExt;
use futures::stream::BoxStream;
use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

pub const ORIGIN: &str = "pool.example.org/record";

/// The keys of one log.
pub struct Keys {
    private: String,
    /// As it is given to strangers.
    pub public: String,
    pub verifier: LogVerifier,
}

impl Keys {
    pub fn new(origin: &str) -> Self {
        let (private, public) = LogSigner::generate(origin);
        let verifier = LogVerifier::of_text(&public).ok().unwrap();
        Self { private, public, verifier }
    }

    pub fn signer(&self) -> LogSigner {
        LogSigner::of_text(&self.private).ok().unwrap()
    }

    pub async fn open(&self, store: &Store) -> std::result::Result<Log, LogError> {
        Log::open(store.clone(), self.signer(), &self.verifier).await
    }
}

/// The `number`th run of a claim of its own.
pub fn entry(number: u64) -> Entry {
    let from: Timestamp = "2026-11-28T20:00:00Z".parse().unwrap();
    let seconds = 1 + number % 100;
    let gpus = 1 + u32::try_from(number % 8).unwrap();
    let until = from + SignedDuration::from_secs(i64::try_from(seconds).unwrap());
    let usage = Usage {
        claim: format!("claim-{number}"),
        run: 1,
        project: "lab".to_owned(),
        class: None,
        submitted_at: from,
        due_since: None,
        lost_gpu_milliseconds: 0,
        end: End { kind: EndKind::Finished, reason: "JobSucceeded".to_owned(), clause: None, party: None },
        party: if number.is_multiple_of(3) { "north" } else { "south" }.to_owned(),
        clause: "guarantee/north".to_owned(),
        borrowed: number % 5 == 1,
        gpus,
        from,
        until,
        gpu_milliseconds: u64::from(gpus) * seconds * 1_000,
    };
    Entry::new(format!("usage/claim-{number}/1"), until, Event::Usage(usage))
}

pub fn entries(numbers: std::ops::Range<u64>) -> Vec<Entry> {
    numbers.map(entry).collect()
}

/// What happens at the write at which a store breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// It is not done.
    Before,
    /// It is done, and nobody learns it.
    After,
}

/// A store that treats its writer badly.
#[derive(Debug)]
pub struct Hindered {
    inner: Store,
    how: How,
}

#[derive(Debug)]
enum How {
    /// All writes fail from one on, as if their writer had been killed there; so many are left until then.
    Breaks(Break, AtomicUsize),
    /// So many bytes are left.
    Fills(AtomicI64),
    /// Each call takes so long.
    Slow(Duration),
}

impl Hindered {
    pub fn breaking_at(inner: &Store, at: usize, how: Break) -> Store {
        Arc::new(Self { inner: inner.clone(), how: How::Breaks(how, AtomicUsize::new(at)) })
    }

    pub fn full_after(inner: &Store, bytes: u64) -> Store {
        let left = AtomicI64::new(i64::try_from(bytes).unwrap());
        Arc::new(Self { inner: inner.clone(), how: How::Fills(left) })
    }

    pub fn slow(inner: &Store, microseconds: u64) -> Store {
        Arc::new(Self { inner: inner.clone(), how: How::Slow(Duration::from_micros(microseconds)) })
    }

    /// Whether a write of so many bytes is done and whether it is told.
    fn next(&self, bytes: usize) -> (bool, bool) {
        match &self.how {
            How::Breaks(how, left) => {
                let before = left.load(Ordering::SeqCst);
                if before == usize::MAX {
                    return (false, false);
                }
                left.store(if before == 0 { usize::MAX } else { before - 1 }, Ordering::SeqCst);
                (before > 0 || *how == Break::After, before > 0)
            }
            How::Fills(left) => {
                let bytes = i64::try_from(bytes).unwrap();
                let fits = left.fetch_sub(bytes, Ordering::SeqCst) >= bytes;
                (fits, fits)
            }
            How::Slow(_) => (true, true),
        }
    }

    async fn wait(&self) {
        if let How::Slow(by) = self.how {
            tokio::time::sleep(by).await;
        }
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic { store: "Hindered", source: "broken, or no space left on device".into() }
}

impl fmt::Display for Hindered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hindered")
    }
}

#[async_trait]
impl ObjectStore for Hindered {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.wait().await;
        let (is_done, is_told) = self.next(payload.content_length());
        let done = if is_done { Some(self.inner.put_opts(path, payload, options).await) } else { None };
        done.filter(|_| is_told).unwrap_or_else(|| Err(broken()))
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.wait().await;
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        // A full disk lets files go.
        if matches!(self.how, How::Breaks(..)) && !self.next(0).1 {
            return futures::stream::once(async { Err(broken()) }).boxed();
        }
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

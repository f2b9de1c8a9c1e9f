//! A record behind an address. Whoever answers there is not trusted: every answer has a limit in bytes and in time.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use concord_ledger::tiles::FILE_BYTES_MAX;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use reqwest::{Client, StatusCode, Url, redirect};

/// To be connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One file: the longest, 17 MB, at 300 KB a second.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Asked again after a failure that may pass, each time twice as late.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// A server may send its reader on.
const REDIRECTS_MAX: usize = 3;

/// Reads files by GET.
#[derive(Debug)]
pub struct Http {
    base: Url,
    client: Client,
}

/// Why a try failed.
enum Failed {
    /// The next one may not.
    ForNow(String),
    ForGood(Error),
}

impl Http {
    /// Of that address.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(address: &str) -> Result<Self> {
        let base = Url::parse(&format!("{}/", address.trim_end_matches('/')))
            .context("the address of the record")?;
        ensure!(
            base.query().is_none() && base.fragment().is_none(),
            "the address of a record has no ? and no #"
        );
        let client = Client::builder()
            .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(redirect::Policy::limited(REDIRECTS_MAX))
            .build()
            .context("no HTTP client")?;
        Ok(Self { base, client })
    }

    async fn bytes(&self, path: &Path) -> Result<Bytes, Error> {
        let mut wait = FIRST_WAIT;
        let mut last = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            match self.once(path).await {
                Ok(bytes) => return Ok(bytes),
                Err(Failed::ForNow(why)) => last = why,
                Err(Failed::ForGood(error)) => return Err(error),
            }
        }
        Err(generic(format!("{last}, {TRIES} times")))
    }

    async fn once(&self, path: &Path) -> Result<Bytes, Failed> {
        let url =
            self.base.join(path.as_ref()).map_err(|error| Failed::ForGood(generic(error.to_string())))?;
        let for_now = |error: reqwest::Error| Failed::ForNow(plain(error));
        let mut answer = self.client.get(url).send().await.map_err(for_now)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                let (path, source) = (path.to_string(), answer.status().to_string().into());
                return Err(Failed::ForGood(Error::NotFound { path, source }));
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Failed::ForNow(format!("the server answers {status}")));
            }
            status => return Err(Failed::ForGood(generic(format!("the server answers {status}")))),
        }
        let mut bytes = BytesMut::new();
        while let Some(part) = answer.chunk().await.map_err(for_now)? {
            bytes.extend_from_slice(&part);
            if bytes.len() as u64 > FILE_BYTES_MAX {
                let why =
                    format!("the server sends more than the {FILE_BYTES_MAX} bytes that a file may have");
                return Err(Failed::ForGood(generic(why)));
            }
        }
        Ok(bytes.freeze())
    }
}

/// Without the address, which the caller names.
fn plain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    causes.last().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn generic(why: String) -> Error {
    Error::Generic { store: "HTTP", source: why.into() }
}

fn read_only<T>(operation: &str) -> Result<T, Error> {
    Err(Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: "a record that is only read".to_owned(),
    })
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.base)
    }
}

#[async_trait]
impl ObjectStore for Http {
    async fn get_opts(&self, path: &Path, _: GetOptions) -> Result<GetResult, Error> {
        let bytes = self.bytes(path).await?;
        let size = bytes.len() as u64;
        Ok(GetResult {
            payload: GetResultPayload::Stream(futures::stream::once(async { Ok(bytes) }).boxed()),
            meta: ObjectMeta {
                location: path.clone(),
                last_modified: Default::default(),
                size,
                e_tag: None,
                version: None,
            },
            range: 0..size,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult, Error> {
        read_only("put")
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>, Error> {
        read_only("put")
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path, Error>>,
    ) -> BoxStream<'static, Result<Path, Error>> {
        futures::stream::once(async { read_only("delete") }).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta, Error>> {
        futures::stream::once(async { read_only("list") }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult, Error> {
        read_only("list")
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<(), Error> {
        read_only("copy")
    }
}

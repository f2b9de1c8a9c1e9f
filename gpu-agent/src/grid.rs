//! Reads the intensity of the grid from a file or a URL, again and again.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::carbon::{Intensity, parse};
use crate::metrics::Counters;

/// Grids are published every five minutes or more seldom.
const INTERVAL: Duration = Duration::from_secs(300);
const TIMEOUT: Duration = Duration::from_secs(20);
/// A year of five-minute steps as JSON is about 10 MB.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Where it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// A URL, of http or https.
    Url(String),
}

impl From<&str> for Place {
    fn from(text: &str) -> Self {
        let is_url = text.starts_with("http://") || text.starts_with("https://");
        if is_url { Self::Url(text.to_owned()) } else { Self::File(PathBuf::from(text)) }
    }
}

/// Reads until the process ends. A reading that fails leaves the one before.
pub async fn follow(place: Place, known: Arc<RwLock<Option<Intensity>>>, counters: Counters) {
    loop {
        match read(&place).await {
            Ok(intensity) => *known.write().unwrap_or_else(PoisonError::into_inner) = Some(intensity),
            Err(error) => {
                counters.carbon_errors.inc();
                tracing::warn!("intensity of the grid: {error:#}");
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Reads once.
///
/// # Errors
/// When it cannot be read or understood.
pub async fn read(place: &Place) -> anyhow::Result<Intensity> {
    let text = match place {
        Place::File(path) => {
            tokio::fs::read_to_string(path).await.with_context(|| path.display().to_string())?
        }
        Place::Url(url) => get(url).await.with_context(|| url.clone())?,
    };
    Ok(parse(&text)?)
}

async fn get(url: &str) -> anyhow::Result<String> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    let mut answer = client.get(url).send().await?.error_for_status()?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > BYTES_MAX {
            bail!("more than {BYTES_MAX} bytes");
        }
    }
    Ok(String::from_utf8(body)?)
}
